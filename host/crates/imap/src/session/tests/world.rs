//! A host in memory: what a store and a directory would answer.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use mail::{EmailId, MailboxId, ModSeq, Timestamp, Uid, UidValidity};

use crate::ask::*;
use crate::{Flags, INBOX, Keyword, Keywords, MailboxName, Shape, TextNeed, match_text};

pub(super) struct World {
    mailboxes: BTreeMap<MailboxName, FakeMailbox>,
    subscriptions: BTreeSet<MailboxName>,
    modseq: u64,
    next_id: u64,
    /// Answers the next asks get in place of the right ones.
    pub(super) refusals: VecDeque<Refusal>,
    pub(super) login: LoginOutcome,
    /// Mailboxes that changed since somebody looked.
    pub(super) touched: BTreeSet<MailboxId>,
}

struct FakeMailbox {
    id: MailboxId,
    special_use: Option<SpecialUse>,
    mode: Mode,
    /// A shared mailbox this person may not see.
    hidden: bool,
    uid_next: u32,
    messages: Vec<FakeMessage>,
    vanished: Vec<(u64, Uid)>,
}

#[derive(Clone)]
struct FakeMessage {
    uid: Uid,
    modseq: u64,
    email: EmailId,
    raw: Rc<Vec<u8>>,
    date: InternalDate,
    flags: Flags,
    keywords: Keywords,
}

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

pub(super) const PLAIN: &str =
    include_str!("../../../../../../tests/transcripts/imap/messages/plain.eml");

pub(super) const MIXED: &str =
    include_str!("../../../../../../tests/transcripts/imap/messages/mixed.eml");

pub(super) const NESTED: &str =
    include_str!("../../../../../../tests/transcripts/imap/messages/nested.eml");

pub(super) const GERMAN: &str =
    include_str!("../../../../../../tests/transcripts/imap/messages/german.eml");

pub(super) fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

fn date(day: i64) -> InternalDate {
    // 1 February 2026, 10:00 UTC, and days from there.
    InternalDate {
        at: Timestamp::from_seconds(1_769_940_000 + 86_400 * (day - 1)),
        offset_minutes: 60,
    }
}

impl World {
    pub(super) fn new() -> Rc<RefCell<Self>> {
        let mut world = Self {
            mailboxes: BTreeMap::new(),
            subscriptions: ["INBOX", "Work/Plans", "Old/Gone"]
                .iter()
                .map(|text| name(text))
                .collect(),
            modseq: 10,
            next_id: 1,
            refusals: VecDeque::new(),
            login: LoginOutcome::Accepted,
            touched: BTreeSet::new(),
        };
        for (text, special_use) in [
            (INBOX, None),
            ("Drafts", Some(SpecialUse::Drafts)),
            ("Sent", Some(SpecialUse::Sent)),
            ("Work", None),
            ("Work/Plans", None),
            ("Café", None),
            ("Shared Folders/Team", None),
            ("Shared Folders/Secret", None),
        ] {
            world.make(name(text), special_use);
        }
        let mailbox = |world: &mut Self, text: &str, change: &dyn Fn(&mut FakeMailbox)| {
            change(world.mailboxes.get_mut(&name(text)).unwrap());
        };
        mailbox(&mut world, "Shared Folders/Team", &|team| {
            team.mode = Mode::ReadOnly;
        });
        mailbox(&mut world, "Shared Folders/Secret", &|secret| {
            secret.hidden = true;
        });
        let keyword = |text: &str| {
            [Keyword::parse(text).unwrap()]
                .into_iter()
                .collect::<Keywords>()
        };
        for (uid, raw, flags, keywords) in [
            (1, PLAIN, Flags::SEEN, Keywords::NONE),
            (2, MIXED, Flags::NONE, keyword("$Forwarded")),
            (5, NESTED, Flags::ANSWERED | Flags::SEEN, Keywords::NONE),
            (9, GERMAN, Flags::FLAGGED, Keywords::NONE),
        ] {
            mailbox(&mut world, INBOX, &|inbox| inbox.uid_next = uid);
            world.put(
                INBOX,
                raw.as_bytes(),
                flags,
                keywords.clone(),
                date(i64::from(uid)),
            );
        }
        world.put(
            "Shared Folders/Team",
            PLAIN.as_bytes(),
            Flags::NONE,
            Keywords::NONE,
            date(1),
        );
        world.touched.clear();
        Rc::new(RefCell::new(world))
    }

