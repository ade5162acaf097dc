//! What SEARCH looks for.

use std::sync::Arc;

use mail::{EmailId, ModSeq};

use crate::sequence::SequenceSet;
use crate::{Day, Flags, Keyword};

/// A search key that only the bytes of a message can answer (RFC 3501 §6.4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextKey {
    /// A header field holds this text; with an empty text, the field is there. BCC, CC, FROM,
    /// SUBJECT, TO and HEADER.
    Header {
        /// Name of the field.
        field: String,
        /// The text.
        text: String,
    },
    /// The body holds this text.
    Body(String),
    /// Header or body hold this text.
    Text(String),
    /// The `Date` field is before this day.
    SentBefore(Day),
    /// The `Date` field is on this day.
    SentOn(Day),
    /// The `Date` field is on this day or later.
    SentSince(Day),
}

/// SEARCH, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// RETURN options, for the answer of RFC 4731.
    pub(crate) result: Option<Return>,
    pub(crate) key: Key,
    /// What [`Key::Text`] points into; each once.
    pub(crate) texts: Arc<[TextKey]>,
    /// How many keys there are.
    pub(crate) weight: usize,
    /// Is MODSEQ among them? Then the answer tells the highest one found.
    pub(crate) modseq: bool,
}

/// RETURN options (RFC 4731 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Return {
    pub(crate) min: bool,
    pub(crate) max: bool,
    pub(crate) all: bool,
    pub(crate) count: bool,
}

/// One key. What the negative ones of RFC 3501 say is said by `Not`; ALL is an empty `And`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    And(Vec<Self>),
    Or(Box<(Self, Self)>),
    Not(Box<Self>),
    Flag(Flags),
    Keyword(Keyword),
    Before(Day),
    On(Day),
    Since(Day),
    Larger(u64),
    Smaller(u64),
    /// Changed by this or later.
    ModSeq(ModSeq),
    /// By its lasting id (RFC 8474 §6).
    Email(EmailId),
    Uid(SequenceSet),
    Sequence(SequenceSet),
    /// Index into [`Query::texts`].
    Text(usize),
}
