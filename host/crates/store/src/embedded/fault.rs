//! A disk that can lose what was not synced, tear it, refuse and fail.
//!
//! Each file has what is durable and a list of writes since its last sync; names of files and
//! directories are durable, or changes since. At every sync, before it takes effect, a snapshot
//! can be kept; an image of it is what a power loss at that moment might leave: each unsynced
//! write kept, lost or torn in sectors, each unsynced name kept or lost (`state.rs`).
//!
//! It does not know: writes that the disk reports as synced and loses, and disks that change
//! what is durable. Those are damage, which checksums find.

mod dice;
mod pages;
mod state;

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::embedded::disk::{Disk, DiskFile, Lock, Mode};

pub(crate) use dice::Dice;
pub(crate) use pages::Pages;
use state::{Inode, Naming, Unsynced, directory};
pub(crate) use state::{Loss, State};

/// `EIO`, `EMFILE` and `ENOSPC`.
pub(crate) const EIO: i32 = 5;
pub(crate) const EMFILE: i32 = 24;
pub(crate) const ENOSPC: i32 = 28;

/// What is asked of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Open,
    Read,
    Write,
    Length,
    Allocate,
    Sync,
    SyncDirectory,
    Rename,
    Remove,
    Link,
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
    /// The n-th call of this kind from now, once, with this error of the system.
    Nth(Call, usize, i32),
}

impl Failing {
    fn parts(self) -> (Call, usize, i32) {
        match self {
            Self::Sync(number) => (Call::Sync, number, EIO),
            Self::Write(number) => (Call::Write, number, EIO),
            Self::Directory(number) => (Call::SyncDirectory, number, ENOSPC),
            Self::Nth(call, number, error) => (call, number, error),
        }
    }
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

    /// As [`FaultDisk::snapshots`]; they are kept no longer.
    pub(crate) fn take_snapshots(&self) -> Vec<Snapshot> {
        std::mem::take(&mut self.lock_inner().snapshots)
    }

    pub(crate) fn state(&self) -> State {
        self.lock_inner().state.clone()
    }

    pub(crate) fn fail(&self, failing: Failing) {
        self.lock_inner().failing = Some(failing);
    }

    /// Is a failure still to come?
    pub(crate) fn is_to_fail(&self) -> bool {
        self.lock_inner().failing.is_some()
    }

    pub(crate) fn set_capacity(&self, capacity: Option<u64>) {
        self.lock_inner().capacity = capacity;
    }

    /// Is there a capacity?
    pub(crate) fn is_limited(&self) -> bool {
        self.lock_inner().capacity.is_some()
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
        let mut inodes: Vec<usize> = self.state.current.files.values().copied().collect();
        // A file of two names takes its room once.
        inodes.sort_unstable();
        inodes.dedup();
        let length = |inode: usize| self.state.inodes[inode].current.len() as u64;
        inodes.into_iter().map(length).sum()
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

    fn inode(&mut self, inode: usize) -> &mut Inode {
        Arc::make_mut(&mut self.state.inodes[inode])
    }

    fn name(&mut self, naming: Naming) {
        self.state.current.apply(&naming);
        self.state.namings.push(naming);
    }

    fn named(&self, path: &str) -> Result<usize> {
        let inode = self.state.current.files.get(path).copied();
        inode.ok_or_else(|| Error::from(ErrorKind::NotFound))
    }

    /// Is it the turn of this one to fail?
    fn check(&mut self, call: Call) -> Result<()> {
        let Some((kind, left, error)) = self.failing.map(Failing::parts) else {
            return Ok(());
        };
        if kind != call {
            return Ok(());
        }
        self.failing = left
            .checked_sub(1)
            .map(|left| Failing::Nth(call, left, error));
        if left == 0 {
            Err(Error::from_raw_os_error(error))
        } else {
            Ok(())
        }
    }
}

impl Disk for FaultDisk {
    fn create_dir(&self, path: &str) -> Result<()> {
        let mut inner = self.lock_inner();
        if !inner.state.current.directories.contains(path) {
            inner.name(Naming::Directory {
                path: path.to_owned(),
            });
        }
        Ok(())
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let inner = self.lock_inner();
        let names = &inner.state.current;
        if !path.is_empty() && !names.directories.contains(path) {
            return Err(Error::from(ErrorKind::NotFound));
        }
        let all = names.files.keys().chain(&names.directories);
        let mut names: Vec<String> = all
            .filter(|name| directory(name) == path)
            .map(|name| {
                name.rsplit_once('/')
                    .map_or(name.as_str(), |(_, name)| name)
            })
            .map(str::to_owned)
            .collect();
        names.sort();
        Ok(names)
    }

