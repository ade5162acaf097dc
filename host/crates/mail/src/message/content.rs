//! Decoding: transfer encodings, character sets, encoded words.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;

use super::structure::Encoding;
use crate::limits;

/// The content without its transfer encoding; undecoded where the encoding is broken.
pub(super) fn decode(bytes: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    let decoded = match encoding {
        Encoding::Base64 => base64_decode(bytes),
        Encoding::QuotedPrintable => quoted_printable_decode(bytes),
        Encoding::Identity | Encoding::Unknown => None,
    };
    decoded.map_or(Cow::Borrowed(bytes), Cow::Owned)
}

/// Bytes of a character set as text; UTF-8 where it is not named or not known.
pub(super) fn to_text(bytes: &[u8], charset: Option<&[u8]>) -> String {
    match charset
        .filter(|charset| !charset.is_empty())
        .and_then(charset_decoder)
    {
        Some(decoder) => decoder(bytes),
        None => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Bytes in a named character set as text. `None` where the set is not known, or where bytes that
/// are said to be UTF-8 or ASCII are not UTF-8.
pub fn text_in(bytes: &[u8], charset: &[u8]) -> Option<String> {
    if charset.eq_ignore_ascii_case(b"UTF-8") || charset.eq_ignore_ascii_case(b"US-ASCII") {
        return str::from_utf8(bytes).ok().map(str::to_owned);
    }
    // The names of the table are shorter.
    let known = !charset.is_empty() && charset.len() <= 40;
    let decoder = Some(charset).filter(|_| known).and_then(charset_decoder)?;
    Some(decoder(bytes))
}

/// A header value unfolded, with encoded words decoded (RFC 2047 §6.1). Bytes outside UTF-8
/// become U+FFFD; at most [`limits::HEADER_DECODED`] bytes are looked at.
pub fn decode_words(value: &[u8]) -> String {
    let value = &value[..value.len().min(limits::HEADER_DECODED)];
    let unfolded = unfold(value);
    if !unfolded.windows(2).any(|pair| pair == b"=?") {
        return String::from_utf8_lossy(&unfolded).into_owned();
    }
    let mut line = unfolded;
    line.push(b'\n');
    MessageStream::new(&line)
        .parse_unstructured()
        .into_text()
        .map(Cow::into_owned)
        .unwrap_or_default()
}

/// Removes line ends, and white space at both ends (RFC 5322 §2.2.3).
pub(super) fn unfold(value: &[u8]) -> Vec<u8> {
    let mut unfolded = value.trim_ascii().to_vec();
    unfolded.retain(|b| !matches!(b, b'\r' | b'\n'));
    unfolded
}
