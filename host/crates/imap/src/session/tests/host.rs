//! A host in memory: what a store and a directory would answer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use mail::{EmailId, MailboxId, ModSeq, Uid, UidValidity, Uids};

use super::world::{FakeMailbox, FakeMessage, World, date};
use crate::ask::*;
use crate::{Flags, Keywords, MailboxName, Shape, TextKey, TextNeed, match_text};

/// One connection's side of the host.
pub(super) struct Host {
    pub(super) world: Rc<RefCell<World>>,
    pub(super) selected: Option<MailboxId>,
    opened: BTreeMap<Uid, Rc<Vec<u8>>>,
    append: Option<(MailboxName, FakeMessage, Vec<u8>)>,
    /// Bytes of messages that came and were thrown away.
    pub(super) discarded: usize,
    pub(super) asked: Vec<String>,
}

impl Host {
    pub(super) fn new(world: &Rc<RefCell<World>>) -> Self {
        Self {
            world: Rc::clone(world),
            selected: None,
            opened: BTreeMap::new(),
            append: None,
            discarded: 0,
            asked: Vec::new(),
        }
    }

    pub(super) fn answer(&mut self, ask: Ask) -> Answer {
        self.asked.push(format!("{ask:?}"));
        let world = Rc::clone(&self.world);
        let world = &mut *world.borrow_mut();
        if let Some(refusal) = world.refusals.pop_front() {
            return Answer::Refused(refusal);
        }
        self.about_people(world, ask)
            .unwrap_or_else(Answer::Refused)
    }

