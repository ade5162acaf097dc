//! Looking into a message (RFC 3501 §6.4.4): decoded header fields and decoded text parts,
//! compared without case.

use mail::limits;
use mail::message::{Field, Message, PartKind};

use crate::date::parse_header_day;
use crate::search::TextKey;

/// Text of one part that is looked through, in bytes after decoding. What comes behind is not
/// found.
const PART_TEXT: usize = 4 * 1024 * 1024;

/// How much of a message [`match_text`] must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextNeed {
    /// The header section is enough.
    Header,
    /// All of it.
    Message,
}

impl TextNeed {
    /// What these keys need.
    pub fn of(keys: &[TextKey]) -> Self {
        let body = |key: &TextKey| matches!(key, TextKey::Body(_) | TextKey::Text(_));
        if keys.iter().any(body) {
            Self::Message
        } else {
            Self::Header
        }
    }
}

/// For each key, whether the message matches. `raw` is the message, or its header section where
/// [`TextNeed::of`] says that this is enough.
///
/// Text parts are searched decoded; other parts (images, archives) not at all. Work is linear
/// in the message for each key.
pub fn match_text(keys: &[TextKey], raw: &[u8]) -> Vec<bool> {
    let message = Message::new(raw);
    let mut texts = None;
    keys.iter()
        .map(|key| match key {
            TextKey::Header { field, text } => header_holds(&message, field, text),
            TextKey::Body(text) => holds(
                texts.get_or_insert_with(|| Texts::of(&message)).body(),
                text,
            ),
            TextKey::Text(text) => {
                let texts = texts.get_or_insert_with(|| Texts::of(&message));
                holds(texts.body(), text) || holds(&texts.header, text)
            }
            TextKey::SentBefore(day) => sent(&message).is_some_and(|sent| sent < *day),
            TextKey::SentOn(day) => sent(&message).is_some_and(|sent| sent == *day),
            TextKey::SentSince(day) => sent(&message).is_some_and(|sent| sent >= *day),
        })
        .collect()
}

/// The texts of a message in lower case.
struct Texts {
    header: Vec<String>,
    body: Vec<String>,
}

impl Texts {
    fn of(message: &Message<'_>) -> Self {
        let mut texts = Self {
            header: fields(message.header().fields()),
            body: Vec::new(),
        };
        let parts = message.structure().parts();
        for part in parts {
            // The header of a message within the message belongs to the body.
            if let PartKind::Message(inner) = part.kind {
                let header = parts.get(inner).map(|inner| message.part_header(inner));
                texts
                    .body
                    .extend(header.iter().flat_map(|header| fields(header.fields())));
            }
            if part.is_text() && part.kind == PartKind::Leaf {
                texts.body.push(fold(&cut(message.text(part))));
            }
        }
        texts
    }

    fn body(&self) -> &[String] {
        &self.body
    }
}

/// The first [`PART_TEXT`] bytes.
fn cut(mut text: String) -> String {
    while text.len() > PART_TEXT {
        let end = (0..=PART_TEXT)
            .rev()
            .find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
    }
    text
}

fn fields<'a>(fields: impl Iterator<Item = Field<'a>>) -> Vec<String> {
    fields
        .take(limits::HEADER_COUNT)
        .map(|field| fold(&format!("{}: {}", field.name(), field.text())))
        .collect()
}

fn header_holds(message: &Message<'_>, field: &str, text: &str) -> bool {
    let text = fold(text);
    message
        .header()
        .all(field)
        .any(|field| text.is_empty() || fold(&field.text()).contains(&text))
}

fn holds(texts: &[String], text: &str) -> bool {
    let text = fold(text);
    text.is_empty() || texts.iter().any(|known| known.contains(&text))
}

/// As i;unicode-casemap does for most of what people write (RFC 5051).
fn fold(text: &str) -> String {
    text.to_lowercase()
}

fn sent(message: &Message<'_>) -> Option<crate::Day> {
    parse_header_day(&message.header().text("date")?)
}
