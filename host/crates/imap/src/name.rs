//! Names of mailboxes.

use std::fmt;

use mail::limits;
use unicode_normalization::UnicodeNormalization as _;

use crate::utf7;

/// Between the levels of a name.
pub const SEPARATOR: char = '/';
/// The mailbox every person has (RFC 3501 §5.1).
pub const INBOX: &str = "INBOX";
/// Above the mailboxes that others share, without the separator behind it.
pub const SHARED: &str = "Shared Folders";

/// How names of mailboxes are written on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Names {
    /// In modified UTF-7 (RFC 3501 §5.1.3).
    #[default]
    Utf7,
    /// In UTF-8, `&` and all (RFC 6855 §3), once UTF8=ACCEPT is enabled.
    Utf8,
}

impl Names {
    /// The text of a name or a pattern. `None` where it is none.
    pub(crate) fn decode(self, wire: &[u8]) -> Option<String> {
        match self {
            Self::Utf7 => utf7::decode(wire),
            Self::Utf8 => String::from_utf8(wire.to_vec()).ok(),
        }
    }

    /// A name for the wire.
    pub(crate) fn encode(self, name: &MailboxName) -> String {
        match self {
            Self::Utf7 => name.to_wire(),
            Self::Utf8 => name.0.clone(),
        }
    }
}

/// A mailbox name in its one canonical form: UTF-8 in NFC, levels parted by `/`, `INBOX` in
/// capitals. It is a key, never a path.
///
/// No level is empty, `.` or `..`; no control character and no wildcard is in it; at most
/// [`limits::MAILBOX_LEVELS`] levels and [`limits::MAILBOX_NAME`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(String);

/// Why a text is no mailbox name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not UTF-8, or not the one right modified UTF-7.
    #[error("the name is not valid modified UTF-7")]
    Encoding,
    /// Empty, or with an empty level.
    #[error("a level of the name is empty")]
    Empty,
    /// More bytes or levels than are allowed.
    #[error("the name is too long or too deep")]
    TooLong,
    /// A level or a character that no name may have.
    #[error("the name has a level or a character that is not allowed")]
    Forbidden,
}

impl MailboxName {
    /// INBOX.
    pub fn inbox() -> Self {
        Self(INBOX.to_owned())
    }

    /// From the wire, in modified UTF-7 or plain UTF-8. One trailing separator is taken off: it
    /// only says that names below will follow (RFC 3501 §6.3.3).
    ///
    /// # Errors
    /// Any [`NameError`].
    pub fn parse_wire(wire: &[u8]) -> Result<Self, NameError> {
        Self::parse_written(wire, Names::Utf7)
    }

    /// As [`MailboxName::parse_wire`], in the form of this connection.
    pub(crate) fn parse_written(wire: &[u8], names: Names) -> Result<Self, NameError> {
        // A wire form is never more than five times its text, so this bounds the work.
        if wire.len() > 5 * limits::MAILBOX_NAME {
            return Err(NameError::TooLong);
        }
        let text = names.decode(wire).ok_or(NameError::Encoding)?;
        Self::parse(text.strip_suffix(SEPARATOR).unwrap_or(&text))
    }

    /// From text.
    ///
    /// # Errors
    /// Any [`NameError`] but `Encoding`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > limits::MAILBOX_NAME {
            return Err(NameError::TooLong);
        }
        let mut name: String = text.nfc().collect();
        if name.len() > limits::MAILBOX_NAME {
            return Err(NameError::TooLong);
        }
        let mut levels = 0;
        for level in name.split(SEPARATOR) {
            check_level(level)?;
            levels += 1;
        }
        if levels > limits::MAILBOX_LEVELS {
            return Err(NameError::TooLong);
        }
        let first = name.find(SEPARATOR).unwrap_or(name.len());
        if name[..first].eq_ignore_ascii_case(INBOX) {
            name.replace_range(..first, INBOX);
        }
        Ok(Self(name))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In modified UTF-7.
    pub fn to_wire(&self) -> String {
        utf7::encode(&self.0)
    }

    /// Is it INBOX itself?
    pub fn is_inbox(&self) -> bool {
        self.0 == INBOX
    }

    /// What follows `Shared Folders/`; `Some("")` for that level itself.
    pub fn shared(&self) -> Option<&str> {
        let rest = self.0.strip_prefix(SHARED)?;
        if rest.is_empty() {
            Some(rest)
        } else {
            rest.strip_prefix(SEPARATOR)
        }
    }

    /// The name one level up.
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once(SEPARATOR)
            .map(|(parent, _)| Self(parent.to_owned()))
    }

    /// Does it lie somewhere below `other`?
    pub fn is_below(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(other.as_str())
            .is_some_and(|rest| rest.starts_with(SEPARATOR))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_level(level: &str) -> Result<(), NameError> {
    // `*` and `%` could not be listed by themselves; `.` and `..` are harmless to us, as names
    // are keys, but not to clients that keep a folder for each level.
    let forbidden =
        |c: char| c.is_control() || matches!(c, '*' | '%' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    match level {
        "" => Err(NameError::Empty),
        "." | ".." => Err(NameError::Forbidden),
        _ if level.contains(forbidden) => Err(NameError::Forbidden),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
