//! The embedded backend: a journal in a directory, and redb as its view.
//!
//! ```text
//! LOCK            held by the one process
//! FORMAT          what this is
//! journal/*.seg   the log, every change in order: the truth
//! settled/*.seg   what the collector kept of older segments of the log: the truth before it
//! SEGMENTS        which of these there are
//! bodies/*.body   bodies too large for a record
//! index.redb      rows as of a checkpoint: can be made again from the journal
//! ```

mod bodies;
mod collect;
mod copied;
mod disk;
#[cfg(test)]
mod fault;
mod format;
mod frames;
mod index;
mod inspect;
mod journal;
mod keyfile;
mod manifest;
mod master;
mod progress;
mod record;
mod recovery;
mod repair;
mod restore;
mod segment;
mod settled;
#[cfg(test)]
mod tests;
mod upgrade;

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::ids::Ids;
use crate::pins::Pins;
use crate::rows::{BodyRow, CheckpointRow, decode, is_settled};
use crate::sequencer::{Latch, Log, Record};
use crate::service::Engine;
use crate::shared::{Layers, Shared};
use crate::view::{View, ViewExt};
use crate::{Config, OpenError, keys};
use bodies::DiskBodies;
use collect::Collector;
pub(crate) use disk::is_full;
use disk::{Disk, Lock, RealDisk};
use format::StoreId;
pub(crate) use frames::{BodyKey, Bytes, Codec, EncodedBody, Encoding, Frames, encode};
use index::{Index, Indexer};
use journal::{Checkpoints, Journal};
pub(crate) use keyfile::KeyFile;
use keyfile::KeyPlace;
pub use keyfile::keys_beside;
use manifest::Manifest;
use master::Master;
use progress::Progress;
use recovery::{Recovery, Tail};
use upgrade::Target;

pub use copied::{CheckedSegment, check_segment};
pub use restore::{RestoreRules, Restored, mark_restoring};

/// Opens stores in a directory.
#[derive(Debug)]
pub struct Embedded;

impl Embedded {
    /// Opens the store in `path`; makes it if the directory is empty or not there.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and what helps; nothing was overwritten.
    pub fn open(path: &Path, config: Config) -> Result<Engine, OpenError> {
        let io = |error| OpenError::Io {
            path: path.to_owned(),
            error,
        };
        std::fs::create_dir_all(path).map_err(io)?;
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            // The directory's own name is durable before anything in it is acknowledged.
            RealDisk::new(parent).sync_dir("").map_err(io)?;
        }
        let (disk, keys) = place(path, &config)?;
        open_on(disk, keys, path, &config)
    }

    /// Makes the index of a store that nobody has open as small as it gets; answers its bytes
    /// before and after.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn compact_index(path: &Path, config: &Config) -> Result<(u64, u64), OpenError> {
        restore::refuse_unfinished(&RealDisk::new(path), path)?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(path));
        let failed = |text: String| OpenError::Io {
            path: path.join(index::FILE),
            error: std::io::Error::other(text),
        };
        let _lock = lock(&*disk, path)?;
        let length = || {
            let file = disk.open(index::FILE, disk::Mode::Read);
            let length = file.and_then(|file| file.length());
            length.map_err(|error| failed(error.to_string()))
        };
        let before = length()?;
        Index::open(&disk, config.cache_bytes)
            .and_then(|mut index| index.compact())
            .map_err(|error| failed(error.text))?;
        Ok((before, length()?))
    }
}

fn lock(disk: &dyn Disk, root: &Path) -> Result<Lock, OpenError> {
    let taken = disk.lock("LOCK").map_err(|error| OpenError::Io {
        path: root.to_owned(),
        error,
    })?;
    taken.ok_or_else(|| locked(disk, root))
}

/// The disk of a directory, and where its keys are; refused while a restore into it is not over.
fn place(path: &Path, config: &Config) -> Result<(Arc<dyn Disk>, KeyPlace), OpenError> {
    let disk = RealDisk::new(path);
    restore::refuse_unfinished(&disk, path)?;
    Ok((Arc::new(disk), key_place(path, config)?))
}

