//! Replies and status codes.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The class of a status: the first digit (RFC 3463 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// 2: done.
    Success,
    /// 4: not now.
    Transient,
    /// 5: never.
    Permanent,
}

impl Class {
    /// The digit.
    pub const fn digit(self) -> u8 {
        match self {
            Self::Success => 2,
            Self::Transient => 4,
            Self::Permanent => 5,
        }
    }
}

/// Not a status code of mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a mail status code")]
pub struct StatusError(pub String);

/// An enhanced status code, `class.subject.detail` (RFC 3463 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnhancedStatus {
    class: Class,
    subject: u16,
    detail: u16,
}

impl EnhancedStatus {
    /// Subject and detail are at most 999 (RFC 3463 §2); larger ones are cut to 999.
    pub const fn new(class: Class, subject: u16, detail: u16) -> Self {
        const fn cut(number: u16) -> u16 {
            if number > 999 { 999 } else { number }
        }
        Self {
            class,
            subject: cut(subject),
            detail: cut(detail),
        }
    }

    /// The class.
    pub const fn class(self) -> Class {
        self.class
    }

    /// The same subject and detail in another class.
    #[must_use]
    pub const fn with_class(self, class: Class) -> Self {
        Self { class, ..self }
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class.digit(), self.subject, self.detail)
    }
}

impl FromStr for EnhancedStatus {
    type Err = StatusError;
    fn from_str(text: &str) -> Result<Self, StatusError> {
        let error = || StatusError(text.to_owned());
        let mut numbers = text.split('.').map(|part| {
            let digits =
                !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
            digits
                .then(|| part.parse::<u16>().unwrap_or(999))
                .ok_or_else(error)
        });
        let mut next = || numbers.next().unwrap_or_else(|| Err(error()));
        let class = match next()? {
            2 => Class::Success,
            4 => Class::Transient,
            5 => Class::Permanent,
            _ => return Err(error()),
        };
        let status = Self::new(class, next()?, next()?);
        if numbers.next().is_some() {
            Err(error())
        } else {
            Ok(status)
        }
    }
}

impl TryFrom<String> for EnhancedStatus {
    type Error = StatusError;
    fn try_from(text: String) -> Result<Self, StatusError> {
        text.parse()
    }
}

impl From<EnhancedStatus> for String {
    fn from(status: EnhancedStatus) -> Self {
        status.to_string()
    }
}

/// A three-digit SMTP reply code (RFC 5321 §4.2), 200 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// For codes written in the source; `None` outside 200 to 599.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 200 && code <= 599 {
            Some(Self(code))
        } else {
            None
        }
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Is it 2xx or 3xx?
    pub const fn is_positive(self) -> bool {
        self.0 < 400
    }

    /// Is it 4xx?
    pub const fn is_transient(self) -> bool {
        self.0 >= 400 && self.0 < 500
    }

    /// Is it 5xx?
    pub const fn is_permanent(self) -> bool {
        self.0 >= 500
    }
}

/// One SMTP reply: code, enhanced status and text, without line endings.
///
/// More than one line where the text holds `\n`. Constructors strip every other control
/// character, so that no reply can carry a forged line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reply {
    code: ReplyCode,
    enhanced: Option<EnhancedStatus>,
    text: String,
}

impl Reply {
    /// A reply with an enhanced status. A code outside 200 to 599 becomes 451.
    pub fn new(code: u16, enhanced: EnhancedStatus, text: impl Into<String>) -> Self {
        Self {
            code: checked(code),
            enhanced: Some(enhanced),
            text: clean(text.into()),
        }
    }

    /// A reply without an enhanced status (greeting, 354, EHLO: RFC 2034 §4).
    pub fn plain(code: u16, text: impl Into<String>) -> Self {
        Self {
            code: checked(code),
            enhanced: None,
            text: clean(text.into()),
        }
    }

    /// The code.
    pub const fn code(&self) -> ReplyCode {
        self.code
    }

    /// The enhanced status, where the reply has one.
    pub const fn enhanced(&self) -> Option<EnhancedStatus> {
        self.enhanced
    }

    /// The text; lines are joined by `\n`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes on the wire, with CRLF (RFC 5321 §4.2.1), the enhanced status on every line.
    pub fn wire(&self) -> Vec<u8> {
        let lines: Vec<&str> = self.text.split('\n').collect();
        let mut wire = String::with_capacity(self.text.len() + 16);
        for (index, line) in lines.iter().enumerate() {
            let separator = if index + 1 == lines.len() { ' ' } else { '-' };
            wire.push_str(&self.code.0.to_string());
            wire.push(separator);
            if let Some(enhanced) = self.enhanced {
                wire.push_str(&enhanced.to_string());
                wire.push(' ');
            }
            wire.push_str(line);
            wire.push_str("\r\n");
        }
        wire.into_bytes()
    }
}

/// As in a log: one line.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.0)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        write!(f, " {}", self.text.replace('\n', " / "))
    }
}

fn checked(code: u16) -> ReplyCode {
    ReplyCode::new(code).unwrap_or(ReplyCode(451))
}

fn clean(text: String) -> String {
    let bad = |c: char| c.is_control() && c != '\n';
    if text.contains(bad) {
        text.chars().filter(|&c| !bad(c)).collect()
    } else {
        text
    }
}
