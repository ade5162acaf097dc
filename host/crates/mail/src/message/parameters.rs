//! `word; name=value; …` of MIME header fields (RFC 2045 §5.1, RFC 2183 §2, RFC 2231).

use super::content::{decode_words, to_text, unfold};
use crate::limits;

/// One parameter, as written but unquoted. RFC 2231 pieces keep their names (`filename*0*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name, lower case.
    pub name: Vec<u8>,
    /// The value without quotes.
    pub value: Vec<u8>,
}

/// A word with parameters, as in Content-Disposition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParameterizedValue {
    /// The word before the first `;`, lower case.
    pub word: Vec<u8>,
    /// The parameters in order, at most [`limits::MIME_PARAMETERS`].
    pub parameters: Vec<Parameter>,
}

/// Content-Type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    /// `text`, `multipart`, …, lower case.
    pub main: Vec<u8>,
    /// `plain`, `mixed`, …, lower case.
    pub sub: Vec<u8>,
    /// The parameters in order.
    pub parameters: Vec<Parameter>,
}

impl MediaType {
    /// Without parameters.
    pub fn new(main: &str, sub: &str) -> Self {
        Self {
            main: main.into(),
            sub: sub.into(),
            parameters: Vec::new(),
        }
    }

    /// Reads a Content-Type value. `None` where it is no `type/subtype`.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let ParameterizedValue { word, parameters } = ParameterizedValue::parse(value);
        let slash = word.iter().position(|&b| b == b'/')?;
        let (main, sub) = (word[..slash].trim_ascii(), word[slash + 1..].trim_ascii());
        let is_token = |part: &[u8]| !part.is_empty() && part.iter().copied().all(is_token_byte);
        (is_token(main) && is_token(sub)).then(|| Self {
            main: main.to_vec(),
            sub: sub.to_vec(),
            parameters,
        })
    }

    /// Is it `main/sub`?
    pub fn is(&self, main: &str, sub: &str) -> bool {
        self.main == main.as_bytes() && self.sub == sub.as_bytes()
    }

    /// The value of a parameter, by its name in lower case.
    pub fn parameter(&self, name: &[u8]) -> Option<&[u8]> {
        find(&self.parameters, name)
    }

    /// A parameter as text, its pieces joined and decoded (RFC 2231).
    pub fn decoded_parameter(&self, name: &str) -> Option<String> {
        decoded(&self.parameters, name)
    }
}

impl ParameterizedValue {
    /// Reads a value. What is malformed is left out.
    pub fn parse(value: &[u8]) -> Self {
        let value = unfold(value);
        let mut scanner = Scanner {
            bytes: &value,
            at: 0,
        };
        let word = scanner.until(b";").trim_ascii().to_ascii_lowercase();
        let mut parameters = Vec::new();
        while scanner.skip(b';') && parameters.len() < limits::MIME_PARAMETERS {
            let name = scanner.until(b"=;").trim_ascii().to_ascii_lowercase();
            if !scanner.skip(b'=') {
                continue;
            }
            let value = scanner.value();
            scanner.until(b";");
            if !name.is_empty() && name.iter().copied().all(is_token_byte) {
                parameters.push(Parameter { name, value });
            }
        }
        Self { word, parameters }
    }

    /// The value of a parameter, by its name in lower case.
    pub fn parameter(&self, name: &[u8]) -> Option<&[u8]> {
        find(&self.parameters, name)
    }

    /// A parameter as text, its pieces joined and decoded (RFC 2231).
    pub fn decoded_parameter(&self, name: &str) -> Option<String> {
        decoded(&self.parameters, name)
    }
}

/// ```text
/// token = 1*<any CHAR except SPACE, CTLs, or tspecials>     ; RFC 2045 §5.1
/// ```
fn is_token_byte(b: u8) -> bool {
    b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b)
}

fn find<'p>(parameters: &'p [Parameter], name: &[u8]) -> Option<&'p [u8]> {
    let parameter = parameters.iter().find(|parameter| parameter.name == name)?;
    Some(&parameter.value)
}

/// The plain form `name`, else `name*`, else the pieces `name*0`, `name*1*`, … (RFC 2231 §3, §4).
fn decoded(parameters: &[Parameter], name: &str) -> Option<String> {
    if let Some(plain) = find(parameters, name.as_bytes()) {
        // Many programs put encoded words here, against RFC 2047 §5 (3).
        return Some(decode_words(plain));
    }
    if let Some(extended) = find(parameters, format!("{name}*").as_bytes()) {
        let (charset, rest) = split_charset(extended);
        return Some(to_text(&percent_decode(rest), charset));
    }
    let mut bytes = Vec::new();
    let mut charset = None;
    for number in 0..parameters.len() {
        let encoded = find(parameters, format!("{name}*{number}*").as_bytes());
        match (
            encoded,
            find(parameters, format!("{name}*{number}").as_bytes()),
        ) {
            (Some(encoded), _) => {
                let rest = if number == 0 {
                    let (first, rest) = split_charset(encoded);
                    charset = first;
                    rest
                } else {
                    encoded
                };
                bytes.extend(percent_decode(rest));
            }
            (None, Some(plain)) => bytes.extend_from_slice(plain),
            (None, None) if number == 0 => return None,
            (None, None) => break,
        }
    }
    (!parameters.is_empty()).then(|| to_text(&bytes, charset))
}

/// `charset'language'rest` (RFC 2231 §4).
fn split_charset(value: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut pieces = value.splitn(3, |&b| b == b'\'');
    match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_), Some(rest)) => (Some(charset), rest),
        _ => (None, value),
    }
}

fn percent_decode(value: &[u8]) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&b, tail)) = rest.split_first() {
        let pair = tail.split_at_checked(2).filter(|_| b == b'%');
        match pair.and_then(|(hex, tail)| Some((digit(hex[0])?, digit(hex[1])?, tail))) {
            // Two hexadecimal digits are at most 255.
            Some((high, low, tail)) => {
                decoded.push((high * 16 + low) as u8);
                rest = tail;
            }
            None => {
                decoded.push(b);
                rest = tail;
            }
        }
    }
    decoded
}

/// Walks over a value and leaves out comments.
struct Scanner<'v> {
    bytes: &'v [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes over one byte, if there is one.
    fn pass(&mut self) {
        self.at = self.bytes.len().min(self.at + 1);
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Bytes up to one of `stops`, quoted strings and comments passed over.
    fn until(&mut self, stops: &[u8]) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some(b) = self.peek() {
            match b {
                _ if stops.contains(&b) => break,
                b'"' => taken.extend(self.quoted()),
                b'(' => self.comment(),
                _ => {
                    taken.push(b);
                    self.at += 1;
                }
            }
        }
        taken
    }

    /// A quoted string, or bytes up to white space, `;` or a comment.
    fn value(&mut self) -> Vec<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'(') => self.comment(),
                _ => break,
            }
        }
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        let rest = &self.bytes[self.at..];
        let stop = |&b: &u8| matches!(b, b' ' | b'\t' | b';' | b'(');
        let end = rest.iter().position(stop).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_vec()
    }

    fn quoted(&mut self) -> Vec<u8> {
        let mut taken = Vec::new();
        self.at += 1;
        while let Some(b) = self.peek() {
            self.at += 1;
            match b {
                b'"' => break,
                b'\\' => {
                    taken.extend(self.peek());
                    self.pass();
                }
                b => taken.push(b),
            }
        }
        taken
    }

    fn comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(b) = self.peek() {
            self.at += 1;
            match b {
                b'\\' => self.pass(),
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
}