/// Where the keys are; the directory is made, for its owner alone.
fn key_place(data: &Path, config: &Config) -> Result<KeyPlace, OpenError> {
    let io = |path: &Path, error| OpenError::Io {
        path: path.to_owned(),
        error,
    };
    let root = match &config.keys {
        Some(root) => root.clone(),
        None => keys_beside(data).map_err(|error| io(data, error))?,
    };
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&root);
    made.map_err(|error| io(&root, error))?;
    let parent = root.parent().filter(|path| !path.as_os_str().is_empty());
    RealDisk::new(parent.unwrap_or_else(|| Path::new(".")))
        .sync_dir("")
        .map_err(|error| io(&root, error))?;
    let master = match &config.master_key {
        Some(path) => path.clone(),
        None => root.join("master.key"),
    };
    Ok(KeyPlace {
        disk: Arc::new(RealDisk::new(&root)),
        root,
        master: Master::File(master),
    })
}

/// Opens on any disk. `root` is for messages.
pub(crate) fn open_on(
    disk: Arc<dyn Disk>,
    keys: KeyPlace,
    root: &Path,
    config: &Config,
) -> Result<Engine, OpenError> {
    let io = |error| OpenError::Io {
        path: root.to_owned(),
        error,
    };
    let lock = lock(&*disk, root)?;
    let store = match format::read(&*disk, root)? {
        Some(found) => Target::OURS.reach(&*disk, root, found)?,
        None => create(&*disk, root, config)?,
    };
    let recovery = Recovery {
        disk: &disk,
        root,
        store,
        config,
    };
    let found = manifest::read(&*disk, root, store)?;
    let has_manifest = found.is_some();
    let manifest = found.unwrap_or_default();
    recovery.check_settled(&manifest)?;
    let (index, checkpoint) = open_index(&recovery, manifest.log)?;
    // A process killed between a rename and its sync leaves names that are seen and not durable.
    let settled = has_manifest.then_some(segment::SETTLED_DIRECTORY);
    for directory in ["", segment::DIRECTORY, bodies::DIRECTORY]
        .into_iter()
        .chain(settled)
    {
        disk.sync_dir(directory).map_err(io)?;
    }
    let is_rebuilt = checkpoint.segment == 0;
    let from = checkpoint.segment.max(manifest.log);
    let mut segments = recovery.segments(manifest.log, from)?;
    // Nothing yet: from the very first record on.
    let checkpoint = match segments.first() {
        Some(first) if is_rebuilt => CheckpointRow {
            sequence: first.first - 1,
            segment: first.id,
            offset: segment::HEADER as u64,
        },
        _ => checkpoint,
    };
    let tail = recovery.tail(&mut segments, checkpoint)?;
    let must_settle = is_rebuilt && has_manifest;
    if must_settle {
        recovery.replay_settled(&manifest, &index)?;
    }
    let mut replayed = recovery.replay(&segments, checkpoint, &tail, &index, must_settle)?;
    if must_settle {
        recovery.finish_rebuild(&index, &replayed, &tail)?;
        replayed.clear();
    }
    let durable = index
        .checkpoint()
        .map_err(|error| recovery.index_io(&error.text))?;
    let progress = Arc::new(Progress::new(durable, tail.segment.id));
    let base = index
        .base()
        .map_err(|error| recovery.index_io(&error.text))?;
    let mut layers = Layers::new(Some(base));
    layers.apply(replayed);
    layers.unlock(Arc::new(keys.open(store, keys_noted(&layers, &recovery)?)?));
    let latch = Latch::new();
    match behind(&layers, store, &tail, config)
        .map_err(|error| recovery.index_io(&error.to_string()))?
    {
        Some(reason) => {
            tracing::error!(reason, "the store is opened for reading only");
            // Set once, here, where nobody else has it.
            let _ = latch.set(reason);
        }
        // What no row of an older copy names may be what a newer one has: it stays.
        None => remove_strays(&*disk, &layers, &recovery, &manifest)?,
    }
    let opened = Opened {
        disk,
        store,
        lock,
        index,
        layers,
        tail,
        latch,
        progress,
        manifest: has_manifest.then_some(manifest),
    };
    start(opened, config).map_err(|error| OpenError::Io {
        path: root.to_owned(),
        error: std::io::Error::other(error.to_string()),
    })
}

