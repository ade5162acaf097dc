//! A scripted life of a store, with a log of what was acknowledged, and a check of what a
//! reopened store must have.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mail::{
    Access, Direction, DomainId, Envelope, MailboxId, PersonId, ReversePath, Tenant, Timestamp, Uid,
};

use crate::cipher::SecretKey;
use crate::embedded::disk::{Disk, DiskFile, Lock, Mode};
use crate::embedded::fault::FaultDisk;
use crate::embedded::keyfile::{self, KeyPlace};
use crate::embedded::master::Master;
use crate::embedded::open_on;
use crate::embedded::repair::repair_on;
use crate::service::Engine;
use crate::{
    Accept, Action, Config, Effect, Error, FlagChange, FlagOperation, Flags, NewMessage, OpenError,
    Owner, Part, Piece, Place, Quota, Recipient, Settled, Settlement, Source, Store, TraceLine,
};

/// Small, so that a short script crosses every kind of border.
pub(crate) fn config() -> Config {
    Config {
        segment_bytes: 48 * 1024,
        checkpoint_bytes: 24 * 1024,
        checkpoint_interval: Duration::from_secs(3600),
        cache_bytes: 1024 * 1024,
        // Where it collects, it says so.
        collect: false,
        clock: || Timestamp(1_800_000_000_000),
        disk_reserve_bytes: 0,
        disk_reserve_percent: 0,
        ..Config::default()
    }
}

pub(crate) fn open(disk: &FaultDisk) -> Result<Engine, OpenError> {
    open_with(disk, master())
}

/// As [`open`], with a master key of the test's choice.
pub(crate) fn open_with(disk: &FaultDisk, master: SecretKey) -> Result<Engine, OpenError> {
    let keys = keys_on(disk, master);
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    open_on(disk, keys, std::path::Path::new("data"), &config())
}

/// As [`open`], with an index made again.
pub(crate) fn repaired(disk: &FaultDisk) -> Engine {
    let keys = keys_on(disk, master());
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    repair_on(disk, keys, std::path::Path::new("data"), &config()).expect("it is mended")
}

/// Puts the key file of one disk onto another.
pub(super) fn give_keys(from: &FaultDisk, to: &FaultDisk) {
    let path = format!("{KEYS}/{}", keyfile::FILE);
    let bytes = from.state().bytes(&path);
    let file = to.open(&path, Mode::Create).expect("it can be made");
    file.write_at(0, &bytes).expect("it can be written");
}

/// The keys of a store on this disk.
pub(crate) fn keys_on(disk: &FaultDisk, master: SecretKey) -> KeyPlace {
    KeyPlace {
        disk: Arc::new(Below(disk.clone(), KEYS)),
        root: KEYS.into(),
        master: Master::Given(master),
    }
}

/// Where the key file is on the disk of the tests.
pub(super) const KEYS: &str = "keys";

pub(super) fn master() -> SecretKey {
    SecretKey::from_bytes(&[9; 32]).unwrap()
}

