//! Mail addresses and the paths of the envelope.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Domain, DomainError, Localpart, LocalpartError, limits};

/// Why something is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `@`.
    #[error("the address has no '@'")]
    NoDomain,
    /// Over 256 bytes (RFC 5321 §4.5.3.1.3).
    #[error("the address is too long")]
    TooLong,
    /// A source route. RFC 5321 §4.1.1.3 lets a server refuse it, and a relay must never follow one.
    #[error("source routes are not accepted")]
    SourceRoute,
    /// The local part.
    #[error(transparent)]
    Localpart(#[from] LocalpartError),
    /// The domain.
    #[error(transparent)]
    Domain(#[from] DomainError),
}

/// `Local-part "@" ( Domain / address-literal )` (RFC 5321 §4.1.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mailbox {
    localpart: Localpart,
    domain: Domain,
}

impl Mailbox {
    /// From parts that were checked before.
    pub const fn new(localpart: Localpart, domain: Domain) -> Self {
        Self { localpart, domain }
    }

    /// Reads `local@domain` without angle brackets. The last `@` divides, and one before it is
    /// only legal inside quotes.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > limits::PATH {
            return Err(AddressError::TooLong);
        }
        if text.starts_with('@') {
            return Err(AddressError::SourceRoute);
        }
        let (localpart, domain) = text.rsplit_once('@').ok_or(AddressError::NoDomain)?;
        Ok(Self {
            localpart: Localpart::parse(localpart)?,
            domain: Domain::parse(domain)?,
        })
    }

    /// The local part.
    pub const fn localpart(&self) -> &Localpart {
        &self.localpart
    }

    /// The domain.
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The form under which it is compared and looked up.
    pub fn key(&self) -> String {
        format!("{}@{}", self.localpart.key(), self.domain)
    }

    /// Does it need SMTPUTF8 (RFC 6531 §3.2)? The domain never does: it is kept as A-labels.
    pub fn is_utf8(&self) -> bool {
        self.localpart.is_utf8()
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.localpart, self.domain)
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Mailbox {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Mailbox> for String {
    fn from(mailbox: Mailbox) -> Self {
        mailbox.to_string()
    }
}

/// The argument of MAIL FROM: who gets the reports (RFC 5321 §4.1.2). The serialised form is
/// without angle brackets, empty for the null path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReversePath {
    /// `<>`: nobody. Reports and automatic replies have it.
    Null,
    /// An address.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// The address, unless it is null.
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// Is it `<>`?
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// The wire form, `<…>`.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

/// Without angle brackets; empty is null.
impl TryFrom<String> for ReversePath {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        if text.is_empty() {
            Ok(Self::Null)
        } else {
            Ok(Self::Mailbox(Mailbox::parse(&text)?))
        }
    }
}

impl From<ReversePath> for String {
    fn from(path: ReversePath) -> Self {
        path.mailbox().map(ToString::to_string).unwrap_or_default()
    }
}

/// The argument of RCPT TO (RFC 5321 §4.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain: the postmaster of the site.
    Postmaster,
    /// An address.
    Mailbox(Mailbox),
}

/// The wire form, `<…>`.
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<Postmaster>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}
