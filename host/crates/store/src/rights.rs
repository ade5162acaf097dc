//! Who owns a mailbox, and what others may do with it.

use std::fmt;

use mail::{GroupId, PersonId};
use serde::{Deserialize, Serialize};

/// Who owns mailboxes and uses up quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Owner {
    /// The domain as a whole: the sum over its people and groups, and what is parked.
    Domain,
    /// A person.
    Person(PersonId),
    /// A group: its mailboxes appear under [`crate::SHARED_ROOT`].
    Group(GroupId),
}

/// Rights on a mailbox (RFC 4314 §2.1), a set of letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Rights(u16);

const LETTERS: &str = "lrswipkxtea";

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// `l`: the mailbox is visible.
    pub const LOOKUP: Self = Self(1);
    /// `r`: SELECT, FETCH, SEARCH, COPY from.
    pub const READ: Self = Self(1 << 1);
    /// `s`: set \Seen.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: set other flags.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: APPEND, COPY into.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: send mail to it.
    pub const POST: Self = Self(1 << 5);
    /// `k`: create mailboxes below it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: delete the mailbox.
    pub const DELETE_MAILBOX: Self = Self(1 << 7);
    /// `t`: set \Deleted.
    pub const DELETE_MESSAGES: Self = Self(1 << 8);
    /// `e`: expunge.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: change these rights.
    pub const ADMINISTER: Self = Self(1 << 10);
    /// All of them: an owner's.
    pub const ALL: Self = Self((1 << 11) - 1);
    /// `lrs`: a reader's.
    pub const READER: Self = Self(1 | 1 << 1 | 1 << 2);
    /// `lrswipte`: a member's.
    pub const MEMBER: Self = Self(1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9);

    /// Does it have all of `other`?
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads the letters; `None` if one is unknown.
    pub fn parse(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self::NONE, |rights, letter| {
            let bit = LETTERS.find(letter)?;
            Some(Self(rights.0 | 1 << bit))
        })
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in LETTERS.char_indices() {
            if self.0 & 1 << bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}
