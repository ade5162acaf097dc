//! Patterns of LIST (RFC 3501 §6.3.8): `*` matches anything, `%` anything but the separator.

use crate::MailboxName;
use crate::name::{INBOX, SEPARATOR};

/// Longest pattern in bytes after runs of wildcards are joined.
const LONGEST: usize = 1023;

/// A pattern made ready. Matching costs one pass over the name for each 64 bytes of the
/// pattern, whatever wildcards are in it (I13): all ways to match are followed at once, one bit
/// for each place in the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    elements: Vec<Element>,
    /// For each byte, the elements it passes; only bytes that occur in the pattern.
    literals: Vec<(u8, Box<[u64]>)>,
    stars: Box<[u64]>,
    percents: Box<[u64]>,
    ends_in_percent: bool,
    /// Folded for INBOX.
    inbox: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Byte(u8),
    Star,
    Percent,
}

impl Pattern {
    /// From the text of a pattern. `None` where it is longer than any name with wildcards.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut pattern = Self::compile(text.as_bytes())?;
        // INBOX is found without case, also by a pattern such as `inb%`.
        pattern.inbox =
            Self::compile(text.to_ascii_uppercase().as_bytes())?.matches_bytes(INBOX.as_bytes());
        Some(pattern)
    }

    fn compile(text: &[u8]) -> Option<Self> {
        let mut elements: Vec<Element> = Vec::with_capacity(text.len());
        for &byte in text {
            match (byte, elements.last()) {
                (b'*', Some(Element::Percent)) => {
                    elements.pop();
                    if elements.last() != Some(&Element::Star) {
                        elements.push(Element::Star);
                    }
                }
                (b'*' | b'%', Some(Element::Star)) | (b'%', Some(Element::Percent)) => {}
                (b'*', _) => elements.push(Element::Star),
                (b'%', _) => elements.push(Element::Percent),
                _ => elements.push(Element::Byte(byte)),
            }
        }
        if elements.len() > LONGEST {
            return None;
        }
        let words = elements.len() / 64 + 1;
        let bits = |wanted: &dyn Fn(Element) -> bool| {
            let mut bits = vec![0u64; words].into_boxed_slice();
            for (at, _) in elements
                .iter()
                .enumerate()
                .filter(|(_, element)| wanted(**element))
            {
                bits[at / 64] |= 1 << (at % 64);
            }
            bits
        };
        let mut bytes: Vec<u8> = elements
            .iter()
            .filter_map(|element| match element {
                Element::Byte(byte) => Some(*byte),
                _ => None,
            })
            .collect();
        bytes.sort_unstable();
        bytes.dedup();
        Some(Self {
            literals: bytes
                .into_iter()
                .map(|byte| (byte, bits(&|element| element == Element::Byte(byte))))
                .collect(),
            stars: bits(&|element| element == Element::Star),
            percents: bits(&|element| element == Element::Percent),
            ends_in_percent: elements.last() == Some(&Element::Percent),
            inbox: false,
            elements,
        })
    }

    /// Does it match this name?
    pub(crate) fn matches(&self, name: &MailboxName) -> bool {
        if name.is_inbox() {
            self.inbox
        } else {
            self.matches_bytes(name.as_str().as_bytes())
        }
    }

    /// Does it end in `%`? LSUB then shows the levels above subscribed names.
    pub(crate) const fn ends_in_percent(&self) -> bool {
        self.ends_in_percent
    }

    /// Bit n of `state` says: the first n elements can match what was read.
    fn matches_bytes(&self, name: &[u8]) -> bool {
        let mut state = vec![0u64; self.stars.len()];
        state[0] = 1;
        self.pass_wildcards(&mut state);
        for &byte in name {
            let literal = self
                .literals
                .iter()
                .find(|(known, _)| *known == byte)
                .map(|(_, bits)| bits);
            let separator = byte == SEPARATOR as u8;
            let mut carry = 0;
            for (word, bits) in state.iter_mut().enumerate() {
                let moved = *bits & literal.map_or(0, |literal| literal[word]);
                let percent = if separator { 0 } else { self.percents[word] };
                let stays = *bits & (self.stars[word] | percent);
                let next = (moved << 1) | carry | stays;
                carry = moved >> 63;
                *bits = next;
            }
            self.pass_wildcards(&mut state);
        }
        let end = self.elements.len();
        state[end / 64] >> (end % 64) & 1 == 1
    }

    /// A wildcard may also match nothing. Two never stand side by side, so once is enough.
    fn pass_wildcards(&self, state: &mut [u64]) {
        let mut carry = 0;
        for (word, bits) in state.iter_mut().enumerate() {
            let passed = *bits & (self.stars[word] | self.percents[word]);
            *bits |= (passed << 1) | carry;
            carry = passed >> 63;
        }
    }
}

#[cfg(test)]
mod tests;
