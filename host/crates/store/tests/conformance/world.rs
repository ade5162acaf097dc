//! A store to try things on, and short names for what the scenarios do.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mail::{
    Access, Direction, DomainId, Envelope, MailboxId, OperationId, PersonId, Principal,
    ReversePath, Tenant,
};
use mail::{Timestamp, Uid};
use store::{
    Accept, Accepted, Action, Appended, Config, Embedded, Flags, Memory, Message, NewMailbox,
    NewMessage, Owner, Part, Piece, Place, QueueId, Quota, Recipient, Store,
};

pub(crate) const ANN: PersonId = PersonId(1);
pub(crate) const BOB: PersonId = PersonId(2);

/// The clock of all stores here; scenarios that need another time give it as an argument.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) struct World {
    store: Mutex<Arc<dyn Store>>,
    /// Removed with the world, and the store in it; the keys are beside that.
    directory: OnceLock<(tempfile::TempDir, std::path::PathBuf)>,
    config: Config,
}

pub(crate) fn config() -> Config {
    Config {
        clock: || NOW,
        segment_bytes: 256 * 1024,
        checkpoint_bytes: 64 * 1024,
        checkpoint_interval: Duration::from_millis(20),
        collect: false,
        disk_reserve_bytes: 0,
        disk_reserve_percent: 0,
        ..Config::default()
    }
}

impl World {
    pub(crate) fn memory() -> Self {
        let store: Arc<dyn Store> = Arc::new(Memory::new(config()).unwrap());
        Self {
            store: Mutex::new(store),
            directory: OnceLock::new(),
            config: config(),
        }
    }

    pub(crate) fn embedded() -> Self {
        Self::embedded_with(config())
    }

    /// With segments and checkpoints of a size that a long run can pay for.
    pub(crate) fn embedded_for_long() -> Self {
        Self::embedded_with(Config {
            segment_bytes: 4 * 1024 * 1024,
            checkpoint_bytes: 1024 * 1024,
            checkpoint_interval: Duration::from_secs(3600),
            ..config()
        })
    }

    fn embedded_with(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let store = Embedded::open(&data, config.clone()).unwrap();
        Self {
            store: Mutex::new(Arc::new(store)),
            directory: OnceLock::from((directory, data)),
            config,
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Closes and opens again, where there is something to open.
    pub(crate) fn reopen(&self) {
        let Some((_, data)) = self.directory.get() else {
            return;
        };
        let mut store = self.store.lock().unwrap();
        store.close().unwrap();
        *store = Arc::new(Embedded::open(data, self.config.clone()).unwrap());
    }

    /// The directory of a store that has one.
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.directory.get().unwrap().1
    }

    pub(crate) fn op(&self) -> OperationId {
        self.store().operation_id()
    }

    pub(crate) fn append(&self, access: &Access, place: Place, content: &[u8]) -> Appended {
        let message = NewMessage::new(vec![self.body(content)]);
        self.store()
            .append(access, self.op(), place, vec![message])
            .wait()
            .unwrap()[0]
    }

    pub(crate) fn body(&self, content: &[u8]) -> Piece {
        let mut writer = self.store().begin_body().unwrap();
        writer.write(content).unwrap();
        writer.finish().unwrap().piece()
    }

    pub(crate) fn create(
        &self,
        access: &Access,
        owner: Owner,
        name: &str,
    ) -> store::Result<MailboxId> {
        let new = NewMailbox {
            owner,
            name: name.to_owned(),
            special_use: None,
        };
        self.store().create_mailbox(access, self.op(), new).wait()
    }

    pub(crate) fn rows(&self, access: &Access, mailbox: MailboxId) -> Vec<Message> {
        self.store().rows(access, mailbox, 1..=u32::MAX).unwrap()
    }

    pub(crate) fn uids(&self, access: &Access, mailbox: MailboxId) -> Vec<u32> {
        self.rows(access, mailbox)
            .iter()
            .map(|row| row.uid.0)
            .collect()
    }

    pub(crate) fn names(&self, access: &Access, viewer: Owner) -> Vec<String> {
        self.store()
            .mailboxes(access, viewer)
            .unwrap()
            .into_iter()
            .map(|mailbox| mailbox.name)
            .collect()
    }

    pub(crate) fn read(&self, access: &Access, mailbox: MailboxId, uid: Uid) -> Vec<u8> {
        self.store()
            .content(access, store::Source::Message(mailbox, uid))
            .unwrap()
            .read_all()
            .unwrap()
    }

    pub(crate) fn envelope(&self) -> Envelope {
        Envelope {
            id: self.store().envelope_id(),
            reverse_path: ReversePath::Mailbox(
                mail::Mailbox::parse("carl@elsewhere.test").unwrap(),
            ),
            direction: Direction::Inbound,
            authenticated: None,
            peer: Some("192.0.2.7".parse().unwrap()),
            helo: "mx.elsewhere.test".to_owned(),
            encrypted: true,
            received: NOW,
            body: mail::Body::EightBitMime,
            utf8: false,
            envid: Some("id+1".to_owned()),
        }
    }

    pub(crate) fn recipient(&self, actions: Vec<Action>) -> Recipient {
        Recipient {
            id: self.store().recipient_id(),
            original: "Ann@ABC.test".to_owned(),
            address: mail::Mailbox::parse("\"ann o\"@abc.test").unwrap(),
            prefix: Vec::new(),
            actions,
        }
    }

    pub(crate) fn part(&self, access: Access, pieces: Vec<Piece>, actions: Vec<Action>) -> Part {
        Part {
            access,
            pieces,
            thread: None,
            trace: Vec::new(),
            recipients: vec![self.recipient(actions)],
            effects: Vec::new(),
            domain_quota: Quota::NONE,
        }
    }

    pub(crate) fn accept(&self, parts: Vec<Part>) -> Accept {
        Accept {
            operation: self.op(),
            envelope: self.envelope(),
            parts,
        }
    }

    /// Accepts a small message with these actions, in domain 1.
    pub(crate) fn accepted(&self, actions: Vec<Action>) -> Accepted {
        let part = self.part(
            system(1),
            vec![self.body(b"Subject: hi\r\n\r\nhi\r\n")],
            actions,
        );
        self.store().accept(self.accept(vec![part])).wait().unwrap()
    }

    /// Accepts a message for a worker.
    pub(crate) fn queued(&self, stage: &str, due: Timestamp) -> QueueId {
        self.accepted(vec![process(stage, due)]).queued[0].id
    }
}

pub(crate) fn tenant(domain: u64) -> Tenant {
    Tenant::vouch(DomainId(domain))
}

pub(crate) fn system(domain: u64) -> Access {
    Access::system(tenant(domain))
}

pub(crate) fn person(domain: u64, person: PersonId) -> Access {
    Access::person(tenant(domain), person)
}

pub(crate) fn administrator(domain: u64, person: PersonId) -> Access {
    Access {
        tenant: tenant(domain),
        principal: Principal::DomainAdministrator(person),
    }
}

pub(crate) fn inbox(person: PersonId) -> Action {
    Action::Mailbox {
        place: Place::Inbox(person),
        flags: Flags::NONE,
        quota: Quota::NONE,
    }
}

pub(crate) fn process(stage: &str, due: Timestamp) -> Action {
    Action::Process {
        stage: stage.to_owned(),
        context: b"context".to_vec(),
        due,
        expires: due.plus_seconds(3600),
    }
}

/// Waits until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::yield_now();
    }
}
