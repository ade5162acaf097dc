//! What routing needs to know of domains, people and groups, and who tells it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Host, State};

/// The directory cannot answer now. Never the same as "there is none".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the directory cannot answer now: {0}")]
pub struct Unavailable(pub String);

/// The routing table: what a directory keeps ready in memory for routing.
pub trait Lookup {
    /// The hosted domain of this name or alias.
    fn domain(&self, name: &Domain) -> Result<Option<Arc<DomainFacts>>, Unavailable>;
    /// The person, group or alias with exactly this address (compared by [`Mailbox::key`]) in
    /// `domain`.
    fn entry(&self, domain: DomainId, address: &Mailbox) -> Result<Option<Entry>, Unavailable>;
}

/// A hosted domain, as routing sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainFacts {
    /// Its id.
    pub id: DomainId,
    /// Its own name, not an alias.
    pub name: Domain,
    /// `inetDomainStatus`
    pub status: State,
    /// `mailDomainStatus`
    pub mail_status: State,
    /// The text of the 550 while it is disabled.
    pub disabled_text: Option<String>,
    /// Who gets the mail for `postmaster@`; an address anywhere.
    pub postmaster: Option<Mailbox>,
    /// Who administers it; they stand in where nobody is postmaster.
    pub administrators: Vec<Mailbox>,
    /// Who gets the mail for unknown local parts; an address anywhere.
    pub catch_all: Option<Mailbox>,
    /// The host that knows the people that are not here.
    pub smart_host: Option<Host>,
}

/// What an address stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A person.
    Person(Arc<PersonFacts>),
    /// A group (distribution list or shared mailbox).
    Group(Arc<GroupFacts>),
    /// Another name for other addresses.
    Alias(Arc<AliasFacts>),
}

/// A person, as routing sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonFacts {
    /// The domain.
    pub domain: DomainId,
    /// The person.
    pub id: PersonId,
    /// The primary address (`mail`).
    pub mail: Mailbox,
    /// `inetUserStatus`
    pub status: State,
    /// `mailUserStatus`
    pub mail_status: State,
    /// `mailRoutingAddress`: mail goes there and no option is looked at.
    pub routing_address: Option<Mailbox>,
    /// `mailDeliveryOption` with what each needs, in the order of the attribute.
    pub deliveries: Vec<Delivery>,
}

/// A group, as routing sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// The domain.
    pub domain: DomainId,
    /// The group.
    pub id: GroupId,
    /// The primary address (`mail`).
    pub mail: Mailbox,
    /// `inetMailGroupStatus`
    pub status: State,
    /// `mailDeliveryOption` with what each needs, in the order of the attribute.
    pub deliveries: Vec<Delivery>,
    /// The members by address (`mgrpRFC822MailMember`).
    pub members: Vec<Mailbox>,
}

/// An alias: mail for it goes to its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasFacts {
    /// The address.
    pub address: Mailbox,
    /// Where its mail goes; addresses anywhere.
    pub targets: Vec<Mailbox>,
}

/// The names of `mailDeliveryOption` that are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeliveryOption {
    /// Into the person's own mailbox.
    Mailbox,
    /// An automatic reply.
    Autoreply,
    /// To a program of the approved list.
    Program,
    /// On to other addresses.
    Forward,
    /// Appended to a file.
    File,
    /// Into a shared mailbox.
    Shared,
    /// To the members of the group.
    Members,
}

/// Not a delivery option, or one that has no effect here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No such name.
    #[error(
        "'{0}' is not a delivery option; options are mailbox, autoreply, program, forward, file, shared, members"
    )]
    Unknown(String),
    /// A name of the schema whose effect this server does not have.
    #[error("the delivery option '{0}' is not supported by this server")]
    Unsupported(String),
}

impl DeliveryOption {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 7] = [
        Self::Mailbox,
        Self::Autoreply,
        Self::Program,
        Self::Forward,
        Self::File,
        Self::Shared,
        Self::Members,
    ];

    /// The value of the attribute, and the name of the plugin that serves it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::Autoreply => "autoreply",
            Self::Program => "program",
            Self::Forward => "forward",
            Self::File => "file",
            Self::Shared => "shared",
            Self::Members => "members",
        }
    }
}

impl fmt::Display for DeliveryOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DeliveryOption {
    type Err = OptionError;
    fn from_str(text: &str) -> Result<Self, OptionError> {
        if let Some(option) = Self::ALL
            .into_iter()
            .find(|option| text.eq_ignore_ascii_case(option.name()))
        {
            return Ok(option);
        }
        let lower = text.to_ascii_lowercase();
        if matches!(lower.as_str(), "hold" | "members_offline") {
            return Err(OptionError::Unsupported(lower));
        }
        Err(OptionError::Unknown(text.to_owned()))
    }
}

impl TryFrom<String> for DeliveryOption {
    type Error = OptionError;
    fn try_from(text: String) -> Result<Self, OptionError> {
        text.parse()
    }
}

impl From<DeliveryOption> for String {
    fn from(option: DeliveryOption) -> Self {
        option.name().to_owned()
    }
}

/// A delivery option with what it needs to act.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "option")]
pub enum Delivery {
    /// Into the person's own store.
    Mailbox {
        /// `mailMessageStore`, `primary` unless said otherwise.
        store: String,
    },
    /// An automatic reply.
    Autoreply(Autoreply),
    /// To a program.
    Program {
        /// `mailProgramDeliveryInfo`: a label of the approved list, never a command line.
        label: String,
    },
    /// On to other addresses.
    Forward {
        /// `mailForwardingAddress`
        addresses: Vec<Mailbox>,
    },
    /// Appended to a file.
    File {
        /// `mailDeliveryFileURL`: a label that the operator maps to a file.
        label: String,
    },
    /// Into a shared mailbox.
    Shared {
        /// The name under `Shared Folders/`.
        name: String,
    },
    /// To the members of the group.
    Members,
}

impl Delivery {
    /// Which option it is.
    pub const fn option(&self) -> DeliveryOption {
        match self {
            Self::Mailbox { .. } => DeliveryOption::Mailbox,
            Self::Autoreply(_) => DeliveryOption::Autoreply,
            Self::Program { .. } => DeliveryOption::Program,
            Self::Forward { .. } => DeliveryOption::Forward,
            Self::File { .. } => DeliveryOption::File,
            Self::Shared { .. } => DeliveryOption::Shared,
            Self::Members => DeliveryOption::Members,
        }
    }
}

/// `mailAutoReplyMode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AutoreplyMode {
    /// The text alone.
    #[default]
    Reply,
    /// The text and the message it answers.
    Echo,
}

/// The settings of the automatic reply. In the texts `$` is a line break, `$SUBJECT` and
/// `$FROM` stand for those of the message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Autoreply {
    /// `mailAutoReplyMode`
    pub mode: AutoreplyMode,
    /// `mailAutoReplyText`
    pub text: String,
    /// `mailAutoReplyTextInternal`: for senders of the own domain; unset: `text`.
    pub text_internal: Option<String>,
    /// `mailAutoReplySubject`
    pub subject: Option<String>,
    /// `mailAutoReplyTimeOut`: hours before the same sender gets another; 0: every time.
    pub timeout_hours: u32,
    /// `vacationStartDate`
    pub start: Option<Timestamp>,
    /// `vacationEndDate`
    pub end: Option<Timestamp>,
}

impl Default for Autoreply {
    fn default() -> Self {
        Self {
            mode: AutoreplyMode::Reply,
            text: String::new(),
            text_internal: None,
            subject: None,
            timeout_hours: 168,
            start: None,
            end: None,
        }
    }
}
