//! Domain names in mail addresses.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// Why something is not a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Nothing there.
    #[error("the domain is empty")]
    Empty,
    /// Over 255 bytes, or a label over 63 (RFC 1035 §2.3.4).
    #[error("the domain is too long")]
    TooLong,
    /// Characters or shape that no domain has.
    #[error("'{0}' is not a domain")]
    Syntax(String),
}

/// A domain, normalised once: lower case, A-labels (RFC 5890), no trailing dot; or an address
/// literal (RFC 5321 §4.1.3), kept as `[…]`.
///
/// ```text
/// Domain = sub-domain *("." sub-domain)      ; RFC 5321 §4.1.2, U-labels by RFC 6531 §3.3
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// Reads and normalises a domain or address literal.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        if text.is_empty() {
            return Err(DomainError::Empty);
        }
        if text.len() > limits::DOMAIN {
            return Err(DomainError::TooLong);
        }
        if text.starts_with('[') {
            return parse_literal(text);
        }
        let ascii = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::STD3)
            .map_err(|_| DomainError::Syntax(text.to_owned()))?;
        // A trailing dot is DNS notation, not mail (RFC 5321 §2.3.5).
        if ascii.ends_with('.') || ascii.split('.').any(|label| !is_label(label)) {
            return Err(DomainError::Syntax(text.to_owned()));
        }
        if ascii.len() > limits::DOMAIN {
            return Err(DomainError::TooLong);
        }
        Ok(Self(ascii.into_owned()))
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is it an address literal, `[192.0.2.1]`?
    pub fn is_address_literal(&self) -> bool {
        self.0.starts_with('[')
    }

    /// With U-labels, for people.
    pub fn to_unicode(&self) -> String {
        idna::domain_to_unicode(&self.0).0
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
}

fn parse_literal(text: &str) -> Result<Domain, DomainError> {
    let error = || DomainError::Syntax(text.to_owned());
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or_else(error)?;
    if let Some((tag, v6)) = inner.split_at_checked(5)
        && tag.eq_ignore_ascii_case("ipv6:")
    {
        let address: Ipv6Addr = v6.parse().map_err(|_| error())?;
        return Ok(Domain(format!("[IPv6:{address}]")));
    }
    let address: Ipv4Addr = inner.parse().map_err(|_| error())?;
    Ok(Domain(format!("[{address}]")))
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = DomainError;
    fn from_str(text: &str) -> Result<Self, DomainError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Domain {
    type Error = DomainError;
    fn try_from(text: String) -> Result<Self, DomainError> {
        Self::parse(&text)
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}
