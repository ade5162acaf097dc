//! Making a store of a copy: the mark that says "not yet", and the restore rules.

use std::path::Path;
use std::sync::Arc;

use crate::embedded::disk::{Disk, Mode, RealDisk};
use crate::embedded::{Embedded, KeyPlace, bodies, open_on, segment};
use crate::engine::restored;
use crate::{Config, Head, OpenError, Store};

/// While it is there, the directory is no store that starts.
const MARK: &str = "RESTORING";

/// What the restore rules need to know.
#[derive(Debug, Clone, Default)]
pub struct RestoreRules {
    /// How far the store was when it was last noted, if that is known.
    pub noted: Option<Head>,
    /// Why its queued mail is parked, for people.
    pub text: String,
}

/// What a restore did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// How far the store is now.
    pub head: Head,
    /// Mailboxes that got a new UIDVALIDITY.
    pub mailboxes: usize,
    /// Rows of the queue that are parked now.
    pub parked: usize,
}

/// Marks a directory, made where it is not there, as one that a restore writes into. Durable.
///
/// # Errors
/// What the system says.
pub fn mark_restoring(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)?;
    let disk = RealDisk::new(path);
    disk.open(MARK, Mode::WriteOrCreate)?.sync()?;
    disk.sync_dir("")
}

pub(super) fn refuse_unfinished(disk: &dyn Disk, root: &Path) -> Result<(), OpenError> {
    match disk.open(MARK, Mode::Read) {
        Ok(_) => Err(OpenError::Unfinished {
            path: root.to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(OpenError::Io {
            path: root.join(MARK),
            error,
        }),
    }
}

impl Embedded {
    /// Makes a store that is a copy, or older than it was, one that may be served again: applies
    /// the restore rules. Until this has ended well the directory cannot be opened; it may be
    /// run again.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong.
    pub fn restore(
        path: &Path,
        config: Config,
        rules: &RestoreRules,
    ) -> Result<Restored, OpenError> {
        mark_restoring(path).map_err(|error| OpenError::Io {
            path: path.to_owned(),
            error,
        })?;
        let keys = super::key_place(path, &config)?;
        restore_on(Arc::new(RealDisk::new(path)), keys, path, config, rules)
    }
}

/// On any disk that has the mark.
pub(super) fn restore_on(
    disk: Arc<dyn Disk>,
    keys: KeyPlace,
    root: &Path,
    config: Config,
    rules: &RestoreRules,
) -> Result<Restored, OpenError> {
    let io = |error| OpenError::Io {
        path: root.to_owned(),
        error,
    };
    let config = Config {
        at_least: None,
        // Nothing goes while what is restored is not accepted as a whole.
        collect: false,
        ..config
    };
    // A copy has no directory where the store had no file of that kind.
    for directory in [segment::DIRECTORY, bodies::DIRECTORY] {
        disk.create_dir(directory).map_err(io)?;
    }
    let engine = open_on(Arc::clone(&disk), keys, root, &config)?;
    let restored = apply(&engine, rules)
        .and_then(|restored| engine.close().map(|()| restored))
        .map_err(|error| io(std::io::Error::other(error.to_string())))?;
    disk.remove(MARK).map_err(io)?;
    disk.sync_dir("").map_err(io)?;
    Ok(restored)
}

fn apply(engine: &crate::Engine, rules: &RestoreRules) -> crate::Result<Restored> {
    let noted = rules.noted;
    let validity = engine
        .run(move |tx| tx.restore_numbers(noted.as_ref()))
        .wait()?;
    let (mut mailboxes, mut parked) = (0, 0);
    let mut from = Some(restored::start());
    while let Some(key) = from {
        let (count, next) = engine
            .run(move |tx| tx.restore_mailboxes(&key, validity))
            .wait()?;
        mailboxes += count;
        from = next;
    }
    let mut from = Some(restored::start());
    while let Some(key) = from {
        let text = rules.text.clone();
        let (count, next) = engine.run(move |tx| tx.restore_queue(&key, &text)).wait()?;
        parked += count;
        from = next;
    }
    engine.run(move |tx| tx.begin_life(noted.as_ref())).wait()?;
    Ok(Restored {
        head: engine.head()?,
        mailboxes,
        parked,
    })
}