    fn make(&mut self, name: MailboxName, special_use: Option<SpecialUse>) {
        self.next_id += 1;
        let mailbox = FakeMailbox {
            id: MailboxId(self.next_id),
            special_use,
            mode: Mode::ReadWrite,
            hidden: false,
            uid_next: 1,
            messages: Vec::new(),
            vanished: Vec::new(),
        };
        self.mailboxes.insert(name, mailbox);
    }

    /// Puts a message into a mailbox, as a delivery would.
    pub(super) fn put(
        &mut self,
        mailbox: &str,
        raw: &[u8],
        flags: Flags,
        keywords: Keywords,
        date: InternalDate,
    ) -> Uid {
        self.modseq += 1;
        self.next_id += 1;
        let (modseq, email) = (self.modseq, EmailId(self.next_id));
        let mailbox = self.mailboxes.get_mut(&name(mailbox)).unwrap();
        let uid = Uid(mailbox.uid_next);
        mailbox.uid_next += 1;
        let raw = Rc::new(raw.to_vec());
        mailbox.messages.push(FakeMessage {
            uid,
            modseq,
            email,
            raw,
            date,
            flags,
            keywords,
        });
        self.touched.insert(mailbox.id);
        uid
    }

    pub(super) fn deliver(&mut self, mailbox: &str, raw: &str) {
        self.put(
            mailbox,
            raw.as_bytes(),
            Flags::NONE,
            Keywords::NONE,
            date(20),
        );
    }

    fn visible(&mut self, name: &MailboxName) -> Result<&mut FakeMailbox, Refusal> {
        self.mailboxes
            .get_mut(name)
            .filter(|mailbox| !mailbox.hidden)
            .ok_or(Refusal::NoSuchMailbox)
    }

    fn by_id(&mut self, id: MailboxId) -> &mut FakeMailbox {
        self.mailboxes
            .values_mut()
            .find(|mailbox| mailbox.id == id)
            .expect("selected mailboxes stay")
    }

    pub(super) fn expunge(&mut self, id: MailboxId, goes: &dyn Fn(Uid, Flags) -> bool) -> Vec<Uid> {
        self.modseq += 1;
        let modseq = self.modseq;
        let mailbox = self.by_id(id);
        let gone: Vec<Uid> = mailbox
            .messages
            .iter()
            .filter(|m| goes(m.uid, m.flags))
            .map(|m| m.uid)
            .collect();
        mailbox
            .messages
            .retain(|message| !gone.contains(&message.uid));
        mailbox
            .vanished
            .extend(gone.iter().map(|&uid| (modseq, uid)));
        if !gone.is_empty() {
            self.touched.insert(id);
        }
        gone
    }

    fn list(&self) -> Vec<MailboxEntry> {
        let visible = self.mailboxes.iter().filter(|(_, mailbox)| !mailbox.hidden);
        let mut entries: Vec<MailboxEntry> = visible
            .map(|(name, mailbox)| MailboxEntry {
                name: name.clone(),
                kind: MailboxKind::Selectable,
                subscribed: self.subscriptions.contains(name),
                special_use: mailbox.special_use,
            })
            .collect();
        let gone = self
            .subscriptions
            .iter()
            .filter(|name| !self.mailboxes.contains_key(*name));
        entries.extend(gone.map(|name| MailboxEntry {
            name: name.clone(),
            kind: MailboxKind::NonExistent,
            subscribed: true,
            special_use: None,
        }));
        entries
    }

