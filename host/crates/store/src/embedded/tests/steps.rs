//! The steps of which lives are made. Each is one thing that a caller does and waits for.
//!
//! A step chooses by the life's dice among what is there, so any order of steps is a life.

use mail::{MailboxId, PersonId, Tenant, Timestamp, Uid};

use crate::embedded::tests::dump::{DOMAINS, GROUP, PEOPLE, PLUGINS};
use crate::embedded::tests::life::Life;
use crate::embedded::tests::script::{self, body};
use crate::{
    Accept, Action, Effect, Error, FlagChange, FlagOperation, Flags, Lease, NewMailbox, NewMessage,
    Owner, Parked, ParkedReason, Part, Piece, Place, QueueId, Quota, Result, Rights, Settled,
    Settlement, Started, Store, Work,
};

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

pub(crate) fn create_mailbox(life: &mut Life) -> Result<()> {
    let (domain, person) = (life.domain(), life.person());
    let new = NewMailbox {
        owner: Owner::Person(person),
        name: format!(
            "{}/{}",
            SPACES[life.dice.roll(5) as usize],
            life.dice.roll(4)
        ),
        special_use: None,
    };
    let done = life.step("create", |store| {
        store
            .create_mailbox(&Life::access(domain), store.operation_id(), new)
            .wait()
    });
    refused_is_fine(life, done)
}

pub(crate) fn rename_mailbox(life: &mut Life) -> Result<()> {
    let Some((domain, mailbox)) = life.mailbox() else {
        return create_mailbox(life);
    };
    let name = format!("Renamed {}", life.dice.roll(1000));
    let done = life.step("rename", |store| {
        store
            .rename_mailbox(&Life::access(domain), store.operation_id(), mailbox, name)
            .wait()
    });
    refused_is_fine(life, done)
}

pub(crate) fn delete_mailbox(life: &mut Life) -> Result<()> {
    let Some((domain, mailbox)) = life.mailbox() else {
        return create_mailbox(life);
    };
    let done = life.step("delete of a mailbox", |store| {
        store
            .delete_mailbox(&Life::access(domain), store.operation_id(), mailbox)
            .wait()
    });
    refused_is_fine(life, done)
}

pub(crate) fn subscribe(life: &mut Life) -> Result<()> {
    let (domain, person) = (life.domain(), life.person());
    let (name, on) = (
        SPACES[life.dice.roll(5) as usize].to_owned(),
        life.dice.roll(3) > 0,
    );
    life.step("subscribe", |store| {
        store
            .subscribe(&Life::access(domain), person, name, on)
            .wait()
    })
}

/// Rights on a mailbox, or the members of the group.
pub(crate) fn share(life: &mut Life) -> Result<()> {
    let Some((domain, mailbox)) = life.mailbox() else {
        return create_mailbox(life);
    };
    let (person, access) = (life.person(), Life::access(domain));
    if life.dice.roll(2) == 0 {
        let members = vec![(person, Rights::MEMBER)];
        return life.step("members", |store| {
            store
                .set_members(&access, Owner::Group(GROUP), members)
                .wait()
        });
    }
    let done = life.step("rights", |store| {
        store
            .set_rights(&access, mailbox, person, Rights::READER)
            .wait()
    });
    refused_is_fine(life, done)
}

/// Claims a row and ends it in one of all ways.
pub(crate) fn settle(life: &mut Life) -> Result<()> {
    let Some(lease) = life.claim()? else {
        return accept(life);
    };
    let way = life.dice.roll(6);
    settle_by(life, &lease, way).inspect_err(|_| {
        // Refused for want of room: somebody else may try. A stopped store has no leases.
        let _ = life.store().give_back(&lease);
    })
}

fn settle_by(life: &mut Life, lease: &Lease, way: u64) -> Result<()> {
    let operation = life.store().operation_id();
    let settled = match way {
        0 | 1 => Settled::Done,
        2 => Settled::Retry {
            due: NOW,
            status: None,
            text: "451 later".to_owned(),
            delay_told: true,
        },
        3 => Settled::Parked(parked(ParkedReason::Moderation)),
        4 => Settled::Continue {
            actions: vec![
                Action::Mailbox {
                    place: Place::Inbox(PEOPLE[0]),
                    flags: Flags::SEEN,
                    quota: Quota::NONE,
                },
                process("deliver:forward"),
            ],
            pieces: Some(vec![Piece::Private(b"Subject: edited\r\n\r\n".to_vec())]),
            domain_quota: Quota::NONE,
        },
        _ => Settled::Failed,
    };
    // A host's row has no mailboxes.
    let settled = match settled {
        Settled::Continue { .. } if lease.row.domain.0 == 0 => Settled::Done,
        settled => settled,
    };
    let mut settlement = Settlement::new(operation, settled);
    settlement.trace = vec![script::trace_line("settled")];
    settlement
        .effects
        .push(put("autoreply", &lease.row.id.0.to_be_bytes(), b"sent"));
    if way == 5 || way == 1 {
        // The report about it is in the same commit.
        let report = body(life.store(), b"Subject: report\r\n\r\nIt failed.\r\n")?;
        let part = life.part(script::tenant(1), report, vec![remote("origin.test")]);
        settlement.effects.push(Effect::Accept(Box::new(Accept {
            operation: life.store().operation_id(),
            envelope: script::envelope(life.store()),
            parts: vec![part],
        })));
    }
    life.step("settle", |store| store.complete(lease, settlement).wait())?;
    Ok(())
}

