//! The rows in redb.
//!
//! | table     | key              | value                                   |
//! |-----------|------------------|-----------------------------------------|
//! | `meta`    | name             | number: `format`, `next-id`, `generation`, `next-audit` |
//! | `domains` | domain           | [`DomainEntry`] as JSON                 |
//! | `people`  | domain, person   | [`PersonRow`] as JSON                   |
//! | `groups`  | domain, group    | [`GroupEntry`] as JSON                  |
//! | `aliases` | domain, address  | [`AliasEntry`] as JSON                  |
//! | `audit`   | ascending number | [`AuditRecord`] as JSON                 |

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use mail::{DomainId, GroupId, PersonId, Secret};
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError,
    TableDefinition, WriteTransaction,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::snapshot::DomainView;
use crate::{AliasEntry, AuditRecord, DomainEntry, GroupEntry, OpenError, PersonEntry, Snapshot};

/// The format written here, and the newest that can be read.
const FORMAT: u64 = 1;

pub(crate) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
pub(crate) const DOMAINS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("domains");
pub(crate) const PEOPLE: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("people");
pub(crate) const GROUPS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("groups");
pub(crate) const ALIASES: TableDefinition<'_, (u64, &str), &[u8]> = TableDefinition::new("aliases");
pub(crate) const AUDIT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("audit");

/// Counters that must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The next id of a domain, person or group, without the host number.
    pub(crate) next_id: u64,
    /// The next number of the audit trail.
    pub(crate) next_audit: u64,
}

/// A person with the hashes, which the entry itself never serialises.
#[derive(Serialize, Deserialize)]
struct PersonRow {
    #[serde(flatten)]
    entry: PersonEntry,
    #[serde(default)]
    password_hashes: Vec<String>,
}

/// One row to write or to take away.
#[derive(Debug)]
pub(crate) enum Row {
    Domain(Box<DomainEntry>),
    Person(Box<PersonEntry>),
    NoPerson(DomainId, PersonId),
    Group(Box<GroupEntry>),
    NoGroup(DomainId, GroupId),
    Alias(Box<AliasEntry>),
    NoAlias(DomainId, String),
}

/// Opens or makes the file. An existing file that cannot be read is left as it is.
pub(crate) fn open(path: &Path) -> Result<Database, OpenError> {
    if path.exists() {
        return Database::open(path).map_err(|error| open_error(path, error));
    }
    let database = Database::create(path).map_err(|error| open_error(path, error))?;
    // The file's name must survive a power failure as its rows do.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| OpenError::Io(format!("{}: {error}", folder.display())))?;
    Ok(database)
}

fn open_error(path: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() != ErrorKind::InvalidData =>
        {
            OpenError::Io(format!("{}: {error}", path.display()))
        }
        error => OpenError::Damaged(error.to_string()),
    }
}

/// Everything in the file. Makes the tables where the file is new, and only there.
pub(crate) fn load(database: &Database) -> Result<(Snapshot, Counters), OpenError> {
    let damaged = |error: redb::Error| OpenError::Damaged(error.to_string());
    match stored_format(database).map_err(damaged)? {
        None => prepare(database).map_err(damaged)?,
        Some(found) if found > FORMAT => {
            return Err(OpenError::Newer {
                found,
                known: FORMAT,
            });
        }
        Some(_) => {}
    }
    read(database).map_err(damaged)
}

/// The format of the file; `None` while it has no table at all.
fn stored_format(database: &Database) -> Result<Option<u64>, redb::Error> {
    let read = database.begin_read()?;
    if read.list_tables()?.next().is_none() {
        return Ok(None);
    }
    let format = read
        .open_table(META)?
        .get("format")?
        .map(|value| value.value());
    format
        .map(Some)
        .ok_or_else(|| redb::Error::Corrupted("it has no format".to_owned()))
}

fn prepare(database: &Database) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(META)?.insert("format", FORMAT)?;
    write.open_table(DOMAINS)?;
    write.open_table(PEOPLE)?;
    write.open_table(GROUPS)?;
    write.open_table(ALIASES)?;
    write.open_table(AUDIT)?;
    write.commit()?;
    Ok(())
}

