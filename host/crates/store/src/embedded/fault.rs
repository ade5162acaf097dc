//! A disk that can lose what was not synced, tear it, refuse and fail.
//!
//! Each file has what is durable and a list of writes since its last sync; each directory has
//! names that are durable and a list of changes since. At every sync, before it takes effect,
//! a snapshot can be kept; an image of it is what a power loss at that moment might leave:
//! each unsynced write kept, lost or torn in sectors, each unsynced name kept or lost.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::embedded::disk::{Disk, DiskFile, Lock, Mode};

const SECTOR: usize = 512;

/// A small generator, so that an image can be made again from its seed (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

#[derive(Debug, Clone)]
enum Unsynced {
    Write { offset: u64, bytes: Arc<[u8]> },
    Length(u64),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Arc<Vec<u8>>,
    current: Arc<Vec<u8>>,
    unsynced: Vec<Unsynced>,
}

impl Unsynced {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(file, *offset as usize, bytes),
            Self::Length(length) => file.resize(*length as usize, 0),
        }
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

#[derive(Debug, Clone)]
enum Naming {
    Link {
        path: String,
        inode: usize,
    },
    Unlink {
        path: String,
    },
    Rename {
        from: String,
        to: String,
        inode: usize,
    },
}

impl Naming {
    fn directory(&self) -> &str {
        match self {
            Self::Link { path, .. } | Self::Unlink { path } | Self::Rename { to: path, .. } => {
                directory(path)
            }
        }
    }

    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link { path, inode } => drop(names.insert(path.clone(), *inode)),
            Self::Unlink { path } => drop(names.remove(path)),
            Self::Rename { from, to, inode } => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Everything on the disk, and everything on its way there.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    inodes: Vec<Inode>,
    directories: Vec<String>,
    durable: BTreeMap<String, usize>,
    current: BTreeMap<String, usize>,
    namings: Vec<Naming>,
}

/// How much of what was not synced a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// None of it: the disk lost power.
    All,
    /// All of it: the process was killed.
    Nothing,
    /// By dice: kept, lost or torn, one by one.
    Some(u64),
}

impl State {
    /// What a crash leaves.
    pub(crate) fn image(&self, loss: Loss) -> Self {
        let mut dice = Dice(match loss {
            Loss::Some(seed) => seed,
            Loss::All | Loss::Nothing => 0,
        });
        let mut names = self.durable.clone();
        for naming in &self.namings {
            if loss == Loss::Nothing || (loss != Loss::All && dice.roll(2) == 0) {
                naming.apply(&mut names);
            }
        }
        let inodes = self.inodes.iter().map(|inode| {
            let mut bytes = inode.durable.as_ref().clone();
            for unsynced in &inode.unsynced {
                match (loss, unsynced) {
                    (Loss::All, _) => {}
                    (Loss::Nothing, unsynced) => unsynced.apply(&mut bytes),
                    (Loss::Some(_), unsynced) => keep_some(&mut dice, unsynced, &mut bytes),
                }
            }
            let bytes = Arc::new(bytes);
            Inode {
                durable: Arc::clone(&bytes),
                current: bytes,
                unsynced: Vec::new(),
            }
        });
        let inodes = inodes.collect();
        Self {
            inodes,
            directories: self.directories.clone(),
            durable: names.clone(),
            current: names,
            namings: Vec::new(),
        }
    }

    /// What a kill of the process leaves: everything written, synced or not, as it was.
    pub(crate) fn kill(&self) -> Self {
        self.clone()
    }

    /// Changes bytes of a file as a failing disk would.
    pub(crate) fn corrupt(&mut self, path: &str, offset: usize) {
        let inode = &mut self.inodes[self.current[path]];
        let mut bytes = inode.current.as_ref().clone();
        bytes[offset] ^= 0x40;
        inode.current = Arc::new(bytes);
        inode.durable = Arc::clone(&inode.current);
    }

    /// Names of the files under a prefix.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        self.current
            .keys()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect()
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        self.inodes[self.current[path]].current.as_ref().clone()
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.current.remove(path);
        self.durable.remove(path);
    }
}

