//! Who was answered when.
//!
//! ```text
//! key                      value                     gone after
//! to/PERSON/SENDER         time of the last reply    the person's time-out
//! rate/PERSON              hour, replies in it       an hour
//! ```
//! Times are decimal milliseconds since the Unix epoch.

/// An hour in milliseconds.
pub(crate) const HOUR_MS: u64 = 3_600_000;

/// Longest key that the host takes, in bytes.
const KEY: usize = 256;

/// Under which keys a pair of person and sender is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) sender_key: String,
    pub(crate) rate_key: String,
}

/// May this sender be answered now?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Answer,
    Wait,
}

impl Memory {
    /// Case does not make another sender.
    pub(crate) fn new(person: &str, sender: &str) -> Self {
        let (person, sender) = (person.to_lowercase(), sender.to_lowercase());
        Self {
            sender_key: short(format!("to/{person}/{sender}")),
            rate_key: short(format!("rate/{person}")),
        }
    }
}

/// Reads the time of the last reply. What cannot be read counts as just now: silence is the safe
/// side.
pub(crate) fn turn(last: Option<&[u8]>, window_ms: u64, now_ms: u64) -> Turn {
    let Some(last) = last else {
        return Turn::Answer;
    };
    let Some(last_ms) = number(last) else {
        return Turn::Wait;
    };
    // A clock that went back makes the sender wait, which is the safe side too.
    let waited = now_ms.saturating_sub(last_ms);
    if waited >= window_ms {
        Turn::Answer
    } else {
        Turn::Wait
    }
}

/// The value after one reply more in this hour; `None` when there were `limit` already.
pub(crate) fn counted(value: Option<&[u8]>, limit: u64, now_ms: u64) -> Option<String> {
    let hour = now_ms / HOUR_MS;
    let known = value.and_then(|value| std::str::from_utf8(value).ok()?.split_once(' '));
    let count = match known {
        Some((known_hour, count)) if known_hour.parse() == Ok(hour) => {
            count.parse().unwrap_or(limit)
        }
        _ => 0,
    };
    (count < limit).then(|| format!("{hour} {}", count + 1))
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The key itself, or where it is too long its start and a hash of the whole.
fn short(key: String) -> String {
    if key.len() <= KEY {
        return key;
    }
    let mut end = KEY - 33;
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}#{:032x}", &key[..end], fnv(key.as_bytes()))
}

/// FNV-1a with 128 bits.
fn fnv(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests;