    fn store(
        &mut self,
        id: MailboxId,
        uids: &[Uid],
        change: impl Fn(&mut FakeMessage),
    ) -> Vec<FlagChange> {
        let mut modseq = self.modseq;
        let mut changes = Vec::new();
        for message in self
            .by_id(id)
            .messages
            .iter_mut()
            .filter(|message| uids.contains(&message.uid))
        {
            let before = (message.flags, message.keywords.clone());
            change(message);
            if before != (message.flags, message.keywords.clone()) {
                modseq += 1;
                message.modseq = modseq;
            }
            changes.push(FlagChange {
                uid: message.uid,
                modseq: ModSeq(message.modseq),
                flags: message.flags,
                keywords: message.keywords.clone(),
            });
        }
        if modseq > self.modseq {
            self.modseq = modseq;
            self.touched.insert(id);
        }
        changes
    }

    fn copy(
        &mut self,
        from: MailboxId,
        uids: &[Uid],
        target: &MailboxName,
    ) -> Result<Copied, Refusal> {
        let wanted: Vec<FakeMessage> = self
            .by_id(from)
            .messages
            .iter()
            .filter(|m| uids.contains(&m.uid))
            .cloned()
            .collect();
        self.visible(target)?;
        let mut pairs = Vec::new();
        for message in wanted {
            let uid = self.put(
                target.as_str(),
                &message.raw,
                message.flags,
                message.keywords,
                message.date,
            );
            pairs.push((message.uid, uid));
        }
        Ok(Copied {
            uid_validity: UidValidity(7),
            pairs,
        })
    }
}