/// A directory of the same disk, so that one crash hits data and keys.
#[derive(Debug)]
struct Below(FaultDisk, &'static str);

impl Below {
    fn path(&self, path: &str) -> String {
        match path {
            "" => self.1.to_owned(),
            path => format!("{}/{path}", self.1),
        }
    }
}

impl Disk for Below {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.0.create_dir(&self.path(path))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.0.list(&self.path(path))
    }

    fn open(&self, path: &str, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        if mode == Mode::Create {
            // The first file makes the directory: by then the data has its `FORMAT`.
            self.0.create_dir(self.1)?;
            self.0.sync_dir("")?;
        }
        self.0.open(&self.path(path), mode)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(&self.path(from), &self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(&self.path(path))
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.0.sync_dir(&self.path(path))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.link(&self.path(from), &self.path(to))
    }

    fn space(&self) -> io::Result<(u64, u64)> {
        self.0.space()
    }

    fn lock(&self, path: &str) -> io::Result<Option<Lock>> {
        self.0.lock(&self.path(path))
    }
}

pub(crate) const PERSON: PersonId = PersonId(11);

pub(crate) fn tenant(domain: u64) -> Tenant {
    Tenant::vouch(DomainId(domain))
}

pub(crate) fn access() -> Access {
    Access::system(tenant(1))
}

/// Something a caller was told.
#[derive(Debug, Clone)]
pub(crate) enum Acked {
    Message {
        domain: u64,
        mailbox: MailboxId,
        uid: Uid,
        hash: blake3::Hash,
    },
    Flags {
        mailbox: MailboxId,
        uid: Uid,
        flags: Flags,
    },
    Expunged {
        mailbox: MailboxId,
        uid: Uid,
    },
    Queued {
        id: crate::QueueId,
    },
    Settled {
        id: crate::QueueId,
    },
    Kv {
        key: Vec<u8>,
        value: Vec<u8>,
    },
}

/// What was acknowledged, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Acked>>>);

impl Log {
    pub(crate) fn of(acked: Vec<Acked>) -> Self {
        Self(Arc::new(Mutex::new(acked)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn push(&self, acked: Acked) {
        self.0.lock().unwrap().push(acked);
    }

    pub(crate) fn first(&self, count: usize) -> Vec<Acked> {
        self.0.lock().unwrap()[..count].to_vec()
    }
}

/// Bytes of a seed: text that gets smaller by compression for one seed in four, else noise.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    if seed % 4 == 3 {
        return text(seed, length);
    }
    let mut reader = blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof();
    let mut bytes = vec![0; length];
    reader.fill(&mut bytes);
    bytes
}

fn text(seed: u64, length: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|line: u32| format!("Line {line} of {seed}.\r\n").into_bytes());
    lines.take(length).collect()
}

pub(crate) fn body(store: &Engine, bytes: &[u8]) -> Result<Piece, Error> {
    let mut writer = store.begin_body()?;
    for chunk in bytes.chunks(10_000) {
        writer.write(chunk)?;
    }
    Ok(writer.finish()?.piece())
}

pub(crate) fn append(
    store: &Engine,
    log: &Log,
    seed: u64,
    length: usize,
) -> Result<(MailboxId, Uid), Error> {
    let content = bytes(seed, length);
    let pieces = vec![
        Piece::Private(b"Received: here\r\n".to_vec()),
        body(store, &content)?,
    ];
    let whole = [b"Received: here\r\n".as_slice(), &content].concat();
    let message = NewMessage::new(pieces);
    let done = store
        .append(
            &access(),
            store.operation_id(),
            Place::Inbox(PERSON),
            vec![message],
        )
        .wait()?;
    let (mailbox, uid) = (done[0].mailbox, done[0].uid);
    log.push(Acked::Message {
        domain: 1,
        mailbox,
        uid,
        hash: blake3::hash(&whole),
    });
    Ok((mailbox, uid))
}

pub(crate) fn envelope(store: &Engine) -> Envelope {
    Envelope {
        id: store.envelope_id(),
        reverse_path: ReversePath::Null,
        direction: Direction::Inbound,
        authenticated: None,
        peer: None,
        helo: "client.test".to_owned(),
        encrypted: false,
        received: Timestamp(1_800_000_000_000),
        body: mail::Body::SevenBit,
        utf8: false,
        envid: None,
    }
}

pub(crate) fn recipient(store: &Engine, actions: Vec<Action>) -> Recipient {
    Recipient {
        id: store.recipient_id(),
        original: "Ann@abc.test".to_owned(),
        address: mail::Mailbox::parse("ann@abc.test").unwrap(),
        prefix: b"Delivered-To: ann@abc.test\r\n".to_vec(),
        actions,
    }
}

/// Something decided, for `explain`.
pub(crate) fn trace_line(step: &str) -> TraceLine {
    TraceLine {
        at: Timestamp(1_800_000_000_000),
        recipient: None,
        step: step.to_owned(),
        text: "as the script says".to_owned(),
    }
}

/// One message to two domains, and a queue row.
pub(crate) fn accept(
    store: &Engine,
    log: &Log,
    seed: u64,
    length: usize,
) -> Result<crate::QueueId, Error> {
    let content = bytes(seed, length);
    let piece = body(store, &content)?;
    let part = |domain: u64, more: Vec<Action>| {
        let into = Action::Mailbox {
            place: Place::Inbox(PERSON),
            flags: Flags::NONE,
            quota: Quota::NONE,
        };
        Part {
            access: Access::system(tenant(domain)),
            pieces: vec![piece.clone()],
            thread: None,
            trace: Vec::new(),
            recipients: vec![recipient(store, [vec![into], more].concat())],
            effects: Vec::new(),
            domain_quota: Quota::NONE,
        }
    };
    let later = Action::Process {
        stage: "deliver:autoreply".to_owned(),
        context: vec![7; 20],
        due: Timestamp(0),
        expires: Timestamp(i64::MAX),
    };
    let parts = vec![part(1, vec![later]), part(2, Vec::new())];
    let accepted = store
        .accept(Accept {
            operation: store.operation_id(),
            envelope: envelope(store),
            parts,
        })
        .wait()?;
    let whole = [b"Delivered-To: ann@abc.test\r\n".as_slice(), &content].concat();
    for (stored, domain) in accepted.stored.iter().zip([1, 2]) {
        let hash = blake3::hash(&whole);
        log.push(Acked::Message {
            domain,
            mailbox: stored.mailbox,
            uid: stored.uid,
            hash,
        });
    }
    let id = accepted.queued[0].id;
    log.push(Acked::Queued { id });
    Ok(id)
}

fn settle(store: &Engine, log: &Log, key: &[u8]) -> Result<(), Error> {
    let lease = store.claim("worker", Timestamp(1), 60, 1)?.remove(0);
    let mut settlement = Settlement::new(store.operation_id(), Settled::Done);
    settlement.effects.push(Effect::KvPut {
        plugin: "autoreply".to_owned(),
        key: key.to_vec(),
        value: b"sent".to_vec(),
        expires: None,
    });
    store.complete(&lease, settlement).wait()?;
    log.push(Acked::Settled { id: lease.row.id });
    log.push(Acked::Kv {
        key: key.to_vec(),
        value: b"sent".to_vec(),
    });
    Ok(())
}

fn flag(store: &Engine, log: &Log, mailbox: MailboxId, uid: Uid) -> Result<(), Error> {
    let change = FlagChange {
        operation: FlagOperation::Add,
        flags: Flags::SEEN,
        keywords: vec!["$Work".to_owned()],
        unchanged_since: None,
    };
    let rows = store
        .store_flags(&access(), store.operation_id(), mailbox, vec![uid], change)
        .wait()?;
    log.push(Acked::Flags {
        mailbox,
        uid,
        flags: rows[0].flags,
    });
    Ok(())
}

fn expunge(store: &Engine, log: &Log, mailbox: MailboxId, uid: Uid) -> Result<(), Error> {
    let gone = store
        .expunge(&access(), store.operation_id(), mailbox, vec![uid])
        .wait()?;
    assert_eq!(gone, [uid]);
    log.push(Acked::Expunged { mailbox, uid });
    Ok(())
}

/// The life. Ends with the first error.
pub(crate) fn live(store: &Engine, log: &Log) -> Result<(), Error> {
    let (inbox, first) = append(store, log, 1, 900)?;
    let (_, second) = append(store, log, 2, 20_000)?;
    accept(store, log, 3, 3_000)?;
    flag(store, log, inbox, first)?;
    let (_, large) = append(store, log, 4, 300_000)?;
    settle(store, log, b"one")?;
    expunge(store, log, inbox, second)?;
    accept(store, log, 5, 280_000)?;
    for seed in 6..12 {
        append(store, log, seed, 5_000)?;
    }
    expunge(store, log, inbox, large)?;
    accept(store, log, 13, 9_000)?;
    settle(store, log, b"two")?;
    // A mailbox whose last UIDs are expunged must not give them again.
    let (_, last) = append(store, log, 14, 100)?;
    expunge(store, log, inbox, last)?;
    append(store, log, 15, 200)?;
    Ok(())
}

/// Everything acknowledged is there, and no UID is given twice.
pub(crate) fn check(store: &Engine, acked: &[Acked], context: &str) {
    let mut messages: BTreeMap<(u64, MailboxId, Uid), blake3::Hash> = BTreeMap::new();
    let mut flags = BTreeMap::new();
    let mut highest: BTreeMap<(u64, MailboxId), Uid> = BTreeMap::new();
    let mut gone = Vec::new();
    let mut queued = Vec::new();
    for acked in acked {
        match acked {
            Acked::Message {
                domain,
                mailbox,
                uid,
                hash,
            } => {
                messages.insert((*domain, *mailbox, *uid), *hash);
                let top = highest.entry((*domain, *mailbox)).or_insert(*uid);
                assert!(*top <= *uid, "{context}: UIDs were not given in order");
                *top = *uid;
            }
            Acked::Flags {
                mailbox,
                uid,
                flags: set,
            } => drop(flags.insert((*mailbox, *uid), *set)),
            Acked::Expunged { mailbox, uid } => {
                messages.remove(&(1, *mailbox, *uid));
                gone.push((*mailbox, *uid));
            }
            Acked::Queued { id } => queued.push(*id),
            Acked::Settled { id } => queued.retain(|known| known != id),
            Acked::Kv { key, value } => {
                let found = store.kv(&access(), "autoreply", key).unwrap();
                assert_eq!(found.as_ref(), Some(value), "{context}: a value is lost");
            }
        }
    }
    for ((domain, mailbox, uid), hash) in &messages {
        let access = Access::system(tenant(*domain));
        let content = store
            .content(&access, Source::Message(*mailbox, *uid))
            .and_then(|content| content.read_all());
        // An expunge of it may have been under way, unacknowledged, when the disk stopped.
        let content = match content {
            Err(Error::NotFound) if was_expunged(store, &access, *mailbox, *uid) => continue,
            content => content
                .unwrap_or_else(|error| panic!("{context}: message {uid:?} of {domain}: {error}")),
        };
        assert_eq!(
            blake3::hash(&content),
            *hash,
            "{context}: message {uid:?} has other bytes"
        );
    }
    for (mailbox, uid) in gone {
        let rows = store.rows(&access(), mailbox, uid.0..=uid.0).unwrap();
        assert!(
            rows.is_empty(),
            "{context}: {uid:?} came back after its expunge"
        );
    }
    for ((mailbox, uid), set) in flags {
        let row = store
            .rows(&access(), mailbox, uid.0..=uid.0)
            .unwrap()
            .remove(0);
        assert_eq!(row.flags, set, "{context}: flags are lost");
        assert_eq!(row.keywords, ["$Work"], "{context}: keywords are lost");
    }
    for id in queued {
        let row = store.queue_row(&access(), id);
        // Its settlement may have been under way.
        assert!(
            row.is_ok() || row == Err(Error::NotFound),
            "{context}: {row:?}"
        );
    }
    for ((domain, mailbox), top) in highest {
        let access = Access::system(tenant(domain));
        let message = NewMessage::new(vec![Piece::Private(b"new".to_vec())]);
        let place = Place::Mailbox(mailbox);
        let new = store
            .append(&access, store.operation_id(), place, vec![message])
            .wait()
            .unwrap();
        assert!(
            new[0].uid > top,
            "{context}: {:?} was given again",
            new[0].uid
        );
    }
}

/// UIDs in the script's INBOX, if there is one.
pub(crate) fn inbox_uids(store: &Engine) -> Vec<Uid> {
    match store.mailbox_named(&access(), Owner::Person(PERSON), "INBOX") {
        Ok(inbox) => {
            let rows = store.rows(&access(), inbox.id, 1..=u32::MAX).unwrap();
            rows.iter().map(|row| row.uid).collect()
        }
        Err(error) => {
            assert_eq!(error, Error::NotFound);
            Vec::new()
        }
    }
}

fn was_expunged(store: &Engine, access: &Access, mailbox: MailboxId, uid: Uid) -> bool {
    let changes = store
        .changes_since(access, mailbox, mail::ModSeq(0))
        .unwrap();
    changes.expunged.contains(&uid)
}
