//! A store with an index made again from its segments, and with what rows derive from others made
//! again from those where it does not fit.

use std::path::Path;
use std::sync::Arc;

use crate::embedded::disk::Disk;
use crate::embedded::keyfile::KeyPlace;
use crate::embedded::{Embedded, format, index, lock, open_on, place, put_aside};
use crate::engine::restored;
use crate::keys::{Key, Table};
use crate::service::Engine;
use crate::{Config, OpenError, audit};

/// Rows taken into the agenda in one commit.
const ADOPTED: usize = 1000;

impl Embedded {
    /// Opens the store in `path` with an index made again from its segments. The one that was
    /// is put aside, beside it, and never deleted. An agenda or a change feed that does not fit
    /// to queue and mailboxes is made again too.
    ///
    /// # Errors
    /// As [`Embedded::open`]. Damage in the segments themselves is beyond it: that needs a backup.
    pub fn repair(path: &Path, config: Config) -> Result<Engine, OpenError> {
        let (disk, keys) = place(path, &config)?;
        repair_on(disk, keys, path, &config)
    }
}

/// On any disk.
pub(crate) fn repair_on(
    disk: Arc<dyn Disk>,
    keys: KeyPlace,
    root: &Path,
    config: &Config,
) -> Result<Engine, OpenError> {
    let io = |error| OpenError::Io {
        path: root.to_owned(),
        error,
    };
    let held = lock(&*disk, root)?;
    if format::read(&*disk, root)?.is_none() {
        return Err(OpenError::NotAStore {
            path: root.to_owned(),
        });
    }
    let names = disk.list("").map_err(io)?;
    if names.iter().any(|name| name == index::FILE) {
        put_aside(&*disk, "replaced").map_err(io)?;
    }
    drop(held);
    let engine = open_on(disk, keys, root, config)?;
    mend(&engine).map_err(|error| io(std::io::Error::other(error.to_string())))?;
    Ok(engine)
}

/// Makes agenda and feed again, if they do not fit.
fn mend(engine: &Engine) -> crate::Result<()> {
    // An older copy is only looked at.
    if engine.is_latched() || engine.read(audit::is_derived_right)? {
        return Ok(());
    }
    tracing::warn!("the agenda or the change feed does not fit: both are made again");
    step_by_step(|from| engine.run(move |tx| tx.note_dues(&from)).wait())?;
    while engine.run(|tx| tx.clear_agenda()).wait()? {}
    while engine.run(|tx| tx.adopt_dues(ADOPTED)).wait()? == ADOPTED {}
    for table in [Table::Feed, Table::FeedAt, Table::FeedGone] {
        step_by_step(|from| {
            engine
                .run(move |tx| tx.drop_stray_feed(table, &from))
                .wait()
        })?;
    }
    step_by_step(|from| engine.run(move |tx| tx.mend_feed(&from)).wait())?;
    step_by_step(|from| engine.run(move |tx| tx.count_gone(&from)).wait())
}

/// Each step says where the next one begins.
fn step_by_step(mut step: impl FnMut(Key) -> crate::Result<Option<Key>>) -> crate::Result<()> {
    let mut from = Some(restored::start());
    while let Some(key) = from {
        from = step(key)?;
    }
    Ok(())
}
