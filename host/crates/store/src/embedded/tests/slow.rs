//! A disk whose syncs take long, or do not end for a while.

use std::io::Result as IoResult;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use mail::{Access, PersonId, Tenant};

use crate::embedded::disk::{Disk, DiskFile, Lock, Mode};
use crate::embedded::fault::{FaultDisk, State};
use crate::embedded::open_on;
use crate::embedded::tests::script::{keys_on, master};
use crate::pressure::WAITING_BYTES;
use crate::{Appended, Config, Engine, Error, NewMessage, Pending, Place, Store};

/// What every sync of the journal does first.
#[derive(Debug, Default)]
struct Syncs {
    count: AtomicUsize,
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Syncs {
    fn pass(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        let is_shut = self.is_shut.lock().unwrap();
        drop(self.opened.wait_while(is_shut, |is_shut| *is_shut).unwrap());
    }

    fn shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.opened.notify_all();
    }
}

#[derive(Debug)]
struct SlowDisk(FaultDisk, Arc<Syncs>);

#[derive(Debug)]
struct SlowFile(Arc<dyn DiskFile>, Arc<Syncs>);

impl Disk for SlowDisk {
    fn create_dir(&self, path: &str) -> IoResult<()> {
        self.0.create_dir(path)
    }
    fn list(&self, path: &str) -> IoResult<Vec<String>> {
        self.0.list(path)
    }
    fn open(&self, path: &str, mode: Mode) -> IoResult<Arc<dyn DiskFile>> {
        let file = self.0.open(path, mode)?;
        if path.starts_with("journal/") {
            return Ok(Arc::new(SlowFile(file, Arc::clone(&self.1))));
        }
        Ok(file)
    }
    fn rename(&self, from: &str, to: &str) -> IoResult<()> {
        self.0.rename(from, to)
    }
    fn link(&self, from: &str, to: &str) -> IoResult<()> {
        self.0.link(from, to)
    }
    fn remove(&self, path: &str) -> IoResult<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, path: &str) -> IoResult<()> {
        self.0.sync_dir(path)
    }
    fn space(&self) -> IoResult<(u64, u64)> {
        self.0.space()
    }
    fn lock(&self, path: &str) -> IoResult<Option<Lock>> {
        self.0.lock(path)
    }
}

impl DiskFile for SlowFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        self.0.read_at(offset, out)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> IoResult<()> {
        self.0.write_at(offset, bytes)
    }
    fn length(&self) -> IoResult<u64> {
        self.0.length()
    }
    fn set_length(&self, length: u64) -> IoResult<()> {
        self.0.set_length(length)
    }
    fn allocate(&self, length: u64) -> IoResult<()> {
        self.0.allocate(length)
    }
    fn sync(&self) -> IoResult<()> {
        self.1.pass();
        self.0.sync()
    }
}

fn open() -> (Arc<Engine>, Arc<Syncs>) {
    let syncs = Arc::new(Syncs::default());
    let disk = FaultDisk::new(State::default());
    let keys = keys_on(&disk, master());
    let disk = SlowDisk(disk, Arc::clone(&syncs));
    let config = Config {
        disk_reserve_bytes: 0,
        disk_reserve_percent: 0,
        ..Config::default()
    };
    let store = open_on(Arc::new(disk), keys, Path::new("data"), &config).unwrap();
    (Arc::new(store), syncs)
}

fn append(store: &Engine, bytes: usize) -> Pending<Vec<Appended>> {
    let access = Access::system(Tenant::vouch(mail::DomainId(1)));
    // Pieces of 200 kB: each message has as many as it takes.
    let mut pieces = Vec::new();
    for _ in 0..bytes.div_ceil(200_000) {
        let mut writer = store.begin_body().unwrap();
        writer.write(&vec![b'x'; bytes.min(200_000)]).unwrap();
        pieces.push(writer.finish().unwrap().piece());
    }
    store.append(
        &access,
        store.operation_id(),
        Place::Inbox(PersonId(1)),
        vec![NewMessage::new(pieces)],
    )
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn f13_a_disk_that_stands_still_is_behind_and_then_goes_on() {
    let (store, syncs) = open();
    append(&store, 100).wait().unwrap();
    assert!(!store.space().unwrap().behind);
    syncs.shut(true);
    let mut pending = Vec::new();
    let mut sent = 0;
    while sent <= WAITING_BYTES {
        pending.push(append(&store, 2_000_000));
        sent += 2_000_000;
    }
    let space = store.space().unwrap();
    assert!(space.behind, "{space:?}");
    // Reading goes on meanwhile.
    let access = Access::system(Tenant::vouch(mail::DomainId(1)));
    let owner = crate::Owner::Person(PersonId(1));
    assert_eq!(store.usage(&access, owner).unwrap().messages, 1);
    syncs.shut(false);
    let count = pending.len() as u64;
    for answer in pending {
        answer.wait().unwrap();
    }
    assert_eq!(store.usage(&access, owner).unwrap().messages, 1 + count);
    eventually("it has caught up", || {
        let space = store.space().unwrap();
        !space.behind && space.waiting_bytes == 0
    });
}

#[test]
fn f13_one_operation_that_waits_long_is_enough() {
    let (store, syncs) = open();
    syncs.shut(true);
    let pending = append(&store, 100);
    eventually("two seconds behind", || store.space().unwrap().behind);
    assert!(store.space().unwrap().waiting_ms > 1_000);
    syncs.shut(false);
    pending.wait().unwrap();
    eventually("it has caught up", || !store.space().unwrap().behind);
}

#[test]
fn f13_slow_syncs_are_shared_by_all_who_wait() {
    let (store, syncs) = open();
    let before = syncs.count.load(Ordering::SeqCst);
    for _ in 0..10 {
        // The sync of the first one takes until all 64 have sent.
        syncs.shut(true);
        let pending: Vec<_> = (0..64).map(|_| append(&store, 1_000)).collect();
        syncs.shut(false);
        for answer in pending {
            answer.wait().unwrap();
        }
    }
    // Those who came meanwhile share the next one.
    let syncs = syncs.count.load(Ordering::SeqCst) - before;
    assert!(syncs <= 20, "{syncs} syncs for 10 times 64 messages");
    assert!(!store.space().unwrap().behind);
}

#[test]
fn what_waits_is_bounded() {
    let (store, syncs) = open();
    syncs.shut(true);
    let mut pending: Vec<_> = (0..20_000).map(|_| append(&store, 1)).collect();
    // The batch under way was taken: so many more have room, and then no more.
    let refused = (0..5_000).map(|_| append(&store, 1)).collect::<Vec<_>>();
    syncs.shut(false);
    pending.extend(refused);
    let answers: Vec<_> = pending.into_iter().map(Pending::wait).collect();
    let busy = answers
        .iter()
        .filter(|answer| matches!(answer, Err(Error::Busy)))
        .count();
    assert!((1..5_000).contains(&busy), "{busy} were refused");
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Ok(_) | Err(Error::Busy)))
    );
}
