//! A query made ready for one mailbox.

use std::ops::Range;

use mail::ModSeq;

use crate::ask::Row;
use crate::search::Key;
use crate::sequence::UidList;
use crate::{Day, Flags, Keyword};

/// A key whose sets of messages have become positions.
#[derive(Debug)]
pub(crate) enum Plan {
    And(Vec<Self>),
    Or(Box<(Self, Self)>),
    Not(Box<Self>),
    Flag(Flags),
    Keyword(Keyword),
    Before(Day),
    On(Day),
    Since(Day),
    Larger(u64),
    Smaller(u64),
    ModSeq(ModSeq),
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
            Key::Uid(set) => Self::Positions(set.uid_positions(uids)),
            Key::Sequence(set) => Self::Positions(set.positions(uids.count())?),
            Key::Text(index) => Self::Text(index),
        })
    }

    /// Does the message match? `None`: only its text can tell, and `texts` is not there.
    pub(crate) fn evaluate(
        &self,
        position: usize,
        row: &Row,
        texts: Option<&[bool]>,
    ) -> Option<bool> {
        Some(match self {
            Self::And(keys) => {
                let mut known = true;
                for key in keys {
                    match key.evaluate(position, row, texts) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => known = false,
                    }
                }
                return known.then_some(true);
            }
            Self::Or(keys) => {
                let first = keys.0.evaluate(position, row, texts);
                if first == Some(true) {
                    return first;
                }
                match (first, keys.1.evaluate(position, row, texts)) {
                    (_, Some(true)) => true,
                    (Some(false), Some(false)) => false,
                    _ => return None,
                }
            }
            Self::Not(key) => !key.evaluate(position, row, texts)?,
            Self::Flag(flag) => row.flags.contains(*flag),
            Self::Keyword(keyword) => row.keywords.contains(keyword),
            Self::Before(day) => Day::of(row.date) < *day,
            Self::On(day) => Day::of(row.date) == *day,
            Self::Since(day) => Day::of(row.date) >= *day,
            Self::Larger(size) => row.size > *size,
            Self::Smaller(size) => row.size < *size,
            Self::ModSeq(modseq) => row.modseq >= *modseq,
            Self::Positions(ranges) => {
                let at = ranges.partition_point(|range| range.end <= position);
                ranges
                    .get(at)
                    .is_some_and(|range| range.contains(&position))
            }
            Self::Text(index) => texts?.get(*index).copied().unwrap_or(false),
        })
    }
}
