//! The steps of which lives are made. Each is one thing that a caller does and waits for.
//!
//! A step chooses by the life's dice among what is there, so any order of steps is a life.

mod host;
mod mailboxes;
mod queue;

use mail::{MailboxId, PersonId, Tenant, Timestamp, Uid};

use crate::embedded::tests::dump::{DOMAINS, GROUP, PEOPLE};
use crate::embedded::tests::life::Life;
use crate::embedded::tests::script::{self, body};
use crate::{
    Accept, Action, Effect, Error, FlagChange, FlagOperation, Flags, Lease, NewMessage, Owner,
    Parked, ParkedReason, Part, Piece, Place, QueueId, Quota, Result, Store, Work,
};

pub(crate) use host::*;
pub(crate) use mailboxes::*;
pub(crate) use queue::*;

/// One thing that is done.
pub(crate) type Step = fn(&mut Life) -> Result<()>;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const SPACES: [&str; 5] = ["Work", "Work/2027", "Archive", "Lists/rust", "Zürich"];

/// All that a random life may do; what comes often stands here often.
pub(crate) const ANY: &[Step] = &[
    append,
    append,
    append,
    append,
    append_several,
    accept,
    accept,
    accept,
    accept,
    accept_large,
    flag,
    flag,
    flag,
    copy,
    copy,
    move_messages,
    move_messages,
    expunge,
    expunge,
    expunge,
    create_mailbox,
    rename_mailbox,
    delete_mailbox,
    subscribe,
    share,
    settle,
    settle,
    settle,
    settle,
    note_started,
    hold,
    release,
    retry_now,
    remove,
    put_values,
    put_values,
    set_settings,
    expire,
    burst,
    collect,
    reopen,
];

impl Life {
    fn domain(&mut self) -> u64 {
        DOMAINS[self.dice.roll(2) as usize]
    }

    fn person(&mut self) -> PersonId {
        PEOPLE[self.dice.roll(2) as usize]
    }

    fn content(&mut self) -> Vec<u8> {
        let length = match self.dice.roll(12) {
            0..=5 => self.dice.roll(2_000),
            6..=9 => 2_000 + self.dice.roll(10_000),
            10 => 60_000 + self.dice.roll(12_000),
            _ => 0,
        };
        let seed = self.dice.roll(u64::MAX);
        script::bytes(seed, length.min(self.largest) as usize)
    }

    fn message(&mut self) -> Result<NewMessage> {
        let content = self.content();
        let pieces = vec![
            Piece::Private(b"Received: here\r\n".to_vec()),
            body(self.store(), &content)?,
        ];
        Ok(NewMessage {
            internal_date: (self.dice.roll(2) == 0).then_some((Timestamp(86_400_000), -90)),
            flags: if self.dice.roll(4) == 0 {
                Flags::DRAFT
            } else {
                Flags::NONE
            },
            ..NewMessage::new(pieces)
        })
    }

    fn place(&mut self) -> Place {
        let person = self.person();
        match self.dice.roll(4) {
            0 => Place::Named(
                Owner::Person(person),
                SPACES[self.dice.roll(5) as usize].to_owned(),
            ),
            1 => Place::Named(Owner::Group(GROUP), "Plans".to_owned()),
            _ => Place::Inbox(person),
        }
    }

    fn mailbox(&mut self) -> Option<(u64, MailboxId)> {
        let all = self.now().mailbox_ids();
        self.dice.pick(&all).copied()
    }

    /// A mailbox with mail, and some of it.
    fn messages(&mut self) -> Option<(u64, MailboxId, Vec<Uid>)> {
        let with: Vec<(u64, u64, u32)> = self
            .now()
            .0
            .keys()
            .filter_map(|key| {
                let (domain, rest) = key.split_once("/message/")?;
                let (mailbox, uid) = rest.split_once('/')?;
                Some((
                    domain.parse().ok()?,
                    mailbox.parse().ok()?,
                    uid.parse().ok()?,
                ))
            })
            .collect();
        let (domain, mailbox, _) = *self.dice.pick(&with)?;
        let mut uids: Vec<Uid> = with
            .iter()
            .filter(|(d, m, _)| (*d, *m) == (domain, mailbox))
            .map(|(_, _, uid)| Uid(*uid))
            .collect();
        let mut chosen = Vec::new();
        for _ in 0..=self.dice.roll(3) {
            if !uids.is_empty() {
                chosen.push(uids.remove(self.dice.roll(uids.len() as u64) as usize));
            }
        }
        Some((domain, MailboxId(mailbox), chosen))
    }

