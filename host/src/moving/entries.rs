//! What archives say of each kind of item. Names are addresses, never ids: ids belong to a server.

use mail::{EnhancedStatus, Envelope, Mailbox, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Flags, ParkedReason, SpecialUse, Work};

/// The layout written here, and the newest that is read.
pub(super) const FORMAT: u32 = 1;

/// The first item.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ArchiveFacts {
    pub(super) format: u32,
    /// Names this very archive.
    pub(super) id: String,
    /// `domain` or `mail` (of one person).
    pub(super) kind: String,
    /// The domain, or the person's address.
    pub(super) name: String,
    pub(super) made: String,
    pub(super) version: String,
    pub(super) hostname: String,
}

/// A person of the directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PersonFacts {
    /// As the directory shows it.
    pub(super) person: Value,
    pub(super) password_hashes: Vec<String>,
}

/// Whose mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OwnerName {
    Person(Mailbox),
    Group(Mailbox),
}

impl OwnerName {
    pub(super) const fn address(&self) -> &Mailbox {
        match self {
            Self::Person(address) | Self::Group(address) => address,
        }
    }
}

/// A mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MailboxFacts {
    pub(super) owner: OwnerName,
    pub(super) name: String,
    pub(super) special_use: Option<SpecialUse>,
    pub(super) uid_validity: u32,
    pub(super) uid_next: u32,
    pub(super) highest_modseq: u64,
    /// Who has which rights, RFC 4314 letters.
    pub(super) rights: Vec<(Mailbox, String)>,
}

/// Names a person is subscribed to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SubscriptionFacts {
    pub(super) person: Mailbox,
    pub(super) names: Vec<String>,
}

/// A stored message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredFacts {
    pub(super) owner: OwnerName,
    pub(super) uid: u32,
    pub(super) email: u64,
    /// The EMAILID of a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<u64>,
    pub(super) thread: u64,
    pub(super) created: u64,
    pub(super) changed: u64,
    pub(super) received: Timestamp,
    pub(super) saved: Timestamp,
    pub(super) utf8: bool,
    #[serde(flatten)]
    pub(super) message: MessageFacts,
}

/// A message of one person's mailbox, from wherever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MessageFacts {
    /// Where it is, levels divided by `/`.
    pub(crate) mailbox: String,
    /// What it is called in a report.
    #[serde(default)]
    pub(crate) label: String,
    /// INTERNALDATE.
    pub(crate) date: Option<Timestamp>,
    /// Its offset in minutes east of UTC.
    #[serde(default)]
    pub(crate) offset: i16,
    /// System flags by name.
    pub(crate) flags: Vec<String>,
    pub(crate) keywords: Vec<String>,
    /// The how manieth of several with the same bytes in this mailbox.
    #[serde(default)]
    pub(crate) copy: u32,
}

impl MessageFacts {
    /// The system flags among them.
    pub(super) fn flags(&self) -> Flags {
        let known = self.flags.iter().filter_map(|name| Flags::parse(name));
        known.fold(Flags::NONE, Flags::union)
    }
}

/// A row of the queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QueueFacts {
    pub(super) envelope: Envelope,
    /// Who had logged in.
    pub(super) authenticated: Option<Mailbox>,
    pub(super) recipient: u64,
    pub(super) original: String,
    pub(super) address: Mailbox,
    pub(super) work: Work,
    /// Whose delivery option it is.
    pub(super) owner: Option<OwnerName>,
    pub(super) parked: Option<(ParkedReason, String)>,
    pub(super) due: Timestamp,
    pub(super) attempts: u32,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) last: Option<(Option<EnhancedStatus>, String)>,
    pub(super) delay_told: bool,
}

/// A plugin's value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KvFacts {
    pub(super) plugin: String,
    pub(super) key: Vec<u8>,
    pub(super) expires: Option<Timestamp>,
}

/// A setting of the domain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SettingFacts {
    pub(super) key: Vec<u8>,
}
