//! A copy of the directory's file, made while it is in use; and what a copy that is put back has
//! to forget.

use std::fs::File;
use std::path::Path;

use redb::{
    Database, Durability, Key, ReadTransaction, ReadableDatabase as _, ReadableTable as _,
    TableDefinition, TableError, Value, WriteTransaction,
};

use super::tables::{self, ALIASES, AUDIT, DOMAINS, GROUPS, META, PEOPLE};
use crate::OpenError;
use crate::ldap::IDENTITIES;

/// Ids skipped after a restore: more than can have been given since any backup.
const IDS_SKIPPED: u64 = 1 << 24;
/// Memory for the pages of a copy.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// Copies everything as of one moment into a new file. Blocks; changes may go on.
pub(crate) fn copy(from: &Database, path: &Path) -> Result<(), OpenError> {
    let io = |error: std::io::Error| OpenError::Io(format!("{}: {error}", path.display()));
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    copy_tables(from, path).map_err(|error| OpenError::Io(error.to_string()))?;
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io)
}

fn copy_tables(from: &Database, path: &Path) -> Result<(), redb::Error> {
    let to = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)?;
    let read = from.begin_read()?;
    let mut write = to.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    copy_table(&read, &write, META)?;
    copy_table(&read, &write, DOMAINS)?;
    copy_table(&read, &write, PEOPLE)?;
    copy_table(&read, &write, GROUPS)?;
    copy_table(&read, &write, ALIASES)?;
    copy_table(&read, &write, AUDIT)?;
    copy_table(&read, &write, IDENTITIES)?;
    write.commit()?;
    Ok(())
}

fn copy_table<K: Key + 'static, V: Value + 'static>(
    read: &ReadTransaction,
    write: &WriteTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<(), redb::Error> {
    let from = match read.open_table(definition) {
        Ok(table) => table,
        // An embedded directory has no identities.
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut to = write.open_table(definition)?;
    for row in from.iter()? {
        let (key, value) = row?;
        to.insert(key.value(), value.value())?;
    }
    Ok(())
}

/// Lets a directory that came back with a backup give out no id that was given since: whoever
/// is added next must not get the mail of somebody who was added, and forgotten, before.
/// Blocks; done twice it does no harm.
///
/// # Errors
/// A file that is damaged, newer or in use is left as it is.
pub fn restore_directory(path: &Path) -> Result<(), OpenError> {
    let database = tables::open(path)?;
    let (_, counters) = tables::load(&database)?;
    let move_on = || -> Result<(), redb::Error> {
        let mut write = database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        let next = counters.next_id.saturating_add(IDS_SKIPPED);
        write.open_table(META)?.insert("next-id", next)?;
        write.commit()?;
        Ok(())
    };
    move_on().map_err(|error| OpenError::Io(error.to_string()))
}