    fn queued(&mut self) -> Option<(u64, QueueId, bool)> {
        let all: Vec<(u64, QueueId, bool)> = self
            .now()
            .0
            .iter()
            .filter_map(|(key, line)| {
                let (domain, id) = key.split_once("/queue/")?;
                let is_ready = line.split(' ').nth(3) == Some("ready");
                Some((domain.parse().ok()?, QueueId(id.parse().ok()?), is_ready))
            })
            .collect();
        self.dice.pick(&all).copied()
    }

    fn accept_of(&mut self, content: &[u8]) -> Result<Accept> {
        let shared = body(self.store(), content)?;
        let mut parts = Vec::new();
        for domain in DOMAINS.into_iter().take(1 + self.dice.roll(3) as usize) {
            let actions = self.actions();
            parts.push(self.part(script::tenant(domain), shared.clone(), actions));
        }
        if self.dice.roll(3) == 0 {
            parts.push(self.part(Tenant::HOST, shared, vec![remote("elsewhere.test")]));
        }
        Ok(Accept {
            operation: self.store().operation_id(),
            envelope: script::envelope(self.store()),
            parts,
        })
    }

    fn actions(&mut self) -> Vec<Action> {
        let into = Action::Mailbox {
            place: self.place(),
            flags: Flags::NONE,
            quota: Quota::NONE,
        };
        match self.dice.roll(5) {
            0 => vec![into, process("deliver:autoreply")],
            1 => vec![process("queued")],
            2 => vec![remote("next.test")],
            3 => vec![Action::Parked(parked(ParkedReason::Quarantine))],
            _ => vec![into],
        }
    }

    fn part(&mut self, tenant: Tenant, body: Piece, actions: Vec<Action>) -> Part {
        Part {
            access: mail::Access::system(tenant),
            pieces: vec![Piece::Private(b"X-Edit: 1\r\n".to_vec()), body],
            thread: None,
            trace: vec![script::trace_line("accepted")],
            recipients: vec![script::recipient(self.store(), actions)],
            effects: vec![put("greylist", b"peer", b"seen")],
            domain_quota: Quota::NONE,
        }
    }

    fn claim(&mut self) -> Result<Option<Lease>> {
        Ok(self.store().claim("worker", NOW, 60, 1)?.pop())
    }
}

fn process(stage: &str) -> Action {
    Action::Process {
        stage: stage.to_owned(),
        context: vec![7; 20],
        due: Timestamp(0),
        expires: NOW.plus_seconds(3600),
    }
}

fn remote(next_hop: &str) -> Action {
    Action::Remote {
        channel: "smtp".to_owned(),
        next_hop: Some(next_hop.to_owned()),
        due: Timestamp(1),
        expires: NOW.plus_seconds(7200),
    }
}

fn parked(reason: ParkedReason) -> Parked {
    Parked {
        reason,
        text: "looks odd".to_owned(),
        resume: Work::Process {
            stage: "deliver:file".to_owned(),
            context: Vec::new(),
        },
        expires: None,
    }
}

fn put(plugin: &str, key: &[u8], value: &[u8]) -> Effect {
    Effect::KvPut {
        plugin: plugin.to_owned(),
        key: key.to_vec(),
        value: value.to_vec(),
        expires: None,
    }
}

pub(crate) fn append(life: &mut Life) -> Result<()> {
    let (domain, place, message) = (life.domain(), life.place(), life.message()?);
    life.step("append", |store| {
        let id = store.operation_id();
        store
            .append(&Life::access(domain), id, place, vec![message])
            .wait()
    })?;
    Ok(())
}

