//! The parameters of MAIL and RCPT.

use mail::{Body, ReversePath};

/// What a report shall bring back (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// The whole message.
    Full,
    /// The header section.
    Headers,
}

/// When a report is wanted (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// Never.
    Never,
    /// In these cases.
    On {
        /// Delivered.
        success: bool,
        /// Failed for good.
        failure: bool,
        /// Late.
        delay: bool,
    },
}

/// The recipient as the sender first named it (RFC 3461 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// `rfc822`, `utf-8`, … in lower case.
    pub address_type: String,
    /// Decoded, except for `utf-8`, which is kept as it came (RFC 6533 §3).
    pub address: String,
}

/// The parameters of MAIL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailParameters {
    /// SIZE in bytes (RFC 1870).
    pub size: Option<u64>,
    /// BODY (RFC 6152).
    pub body: Body,
    /// SMTPUTF8 (RFC 6531 §3.4).
    pub utf8: bool,
    /// AUTH (RFC 4954 §5): what another server says of the sender. Not proof of anything.
    pub auth: Option<ReversePath>,
    /// RET.
    pub ret: Option<Return>,
    /// ENVID, decoded (RFC 3461 §4.4).
    pub envid: Option<String>,
}

/// The parameters of RCPT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecipientParameters {
    /// NOTIFY.
    pub notify: Option<Notify>,
    /// ORCPT.
    pub orcpt: Option<OriginalRecipient>,
}
