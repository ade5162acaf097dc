//! The fields of a header that IMAP calls the envelope (RFC 3501 §7.4.2).

use super::address::AddressListEntry;
use super::header::{Field, Header};

/// Date, subject, people and ids of a message, as written: unfolded, encoded words kept.
///
/// `sender` and `reply_to` are those of `from` where the fields are missing, as IMAP wants it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Date.
    pub date: Option<Vec<u8>>,
    /// Subject.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<AddressListEntry>,
    /// Sender, else From.
    pub sender: Vec<AddressListEntry>,
    /// Reply-To, else From.
    pub reply_to: Vec<AddressListEntry>,
    /// To, all fields of that name together.
    pub to: Vec<AddressListEntry>,
    /// Cc, likewise.
    pub cc: Vec<AddressListEntry>,
    /// Bcc, likewise.
    pub bcc: Vec<AddressListEntry>,
    /// In-Reply-To.
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID.
    pub message_id: Option<Vec<u8>>,
}

impl Summary {
    /// Reads it from a header.
    pub fn of(header: &Header<'_>) -> Self {
        let value = |name| header.first(name).map(|field: Field<'_>| field.unfolded());
        let list = |name| -> Vec<_> {
            let fields = header.all(name).flat_map(|field| field.addresses());
            fields.take(crate::limits::HEADER_ADDRESSES).collect()
        };
        let from: Vec<AddressListEntry> = list("from");
        let or_from = |name| {
            Some(list(name))
                .filter(|list| !list.is_empty())
                .unwrap_or_else(|| from.clone())
        };
        Self {
            date: value("date"),
            subject: value("subject"),
            sender: or_from("sender"),
            reply_to: or_from("reply-to"),
            to: list("to"),
            cc: list("cc"),
            bcc: list("bcc"),
            in_reply_to: value("in-reply-to"),
            message_id: value("message-id"),
            from,
        }
    }
}