pub(crate) fn append_several(life: &mut Life) -> Result<()> {
    let (domain, place) = (life.domain(), life.place());
    let messages = vec![life.message()?, life.message()?, life.message()?];
    life.step("append of three", |store| {
        let id = store.operation_id();
        store
            .append(&Life::access(domain), id, place, messages)
            .wait()
    })?;
    Ok(())
}

/// With a repeat by the same operation id, which does nothing.
pub(crate) fn accept(life: &mut Life) -> Result<()> {
    let content = life.content();
    accept_content(life, &content)
}

/// A body with a file of its own, shared by several domains.
pub(crate) fn accept_large(life: &mut Life) -> Result<()> {
    let content = script::bytes(life.dice.roll(u64::MAX), 263_000);
    accept_content(life, &content)
}

fn accept_content(life: &mut Life, content: &[u8]) -> Result<()> {
    let accept = life.accept_of(content)?;
    let again = accept.clone();
    let first = life.step("accept", |store| store.accept(accept).wait())?;
    let second = life.store().accept(again).wait()?;
    assert_eq!(first, second, "a repeat gets the first answer");
    Ok(())
}

pub(crate) fn flag(life: &mut Life) -> Result<()> {
    let Some((domain, mailbox, uids)) = life.messages() else {
        return append(life);
    };
    let operation = [
        FlagOperation::Add,
        FlagOperation::Remove,
        FlagOperation::Set,
    ];
    let change = FlagChange {
        operation: operation[life.dice.roll(3) as usize],
        flags: if life.dice.roll(2) == 0 {
            Flags::SEEN
        } else {
            Flags::DELETED
        },
        keywords: vec![format!("$Key{}", life.dice.roll(3))],
        unchanged_since: None,
    };
    life.step("flags", |store| {
        let id = store.operation_id();
        store
            .store_flags(&Life::access(domain), id, mailbox, uids, change)
            .wait()
    })?;
    Ok(())
}

/// Another mailbox of the same domain.
fn destination(life: &mut Life, domain: u64) -> Option<MailboxId> {
    let mut all = life.now().mailbox_ids();
    all.retain(|(of, _)| *of == domain);
    life.dice.pick(&all).map(|(_, id)| *id)
}

pub(crate) fn copy(life: &mut Life) -> Result<()> {
    let Some((domain, from, uids)) = life.messages() else {
        return append(life);
    };
    let Some(to) = destination(life, domain) else {
        return append(life);
    };
    life.step("copy", |store| {
        let id = store.operation_id();
        store
            .copy(&Life::access(domain), id, from, uids, to.into())
            .wait()
    })?;
    Ok(())
}

pub(crate) fn move_messages(life: &mut Life) -> Result<()> {
    let Some((domain, from, uids)) = life.messages() else {
        return append(life);
    };
    let Some(to) = destination(life, domain) else {
        return append(life);
    };
    life.step("move", |store| {
        let id = store.operation_id();
        store
            .move_messages(&Life::access(domain), id, from, uids, to.into())
            .wait()
    })?;
    Ok(())
}

pub(crate) fn expunge(life: &mut Life) -> Result<()> {
    let Some((domain, mailbox, uids)) = life.messages() else {
        return append(life);
    };
    life.step("expunge", |store| {
        let id = store.operation_id();
        store
            .expunge(&Life::access(domain), id, mailbox, uids)
            .wait()
    })?;
    Ok(())
}

/// The newest messages: their UIDs must never come again.
pub(crate) fn expunge_last(life: &mut Life) -> Result<()> {
    let Some((domain, mailbox, _)) = life.messages() else {
        return append(life);
    };
    let access = Life::access(domain);
    let rows = life.store().rows(&access, mailbox, 1..=u32::MAX)?;
    let last = rows.iter().rev().take(2).map(|row| row.uid).collect();
    life.step("expunge of the last", |store| {
        store
            .expunge(&access, store.operation_id(), mailbox, last)
            .wait()
    })?;
    Ok(())
}

/// What is refused because the name is taken or not allowed is refused without a trace.
fn refused_is_fine<T>(life: &mut Life, done: Result<T>) -> Result<()> {
    match done {
        Err(Error::Exists | Error::Invalid(_)) => {
            life.check_refused();
            Ok(())
        }
        done => done.map(drop),
    }
}
