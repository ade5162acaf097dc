//! Ids for the entries of an LDAP server, kept in the directory's own file.
//!
//! | table        | key                           | value                                  |
//! |--------------|-------------------------------|----------------------------------------|
//! | `identities` | domain (0: a domain), entryUUID | [`Row`] as JSON: id and last name    |
//!
//! An id belongs to an `entryUUID`, so an entry may be renamed and keeps its mail. A name that
//! was held by one `entryUUID` and comes back with another is refused until the operator says
//! whose mail it is (`postroom domain adopt`): nobody gets old mail by getting an old name. The
//! counter of ids is that of the embedded directory, and so are the names that were used there:
//! a server that changes from one to the other hands out no id twice.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail::{Domain, DomainId, Principal};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};

use super::entry::Kind;
use crate::embedded::rights;
use crate::embedded::tables::{self, Counters, META};
use crate::{AdminError, AuditRecord, LookupError, OpenError, embedded};

pub(crate) const IDENTITIES: TableDefinition<'_, (u64, &str), &[u8]> =
    TableDefinition::new("identities");

/// The key under which domains are kept: the id that no domain has.
const SITE: DomainId = DomainId(0);

/// One identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    id: u64,
    /// The name under which it was seen last; empty: released.
    name: String,
    is_domain: bool,
}

/// An entry that wants its id.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) kind: Kind,
    /// The domain it lies in; ignored for domains.
    pub(super) domain: DomainId,
    pub(super) uuid: String,
    /// Its name, in the form that is compared.
    pub(super) name: String,
}

/// Whose mail an adopted name gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// That of the entry that had the name before.
    Continue,
    /// None: the entry is somebody new.
    AsNew,
}

/// The identities of one server.
#[derive(Debug)]
pub(super) struct Identities {
    database: Database,
    host_number: u16,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    counters: Counters,
    rows: HashMap<(DomainId, String), Row>,
    /// Whose each id is.
    ids: HashMap<(DomainId, u64), String>,
    /// The holder of each name.
    names: HashMap<(DomainId, String), String>,
    /// Names whose next entry continues them.
    open: HashSet<(DomainId, String)>,
}

/// A row with its key.
type Stored = ((DomainId, String), Row);
type Change = ((DomainId, String), Option<Row>);

impl Known {
    fn apply(&mut self, changes: Vec<Change>) {
        for (key, row) in changes {
            let (home, uuid) = &key;
            if let Some(old) = self.rows.remove(&key) {
                let name = (*home, old.name);
                if self.names.get(&name) == Some(uuid) {
                    self.names.remove(&name);
                }
                if self.ids.get(&(*home, old.id)) == Some(uuid) {
                    self.ids.remove(&(*home, old.id));
                }
            }
            if let Some(row) = row {
                if !row.name.is_empty() {
                    self.names.insert((*home, row.name.clone()), uuid.clone());
                }
                self.ids.insert((*home, row.id), uuid.clone());
                self.rows.insert(key, row);
            }
        }
    }
}