fn keep_some(dice: &mut Dice, unsynced: &Unsynced, file: &mut Vec<u8>) {
    match (dice.roll(3), unsynced) {
        (0, _) => {}
        (1, unsynced) => unsynced.apply(file),
        (_, Unsynced::Length(length)) => Unsynced::Length(*length).apply(file),
        (_, Unsynced::Write { offset, bytes }) => {
            let mut at = 0;
            while at < bytes.len() {
                // Sectors of the disk, not of the write.
                let end = ((*offset as usize + at) / SECTOR + 1) * SECTOR - *offset as usize;
                let end = end.min(bytes.len());
                if dice.roll(2) == 0 {
                    put(file, *offset as usize + at, &bytes[at..end]);
                }
                at = end;
            }
        }
    }
}

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// The n-th sync of a file from now, counted from zero, once.
    Sync(usize),
    /// The n-th write from now, once.
    Write(usize),
    /// The n-th sync of a directory from now, once, for want of room.
    Directory(usize),
}

#[derive(Default)]
struct Inner {
    state: State,
    snapshots: Vec<Snapshot>,
    note: Option<Arc<dyn Fn() -> usize + Send + Sync>>,
    failing: Option<Failing>,
    /// Bytes that all files together may have.
    capacity: Option<u64>,
    is_locked: bool,
}

/// The disk at one sync, and what its watcher had noted by then.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) state: State,
    pub(crate) noted: usize,
}

/// A disk in memory.
#[derive(Clone, Default)]
pub(crate) struct FaultDisk(Arc<Mutex<Inner>>);

impl std::fmt::Debug for FaultDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultDisk(..)")
    }
}

impl FaultDisk {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            state,
            ..Inner::default()
        })))
    }

    fn lock_inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a snapshot at every sync from now on, with what `note` says then.
    pub(crate) fn record(&self, note: impl Fn() -> usize + Send + Sync + 'static) {
        self.lock_inner().note = Some(Arc::new(note));
    }

    pub(crate) fn snapshots(&self) -> Vec<Snapshot> {
        self.lock_inner().snapshots.clone()
    }

    pub(crate) fn state(&self) -> State {
        self.lock_inner().state.clone()
    }

    pub(crate) fn fail(&self, failing: Failing) {
        self.lock_inner().failing = Some(failing);
    }

    pub(crate) fn set_capacity(&self, capacity: Option<u64>) {
        self.lock_inner().capacity = capacity;
    }

    pub(crate) fn used(&self) -> u64 {
        self.lock_inner().used()
    }
}

impl Inner {
    fn snapshot(&mut self) {
        if let Some(note) = self.note.clone() {
            self.snapshots.push(Snapshot {
                state: self.state.clone(),
                noted: note(),
            });
        }
    }

    fn used(&self) -> u64 {
        self.state
            .current
            .values()
            .map(|inode| self.state.inodes[*inode].current.len() as u64)
            .sum()
    }

    fn check_room(&self, inode: usize, length: u64) -> Result<()> {
        let present = self.state.inodes[inode].current.len() as u64;
        match self.capacity {
            Some(capacity) if length > present && self.used() + length - present > capacity => {
                Err(Error::from(ErrorKind::StorageFull))
            }
            _ => Ok(()),
        }
    }

    fn change(&mut self, inode: usize, unsynced: Unsynced) {
        let inode = &mut self.state.inodes[inode];
        unsynced.apply(Arc::make_mut(&mut inode.current));
        inode.unsynced.push(unsynced);
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.state.current);
        self.state.namings.push(naming);
    }

    /// Is it the turn of this one? `kind` makes the same kind of failure with another count.
    fn fails(&mut self, kind: fn(usize) -> Failing) -> bool {
        let (Some(Failing::Sync(left))
        | Some(Failing::Write(left))
        | Some(Failing::Directory(left))) = self.failing
        else {
            return false;
        };
        if self.failing != Some(kind(left)) {
            return false;
        }
        self.failing = left.checked_sub(1).map(kind);
        left == 0
    }
}

fn eio() -> Error {
    Error::from_raw_os_error(5)
}

impl Disk for FaultDisk {
    fn create_dir(&self, path: &str) -> Result<()> {
        let mut inner = self.lock_inner();
        if !inner.state.directories.iter().any(|known| known == path) {
            inner.state.directories.push(path.to_owned());
        }
        Ok(())
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let inner = self.lock_inner();
        let state = &inner.state;
        if !path.is_empty() && !state.directories.iter().any(|known| known == path) {
            return Err(Error::from(ErrorKind::NotFound));
        }
        let files = state.current.keys().filter(|name| directory(name) == path);
        let mut names: Vec<String> = files
            .map(|name| {
                name.rsplit_once('/')
                    .map_or(name.as_str(), |(_, name)| name)
                    .to_owned()
            })
            .collect();
        if path.is_empty() {
            names.extend(state.directories.iter().cloned());
        }
        names.sort();
        Ok(names)
    }