impl FakeMessage {
    fn row(&self) -> Row {
        Row {
            uid: self.uid,
            modseq: ModSeq(self.modseq),
            email: self.email,
            size: self.raw.len() as u64,
            date: self.date,
            flags: self.flags,
            keywords: self.keywords.clone(),
        }
    }
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
        if let Some(refusal) = self.world.borrow_mut().refusals.pop_front() {
            return Answer::Refused(refusal);
        }
        self.answer_rightly(ask).unwrap_or_else(Answer::Refused)
    }

    fn answer_rightly(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        let world = Rc::clone(&self.world);
        let world = &mut *world.borrow_mut();
        Ok(match ask {
            Ask::Authenticate(credentials) => {
                let right = (
                    credentials.login.as_str(),
                    credentials.password.expose_secret().as_str(),
                ) == ("ann", "secret");
                Answer::Login(match world.login {
                    LoginOutcome::Accepted if !right => LoginOutcome::Refused,
                    outcome => outcome,
                })
            }
            Ask::List => Answer::Mailboxes(world.list()),
            Ask::Status { name } => {
                let mailbox = world.visible(&name)?;
                let unseen = mailbox
                    .messages
                    .iter()
                    .filter(|m| !m.flags.contains(Flags::SEEN));
                Answer::Status(MailboxStatus {
                    messages: mailbox.messages.len() as u32,
                    unseen: unseen.count() as u32,
                    uid_next: Uid(mailbox.uid_next),
                    uid_validity: UidValidity(7),
                    size: mailbox.messages.iter().map(|m| m.raw.len() as u64).sum(),
                })
            }
            Ask::Select { name, mode } => {
                self.selected = None;
                let modseq = ModSeq(world.modseq);
                let mailbox = world.visible(&name)?;
                self.selected = Some(mailbox.id);
                Answer::Selected(Selected {
                    mailbox: mailbox.id,
                    mode: if mailbox.mode == Mode::ReadOnly {
                        Mode::ReadOnly
                    } else {
                        mode
                    },
                    uid_validity: UidValidity(7),
                    uid_next: Uid(mailbox.uid_next),
                    modseq,
                    rows: mailbox.messages.iter().map(FakeMessage::row).collect(),
                })
            }
            Ask::Deselect => {
                self.selected = None;
                Answer::Done
            }
            Ask::Create { name } => {
                if world.mailboxes.contains_key(&name) {
                    return Err(Refusal::AlreadyExists);
                }
                world.make(name, None);
                Answer::Done
            }
            Ask::Delete { name } => {
                world.visible(&name)?;
                if world.mailboxes.keys().any(|other| other.is_below(&name)) {
                    return Err(Refusal::HasChildren);
                }
                world.mailboxes.remove(&name);
                Answer::Done
            }
            Ask::Rename { from, to } => {
                world.visible(&from)?;
                if world.mailboxes.contains_key(&to) {
                    return Err(Refusal::AlreadyExists);
                }
                let mailbox = world
                    .mailboxes
                    .remove(&from)
                    .ok_or(Refusal::NoSuchMailbox)?;
                world.mailboxes.insert(to, mailbox);
                Answer::Done
            }
            Ask::Subscribe { name, subscription } => {
                match subscription {
                    Subscription::On => world.subscriptions.insert(name),
                    Subscription::Off => world.subscriptions.remove(&name),
                };
                Answer::Done
            }
            Ask::Changes { mailbox, since } => {
                let modseq = ModSeq(world.modseq);
                let mailbox = world.by_id(mailbox);
                let rows = mailbox
                    .messages
                    .iter()
                    .filter(|m| m.modseq > since.0)
                    .map(FakeMessage::row);
                let expunged = mailbox
                    .vanished
                    .iter()
                    .filter(|(at, _)| *at > since.0)
                    .map(|&(_, uid)| uid);
                Answer::Changes(Changes {
                    modseq,
                    rows: rows.collect(),
                    expunged: expunged.collect(),
                    existing: None,
                    gone: false,
                })
            }
            Ask::Open {
                mailbox,
                uids,
                depth,
            } => {
                assert!(uids.len() <= OPEN_BATCH);
                let mailbox = world.by_id(mailbox);
                let there = mailbox.messages.iter().filter(|m| uids.contains(&m.uid));
                self.opened = there.map(|m| (m.uid, Rc::clone(&m.raw))).collect();
                let opened = self.opened.iter().map(|(&uid, raw)| Opened {
                    uid,
                    shape: shape(raw, depth),
                });
                Answer::Opened(opened.collect())
            }
            Ask::SearchText {
                mailbox,
                uids,
                keys,
            } => {
                assert!(uids.len() <= SEARCH_BATCH);
                let header_only = TextNeed::of(&keys) == TextNeed::Header;
                let mailbox = world.by_id(mailbox);
                let there = mailbox.messages.iter().filter(|m| uids.contains(&m.uid));
                let matches = there.map(|message| {
                    let end = message
                        .raw
                        .windows(4)
                        .position(|four| four == b"\r\n\r\n")
                        .map_or(0, |at| at + 4);
                    let raw = if header_only {
                        &message.raw[..end]
                    } else {
                        &message.raw
                    };
                    (message.uid, match_text(&keys, raw))
                });
                Answer::Matches(matches.collect())
            }
            Ask::StoreFlags {
                mailbox,
                uids,
                mode,
                flags,
                keywords,
            } => Answer::Stored(world.store(mailbox, &uids, |message| {
                let (old, old_keywords) = (message.flags, message.keywords.clone());
                (message.flags, message.keywords) = match mode {
                    StoreMode::Replace => (flags, keywords.clone()),
                    StoreMode::Add => (
                        old | flags,
                        old_keywords
                            .iter()
                            .chain(keywords.iter())
                            .cloned()
                            .collect(),
                    ),
                    StoreMode::Remove => (
                        old & !flags,
                        old_keywords
                            .iter()
                            .filter(|known| !keywords.contains(known))
                            .cloned()
                            .collect(),
                    ),
                };
            })),
            Ask::Expunge { mailbox, within } => {
                Answer::Expunged(world.expunge(mailbox, &|uid, flags| {
                    flags.contains(Flags::DELETED)
                        && within.as_ref().is_none_or(|uids| uids.contains(&uid))
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
            Ask::AppendBegin {
                name,
                size: _,
                flags,
                keywords,
                date: given,
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
                Answer::Done
            }
            Ask::AppendFinish => {
                let (name, message, raw) = self.append.take().expect("AppendBegin came first");
                let uid = world.put(
                    name.as_str(),
                    &raw,
                    message.flags,
                    message.keywords,
                    message.date,
                );
                Answer::Appended(Appended {
                    uid_validity: UidValidity(7),
                    uid,
                })
            }
        })
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

fn shape(raw: &[u8], depth: Depth) -> Option<Arc<Shape>> {
    match depth {
        Depth::Bytes => None,
        Depth::Header => Shape::of_header(raw, true).map(Arc::new),
        Depth::Parts => Some(Arc::new(Shape::of_message(raw))),
    }
}
