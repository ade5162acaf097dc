//! What the reply says.

use crate::addresses;
use crate::rules::Incoming;
use crate::settings::Settings;

/// Longest subject, in characters.
const SUBJECT: usize = 400;
/// Most ids in `References`, the first and the last ones (RFC 5322 §3.6.4 sets no limit).
const REFERENCES: usize = 20;
/// Longest id that is taken over, in bytes.
const ID: usize = 250;
/// Longest text in bytes; the host takes 256 KiB.
const TEXT: usize = 128 * 1024;

/// A reply that is ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Envelope recipient.
    pub(crate) recipient: String,
    /// Header fields, each one line.
    pub(crate) header: Vec<(&'static str, String)>,
    /// Body with LF.
    pub(crate) text: String,
}

impl Reply {
    /// Writes it. `subject` is that of the message, decoded. An error where there is nothing to say.
    pub(crate) fn new(
        settings: &Settings,
        incoming: &Incoming,
        person: &str,
        subject: Option<&str>,
        internal: bool,
    ) -> Result<Self, String> {
        let template = match &settings.text_internal {
            Some(text) if internal => Some(text),
            _ => settings.text.as_ref(),
        };
        let template = match template {
            Some(text) => text.as_str(),
            None if settings.echo => "",
            None => return Err("no text is set".to_owned()),
        };
        let subject = one_line(subject.unwrap_or_default(), SUBJECT);
        let from = author(incoming);
        let fill = |template: &str| filled(template, &subject, &from);

        let own_subject = match &settings.subject {
            Some(template) => one_line(&fill(template).replace('\n', " "), SUBJECT),
            // RFC 3834 §3.1.5.
            None => one_line(&format!("Auto: {subject}"), SUBJECT),
        };
        let mut header = vec![
            ("From", format!("<{person}>")),
            ("To", format!("<{}>", incoming.sender)),
            ("Subject", own_subject),
            // RFC 3834 §3.1.7.
            ("Auto-Submitted", "auto-replied".to_owned()),
        ];
        header.extend(thread(incoming));
        let mut text = fill(template);
        truncate(&mut text, TEXT);
        text.push('\n');
        Ok(Self {
            recipient: incoming.sender.clone(),
            header,
            text,
        })
    }
}

/// Replaces `$SUBJECT` and `$FROM`, and `$` by a line break.
fn filled(template: &str, subject: &str, from: &str) -> String {
    let mut text = String::with_capacity(template.len());
    let mut pieces = template.split('$');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let known = [("SUBJECT", subject), ("FROM", from)];
        match known
            .iter()
            .find_map(|(name, value)| Some((value, piece.strip_prefix(name)?)))
        {
            Some((value, rest)) => {
                text.push_str(value);
                text.push_str(rest);
            }
            None => {
                text.push('\n');
                text.push_str(piece);
            }
        }
    }
    text
}

/// Who wrote the message, by its `From`, else by its envelope.
fn author(incoming: &Incoming) -> String {
    let named = incoming.fields("From").flat_map(addresses::in_list).next();
    one_line(&named.unwrap_or_else(|| incoming.sender.clone()), SUBJECT)
}

/// `In-Reply-To` and `References` (RFC 5322 §3.6.4, RFC 3834 §3.1.6).
fn thread(incoming: &Incoming) -> Vec<(&'static str, String)> {
    let Some(id) = incoming.fields("Message-ID").flat_map(ids).next() else {
        return Vec::new();
    };
    let ids_of = |name: &str| incoming.fields(name).flat_map(ids).collect::<Vec<_>>();
    let mut references = ids_of("References");
    if references.is_empty() {
        // Several ids in In-Reply-To do not say which is the parent.
        references = ids_of("In-Reply-To");
        references.truncate(usize::from(references.len() == 1));
    }
    references.push(id.clone());
    references.dedup();
    if references.len() > REFERENCES {
        let tail = references.len() - REFERENCES + 1;
        references.drain(1..tail);
    }
    vec![("In-Reply-To", id), ("References", references.join(" "))]
}

/// The well-formed ids of a field. Others could break the header of the reply.
fn ids(value: &str) -> Vec<String> {
    let is_id = |word: &&str| {
        let inner = word
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'));
        inner.is_some_and(|inner| {
            inner.contains('@')
                && inner
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>')
        }) && word.len() <= ID
    };
    value
        .split_whitespace()
        .filter(is_id)
        .map(ToOwned::to_owned)
        .collect()
}

/// Text of a stranger as part of one line: whatever some reader may take as the end of a line, and
/// every other control or direction mark, becomes a blank.
fn one_line(text: &str, limit: usize) -> String {
    let breaks = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let words = text
        .split(|c: char| breaks(c) || c.is_whitespace())
        .filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().take(limit).collect()
}

fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        let mut end = limit;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests;
