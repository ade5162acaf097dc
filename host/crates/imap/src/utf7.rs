//! Modified UTF-7, the old clothes of mailbox names on the wire (RFC 3501 §5.1.3).
//!
//! Decoding is strict: of the many ways to write a text only the one that [`encode`] makes is
//! read, so that two different byte strings never name one mailbox (attack I12).

use std::fmt::Write as _;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// The wire form of a name.
pub(crate) fn encode(text: &str) -> String {
    let mut wire = String::with_capacity(text.len());
    let mut shifted: Vec<u16> = Vec::new();
    for character in text.chars() {
        if (' '..='~').contains(&character) {
            flush(&mut shifted, &mut wire);
            wire.push(character);
            if character == '&' {
                wire.push('-');
            }
        } else {
            shifted.extend_from_slice(character.encode_utf16(&mut [0; 2]));
        }
    }
    flush(&mut shifted, &mut wire);
    wire
}

fn flush(shifted: &mut Vec<u16>, wire: &mut String) {
    if shifted.is_empty() {
        return;
    }
    wire.push('&');
    let (mut bits, mut count) = (0u32, 0u32);
    for unit in shifted.drain(..) {
        bits = (bits << 16) | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            wire.push(sextet(bits >> count));
        }
    }
    if count > 0 {
        wire.push(sextet(bits << (6 - count)));
    }
    // Writing to a string cannot fail.
    let _ = wire.write_char('-');
}

fn sextet(bits: u32) -> char {
    ALPHABET[(bits & 63) as usize] as char
}

/// The text of a wire form. Bytes of UTF-8 pass as they are (clients that speak IMAP4rev2 send
/// them). `None` for anything that is not the one right form.
pub(crate) fn decode(wire: &[u8]) -> Option<String> {
    let wire = str::from_utf8(wire).ok()?;
    let mut text = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some(start) = rest.find('&') {
        text.push_str(&rest[..start]);
        let shifted = &rest[start + 1..];
        let end = shifted.find('-')?;
        match &shifted[..end] {
            "" => text.push('&'),
            base64 => text.push_str(&decode_shifted(base64)?),
        }
        rest = &shifted[end + 1..];
    }
    text.push_str(rest);
    let canonical = !wire.is_ascii() || encode(&text) == wire;
    canonical.then_some(text)
}

fn decode_shifted(base64: &str) -> Option<String> {
    let (mut bits, mut count) = (0u32, 0u32);
    let mut units = Vec::with_capacity(base64.len());
    for byte in base64.bytes() {
        let value = ALPHABET.iter().position(|&known| known == byte)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
            bits &= (1 << count) - 1;
        }
    }
    // Left-over bits must be fewer than a sextet and zero.
    let clean = count < 6 && bits == 0;
    let text = String::from_utf16(&units).ok()?;
    let needed = text.chars().all(|c| !(' '..='~').contains(&c));
    (clean && needed).then_some(text)
}

#[cfg(test)]
mod tests;
