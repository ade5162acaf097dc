//! Mailboxes in memory, as a store would keep them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use mail::{EmailId, MailboxId, ModSeq, Timestamp, Uid, UidValidity};

use crate::ask::*;
use crate::{Flags, INBOX, Keyword, Keywords, MailboxName};

pub(super) struct World {
    pub(super) mailboxes: BTreeMap<MailboxName, FakeMailbox>,
    pub(super) subscriptions: BTreeSet<MailboxName>,
    next_id: u64,
    /// Answers the next asks get in place of the right ones.
    pub(super) refusals: VecDeque<Refusal>,
    pub(super) login: LoginOutcome,
    /// Mailboxes that changed since somebody looked.
    pub(super) touched: BTreeSet<MailboxId>,
}

pub(super) struct FakeMailbox {
    pub(super) id: MailboxId,
    special_use: Option<SpecialUse>,
    pub(super) mode: Mode,
    /// A shared mailbox this person may not see.
    hidden: bool,
    pub(super) uid_next: u32,
    /// Of the last change, counted as the real store does.
    pub(super) modseq: u64,
    pub(super) messages: Vec<FakeMessage>,
    pub(super) vanished: Vec<(u64, Uid)>,
}

#[derive(Clone)]
pub(super) struct FakeMessage {
    pub(super) uid: Uid,
    pub(super) modseq: u64,
    pub(super) email: EmailId,
    pub(super) raw: Rc<Vec<u8>>,
    pub(super) date: InternalDate,
    pub(super) flags: Flags,
    pub(super) keywords: Keywords,
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

pub(super) fn date(day: i64) -> InternalDate {
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
            // As if the messages between had been there and gone.
            mailbox(&mut world, INBOX, &|inbox| {
                (inbox.uid_next, inbox.modseq) = (uid, u64::from(uid));
            });
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
        mailbox(&mut world, INBOX, &|inbox| inbox.modseq = 11);
        world.touched.clear();
        Rc::new(RefCell::new(world))
    }

    pub(super) fn make(&mut self, name: MailboxName, special_use: Option<SpecialUse>) -> MailboxId {
        self.next_id += 1;
        let id = MailboxId(self.next_id);
        let mailbox = FakeMailbox {
            id,
            special_use,
            mode: Mode::ReadWrite,
            hidden: false,
            uid_next: 1,
            modseq: 1,
            messages: Vec::new(),
            vanished: Vec::new(),
        };
        self.mailboxes.insert(name, mailbox);
        id
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
        self.next_id += 1;
        let email = EmailId(self.next_id);
        let mailbox = self.mailboxes.get_mut(&name(mailbox)).unwrap();
        mailbox.modseq += 1;
        let modseq = mailbox.modseq;
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

    pub(super) fn visible(&mut self, name: &MailboxName) -> Result<&mut FakeMailbox, Refusal> {
        self.mailboxes
            .get_mut(name)
            .filter(|mailbox| !mailbox.hidden)
            .ok_or(Refusal::NoSuchMailbox)
    }

    pub(super) fn by_id(&mut self, id: MailboxId) -> &mut FakeMailbox {
        self.mailboxes
            .values_mut()
            .find(|mailbox| mailbox.id == id)
            .expect("selected mailboxes stay")
    }

    pub(super) fn expunge(&mut self, id: MailboxId, goes: &dyn Fn(Uid, Flags) -> bool) -> Vec<Uid> {
        let mailbox = self.by_id(id);
        let modseq = mailbox.modseq + 1;
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
            mailbox.modseq = modseq;
            self.touched.insert(id);
        }
        gone
    }

    pub(super) fn list(&self) -> Vec<MailboxEntry> {
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

    pub(super) fn store(
        &mut self,
        id: MailboxId,
        uids: &[Uid],
        unchanged_since: Option<ModSeq>,
        change: impl Fn(&mut FakeMessage),
    ) -> Stored {
        let mailbox = self.by_id(id);
        // One sequence for all that change together.
        let modseq = mailbox.modseq + 1;
        let mut stored = Stored::default();
        let named = mailbox
            .messages
            .iter_mut()
            .filter(|message| uids.contains(&message.uid));
        for message in named {
            if unchanged_since.is_some_and(|since| message.modseq > since.0) {
                stored.modified.push(message.uid);
                continue;
            }
            let before = (message.flags, message.keywords.clone());
            change(message);
            if before != (message.flags, message.keywords.clone()) {
                mailbox.modseq = modseq;
                message.modseq = modseq;
            }
            stored.changes.push(FlagChange {
                uid: message.uid,
                modseq: ModSeq(message.modseq),
                flags: message.flags,
                keywords: message.keywords.clone(),
            });
        }
        if mailbox.modseq == modseq {
            self.touched.insert(id);
        }
        stored
    }

    pub(super) fn copy(
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
            // RFC 8474 §5.1
            let copies = &mut self.visible(target)?.messages;
            copies.iter_mut().for_each(|copy| {
                if copy.uid == uid {
                    copy.email = message.email;
                }
            });
            pairs.push((message.uid, uid));
        }
        Ok(Copied {
            uid_validity: UidValidity(7),
            pairs,
        })
    }
}

impl FakeMailbox {
    /// Messages that do not have this flag.
    pub(super) fn uids_without(&self, flag: Flags) -> impl Iterator<Item = Uid> {
        let without = self
            .messages
            .iter()
            .filter(move |m| !m.flags.contains(flag));
        without.map(|m| m.uid)
    }
}

impl FakeMessage {
    pub(super) fn row(&self) -> Row {
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