    fn open(&self, path: &str, mode: Mode) -> Result<Arc<dyn DiskFile>> {
        let mut inner = self.lock_inner();
        inner.check(Call::Open)?;
        let known = inner.state.current.files.get(path).copied();
        let inode = match (known, mode) {
            (Some(inode), Mode::Create) => {
                inner.inode(inode).change(Unsynced::Length(0));
                inode
            }
            (Some(inode), _) => inode,
            (None, Mode::Read | Mode::Write) => return Err(Error::from(ErrorKind::NotFound)),
            (None, Mode::Create | Mode::WriteOrCreate) => {
                inner.state.inodes.push(Arc::default());
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
        inner.check(Call::Rename)?;
        let inode = inner.named(from)?;
        inner.name(Naming::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            inode,
        });
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        let mut inner = self.lock_inner();
        inner.check(Call::Link)?;
        let inode = inner.named(from)?;
        if inner.state.current.files.contains_key(to) {
            return Err(Error::from(ErrorKind::AlreadyExists));
        }
        inner.name(Naming::Link {
            path: to.to_owned(),
            inode,
        });
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<()> {
        let mut inner = self.lock_inner();
        inner.check(Call::Remove)?;
        inner.named(path)?;
        inner.name(Naming::Unlink {
            path: path.to_owned(),
        });
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> Result<()> {
        let mut inner = self.lock_inner();
        inner.snapshot();
        inner.check(Call::SyncDirectory)?;
        let state = &mut inner.state;
        let (done, rest): (Vec<Naming>, Vec<Naming>) = std::mem::take(&mut state.namings)
            .into_iter()
            .partition(|naming| naming.directory() == path);
        state.namings = rest;
        done.iter().for_each(|naming| state.durable.apply(naming));
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
        let mut inner = self.disk.lock_inner();
        inner.check(Call::Read)?;
        if inner.state.inodes[self.inode].current.read(offset, out) {
            Ok(())
        } else {
            Err(Error::from(ErrorKind::UnexpectedEof))
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut inner = self.disk.lock_inner();
        let checked = inner.check(Call::Write);
        // A write that fails may have done a part of it.
        let bytes = match checked {
            Ok(()) => bytes,
            Err(_) => &bytes[..bytes.len() / 2],
        };
        inner.check_room(self.inode, offset + bytes.len() as u64)?;
        inner.inode(self.inode).change(Unsynced::Write {
            offset,
            bytes: bytes.into(),
        });
        checked
    }

    fn length(&self) -> Result<u64> {
        Ok(self.disk.lock_inner().state.inodes[self.inode]
            .current
            .len() as u64)
    }

    fn set_length(&self, length: u64) -> Result<()> {
        let mut inner = self.disk.lock_inner();
        inner.check(Call::Length)?;
        inner.check_room(self.inode, length)?;
        inner.inode(self.inode).change(Unsynced::Length(length));
        Ok(())
    }

    fn allocate(&self, length: u64) -> Result<()> {
        let mut inner = self.disk.lock_inner();
        inner.check(Call::Allocate)?;
        if (inner.state.inodes[self.inode].current.len() as u64) < length {
            inner.check_room(self.inode, length)?;
            inner.inode(self.inode).change(Unsynced::Length(length));
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let mut inner = self.disk.lock_inner();
        inner.snapshot();
        let checked = inner.check(Call::Sync);
        let inode = inner.inode(self.inode);
        match checked {
            Ok(()) => inode.sync(),
            Err(_) => inode.fail_sync(),
        }
        checked
    }
}
