//! What the session asks its host, and lets it send.

use mail::Uid;
use sasl::Credentials;

use crate::Row;

/// A question to the host.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Are these right, and may the person use POP3 here? Answer with [`Answer::SignedIn`],
    /// [`Answer::Refused`] or [`Answer::Unavailable`].
    Authenticate(Credentials),
    /// Lock the person's maildrop for this session and say what is in it. Answer with
    /// [`Answer::Maildrop`], [`Answer::InUse`] or [`Answer::Unavailable`].
    OpenMaildrop,
    /// Open a message; if it can be had, its [`Retrieve`] comes next. Answer with
    /// [`Answer::Opened`], [`Answer::Gone`], [`Answer::Damaged`] or [`Answer::Unavailable`].
    Open {
        /// Which message.
        uid: Uid,
    },
    /// Delete these, all or none (QUIT). Answer with [`Answer::Deleted`] or
    /// [`Answer::Unavailable`].
    Delete {
        /// Ascending.
        uids: Vec<Uid>,
    },
}

/// What may happen beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// This person may no longer be logged in (state, password): the session says good-bye.
    Revoked,
}

/// The host's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The credentials are right.
    SignedIn,
    /// They are not, or this person may not sign in here and now.
    Refused,
    /// The maildrop is locked; these are its messages, ascending by UID.
    Maildrop(Vec<Row>),
    /// Another session has the maildrop.
    InUse,
    /// The message is open.
    Opened,
    /// Somebody else has removed the message.
    Gone,
    /// The message cannot be read, now or ever.
    Damaged,
    /// Durably deleted.
    Deleted,
    /// Not possible for the moment.
    Unavailable,
}

/// How much of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it (RETR).
    Whole,
    /// The header section, the empty line, and so many lines of the body (TOP, RFC 1939 §7).
    Top {
        /// Lines of the body.
        lines: u64,
    },
}

/// Stream the message opened last, through a [`crate::Stuffer`] for `extent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrieve {
    /// Which message.
    pub uid: Uid,
    /// How much of it.
    pub extent: Extent,
}
