//! Between the words of the session and the words of the store.

use imap::ask::{
    InternalDate, MailboxEntry, MailboxKind, MailboxStatus, Refusal, Row, SpecialUse, StoreMode,
};
use imap::{Flags, Keyword, Keywords, MailboxName};
use mail::MailboxId;
use store::{FlagOperation, Mailbox, Message, Status};

const FLAGS: [(Flags, store::Flags); 5] = [
    (Flags::SEEN, store::Flags::SEEN),
    (Flags::ANSWERED, store::Flags::ANSWERED),
    (Flags::FLAGGED, store::Flags::FLAGGED),
    (Flags::DELETED, store::Flags::DELETED),
    (Flags::DRAFT, store::Flags::DRAFT),
];

pub(super) fn flags_in(flags: Flags) -> store::Flags {
    let set = FLAGS.iter().filter(|(known, _)| flags.contains(*known));
    set.fold(store::Flags::NONE, |all, &(_, flag)| all.union(flag))
}

fn flags_out(flags: store::Flags) -> Flags {
    let set = FLAGS.iter().filter(|(_, known)| flags.contains(*known));
    set.fold(Flags::NONE, |all, &(flag, _)| all | flag)
}

pub(super) fn keywords_in(keywords: &Keywords) -> Vec<String> {
    keywords.iter().map(ToString::to_string).collect()
}

/// Keywords that came by another way and are no atoms are not shown.
pub(super) fn keywords_out(keywords: &[String]) -> Keywords {
    keywords
        .iter()
        .filter_map(|keyword| Keyword::parse(keyword))
        .collect()
}

pub(super) fn row(message: &Message) -> Row {
    Row {
        uid: message.uid,
        modseq: message.changed,
        email: message.object,
        size: message.size,
        date: InternalDate {
            at: message.internal_date,
            offset_minutes: message.internal_offset_minutes,
        },
        flags: flags_out(message.flags),
        keywords: keywords_out(&message.keywords),
    }
}

pub(super) const fn operation(mode: StoreMode) -> FlagOperation {
    match mode {
        StoreMode::Replace => FlagOperation::Set,
        StoreMode::Add => FlagOperation::Add,
        StoreMode::Remove => FlagOperation::Remove,
    }
}

pub(super) const fn status(id: MailboxId, status: &Status) -> MailboxStatus {
    MailboxStatus {
        id,
        messages: status.messages,
        unseen: status.unseen,
        uid_next: status.uid_next,
        uid_validity: status.uid_validity,
        size: status.bytes,
        modseq: status.highest_modseq,
        deleted: status.deleted,
        deleted_size: 0,
    }
}

/// A line of LIST. `None` for a name that no IMAP client could use.
pub(super) fn entry(mailbox: &Mailbox, subscriptions: &[String]) -> Option<MailboxEntry> {
    let name = MailboxName::parse(&mailbox.name).ok()?;
    Some(MailboxEntry {
        name,
        kind: MailboxKind::Selectable,
        subscribed: subscriptions.contains(&mailbox.name),
        special_use: mailbox.special_use.map(special_use),
    })
}

const fn special_use(special: store::SpecialUse) -> SpecialUse {
    match special {
        store::SpecialUse::All => SpecialUse::All,
        store::SpecialUse::Archive => SpecialUse::Archive,
        store::SpecialUse::Drafts => SpecialUse::Drafts,
        store::SpecialUse::Flagged => SpecialUse::Flagged,
        store::SpecialUse::Junk => SpecialUse::Junk,
        store::SpecialUse::Sent => SpecialUse::Sent,
        store::SpecialUse::Trash => SpecialUse::Trash,
    }
}

/// What the client is told of an error of the store. What is our own trouble goes to the log.
pub(super) fn refusal(error: &store::Error) -> Refusal {
    use store::Error;
    match error {
        Error::NotFound => Refusal::NoSuchMailbox,
        Error::Denied => Refusal::NoPermission,
        Error::Exists => Refusal::AlreadyExists,
        Error::OverQuota(_) => Refusal::OverQuota,
        Error::Invalid(_) => Refusal::Cannot,
        Error::Conflict
        | Error::Stale
        | Error::Full
        | Error::Busy
        | Error::Latched(_)
        | Error::Closed => {
            tracing::warn!(%error, "the store cannot do this now");
            Refusal::Unavailable
        }
        Error::Damaged(_) => {
            tracing::error!(%error, "stored data is damaged");
            Refusal::ServerBug
        }
    }
}
