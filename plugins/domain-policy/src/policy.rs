//! The rules, each a function of the configuration and one fact.

use crate::pattern::{Pattern, any};

/// Longest reason in bytes; the host takes 400.
const REASON: usize = 380;

/// The configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) max_size: Option<u64>,
    pub(crate) allowed_senders: Vec<Pattern>,
    pub(crate) denied_senders: Vec<Pattern>,
    pub(crate) denied_recipients: Vec<Pattern>,
    pub(crate) internal_recipients: Vec<Pattern>,
    pub(crate) refused_extensions: Vec<String>,
    pub(crate) refused_words: Vec<String>,
    pub(crate) required_words: Vec<String>,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) status: &'static str,
    pub(crate) text: String,
}

impl Refusal {
    fn new(text: impl Into<String>) -> Self {
        Self {
            code: 550,
            status: "5.7.1",
            text: text.into(),
        }
    }
}

impl Policy {
    /// May this envelope sender write? Empty is the null sender.
    pub(crate) fn sender(&self, sender: impl FnOnce() -> String) -> Result<(), Refusal> {
        if self.denied_senders.is_empty() && self.allowed_senders.is_empty() {
            return Ok(());
        }
        let sender = &sender();
        if any(&self.denied_senders, sender) {
            return Err(Refusal::new("mail from this sender is not accepted"));
        }
        // Reports come from nobody; a list of senders does not mean them.
        let only = !self.allowed_senders.is_empty() && !sender.is_empty();
        if only && !any(&self.allowed_senders, sender) {
            return Err(Refusal::new("mail is accepted from known senders only"));
        }
        Ok(())
    }

    /// May this recipient be written to, by someone inside or outside?
    pub(crate) fn recipient(
        &self,
        recipient: &str,
        is_inside: impl FnOnce() -> bool,
    ) -> Result<(), Refusal> {
        if any(&self.denied_recipients, recipient) {
            return Err(Refusal::new("mail to this recipient is not accepted"));
        }
        if any(&self.internal_recipients, recipient) && !is_inside() {
            return Err(Refusal::new("this recipient takes mail from inside only"));
        }
        Ok(())
    }

    /// Is the message small enough, in bytes?
    pub(crate) fn size(&self, bytes: impl FnOnce() -> u64) -> Result<(), Refusal> {
        let Some(limit) = self.max_size else {
            return Ok(());
        };
        let bytes = bytes();
        if bytes <= limit {
            return Ok(());
        }
        // RFC 3463 §3.4: X.3.4 is a message too big.
        Err(Refusal {
            code: 552,
            status: "5.3.4",
            text: format!("the message has {bytes} bytes, the limit is {limit}"),
        })
    }

    /// Has the subject one of the words that are wanted?
    pub(crate) fn subject(&self, subject: &str) -> Result<(), Refusal> {
        if self.required_words.is_empty() || contains_any(subject, &self.required_words).is_some() {
            return Ok(());
        }
        Err(Refusal::new(format!(
            "the subject must have one of: {}",
            self.required_words.join(", ")
        )))
    }

    /// Has the text one of the words that are not?
    pub(crate) fn text(&self, text: &str) -> Result<(), Refusal> {
        match contains_any(text, &self.refused_words) {
            Some(word) => Err(Refusal::new(format!(
                "messages with the word '{word}' are not accepted"
            ))),
            None => Ok(()),
        }
    }

    /// May an attachment have this name? Readers drop blanks and dots at the end, so they are
    /// dropped here.
    pub(crate) fn attachment(&self, name: &str) -> Result<(), Refusal> {
        let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c.is_control());
        let Some((_, extension)) = name.rsplit_once('.') else {
            return Ok(());
        };
        // A direction mark can make `exe` look like something else; it is no part of the name.
        let extension: String = extension.chars().filter(|&c| !is_invisible(c)).collect();
        let refused = |wanted: &&String| {
            wanted
                .trim_start_matches('.')
                .eq_ignore_ascii_case(&extension)
        };
        match self.refused_extensions.iter().find(refused) {
            Some(found) => {
                let found = found.trim_start_matches('.').to_lowercase();
                Err(Refusal::new(format!(
                    "attachments named .{found} are not accepted"
                )))
            }
            None => Ok(()),
        }
    }

    /// Is there a rule about subjects?
    pub(crate) const fn reads_subject(&self) -> bool {
        !self.required_words.is_empty() || self.reads_text()
    }

    /// Is there a rule about attachments or texts?
    pub(crate) const fn reads_parts(&self) -> bool {
        !self.refused_extensions.is_empty() || self.reads_text()
    }

    /// Is there a rule about texts?
    pub(crate) const fn reads_text(&self) -> bool {
        !self.refused_words.is_empty()
    }
}

/// The text of the reply: one line, not too long, with who says so.
pub(crate) fn reason(plugin: &str, rule: &str, remark: Option<&str>) -> String {
    let mut text = format!("Refused by {plugin}: {rule}");
    if let Some(remark) = remark.map(str::trim).filter(|remark| !remark.is_empty()) {
        text.push_str(". ");
        text.push_str(remark);
    }
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut end = line.len().min(REASON);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line
}

fn contains_any<'w>(text: &str, words: &'w [String]) -> Option<&'w String> {
    if words.is_empty() {
        return None;
    }
    let text = text.to_lowercase();
    words
        .iter()
        .find(|word| !word.is_empty() && text.contains(&word.to_lowercase()))
}

const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