    fn open(&self, path: &str, mode: Mode) -> Result<Arc<dyn DiskFile>> {
        let mut inner = self.lock_inner();
        let known = inner.state.current.get(path).copied();
        let inode = match (known, mode) {
            (Some(inode), Mode::Create) => {
                inner.change(inode, Unsynced::Length(0));
                inode
            }
            (Some(inode), _) => inode,
            (None, Mode::Read | Mode::Write) => return Err(Error::from(ErrorKind::NotFound)),
            (None, Mode::Create | Mode::WriteOrCreate) => {
                inner.state.inodes.push(Inode::default());
                let inode = inner.state.inodes.len() - 1;
                inner.name(Naming::Link {
                    path: path.to_owned(),
                    inode,
                });
                inode
            }
        };
        Ok(Arc::new(FaultFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut inner = self.lock_inner();
        let inode = *inner
            .state
            .current
            .get(from)
            .ok_or_else(|| Error::from(ErrorKind::NotFound))?;
        inner.name(Naming::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            inode,
        });
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<()> {
        let mut inner = self.lock_inner();
        if !inner.state.current.contains_key(path) {
            return Err(Error::from(ErrorKind::NotFound));
        }
        inner.name(Naming::Unlink {
            path: path.to_owned(),
        });
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> Result<()> {
        let mut inner = self.lock_inner();
        inner.snapshot();
        if inner.fails(Failing::Directory) {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        let state = &mut inner.state;
        let (done, rest) = std::mem::take(&mut state.namings)
            .into_iter()
            .partition(|n: &Naming| n.directory() == path);
        state.namings = rest;
        let done: Vec<Naming> = done;
        done.iter()
            .for_each(|naming| naming.apply(&mut state.durable));
        Ok(())
    }

    fn space(&self) -> Result<(u64, u64)> {
        let inner = self.lock_inner();
        let total = inner.capacity.unwrap_or(1 << 40);
        Ok((total.saturating_sub(inner.used()), total))
    }

    fn lock(&self, _: &str) -> Result<Option<Lock>> {
        let mut inner = self.lock_inner();
        if inner.is_locked {
            return Ok(None);
        }
        inner.is_locked = true;
        Ok(Some(Box::new(Unlock(self.clone()))))
    }
}

struct Unlock(FaultDisk);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.lock_inner().is_locked = false;
    }
}

#[derive(Debug)]
struct FaultFile {
    disk: FaultDisk,
    inode: usize,
}

impl DiskFile for FaultFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let inner = self.disk.lock_inner();
        let bytes = &inner.state.inodes[self.inode].current;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = start
            .checked_add(out.len())
            .and_then(|end| bytes.get(start..end));
        out.copy_from_slice(found.ok_or_else(|| Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut inner = self.disk.lock_inner();
        if inner.fails(Failing::Write) {
            return Err(eio());
        }
        inner.check_room(self.inode, offset + bytes.len() as u64)?;
        inner.change(
            self.inode,
            Unsynced::Write {
                offset,
                bytes: bytes.into(),
            },
        );
        Ok(())
    }

    fn length(&self) -> Result<u64> {
        Ok(self.disk.lock_inner().state.inodes[self.inode]
            .current
            .len() as u64)
    }

    fn set_length(&self, length: u64) -> Result<()> {
        let mut inner = self.disk.lock_inner();
        inner.check_room(self.inode, length)?;
        inner.change(self.inode, Unsynced::Length(length));
        Ok(())
    }

    fn allocate(&self, length: u64) -> Result<()> {
        if self.length()? < length {
            self.set_length(length)
        } else {
            Ok(())
        }
    }

    fn sync(&self) -> Result<()> {
        let mut inner = self.disk.lock_inner();
        inner.snapshot();
        if inner.fails(Failing::Sync) {
            // As Linux does: the pages are dropped from the list, and the next sync succeeds.
            inner.state.inodes[self.inode].unsynced.clear();
            return Err(eio());
        }
        // What an earlier, failed sync forgot stays forgotten: seen, and not on the disk.
        let inode = &mut inner.state.inodes[self.inode];
        for unsynced in std::mem::take(&mut inode.unsynced) {
            unsynced.apply(Arc::make_mut(&mut inode.durable));
        }
        Ok(())
    }
}