/// How many keys the rows know of.
fn keys_noted(layers: &Layers, recovery: &Recovery<'_>) -> Result<u64, OpenError> {
    let noted = layers.view().row::<u64>(&keys::meta("keys"));
    let noted = noted.map_err(|error| recovery.index_io(&error.to_string()))?;
    Ok(noted.unwrap_or(0))
}

/// Why the store is older than the one that was noted, if it is.
fn behind(
    layers: &Layers,
    store: StoreId,
    tail: &Tail,
    config: &Config,
) -> crate::Result<Option<String>> {
    let Some(noted) = config.at_least else {
        return Ok(None);
    };
    let head = crate::Head {
        store: u128::from_be_bytes(store),
        life: layers.view().row(&keys::meta("life"))?.unwrap_or(0),
        sequence: tail.sequence,
        ..crate::Head::default()
    };
    Ok(head.is_behind(&noted).then(|| {
        format!(
            "this is an older copy of the store (record {} of life {}) than the one served last (record {} of life {}): mail that came since would be lost and UIDs given twice. Put the newer one in place, or accept this one by `postroom restore --accept-older`",
            head.sequence, head.life, noted.sequence, noted.life
        )
    }))
}

fn locked(disk: &dyn Disk, root: &Path) -> OpenError {
    let pid = disk.open("LOCK", disk::Mode::Read).ok().and_then(|file| {
        let mut bytes = vec![0; usize::try_from(file.length().ok()?).ok()?.min(20)];
        file.read_at(0, &mut bytes).ok()?;
        String::from_utf8(bytes).ok()?.trim().parse().ok()
    });
    OpenError::Locked {
        path: root.to_owned(),
        pid,
    }
}

/// Makes a store in an empty directory. `FORMAT` comes last: without it nothing was ever
/// acknowledged, and what is there is a creation that did not end.
fn create(disk: &dyn Disk, root: &Path, config: &Config) -> Result<StoreId, OpenError> {
    let io = |error| OpenError::Io {
        path: root.to_owned(),
        error,
    };
    let names = disk.list("").map_err(io)?;
    let known = ["LOCK", "FORMAT.new", segment::DIRECTORY, bodies::DIRECTORY];
    if names.iter().any(|name| name == index::FILE) {
        let what = "there is an index but no FORMAT file".to_owned();
        return Err(OpenError::Damaged {
            path: root.to_owned(),
            what,
        });
    }
    if !names.iter().all(|name| known.contains(&name.as_str())) {
        return Err(OpenError::NotAStore {
            path: root.to_owned(),
        });
    }
    for directory in [segment::DIRECTORY, bodies::DIRECTORY] {
        let Ok(files) = disk.list(directory) else {
            continue;
        };
        let first = segment::id_of(&files.first().cloned().unwrap_or_default());
        let is_unfinished = directory == segment::DIRECTORY
            && files
                .iter()
                .all(|name| name == "new" || segment::id_of(name) == Some(1))
            && (first.is_none() || is_blank(disk).map_err(io)?);
        if !files.is_empty() && !is_unfinished {
            let what = format!("there is a {directory} with files but no FORMAT file");
            return Err(OpenError::Damaged {
                path: root.to_owned(),
                what,
            });
        }
    }
    let store = format::new_id();
    let make = || {
        disk.create_dir(segment::DIRECTORY)?;
        disk.create_dir(bodies::DIRECTORY)?;
        disk.sync_dir("")?;
        segment::create(disk, store, 1, 1, config.segment_bytes, &[]).map_err(|made| made.error)?;
        format::write(disk, store, format::FORMAT, format::NEEDS)
    };
    make().map_err(io)?;
    Ok(store)
}