    fn about_people(&mut self, world: &mut World, ask: Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::Authenticate(credentials) => {
                let password = credentials.password.expose_secret().as_str();
                let right = (credentials.login.as_str(), password) == ("ann", "secret");
                Ok(Answer::Login(match world.login {
                    LoginOutcome::Accepted if !right => LoginOutcome::Refused,
                    outcome => outcome,
                }))
            }
            Ask::Quota { name } => quota(world, name.as_ref()),
            Ask::Pause => Ok(Answer::Done),
            ask => self.about_mailboxes(world, ask),
        }
    }

    fn about_mailboxes(&mut self, world: &mut World, ask: Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::List => return Ok(Answer::Mailboxes(world.list())),
            Ask::Status { name, .. } => {
                return Ok(Answer::Status(status(world.visible(&name)?)));
            }
            Ask::Select { name, mode } => return self.select(world, &name, mode),
            Ask::Deselect => self.selected = None,
            Ask::Create { name } if world.mailboxes.contains_key(&name) => {
                return Err(Refusal::AlreadyExists);
            }
            Ask::Create { name } => {
                return Ok(Answer::Created(world.make(name, None)));
            }
            Ask::Delete { name } => delete(world, &name)?,
            Ask::Rename { from, to } => rename(world, &from, to)?,
            Ask::Subscribe { name, subscription } => {
                match subscription {
                    Subscription::On => world.subscriptions.insert(name),
                    Subscription::Off => world.subscriptions.remove(&name),
                };
            }
            ask => return self.about_messages(world, ask),
        }
        Ok(Answer::Done)
    }

    fn about_messages(&mut self, world: &mut World, ask: Ask) -> Result<Answer, Refusal> {
        Ok(match ask {
            Ask::Changes { mailbox, since } => {
                Answer::Changes(changes(world.by_id(mailbox), since))
            }
            Ask::Open {
                mailbox,
                uids,
                depth,
                reading,
            } => self.open(world.by_id(mailbox), &uids, depth, reading),
            Ask::Rows { mailbox, uids } => {
                assert!(uids.len() <= ROWS_BATCH && uids.is_sorted());
                let there = world.by_id(mailbox).messages.iter();
                let named = there.filter(|m| uids.contains(&m.uid));
                Answer::Rows(named.map(FakeMessage::row).collect())
            }
            Ask::Marked { mailbox } => {
                let mailbox = world.by_id(mailbox);
                let kept: Uids = mailbox.uids_without(Flags::DELETED).collect();
                let uids = mailbox.messages.iter().map(|m| m.uid);
                Answer::Marked(Marked {
                    unseen: mailbox.uids_without(Flags::SEEN).collect(),
                    deleted: uids.filter(|uid| !kept.contains(*uid)).collect(),
                })
            }
            Ask::SearchText {
                mailbox,
                uids,
                keys,
            } => Answer::Matches(search(world.by_id(mailbox), &uids, &keys)),
            Ask::StoreFlags {
                mailbox,
                uids,
                mode,
                flags,
                keywords,
                unchanged_since,
            } => Answer::Stored(world.store(mailbox, &uids, unchanged_since, |message| {
                store(message, mode, flags, &keywords);
            })),
            Ask::Expunge { mailbox, within } => {
                let within = |uid| within.as_ref().is_none_or(|uids| uids.contains(&uid));
                Answer::Expunged(world.expunge(mailbox, &|uid, flags| {
                    flags.contains(Flags::DELETED) && within(uid)
                }))
            }
            Ask::Copy {
                mailbox,
                uids,
                target,
                mode,
            } => {
                let copied = world.copy(mailbox, &uids, &target)?;
                if mode == CopyMode::Move {
                    world.expunge(mailbox, &|uid, _| uids.contains(&uid));
                }
                Answer::Copied(copied)
            }
            ask => self.about_append(world, ask)?,
        })
    }

    fn about_append(&mut self, world: &mut World, ask: Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::AppendBegin {
                name,
                flags,
                keywords,
                date: given,
                ..
            } => {
                if world.visible(&name)?.mode == Mode::ReadOnly {
                    return Err(Refusal::NoPermission);
                }
                let message = FakeMessage {
                    uid: Uid(0),
                    modseq: 0,
                    email: EmailId(0),
                    raw: Rc::default(),
                    date: given.unwrap_or_else(|| date(21)),
                    flags,
                    keywords,
                };
                self.append = Some((name, message, Vec::new()));
                Ok(Answer::Done)
            }
            Ask::AppendFinish => {
                let (name, new, raw) = self.append.take().expect("AppendBegin came first");
                let uid = world.put(name.as_str(), &raw, new.flags, new.keywords, new.date);
                Ok(Answer::Appended(Appended {
                    uid_validity: UidValidity(7),
                    uid,
                }))
            }
            other => panic!("nobody answers {other:?}"),
        }
    }

    fn select(
        &mut self,
        world: &mut World,
        name: &MailboxName,
        mode: Mode,
    ) -> Result<Answer, Refusal> {
        self.selected = None;
        let mailbox = world.visible(name)?;
        self.selected = Some(mailbox.id);
        Ok(Answer::Selected(Selected {
            mailbox: mailbox.id,
            mode: if mailbox.mode == Mode::ReadOnly {
                Mode::ReadOnly
            } else {
                mode
            },
            uid_validity: UidValidity(7),
            uid_next: Uid(mailbox.uid_next),
            modseq: ModSeq(mailbox.modseq),
            uids: mailbox.messages.iter().map(|m| m.uid).collect(),
            first_unseen: mailbox.uids_without(Flags::SEEN).next(),
            keywords: mailbox
                .messages
                .iter()
                .flat_map(|m| m.keywords.iter().cloned())
                .collect(),
        }))
    }

    fn open(
        &mut self,
        mailbox: &FakeMailbox,
        uids: &[Uid],
        depth: Depth,
        reading: Reading,
    ) -> Answer {
        assert!(uids.len() <= OPEN_BATCH);
        let there = mailbox.messages.iter().filter(|m| uids.contains(&m.uid));
        let opened = there.clone().map(|m| (m.uid, Rc::clone(&m.raw))).collect();
        let shapes = there.map(|message| Opened {
            row: message.row(),
            shape: shape(&message.raw, depth),
        });
        let answer = Answer::Opened(shapes.collect());
        self.opened = match reading {
            Reading::Bytes => opened,
            Reading::Shapes => BTreeMap::new(),
        };
        answer
    }

    pub(super) fn body(&mut self, bytes: &[u8]) {
        let (_, _, raw) = self.append.as_mut().expect("AppendBegin came first");
        raw.extend_from_slice(bytes);
    }

    pub(super) fn discard_body(&mut self) {
        self.discarded += self.append.take().map_or(0, |(_, _, raw)| raw.len());
    }

    pub(super) fn send(&self, send: &SendMessage) -> Vec<u8> {
        let raw = &self.opened[&send.uid];
        let ranges = send.ranges.iter();
        ranges
            .flat_map(|range| &raw[range.start as usize..range.end as usize])
            .copied()
            .collect()
    }
}

