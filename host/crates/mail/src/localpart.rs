//! Local parts of mail addresses.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::limits;

/// Why something is not a local part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalpartError {
    /// Nothing there.
    #[error("the local part is empty")]
    Empty,
    /// Over 64 bytes (RFC 5321 §4.5.3.1.1).
    #[error("the local part is too long")]
    TooLong,
    /// Characters or shape that no local part has.
    #[error("the local part has a syntax error")]
    Syntax,
}

/// A local part, unquoted. The same mailbox whether it was written quoted or not
/// (RFC 5321 §4.1.2); `Display` quotes where it must.
///
/// ```text
/// Local-part = Dot-string / Quoted-string    ; RFC 5321 §4.1.2, UTF-8 by RFC 6531 §3.3
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Localpart(String);

impl Localpart {
    /// Reads the wire form: a dot-string or a quoted string.
    pub fn parse(text: &str) -> Result<Self, LocalpartError> {
        if text.is_empty() {
            return Err(LocalpartError::Empty);
        }
        if text.len() > limits::LOCALPART {
            return Err(LocalpartError::TooLong);
        }
        let raw = match text.strip_prefix('"') {
            Some(rest) => unquote(rest.strip_suffix('"').ok_or(LocalpartError::Syntax)?)?,
            None if text.split('.').all(is_atom) => text.to_owned(),
            None => return Err(LocalpartError::Syntax),
        };
        if raw.is_empty() {
            Err(LocalpartError::Empty)
        } else {
            Ok(Self(raw))
        }
    }

    /// The unquoted text as it was written. For comparing use [`Localpart::key`].
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which it is looked up: NFC, lower case.
    pub fn key(&self) -> String {
        self.0.nfc().flat_map(char::to_lowercase).nfc().collect()
    }

    /// Is it `postmaster` (RFC 5321 §4.1.1.3)?
    pub fn is_postmaster(&self) -> bool {
        self.0.eq_ignore_ascii_case("postmaster")
    }

    /// Does it need SMTPUTF8?
    pub fn is_utf8(&self) -> bool {
        !self.0.is_ascii()
    }

    /// Base and detail, cut at the first `+` (RFC 5233 §1): `ann+lists` is `ann`, `lists`.
    pub fn subaddress(&self) -> Option<(Self, &str)> {
        let (base, detail) = self.0.split_once('+')?;
        (!base.is_empty()).then(|| (Self(base.to_owned()), detail))
    }
}

/// ```text
/// atext = ALPHA / DIGIT / "!" / "#" / … / UTF8-non-ascii     ; RFC 5322 §3.2.3, RFC 6531 §3.3
/// ```
fn is_atom(atom: &str) -> bool {
    let is_atext = |c: char| {
        c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(c)
            || (!c.is_ascii() && !c.is_control())
    };
    !atom.is_empty() && atom.chars().all(is_atext)
}

/// ```text
/// QcontentSMTP = qtextSMTP / quoted-pairSMTP        ; RFC 5321 §4.1.2
/// ```
fn unquote(inner: &str) -> Result<String, LocalpartError> {
    let mut raw = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '"' => return Err(LocalpartError::Syntax),
            '\\' => chars
                .next()
                .filter(char::is_ascii)
                .ok_or(LocalpartError::Syntax)?,
            c => c,
        };
        if c.is_control() {
            return Err(LocalpartError::Syntax);
        }
        raw.push(c);
    }
    Ok(raw)
}

impl fmt::Display for Localpart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.split('.').all(is_atom) {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            if c == '"' || c == '\\' {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

impl FromStr for Localpart {
    type Err = LocalpartError;
    fn from_str(text: &str) -> Result<Self, LocalpartError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Localpart {
    type Error = LocalpartError;
    fn try_from(text: String) -> Result<Self, LocalpartError> {
        Self::parse(&text)
    }
}

impl From<Localpart> for String {
    fn from(localpart: Localpart) -> Self {
        localpart.to_string()
    }
}