/// Has the first segment no record?
fn is_blank(disk: &dyn Disk) -> std::io::Result<bool> {
    let file = disk.open(&segment::path(1), disk::Mode::Read)?;
    let length = file.length()?;
    let mut bytes = [0; record::HEADER];
    if length < (segment::HEADER + record::HEADER) as u64 {
        return Ok(true);
    }
    file.read_at(segment::HEADER as u64, &mut bytes)?;
    Ok(bytes.iter().all(|byte| *byte == 0))
}

/// The index and how far it is. One that cannot be opened is put aside and made again from the
/// journal: it holds nothing that the journal does not. So is one that was at home before the
/// log that is left.
fn open_index(recovery: &Recovery<'_>, log: u64) -> Result<(Index, CheckpointRow), OpenError> {
    let disk = recovery.disk;
    let opened = Index::open(disk, recovery.config.cache_bytes)
        .and_then(|index| index.checkpoint().map(|checkpoint| (index, checkpoint)));
    let opened = opened.and_then(|(index, checkpoint)| {
        if (1..log).contains(&checkpoint.segment) {
            return Err(index::IndexError {
                text: "it is older than the journal".to_owned(),
                is_full: false,
            });
        }
        Ok((index, checkpoint))
    });
    match opened {
        Ok(opened) => Ok(opened),
        Err(error) if error.is_full => Err(recovery.index_io(&error.text)),
        Err(error) => {
            tracing::error!(
                error = error.text,
                "the index is damaged and is made again from the journal"
            );
            put_aside(&**disk, "damaged").map_err(|error| recovery.index_io(&error.to_string()))?;
            let index = Index::open(disk, recovery.config.cache_bytes)
                .map_err(|error| recovery.index_io(&error.text))?;
            Ok((index, CheckpointRow::default()))
        }
    }
}

fn put_aside(disk: &dyn Disk, why: &str) -> std::io::Result<()> {
    let names = disk.list("")?;
    let named = |number: u32| format!("{}.{why}-{number}", index::FILE);
    let number = (1..)
        .find(|number| !names.contains(&named(*number)))
        .unwrap_or(1);
    disk.rename(index::FILE, &named(number))?;
    disk.sync_dir("")
}

/// Files that a crash left and nothing names: bodies that were on their way in, segments that
/// were being made, or had been collected.
fn remove_strays(
    disk: &dyn Disk,
    layers: &Layers,
    recovery: &Recovery<'_>,
    manifest: &Manifest,
) -> Result<(), OpenError> {
    let io = |error| OpenError::Io {
        path: recovery.root.to_owned(),
        error,
    };
    let view = layers.view();
    for name in disk.list(bodies::DIRECTORY).map_err(io)? {
        let Some(id) = bodies::id_of(&name) else {
            continue;
        };
        let row = view
            .row::<BodyRow>(&keys::body(id))
            .map_err(|error| recovery.index_io(&error.to_string()))?;
        if row.is_none() {
            disk.remove(&bodies::path(id)).map_err(io)?;
        }
    }
    for directory in [segment::DIRECTORY, segment::SETTLED_DIRECTORY] {
        // `settled` is there only where something was collected.
        for name in disk.list(directory).unwrap_or_default() {
            let is_named = match segment::id_of(&name) {
                Some(id) if is_settled(id) => manifest.settled().any(|(known, _)| known == id),
                Some(id) => id >= manifest.log,
                None => name != "new",
            };
            if !is_named {
                disk.remove(&format!("{directory}/{name}")).map_err(io)?;
            }
        }
    }
    match disk.remove(manifest::TEMPORARY) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(error)),
        _ => Ok(()),
    }
}

