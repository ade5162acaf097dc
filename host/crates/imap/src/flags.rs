//! Flags and keywords of a message (RFC 3501 §2.3.2).

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};
use std::sync::Arc;

/// The system flags, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// `\Answered`
    pub const ANSWERED: Self = Self(1);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(2);
    /// `\Deleted`
    pub const DELETED: Self = Self(4);
    /// `\Seen`
    pub const SEEN: Self = Self(8);
    /// `\Draft`
    pub const DRAFT: Self = Self(16);

    /// All of them with their names, in the order of RFC 3501.
    pub const NAMED: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// By name with its backslash, without regard to case. `\Recent` is not among them: a
    /// client cannot set it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMED
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|&(flag, _)| flag)
    }

    /// Are all of `other` in this set?
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Is the set empty?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Flags {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Flags {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0 & 31)
    }
}

/// A keyword: an atom without a backslash (RFC 3501 §9, `flag-keyword`), compared without
/// regard to case and shown as it was first written.
#[derive(Debug, Clone, Eq)]
pub struct Keyword(Box<str>);

/// Longest keyword in bytes.
pub const KEYWORD_BYTES: usize = 200;

impl Keyword {
    /// From the text of an atom. `None` where it is none, or too long.
    pub fn parse(text: &str) -> Option<Self> {
        let atom = |byte: u8| byte > b' ' && byte < 0x7f && !b"(){%*\"\\]".contains(&byte);
        let good = !text.is_empty() && text.len() <= KEYWORD_BYTES && text.bytes().all(atom);
        good.then(|| Self(text.into()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The keywords of one message, each once. One word in memory when there are none, as with most
/// messages.
#[derive(Debug, Clone, Default)]
pub struct Keywords(Option<Arc<Vec<Keyword>>>);

impl Keywords {
    /// None.
    pub const NONE: Self = Self(None);

    /// In the order they were set.
    pub fn iter(&self) -> impl Iterator<Item = &Keyword> {
        self.0.iter().flat_map(|keywords| keywords.iter())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |keywords| keywords.len())
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Is it among them?
    pub fn contains(&self, keyword: &Keyword) -> bool {
        self.iter().any(|known| known == keyword)
    }
}

impl FromIterator<Keyword> for Keywords {
    fn from_iter<T: IntoIterator<Item = Keyword>>(keywords: T) -> Self {
        let mut unique: Vec<Keyword> = Vec::new();
        for keyword in keywords {
            if !unique.contains(&keyword) {
                unique.push(keyword);
            }
        }
        Self((!unique.is_empty()).then(|| Arc::new(unique)))
    }
}

/// As sets: the order does not matter.
impl PartialEq for Keywords {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|keyword| other.contains(keyword))
    }
}

impl Eq for Keywords {}

#[cfg(test)]
mod tests;
