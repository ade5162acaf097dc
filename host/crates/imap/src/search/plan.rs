//! A query made ready for one mailbox.

use std::ops::Range;
use std::sync::Arc;

use mail::{EmailId, ModSeq, Uid, Uids};

use crate::ask::Row;
use crate::search::Key;
use crate::sequence::UidList;
use crate::{Day, Flags, Keyword};

/// A message of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) position: usize,
    pub(crate) uid: Uid,
}

/// A key whose sets of messages have become positions.
#[derive(Debug)]
pub(crate) enum Plan {
    And(Vec<Self>),
    Or(Box<(Self, Self)>),
    Not(Box<Self>),
    Flag(Flags),
    /// Among these.
    Uids(Arc<Uids>),
    Keyword(Keyword),
    Before(Day),
    On(Day),
    Since(Day),
    Larger(u64),
    Smaller(u64),
    ModSeq(ModSeq),
    Email(EmailId),
    Positions(Vec<Range<usize>>),
    Text(usize),
}

impl Plan {
    /// Resolves the sets of `key`. `None` where a message number is beyond the last message.
    pub(crate) fn resolve(key: Key, uids: &impl UidList) -> Option<Self> {
        Some(match key {
            Key::And(keys) => {
                let keys: Option<_> = keys
                    .into_iter()
                    .map(|key| Self::resolve(key, uids))
                    .collect();
                Self::And(keys?)
            }
            Key::Or(keys) => {
                let (first, second) = *keys;
                Self::Or(Box::new((
                    Self::resolve(first, uids)?,
                    Self::resolve(second, uids)?,
                )))
            }
            Key::Not(key) => Self::Not(Box::new(Self::resolve(*key, uids)?)),
            Key::Flag(flag) => Self::Flag(flag),
            Key::Keyword(keyword) => Self::Keyword(keyword),
            Key::Before(day) => Self::Before(day),
            Key::On(day) => Self::On(day),
            Key::Since(day) => Self::Since(day),
            Key::Larger(size) => Self::Larger(size),
            Key::Smaller(size) => Self::Smaller(size),
            Key::ModSeq(modseq) => Self::ModSeq(modseq),
            Key::Email(email) => Self::Email(email),
            Key::Uid(set) => Self::Positions(set.uid_positions(uids)),
            Key::Sequence(set) => Self::Positions(set.positions(uids.count())?),
            Key::Text(index) => Self::Text(index),
        })
    }

    /// Would [`Ask::Marked`](crate::Ask::Marked) tell something of it?
    pub(crate) fn asks_marks(&self) -> bool {
        match self {
            Self::Flag(flag) => [Flags::SEEN, Flags::DELETED].contains(flag),
            Self::And(keys) => keys.iter().any(Self::asks_marks),
            Self::Or(keys) => keys.0.asks_marks() || keys.1.asks_marks(),
            Self::Not(key) => key.asks_marks(),
            _ => false,
        }
    }

    /// Puts what is marked in the place of the flags that say so, which then need no rows.
    pub(crate) fn know_marks(&mut self, unseen: &Arc<Uids>, deleted: &Arc<Uids>) {
        match self {
            Self::Flag(flag) if *flag == Flags::SEEN => {
                *self = Self::Not(Box::new(Self::Uids(Arc::clone(unseen))));
            }
            Self::Flag(flag) if *flag == Flags::DELETED => {
                *self = Self::Uids(Arc::clone(deleted));
            }
            Self::And(keys) => {
                for key in keys {
                    key.know_marks(unseen, deleted);
                }
            }
            Self::Or(keys) => {
                keys.0.know_marks(unseen, deleted);
                keys.1.know_marks(unseen, deleted);
            }
            Self::Not(key) => key.know_marks(unseen, deleted),
            _ => {}
        }
    }

    /// Does the message match? `None`: its row or its text must tell, and is not there.
    pub(crate) fn evaluate(
        &self,
        at: At,
        row: Option<&Row>,
        texts: Option<&[bool]>,
    ) -> Option<bool> {
        Some(match self {
            Self::And(keys) => {
                let mut known = true;
                for key in keys {
                    match key.evaluate(at, row, texts) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => known = false,
                    }
                }
                return known.then_some(true);
            }
            Self::Or(keys) => {
                let first = keys.0.evaluate(at, row, texts);
                if first == Some(true) {
                    return first;
                }
                match (first, keys.1.evaluate(at, row, texts)) {
                    (_, Some(true)) => true,
                    (Some(false), Some(false)) => false,
                    _ => return None,
                }
            }
            Self::Not(key) => !key.evaluate(at, row, texts)?,
            Self::Flag(flag) => row?.flags.contains(*flag),
            Self::Uids(uids) => uids.contains(at.uid),
            Self::Keyword(keyword) => row?.keywords.contains(keyword),
            Self::Before(day) => Day::of(row?.date) < *day,
            Self::On(day) => Day::of(row?.date) == *day,
            Self::Since(day) => Day::of(row?.date) >= *day,
            Self::Larger(size) => row?.size > *size,
            Self::Smaller(size) => row?.size < *size,
            Self::ModSeq(modseq) => row?.modseq >= *modseq,
            Self::Email(email) => row?.email == *email,
            Self::Positions(ranges) => {
                let range = ranges.partition_point(|range| range.end <= at.position);
                ranges
                    .get(range)
                    .is_some_and(|range| range.contains(&at.position))
            }
            Self::Text(index) => texts?.get(*index).copied().unwrap_or(false),
        })
    }
}