/// Ann may have 1 MiB; of what the team uses she may not know.
fn quota(world: &mut World, name: Option<&MailboxName>) -> Result<Answer, Refusal> {
    if let Some(name) = name {
        world.visible(name)?;
        if name.shared().is_some() {
            return Ok(Answer::Quota(None));
        }
    }
    let own = world
        .mailboxes
        .iter()
        .filter(|(name, _)| name.shared().is_none());
    let messages: Vec<&FakeMessage> = own.flat_map(|(_, mailbox)| &mailbox.messages).collect();
    Ok(Answer::Quota(Some(QuotaStatus {
        bytes: messages.iter().map(|m| m.raw.len() as u64).sum(),
        bytes_limit: Some(1024 * 1024),
        messages: messages.len() as u64,
        messages_limit: None,
    })))
}

fn status(mailbox: &FakeMailbox) -> MailboxStatus {
    let bytes = |flag: Flags| -> u64 {
        let marked = mailbox.messages.iter().filter(|m| m.flags.contains(flag));
        marked.map(|m| m.raw.len() as u64).sum()
    };
    let count = |flag: Flags| {
        mailbox
            .messages
            .iter()
            .filter(|m| m.flags.contains(flag))
            .count() as u32
    };
    let messages = mailbox.messages.len() as u32;
    MailboxStatus {
        id: mailbox.id,
        messages,
        unseen: messages - count(Flags::SEEN),
        uid_next: Uid(mailbox.uid_next),
        uid_validity: UidValidity(7),
        size: bytes(Flags::NONE),
        modseq: ModSeq(mailbox.modseq),
        deleted: count(Flags::DELETED),
        deleted_size: bytes(Flags::DELETED),
    }
}

fn delete(world: &mut World, name: &MailboxName) -> Result<(), Refusal> {
    world.visible(name)?;
    if world.mailboxes.keys().any(|other| other.is_below(name)) {
        return Err(Refusal::HasChildren);
    }
    world.mailboxes.remove(name);
    Ok(())
}

fn rename(world: &mut World, from: &MailboxName, to: MailboxName) -> Result<(), Refusal> {
    world.visible(from)?;
    if world.mailboxes.contains_key(&to) {
        return Err(Refusal::AlreadyExists);
    }
    let mailbox = world.mailboxes.remove(from);
    world
        .mailboxes
        .insert(to, mailbox.ok_or(Refusal::NoSuchMailbox)?);
    Ok(())
}

fn changes(mailbox: &FakeMailbox, since: ModSeq) -> Changes {
    let rows = mailbox.messages.iter().filter(|m| m.modseq > since.0);
    let vanished = mailbox.vanished.iter().filter(|(at, _)| *at > since.0);
    Changes {
        modseq: ModSeq(mailbox.modseq),
        rows: rows.map(FakeMessage::row).collect(),
        expunged: vanished.map(|&(_, uid)| uid).collect(),
        existing: None,
        gone: false,
    }
}

fn search(mailbox: &FakeMailbox, uids: &[Uid], keys: &[TextKey]) -> Vec<(Uid, Vec<bool>)> {
    assert!(uids.len() <= SEARCH_BATCH);
    let header_only = TextNeed::of(keys) == TextNeed::Header;
    let there = mailbox.messages.iter().filter(|m| uids.contains(&m.uid));
    let matches = there.map(|message| {
        let header = message.raw.windows(4).position(|four| four == b"\r\n\r\n");
        let end = match header {
            _ if !header_only => message.raw.len(),
            Some(at) => at + 4,
            None => 0,
        };
        (message.uid, match_text(keys, &message.raw[..end]))
    });
    matches.collect()
}

fn store(message: &mut FakeMessage, mode: StoreMode, flags: Flags, keywords: &Keywords) {
    let (old, known) = (message.flags, message.keywords.clone());
    (message.flags, message.keywords) = match mode {
        StoreMode::Replace => (flags, keywords.clone()),
        StoreMode::Add => {
            let all = known.iter().chain(keywords.iter());
            (old | flags, all.cloned().collect())
        }
        StoreMode::Remove => {
            let kept = known.iter().filter(|known| !keywords.contains(known));
            (old & !flags, kept.cloned().collect())
        }
    };
}

fn shape(raw: &[u8], depth: Depth) -> Option<Arc<Shape>> {
    match depth {
        Depth::Bytes => None,
        Depth::Header => Shape::of_header(raw, true).map(Arc::new),
        Depth::Parts => Some(Arc::new(Shape::of_message(raw))),
    }
}
