//! Power fails at every sync point: what was acknowledged is there, and never half a change.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use mail::{DomainId, Principal};
use redb::{Database, StorageBackend};
use serde_json::json;

use super::{
    add_alias, add_domain, add_group, add_person, mailbox, set_domain, set_group, set_person,
};
use crate::{Change, EmbeddedDirectory, Options};

/// What reached the disk, in order.
#[derive(Debug, Clone)]
enum Event {
    Length(usize),
    Write(usize, Vec<u8>),
    Sync,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    events: Vec<Event>,
}

impl Content {
    fn apply(&mut self, event: Event) {
        match &event {
            Event::Length(length) => self.bytes.resize(*length, 0),
            Event::Write(offset, data) => {
                let end = offset + data.len();
                // A write whose growth was lost finds the file too short and makes it longer.
                self.bytes.resize(self.bytes.len().max(end), 0);
                self.bytes[*offset..end].copy_from_slice(data);
            }
            Event::Sync => {}
        }
        self.events.push(event);
    }
}

/// A disk that remembers.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Content>>);

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().expect("no test panics with it")
    }

    fn open(&self) -> EmbeddedDirectory {
        let database = Database::builder()
            .create_with_backend(self.clone())
            .expect("it opens");
        EmbeddedDirectory::over(|| Ok(database), Options::default()).expect("it can be read")
    }

    /// After the events, of those behind the last sync only the chosen ones.
    fn after(events: &[Event], is_kept: impl Fn(usize) -> bool) -> Self {
        let synced = events
            .iter()
            .rposition(|event| matches!(event, Event::Sync))
            .map_or(0, |at| at + 1);
        let disk = Self::default();
        for (index, event) in events.iter().enumerate() {
            if index < synced || is_kept(index) {
                disk.lock().apply(event.clone());
            }
        }
        disk.lock().events.clear();
        disk
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.lock().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let offset = offset as usize;
        let content = self.lock();
        let found = content.bytes.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        self.lock().apply(Event::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.lock().apply(Event::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.lock()
            .apply(Event::Write(offset as usize, data.to_vec()));
        Ok(())
    }
}

/// A change of each kind, some over several tables.
fn changes() -> Vec<Change> {
    vec![
        add_domain(
            json!({ "name": "abc.test", "administrators": ["ann@abc.test", "bob@abc.test"] }),
        ),
        add_person(json!({ "mail": "ann@abc.test" })),
        add_person(json!({ "mail": "bob@abc.test" })),
        add_group(json!({ "mail": "team@abc.test", "members": ["ann@abc.test", "bob@abc.test"] })),
        add_alias("info@abc.test", &["ann@abc.test"]),
        set_person("bob@abc.test", json!({ "status": "inactive" })),
        set_domain("abc.test", json!({ "catch_all": "ann@abc.test" })),
        Change::RemovePerson(mailbox("bob@abc.test")),
        set_group("team@abc.test", json!({ "name": "Team" })),
        Change::RemoveAlias(mailbox("info@abc.test")),
        add_domain(json!({ "name": "xyz.test" })),
    ]
}

/// Everything, comparable.
fn everything(directory: &EmbeddedDirectory) -> String {
    let snapshot = directory.snapshot();
    let of = |id: DomainId| {
        (
            snapshot.people(id),
            snapshot.groups(id),
            snapshot.aliases(id),
        )
    };
    let domains = snapshot.domains();
    format!(
        "{:?}",
        domains
            .iter()
            .map(|entry| (entry, of(entry.id)))
            .collect::<Vec<_>>()
    )
}

#[test]
fn f02_what_was_acknowledged_survives_a_power_failure_at_every_sync_point() {
    let disk = Disk::default();
    let directory = disk.open();
    // By generation: all there is, and how many events had happened when it was acknowledged.
    let mut states = vec![(everything(&directory), disk.lock().events.len())];
    for change in changes() {
        directory
            .apply_blocking(Principal::Site, &change)
            .expect("it is applied");
        states.push((everything(&directory), disk.lock().events.len()));
    }
    let events = disk.lock().events.clone();
    drop(directory);

    let kept: [fn(usize) -> bool; 4] = [
        |_| false,
        |index| index % 2 == 0,
        |index| index % 2 == 1,
        |index| index % 7 < 3,
    ];
    let mut images = 0;
    // From the moment the new file was complete.
    for length in states[0].1..=events.len() {
        let is_before_sync = events
            .get(length)
            .is_none_or(|event| matches!(event, Event::Sync));
        if !is_before_sync {
            continue;
        }
        for is_kept in kept {
            let directory = Disk::after(&events[..length], is_kept).open();
            let generation = usize::try_from(directory.snapshot().generation()).expect("few");
            let acknowledged = states
                .iter()
                .rposition(|(_, at)| *at <= length)
                .expect("the first");
            assert!(
                generation >= acknowledged,
                "{length} events: {acknowledged} was acknowledged, {generation} is there"
            );
            assert_eq!(
                everything(&directory),
                states[generation].0,
                "{length} events"
            );
            // It goes on from there, with ids that were not used.
            let change = add_domain(json!({ "name": format!("after-{length}.test") }));
            directory
                .apply_blocking(Principal::Site, &change)
                .expect("it can be changed");
            images += 1;
        }
    }
    assert!(images >= 4 * changes().len(), "{images} images");
}