fn read(database: &Database) -> Result<(Snapshot, Counters), redb::Error> {
    let read = database.begin_read()?;
    let meta = read.open_table(META)?;
    let number = |name: &str, default| {
        let stored = meta.get(name)?;
        Ok::<_, redb::Error>(stored.map_or(default, |value| value.value()))
    };
    let counters = Counters {
        next_id: number("next-id", 1)?,
        next_audit: number("next-audit", 1)?,
    };
    let mut snapshot = Snapshot::default();
    snapshot.set_generation(number("generation", 0)?);
    let (domains, people) = (read.open_table(DOMAINS)?, read.open_table(PEOPLE)?);
    let (groups, aliases) = (read.open_table(GROUPS)?, read.open_table(ALIASES)?);
    for row in domains.iter()? {
        let (key, value) = row?;
        let id = key.value();
        let mut view = DomainView::new(parse(value.value())?);
        for row in people.range((id, 0)..=(id, u64::MAX))? {
            let PersonRow {
                mut entry,
                password_hashes,
            } = parse(row?.1.value())?;
            entry.password_hashes = password_hashes.into_iter().map(Secret::new).collect();
            view.insert_person(entry);
        }
        for row in groups.range((id, 0)..=(id, u64::MAX))? {
            view.insert_group(parse(row?.1.value())?);
        }
        for row in aliases.range((id, "")..(id + 1, ""))? {
            view.insert_alias(parse(row?.1.value())?);
        }
        snapshot.put_new(view);
    }
    Ok((snapshot, counters))
}

pub(crate) fn parse<T: DeserializeOwned>(row: &[u8]) -> Result<T, redb::Error> {
    serde_json::from_slice(row)
        .map_err(|error| redb::Error::Corrupted(format!("a row cannot be read: {error}")))
}

pub(crate) fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, redb::Error> {
    serde_json::to_vec(value).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

/// One durable commit: rows, counters and the audit row together or not at all.
pub(crate) fn commit(
    database: &Database,
    rows: &[Row],
    generation: u64,
    counters: Counters,
    audit: &AuditRecord,
) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    for row in rows {
        put(&write, row)?;
    }
    {
        let mut meta = write.open_table(META)?;
        meta.insert("next-id", counters.next_id)?;
        meta.insert("next-audit", counters.next_audit)?;
        meta.insert("generation", generation)?;
        write
            .open_table(AUDIT)?
            .insert(audit.number, bytes(audit)?.as_slice())?;
    }
    write.commit()?;
    Ok(())
}

fn put(write: &WriteTransaction, row: &Row) -> Result<(), redb::Error> {
    match row {
        Row::Domain(entry) => {
            write
                .open_table(DOMAINS)?
                .insert(entry.id.0, bytes(entry)?.as_slice())?;
        }
        Row::Person(entry) => {
            let hashes = entry
                .password_hashes
                .iter()
                .map(|hash| hash.expose_secret().clone())
                .collect();
            let row = PersonRow {
                entry: PersonEntry::clone(entry),
                password_hashes: hashes,
            };
            write
                .open_table(PEOPLE)?
                .insert((entry.domain.0, entry.id.0), bytes(&row)?.as_slice())?;
        }
        Row::NoPerson(domain, id) => {
            write.open_table(PEOPLE)?.remove((domain.0, id.0))?;
        }
        Row::Group(entry) => {
            write
                .open_table(GROUPS)?
                .insert((entry.domain.0, entry.id.0), bytes(entry)?.as_slice())?;
        }
        Row::NoGroup(domain, id) => {
            write.open_table(GROUPS)?.remove((domain.0, id.0))?;
        }
        Row::Alias(entry) => {
            let key = entry.address.key();
            write
                .open_table(ALIASES)?
                .insert((entry.domain.0, key.as_str()), bytes(entry)?.as_slice())?;
        }
        Row::NoAlias(domain, key) => {
            write
                .open_table(ALIASES)?
                .remove((domain.0, key.as_str()))?;
        }
    }
    Ok(())
}

/// The newest audit rows, newest first.
pub(crate) fn audit(
    database: &Database,
    domain: Option<DomainId>,
    limit: usize,
) -> Result<Vec<AuditRecord>, redb::Error> {
    let read = database.begin_read()?;
    let table = read.open_table(AUDIT)?;
    let mut found = Vec::new();
    for row in table.iter()?.rev() {
        let record: AuditRecord = parse(row?.1.value())?;
        if domain.is_none() || record.domain == domain {
            found.push(record);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}
