//! What SEARCH looks for.

use crate::Day;

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
