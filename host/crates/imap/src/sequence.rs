//! Sets of message numbers, as written and as compressed for an answer.

use std::fmt::{self, Write as _};
use std::ops::Range;

/// Digits of the longest number that is read: `u64` has 20, one fewer always fits.
pub(crate) const MAX_NUMBER_DIGITS: usize = 19;

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// `nz-number`
    Number(u32),
    /// `*`: the last message.
    Last,
}

/// ```text
/// sequence-set = (seq-number / seq-range) *("," sequence-set)     ; RFC 3501 §9
/// seq-range    = seq-number ":" seq-number
/// seq-number   = nz-number / "*"
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SequenceSet(pub(crate) Vec<(Bound, Bound)>);

/// How the numbers of a command are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// Message sequence numbers.
    Sequence,
    /// UIDs.
    Uid,
}

impl SequenceSet {
    /// From the characters of a set.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let ranges = text.split(',').map(|range| match range.split_once(':') {
            Some((low, high)) => Some((bound(low)?, bound(high)?)),
            None => bound(range).map(|bound| (bound, bound)),
        });
        ranges.collect::<Option<Vec<_>>>().map(Self)
    }

    /// The positions in a mailbox of `count` messages, ascending, without overlap. `None` where
    /// a number is beyond the last message (RFC 3501 §9, "seq-number").
    ///
    /// A range to `*` is never beyond: clients ask for "what is new" in this way.
    pub(crate) fn positions(&self, count: usize) -> Option<Vec<Range<usize>>> {
        let mut ranges = Vec::with_capacity(self.0.len());
        for &(low, high) in &self.0 {
            let open = low == Bound::Last || high == Bound::Last;
            let number = |bound| match bound {
                Bound::Number(number) if open => (number as usize).min(count),
                Bound::Number(number) => number as usize,
                Bound::Last => count,
            };
            let (low, high) = in_order(number(low), number(high));
            if high > count {
                return None;
            }
            if low > 0 {
                ranges.push(low - 1..high);
            }
        }
        Some(merge(ranges))
    }

    /// The positions of these UIDs in `uids`, which ascends. UIDs that are not there are passed
    /// over (RFC 3501 §6.4.8).
    pub(crate) fn uid_positions(&self, uids: &impl UidList) -> Vec<Range<usize>> {
        let Some(last) = uids.count().checked_sub(1).map(|last| uids.uid(last)) else {
            return Vec::new();
        };
        let number = |bound| match bound {
            Bound::Number(number) => number,
            Bound::Last => last,
        };
        let ranges = self.0.iter().map(|&(low, high)| {
            let (low, high) = in_order(number(low), number(high));
            uids.first_not_below(low)
                ..high
                    .checked_add(1)
                    .map_or_else(|| uids.count(), |next| uids.first_not_below(next))
        });
        merge(ranges.filter(|range| !range.is_empty()).collect())
    }
}

/// A list of ascending UIDs.
pub(crate) trait UidList {
    /// How many.
    fn count(&self) -> usize;
    /// The one at a position below `count`.
    fn uid(&self, position: usize) -> u32;
    /// The position of the first that is not below `uid`.
    fn first_not_below(&self, uid: u32) -> usize;
}

fn in_order<T: PartialOrd>(a: T, b: T) -> (T, T) {
    if a <= b { (a, b) } else { (b, a) }
}

fn merge(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

fn bound(text: &str) -> Option<Bound> {
    if text == "*" {
        return Some(Bound::Last);
    }
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = if digits {
        text.parse().ok()?
    } else {
        return None;
    };
    (number > 0).then_some(Bound::Number(number))
}

/// Numbers as a `sequence-set`, ranges joined, in the order given: `1:3,5`. COPYUID depends on
/// the order (RFC 4315 §3), so nothing is sorted here.
pub(crate) struct Compressed<'a>(pub(crate) &'a [u32]);

impl fmt::Display for Compressed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut first = true;
        while let Some(&low) = rest.first() {
            let run = rest
                .windows(2)
                .take_while(|pair| pair[0].checked_add(1) == Some(pair[1]))
                .count();
            if !first {
                f.write_char(',')?;
            }
            first = false;
            write!(f, "{low}")?;
            if run > 0 {
                write!(f, ":{}", rest[run])?;
            }
            rest = &rest[run + 1..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
