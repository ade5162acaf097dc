//! What the host knows and plugins may ask for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use mail::{Direction, Domain, EnvelopeId, Mailbox, ReversePath};
use serde::{Deserialize, Serialize};

use crate::source::MessageSource;

/// A transaction as one of its domains sees it.
#[derive(Debug, Clone)]
pub struct SessionFacts {
    /// The domain whose plugins are asked.
    pub domain: Domain,
    /// Its other names; addresses in them are own addresses.
    pub aliases: Vec<Domain>,
    /// From where the message comes.
    pub direction: Direction,
    /// The client's address; `None` for mail made on this host.
    pub peer: Option<IpAddr>,
    /// Is the connection encrypted?
    pub encrypted: bool,
    /// Who logged in.
    pub authenticated: Option<Mailbox>,
    /// What the client called itself.
    pub helo: String,
    /// The envelope sender.
    pub reverse_path: ReversePath,
    /// The SIZE parameter, in bytes.
    pub declared_size: Option<u64>,
    /// The transaction's id.
    pub envelope: Option<EnvelopeId>,
}

/// One delivery by an option.
#[derive(Clone)]
pub struct DeliverInput {
    /// The domain of the recipient.
    pub domain: Domain,
    /// Its other names.
    pub aliases: Vec<Domain>,
    /// The option: `autoreply`, `program`, `forward`, `file`, `shared`, or an own one.
    pub option: String,
    /// From where the message came.
    pub direction: Direction,
    /// The envelope sender.
    pub reverse_path: ReversePath,
    /// The recipient.
    pub recipient: Mailbox,
    /// Settings of the recipient by the name of their attribute (compared without case).
    pub settings: BTreeMap<String, Vec<String>>,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// The same in every attempt.
    pub delivery_id: String,
    /// The transaction's id.
    pub envelope: Option<EnvelopeId>,
    /// The message.
    pub message: Arc<dyn MessageSource>,
    /// What was found out about the sender, `method=result` each.
    pub auth_results: Vec<String>,
    /// What the plugins noted before the message was accepted.
    pub notes: Notes,
}

/// Notes that plugins left on a message: by plugin, then by name. Kept in the accept record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Notes(pub BTreeMap<String, BTreeMap<String, String>>);

impl Notes {
    /// Largest sum of names and values of one plugin, in bytes.
    pub const BYTES: usize = 4096;

    pub(crate) fn of(&self, plugin: &str) -> BTreeMap<String, String> {
        self.0.get(plugin).cloned().unwrap_or_default()
    }

    pub(crate) fn set(&mut self, plugin: &str, notes: BTreeMap<String, String>) {
        if !notes.is_empty() {
            self.0.insert(plugin.to_owned(), notes);
        }
    }
}
