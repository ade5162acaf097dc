//! What a plugin asks for, and what an administrator grants: the same shape.

use serde::{Deserialize, Serialize};

/// Messages a call may send where the grant says nothing.
const SUBMIT_MESSAGES: u32 = 10;

/// Capabilities with their bounds. In a manifest: what the plugin asks for. On a binding: what it
/// may do. `log` and `config` are always there and never named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// The time of day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Plain>,
    /// A durable table of the plugin in the domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv: Option<Plain>,
    /// Changes to the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Plain>,
    /// Sending mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submit: Option<Submit>,
    /// Filing mail in mailboxes of the domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<Plain>,
    /// Writing files, by label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Labels>,
    /// Running programs, by label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<Labels>,
}

/// A capability without bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

/// Bounds of `submit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Submit {
    /// Messages that one call may send.
    pub messages: u32,
}

impl Default for Submit {
    fn default() -> Self {
        Self {
            messages: SUBMIT_MESSAGES,
        }
    }
}

/// Labels that `file` or `program` may use; `*` is any that the operator has mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Labels {
    /// The labels.
    pub labels: Vec<String>,
}

impl Labels {
    /// May this label be used?
    pub fn allow(&self, label: &str) -> bool {
        self.labels
            .iter()
            .any(|known| known == label || known == "*")
    }
}

/// A word that grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a grant; there are clock, kv, edit, mailbox, submit[:MESSAGES], file[:LABEL], program[:LABEL]"
)]
pub struct GrantError(pub String);

impl Grants {
    /// Everything without bounds: for plugins that come with the server.
    pub fn everything() -> Self {
        let any = || {
            Some(Labels {
                labels: vec!["*".to_owned()],
            })
        };
        Self {
            clock: Some(Plain {}),
            kv: Some(Plain {}),
            edit: Some(Plain {}),
            submit: Some(Submit { messages: 1000 }),
            mailbox: Some(Plain {}),
            file: any(),
            program: any(),
        }
    }

    /// Adds what a word of the command line says: `kv`, `submit:2`, `program:spamcheck`.
    pub fn grant(&mut self, word: &str) -> Result<(), GrantError> {
        let error = || GrantError(word.to_owned());
        let (name, bound) = match word.split_once(':') {
            Some((name, bound)) => (name, Some(bound)),
            None => (word, None),
        };
        match (name, bound) {
            ("clock", None) => self.clock = Some(Plain {}),
            ("kv", None) => self.kv = Some(Plain {}),
            ("edit", None) => self.edit = Some(Plain {}),
            ("mailbox", None) => self.mailbox = Some(Plain {}),
            ("submit", None) => self.submit = Some(Submit::default()),
            ("submit", Some(messages)) => {
                self.submit = Some(Submit {
                    messages: messages.parse().map_err(|_| error())?,
                });
            }
            ("file", label) => add_label(&mut self.file, label),
            ("program", label) => add_label(&mut self.program, label),
            _ => return Err(error()),
        }
        Ok(())
    }

    /// The words that grant this, as [`Grants::grant`] takes them.
    pub fn words(&self) -> Vec<String> {
        let plain = [
            ("clock", self.clock),
            ("edit", self.edit),
            ("kv", self.kv),
            ("mailbox", self.mailbox),
        ];
        let mut words: Vec<String> = plain
            .iter()
            .filter(|(_, grant)| grant.is_some())
            .map(|(name, _)| (*name).to_owned())
            .collect();
        words.extend(
            self.submit
                .map(|submit| format!("submit:{}", submit.messages)),
        );
        for (name, labels) in [("file", &self.file), ("program", &self.program)] {
            let labels = labels.iter().flat_map(|labels| &labels.labels);
            words.extend(labels.map(|label| format!("{name}:{label}")));
        }
        words
    }

    /// May a component import this interface of the contract? Those that are always there, too.
    pub fn allow(&self, interface: &str) -> bool {
        match interface {
            "types" | "message" | "log" | "config" => true,
            "clock" => self.clock.is_some(),
            "kv" => self.kv.is_some(),
            "edit" => self.edit.is_some(),
            "submit" => self.submit.is_some(),
            "mailbox" => self.mailbox.is_some(),
            "file" => self.file.is_some(),
            "program" => self.program.is_some(),
            _ => false,
        }
    }

    /// What is here and not in `granted`, in words: shown where an upgrade asks for more.
    pub fn beyond(&self, granted: &Self) -> Vec<String> {
        let allowed = granted.words();
        let is_covered = |word: &String| match word.split_once(':') {
            Some(("submit", messages)) => granted.submit.is_some_and(|submit| {
                messages
                    .parse()
                    .is_ok_and(|asked: u32| asked <= submit.messages)
            }),
            Some((name, _)) => allowed.contains(word) || allowed.contains(&format!("{name}:*")),
            None => allowed.contains(word),
        };
        self.words()
            .into_iter()
            .filter(|word| !is_covered(word))
            .collect()
    }
}

fn add_label(labels: &mut Option<Labels>, label: Option<&str>) {
    let labels = &mut labels.get_or_insert_default().labels;
    let label = label.unwrap_or("*");
    if !labels.iter().any(|known| known == label) {
        labels.push(label.to_owned());
    }
}