/// A directory that was opened and recovered.
struct Opened {
    disk: Arc<dyn Disk>,
    store: StoreId,
    lock: Lock,
    index: Index,
    layers: Layers,
    tail: Tail,
    latch: Latch,
    progress: Arc<Progress>,
    manifest: Option<Manifest>,
}

fn start(opened: Opened, config: &Config) -> crate::Result<Engine> {
    let Opened {
        disk,
        store,
        lock,
        index,
        layers,
        tail,
        latch,
        progress,
        manifest,
    } = opened;
    let reserved = layers.view().raw(&keys::meta("ids"))?;
    let first = reserved.map_or(Ok(1), |row| decode(&row))?;
    let ids = Arc::new(Ids::new(first));
    let to_remove = Arc::clone(&disk);
    let pins = Arc::new(Pins::new(move |path| to_remove.remove(path)));
    let bodies = DiskBodies::new(
        Arc::clone(&disk),
        store,
        Arc::clone(&pins),
        Arc::clone(&ids),
        config,
    );
    let to_latch = Arc::clone(&bodies.shared);
    let mut shared = Shared::new(layers, ids, Box::new(bodies), latch, config);
    shared.store = u128::from_be_bytes(store);
    shared.set_position(CheckpointRow {
        sequence: tail.sequence,
        segment: tail.segment.id,
        offset: tail.offset,
    });
    let shared = Arc::new(shared);
    // Set once, here, before anybody has the store.
    let _ = to_latch.set(Arc::downgrade(&shared));
    let (flushes, to_flush) = channel();
    let (done, flushed) = channel();
    let stopping = Arc::new(AtomicBool::new(false));
    let indexer = Indexer {
        index,
        shared: Arc::clone(&shared),
        flushes: to_flush,
        flushed: done,
        stopping: Arc::clone(&stopping),
        progress: Arc::clone(&progress),
    };
    let indexer = std::thread::Builder::new()
        .name("store-index".to_owned())
        .spawn(move || indexer.run())
        .map_err(|error| crate::Error::Latched(format!("cannot start a thread: {error}")))?;
    let checkpoints = Checkpoints {
        shared: Arc::clone(&shared),
        flushes: Some(flushes),
        flushed,
        indexer: Some(indexer),
        stopping,
        bytes: config.checkpoint_bytes,
        interval: config.checkpoint_interval,
        last: Instant::now(),
        progress: Arc::clone(&progress),
    };
    let next = tail.sequence + 1;
    let journal = Journal {
        disk: Arc::clone(&disk),
        store,
        segment: tail.segment,
        offset: tail.offset,
        room: tail.room,
        segment_bytes: config.segment_bytes,
        synced: tail.sequence,
        checkpoints,
        progress: Arc::clone(&progress),
        batch: Vec::new(),
    };
    let log = Locked {
        journal,
        _lock: lock,
    };
    let mut engine = Engine::start(Arc::clone(&shared), Box::new(log), next)?;
    let collector = Collector::new(
        disk,
        store,
        shared,
        engine.jobs(),
        progress,
        pins,
        manifest,
        config,
    );
    engine.keep_up(Collector::start(collector, config.collect)?);
    Ok(engine)
}

/// The journal with the lock on its directory: let go when the sequencer has ended.
struct Locked {
    journal: Journal,
    _lock: Lock,
}

impl Log for Locked {
    fn append(&mut self, records: &mut [Record]) -> Result<(), crate::sequencer::AppendError> {
        self.journal.append(records)
    }

    fn has_room(&mut self) -> Result<bool, crate::sequencer::AppendError> {
        self.journal.has_room()
    }

    fn position(&self) -> CheckpointRow {
        self.journal.position()
    }

    fn applied(&mut self) {
        self.journal.applied();
    }

    fn pause(&self) -> Duration {
        self.journal.pause()
    }

    fn close(&mut self) {
        self.journal.close();
    }
}