pub(crate) fn note_started(life: &mut Life) -> Result<()> {
    let Some(lease) = life.claim()? else {
        return accept(life);
    };
    let started = Started {
        attempt: lease.row.attempts + 1,
        label: "spool".to_owned(),
        file_length: Some(life.dice.roll(1000)),
        at: NOW,
    };
    let done = life.step("note of a start", |store| {
        store.note_started(&lease, started).wait()
    });
    // A stopped store has no leases.
    let _ = life.store().give_back(&lease);
    done
}

/// Something an administrator does to a row.
fn administer(
    life: &mut Life,
    name: &'static str,
    act: impl FnOnce(&crate::Engine, &mail::Access, QueueId) -> Result<()>,
) -> Result<()> {
    let Some((domain, id, _)) = life.queued() else {
        return accept(life);
    };
    let access = mail::Access::system(match domain {
        0 => Tenant::HOST,
        domain => script::tenant(domain),
    });
    let done = life.step(name, |store| act(store, &access, id));
    refused_is_fine(life, done)
}

pub(crate) fn hold(life: &mut Life) -> Result<()> {
    administer(life, "hold", |store, access, id| {
        store.hold(access, id).wait()
    })
}

pub(crate) fn release(life: &mut Life) -> Result<()> {
    administer(life, "release", |store, access, id| {
        store.release(access, id).wait()
    })
}

pub(crate) fn retry_now(life: &mut Life) -> Result<()> {
    administer(life, "retry", |store, access, id| {
        store.retry_now(access, id).wait()
    })
}

pub(crate) fn remove(life: &mut Life) -> Result<()> {
    administer(life, "remove", |store, access, id| {
        store.remove(access, id).wait()
    })
}

/// A plugin's values, by commits of their own.
pub(crate) fn put_values(life: &mut Life) -> Result<()> {
    let (domain, plugin) = (life.domain(), PLUGINS[life.dice.roll(2) as usize]);
    let key = vec![b'k', b'0' + life.dice.roll(6) as u8];
    let value = script::bytes(life.dice.roll(1000), life.dice.roll(400) as usize);
    let present = life.store().kv(&Life::access(domain), plugin, &key)?;
    let effect = match life.dice.roll(4) {
        0 => Effect::KvDelete {
            plugin: plugin.to_owned(),
            key,
        },
        1 => Effect::KvCompareAndSet {
            plugin: plugin.to_owned(),
            key,
            expected: present,
            value: Some(value),
            expires: Some(NOW.plus_seconds(60)),
        },
        _ => put(plugin, &key, &value),
    };
    let effects = vec![effect, put(plugin, b"last", b"put")];
    life.step("values", |store| {
        store
            .commit(&Life::access(domain), store.operation_id(), effects)
            .wait()
    })
}

pub(crate) fn set_settings(life: &mut Life) -> Result<()> {
    let (domain, key) = (life.domain(), vec![b'a' + life.dice.roll(4) as u8]);
    let value = (life.dice.roll(4) > 0).then(|| script::bytes(life.dice.roll(1000), 40));
    let changes = vec![(key, value), (b"generation".to_vec(), Some(vec![1]))];
    life.step("settings", |store| {
        store
            .set_settings(&Life::access(domain), store.operation_id(), changes)
            .wait()
    })
}

/// Values whose time is over, and traces.
pub(crate) fn expire(life: &mut Life) -> Result<()> {
    let later = NOW.plus_seconds(if life.dice.roll(4) == 0 {
        365 * 24 * 3600
    } else {
        61
    });
    life.steps("expiry", |store| store.expire(later, 1000).wait())?;
    Ok(())
}

/// Everything of a person, or of a domain.
pub(crate) fn purge(life: &mut Life) -> Result<()> {
    let (domain, person) = (life.domain(), life.person());
    let owner = if life.dice.roll(2) == 0 {
        Owner::Domain
    } else {
        Owner::Person(person)
    };
    life.steps("purge", |store| {
        let removed = store.remove_owner(&Life::access(domain), owner);
        removed.wait().map(drop)
    })
}

/// Several at once, which share syncs.
pub(crate) fn burst(life: &mut Life) -> Result<()> {
    let messages = vec![life.message()?, life.message()?, life.message()?];
    let accept = life.accept_of(b"Subject: one of many\r\n\r\n")?;
    life.steps("burst", |store| {
        // Ids first: the sequencer takes some of its own while they are given out.
        let ids = [(); 3].map(|()| store.operation_id());
        let mut appends = Vec::new();
        for ((message, domain), id) in messages.into_iter().zip(DOMAINS).zip(ids) {
            let (access, place) = (Life::access(domain), Place::Inbox(PEOPLE[0]));
            appends.push(store.append(&access, id, place, vec![message]));
        }
        let accepted = store.accept(accept);
        // All have ended, whatever became of them.
        let appended: Vec<_> = appends.into_iter().map(crate::Pending::wait).collect();
        let accepted = accepted.wait();
        appended.into_iter().try_for_each(|done| done.map(drop))?;
        accepted
    })?;
    Ok(())
}

/// Nothing may change by it, for nobody.
pub(crate) fn collect(life: &mut Life) -> Result<()> {
    if life.disk.is_limited() {
        // It waits for room.
        return Ok(());
    }
    life.steps("collect", |store| store.compact(&mut |_| {}).map(drop))
}

/// From now on there is room for little more.
pub(crate) fn fill_disk(life: &mut Life) -> Result<()> {
    let room = life.dice.roll(60_000);
    life.disk.set_capacity(Some(life.disk.used() + room));
    Ok(())
}

/// There is room again.
pub(crate) fn empty_disk(life: &mut Life) -> Result<()> {
    life.disk.set_capacity(None);
    Ok(())
}

pub(crate) fn reopen(life: &mut Life) -> Result<()> {
    life.reopen();
    Ok(())
}