impl Identities {
    /// Opens the directory's file, or makes it. Blocks.
    ///
    /// # Errors
    /// As [`crate::EmbeddedDirectory::open`].
    pub(super) fn open(path: &Path, host_number: u16) -> Result<Self, OpenError> {
        let damaged = |error: redb::Error| OpenError::Damaged(error.to_string());
        let database = tables::open(path)?;
        let (snapshot, counters) = tables::load(&database)?;
        let rows = read(&database).map_err(damaged)?;
        let mut known = Known {
            counters,
            rows: HashMap::new(),
            ids: HashMap::new(),
            names: HashMap::new(),
            open: HashSet::new(),
        };
        let used: HashSet<u64> = rows.iter().map(|(_, row)| row.id).collect();
        known.apply(
            rows.into_iter()
                .map(|(key, row)| (key, Some(row)))
                .collect(),
        );
        for (key, row) in embedded_names(&snapshot) {
            if !used.contains(&row.id) {
                known.apply(vec![(key, Some(row))]);
            }
        }
        Ok(Self {
            database,
            host_number,
            known: Mutex::new(known),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Changed only after the commit, in one piece for each key.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has any domain ever been seen?
    pub(super) fn knows_domains(&self) -> bool {
        self.lock().rows.values().any(|row| row.is_domain)
    }

    /// The `entryUUID` of an id in this domain.
    pub(super) fn uuid_of(&self, domain: DomainId, id: u64) -> Option<String> {
        self.lock().ids.get(&(domain, id)).cloned()
    }

    /// The ids of entries, new ones for those never seen; an `Err` inside says why an entry is
    /// refused. One durable commit at most. Blocks when it writes.
    pub(super) fn claim(&self, claims: &[Claim]) -> Result<Vec<Result<u64, String>>, LookupError> {
        let mut known = self.lock();
        let (mut next, mut changes) = (known.counters, Vec::<Change>::new());
        let mut taken: HashMap<(DomainId, String), String> = HashMap::new();
        let mut ids = Vec::with_capacity(claims.len());
        for claim in claims {
            let home = if claim.kind == Kind::Domain {
                SITE
            } else {
                claim.domain
            };
            let key = (home, claim.uuid.clone());
            let name = (home, claim.name.clone());
            let is_domain = claim.kind == Kind::Domain;
            if let Some(row) = known.rows.get(&key) {
                ids.push(Ok(row.id));
                if row.name != claim.name {
                    let row = Row {
                        name: claim.name.clone(),
                        ..row.clone()
                    };
                    changes.push((key, Some(row)));
                }
                continue;
            }
            let holder = taken.get(&name).or_else(|| known.names.get(&name));
            let id = match holder {
                None => {
                    let id = (u64::from(self.host_number) << 48) | next.next_id;
                    next.next_id += 1;
                    id
                }
                Some(holder) if known.open.contains(&name) && !taken.contains_key(&name) => {
                    let old = (home, holder.clone());
                    // Every name has the row of its holder.
                    let id = known.rows.get(&old).map_or(0, |row| row.id);
                    changes.push((old, None));
                    id
                }
                Some(_) => {
                    ids.push(Err(came_back(claim)));
                    continue;
                }
            };
            taken.insert(name, claim.uuid.clone());
            changes.push((
                key,
                Some(Row {
                    id,
                    name: claim.name.clone(),
                    is_domain,
                }),
            ));
            ids.push(Ok(id));
        }
        if !changes.is_empty() {
            self.commit(&changes, next, None)
                .map_err(|error| LookupError::Temporary(error.to_string()))?;
            known.counters = next;
            known.apply(changes);
        }
        Ok(ids)
    }

    /// Prepares the adoption of a domain and everybody in it, or of one address in it: to
    /// continue lasts until [`close`](Self::close), to begin anew for good. Returns the names
    /// concerned. Blocks.
    pub(super) fn adopt(
        &self,
        by: Principal,
        name: &Domain,
        only: Option<&str>,
        adoption: Adoption,
    ) -> Result<usize, AdminError> {
        let mut known = self.lock();
        let domain = known
            .names
            .get(&(SITE, name.to_string()))
            .and_then(|uuid| known.rows.get(&(SITE, uuid.clone())))
            .map(|row| DomainId(row.id))
            .ok_or_else(|| AdminError::NotFound(format!("domain {name}")))?;
        let concerned: Vec<(DomainId, String)> = match only {
            Some(address) => vec![(domain, address.to_owned())],
            None => {
                let inside = known.names.keys().filter(|(home, _)| *home == domain);
                std::iter::once((SITE, name.to_string()))
                    .chain(inside.cloned())
                    .collect()
            }
        };
        if let Some(address) = only.filter(|_| !known.names.contains_key(&concerned[0])) {
            return Err(AdminError::NotFound(format!("person {address}")));
        }
        let mut changes = Vec::new();
        if adoption == Adoption::AsNew {
            // Of a whole domain the name alone is released: everybody in it is new with it.
            let released = &concerned[..1];
            for (home, name) in released {
                let uuid = known.names[&(*home, name.clone())].clone();
                let key = (*home, uuid);
                let row = known.rows[&key].clone();
                changes.push((
                    key,
                    Some(Row {
                        name: String::new(),
                        ..row
                    }),
                ));
            }
        }
        let what = match adoption {
            Adoption::Continue => "adopt",
            Adoption::AsNew => "adopt as new",
        };
        let audit = AuditRecord {
            number: known.counters.next_audit,
            at: embedded::now(),
            by: rights::who(by),
            domain: Some(domain),
            act: format!("{what} {}", only.unwrap_or(name.as_str())),
            refused: String::new(),
        };
        let next = Counters {
            next_audit: known.counters.next_audit + 1,
            ..known.counters
        };
        self.commit(&changes, next, Some(&audit))
            .map_err(|error| AdminError::Temporary(error.to_string()))?;
        known.counters = next;
        known.apply(changes);
        let count = concerned.len();
        if adoption == Adoption::Continue {
            known.open = concerned.into_iter().collect();
        }
        Ok(count)
    }

    /// Ends an adoption.
    pub(super) fn close(&self) {
        self.lock().open.clear();
    }

    /// Copies the file as of now. Blocks.
    pub(super) fn copy(&self, path: &Path) -> Result<(), OpenError> {
        embedded::copied::copy(&self.database, path)
    }

    /// The newest audit rows, newest first. Blocks.
    pub(super) fn audit(
        &self,
        domain: Option<DomainId>,
        limit: usize,
    ) -> Result<Vec<AuditRecord>, LookupError> {
        tables::audit(&self.database, domain, limit)
            .map_err(|error| LookupError::Temporary(error.to_string()))
    }

    fn commit(
        &self,
        changes: &[Change],
        counters: Counters,
        audit: Option<&AuditRecord>,
    ) -> Result<(), redb::Error> {
        let mut write = self.database.begin_write()?;
        write.set_durability(redb::Durability::Immediate)?;
        {
            let mut identities = write.open_table(IDENTITIES)?;
            for ((domain, uuid), row) in changes {
                let key = (domain.0, uuid.as_str());
                match row {
                    Some(row) => {
                        identities.insert(key, tables::bytes(row)?.as_slice())?;
                    }
                    None => {
                        identities.remove(key)?;
                    }
                }
            }
            let mut meta = write.open_table(META)?;
            meta.insert("next-id", counters.next_id)?;
            meta.insert("next-audit", counters.next_audit)?;
            if let Some(audit) = audit {
                let mut table = write.open_table(tables::AUDIT)?;
                table.insert(audit.number, tables::bytes(audit)?.as_slice())?;
            }
        }
        write.commit()?;
        Ok(())
    }
}

fn came_back(claim: &Claim) -> String {
    let name = &claim.name;
    match claim.kind {
        Kind::Domain => format!(
            "{name} is back under another entryUUID ({}): `postroom domain adopt {name}` gives it the mail it had, with --as-new it begins anew",
            claim.uuid
        ),
        _ => {
            let domain = name.rsplit('@').next().unwrap_or(name);
            format!(
                "{name} is back under another entryUUID ({}): `postroom domain adopt {domain} --only {name}` gives it the mail it had, with --as-new it begins anew",
                claim.uuid
            )
        }
    }
}

fn read(database: &Database) -> Result<Vec<Stored>, redb::Error> {
    let read = database.begin_read()?;
    let table = match read.open_table(IDENTITIES) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut rows = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        let (domain, uuid) = key.value();
        rows.push((
            (DomainId(domain), uuid.to_owned()),
            tables::parse(value.value())?,
        ));
    }
    Ok(rows)
}

/// The names that the embedded directory of this file holds.
fn embedded_names(snapshot: &crate::Snapshot) -> Vec<Stored> {
    let mut names = Vec::new();
    let mut hold = |home: DomainId, id: u64, name: String, is_domain| {
        let key = (home, format!("embedded:{id}"));
        names.push((
            key,
            Row {
                id,
                name,
                is_domain,
            },
        ));
    };
    for domain in snapshot.domains() {
        hold(SITE, domain.id.0, domain.name.to_string(), true);
        for person in snapshot.people(domain.id).unwrap_or_default() {
            hold(domain.id, person.id.0, person.mail.key(), false);
        }
        for group in snapshot.groups(domain.id).unwrap_or_default() {
            hold(domain.id, group.id.0, group.mail.key(), false);
        }
    }
    names
}

#[cfg(test)]
mod tests;
