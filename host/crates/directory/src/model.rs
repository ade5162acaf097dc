//! The entries, named as in the Sun messaging schema.

use std::fmt;
use std::str::FromStr;

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Secret, Tenant, Timestamp};
use routing::{Autoreply, Delivery, DeliveryOption, Host, State};
use serde::{Deserialize, Deserializer, Serialize};

use crate::ServiceAccess;

/// A virtual domain: a node of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainEntry {
    /// Never reused.
    pub id: DomainId,
    /// Its name (`sunPreferredDomain`).
    pub name: Domain,
    /// Further names (`inetDomainAlias`).
    #[serde(default)]
    pub aliases: Vec<Domain>,
    /// The node above.
    #[serde(default)]
    pub parent: Option<DomainId>,
    /// `inetDomainStatus`
    #[serde(default, deserialize_with = "stored_state")]
    pub status: State,
    /// `mailDomainStatus`
    #[serde(default, deserialize_with = "stored_state")]
    pub mail_status: State,
    /// `mailDomainAllowedServiceAccess`
    #[serde(default)]
    pub services: ServiceAccess,
    /// Who administers it, by address.
    #[serde(default)]
    pub administrators: Vec<Mailbox>,
    /// Who gets its `postmaster@`; an address anywhere.
    #[serde(default)]
    pub postmaster: Option<Mailbox>,
    /// Who gets mail for unknown local parts (`mailDomainCatchallAddress`).
    #[serde(default)]
    pub catch_all: Option<Mailbox>,
    /// The host that knows people who are not here (`mailRoutingSmartHost`).
    #[serde(default)]
    pub smart_host: Option<Host>,
    /// Names under which clients reach it (`mail.abc.test`), for SNI and certificates.
    #[serde(default)]
    pub service_names: Vec<Domain>,
    /// Bytes of all its mail.
    #[serde(default)]
    pub quota_bytes: Quota,
    /// Messages of all its mail.
    #[serde(default)]
    pub quota_messages: Quota,
    /// People it may have.
    #[serde(default)]
    pub quota_people: Quota,
    /// Text of the 550 while it is disabled.
    #[serde(default)]
    pub disabled_text: Option<String>,
    /// May people have the delivery option `file`?
    #[serde(default)]
    pub people_may_file: bool,
    /// When it was made.
    #[serde(default)]
    pub created: Timestamp,
    /// When it was last changed.
    #[serde(default)]
    pub changed: Timestamp,
}

impl DomainEntry {
    /// The proof that it is a domain of this server.
    pub const fn tenant(&self) -> Tenant {
        Tenant::vouch(self.id)
    }

    /// Its name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &Domain> {
        std::iter::once(&self.name).chain(&self.aliases)
    }

    /// Is this one of its names?
    pub fn is_called(&self, name: &Domain) -> bool {
        self.names().any(|own| own == name)
    }
}

/// A person of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonEntry {
    /// Never reused.
    pub id: PersonId,
    /// The domain.
    pub domain: DomainId,
    /// The login name in the domain (`uid`), normalised.
    pub uid: String,
    /// The primary address.
    pub mail: Mailbox,
    /// The name for people (`cn`).
    #[serde(default)]
    pub name: Option<String>,
    /// Further addresses (`mailAlternateAddress`).
    #[serde(default)]
    pub alternate_addresses: Vec<Mailbox>,
    /// Further addresses that replies keep (`mailEquivalentAddress`).
    #[serde(default)]
    pub equivalent_addresses: Vec<Mailbox>,
    /// `userPassword`, hashed; any of them lets in. Never part of the serialised form.
    #[serde(skip)]
    pub password_hashes: Vec<Secret<String>>,
    /// `inetUserStatus`
    #[serde(default, deserialize_with = "stored_state")]
    pub status: State,
    /// `mailUserStatus`
    #[serde(default, deserialize_with = "stored_state")]
    pub mail_status: State,
    /// `mailAllowedServiceAccess`
    #[serde(default)]
    pub services: ServiceAccess,
    /// `mailDeliveryOption`; none: `mailbox`.
    #[serde(default, deserialize_with = "stored_options")]
    pub delivery_options: Vec<DeliveryOption>,
    /// `mailForwardingAddress`, used only while the option `forward` is set.
    #[serde(default)]
    pub forwarding_addresses: Vec<Mailbox>,
    /// The settings of the option `autoreply`.
    #[serde(default)]
    pub autoreply: Autoreply,
    /// `mailProgramDeliveryInfo`: a label of the approved list.
    #[serde(default)]
    pub program: Option<String>,
    /// `mailDeliveryFileURL`: a label that the operator maps to a file.
    #[serde(default)]
    pub file: Option<String>,
    /// The shared mailbox of the option `shared`.
    #[serde(default)]
    pub shared: Option<String>,
    /// `mailMessageStore`: which store holds the mail.
    #[serde(default = "primary")]
    pub message_store: String,
    /// `mailRoutingAddress`: mail goes there and no option is looked at.
    #[serde(default)]
    pub routing_address: Option<Mailbox>,
    /// `mailQuota` in bytes.
    #[serde(default)]
    pub quota_bytes: Quota,
    /// `mailMsgQuota`
    #[serde(default)]
    pub quota_messages: Quota,
    /// `preferredLanguage` (RFC 5646).
    #[serde(default)]
    pub language: Option<String>,
    /// What the person may administer beside the own account.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// When the person was made.
    #[serde(default)]
    pub created: Timestamp,
    /// When the entry was last changed.
    #[serde(default)]
    pub changed: Timestamp,
}

/// A stored state: an illegal value is inactive.
fn stored_state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<State, D::Error> {
    Ok(State::read(
        Option::<String>::deserialize(deserializer)?.as_deref(),
    ))
}

/// Stored options: unknown ones are dropped with a warning; if none is left the default applies.
fn stored_options<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<DeliveryOption>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let read = |name: String| match name.parse() {
        Ok(option) => Some(option),
        Err(error) => {
            tracing::warn!(%error, "a stored delivery option is dropped");
            None
        }
    };
    Ok(names.into_iter().filter_map(read).collect())
}

/// The default of `mailMessageStore`.
pub(crate) fn primary() -> String {
    "primary".to_owned()
}

impl PersonEntry {
    /// All addresses that are the person's own: what it may send as.
    pub fn addresses(&self) -> impl Iterator<Item = &Mailbox> {
        std::iter::once(&self.mail)
            .chain(&self.alternate_addresses)
            .chain(&self.equivalent_addresses)
    }

    /// The options in force with what each needs. An option whose attribute is missing has an
    /// empty setting, so that its plugin defers rather than the mail being lost.
    pub fn deliveries(&self) -> Vec<Delivery> {
        let default = [DeliveryOption::Mailbox];
        let options = if self.delivery_options.is_empty() {
            &default[..]
        } else {
            &self.delivery_options
        };
        options
            .iter()
            .map(|option| match option {
                DeliveryOption::Mailbox | DeliveryOption::Members => Delivery::Mailbox {
                    store: self.message_store.clone(),
                },
                DeliveryOption::Autoreply => Delivery::Autoreply(self.autoreply.clone()),
                DeliveryOption::Program => Delivery::Program {
                    label: self.program.clone().unwrap_or_default(),
                },
                DeliveryOption::Forward => Delivery::Forward {
                    addresses: self.forwarding_addresses.clone(),
                },
                DeliveryOption::File => Delivery::File {
                    label: self.file.clone().unwrap_or_default(),
                },
                DeliveryOption::Shared => Delivery::Shared {
                    name: self.shared.clone().unwrap_or_default(),
                },
            })
            .collect()
    }
}

/// A group: a distribution list, a shared mailbox, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEntry {
    /// Never reused.
    pub id: GroupId,
    /// The domain.
    pub domain: DomainId,
    /// The primary address.
    pub mail: Mailbox,
    /// The name for people (`cn`).
    #[serde(default)]
    pub name: Option<String>,
    /// Further addresses (`mailAlternateAddress`).
    #[serde(default)]
    pub alternate_addresses: Vec<Mailbox>,
    /// The members by address (`mgrpRFC822MailMember`).
    #[serde(default)]
    pub members: Vec<Mailbox>,
    /// `inetMailGroupStatus`
    #[serde(default, deserialize_with = "stored_state")]
    pub status: State,
    /// `mailDeliveryOption`; none: `shared` where there is a shared mailbox, else `members`.
    #[serde(default, deserialize_with = "stored_options")]
    pub delivery_options: Vec<DeliveryOption>,
    /// The mailbox under `Shared Folders/` and what members may do there.
    #[serde(default)]
    pub shared: Option<SharedMailbox>,
    /// `mailForwardingAddress`, used only while the option `forward` is set.
    #[serde(default)]
    pub forwarding_addresses: Vec<Mailbox>,
    /// `mailProgramDeliveryInfo`: a label of the approved list.
    #[serde(default)]
    pub program: Option<String>,
    /// `mailDeliveryFileURL`: a label that the operator maps to a file.
    #[serde(default)]
    pub file: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub created: Timestamp,
    /// When it was last changed.
    #[serde(default)]
    pub changed: Timestamp,
}

impl GroupEntry {
    /// All its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &Mailbox> {
        std::iter::once(&self.mail).chain(&self.alternate_addresses)
    }

    /// The options in force with what each needs.
    pub fn deliveries(&self) -> Vec<Delivery> {
        let default = [match self.shared {
            Some(_) => DeliveryOption::Shared,
            None => DeliveryOption::Members,
        }];
        let options = if self.delivery_options.is_empty() {
            &default[..]
        } else {
            &self.delivery_options
        };
        options
            .iter()
            .filter_map(|option| match option {
                DeliveryOption::Members => Some(Delivery::Members),
                DeliveryOption::Program => Some(Delivery::Program {
                    label: self.program.clone().unwrap_or_default(),
                }),
                DeliveryOption::Forward => Some(Delivery::Forward {
                    addresses: self.forwarding_addresses.clone(),
                }),
                DeliveryOption::File => Some(Delivery::File {
                    label: self.file.clone().unwrap_or_default(),
                }),
                DeliveryOption::Shared => {
                    let name = self
                        .shared
                        .as_ref()
                        .map(|shared| shared.name.clone())
                        .unwrap_or_default();
                    Some(Delivery::Shared { name })
                }
                // Only people have these; a change that asks for them is refused.
                DeliveryOption::Mailbox | DeliveryOption::Autoreply => None,
            })
            .collect()
    }
}

/// A shared mailbox. Read also from its name alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SharedForm")]
pub struct SharedMailbox {
    /// The name under `Shared Folders/`; one level.
    pub name: String,
    /// What each member may do.
    pub rights: Rights,
}

/// The two forms in which a shared mailbox is given.
#[derive(Deserialize)]
#[serde(untagged)]
enum SharedForm {
    Name(String),
    Full {
        name: String,
        #[serde(default)]
        rights: Rights,
    },
}

impl From<SharedForm> for SharedMailbox {
    fn from(form: SharedForm) -> Self {
        match form {
            SharedForm::Name(name) => Self {
                name,
                rights: Rights::default(),
            },
            SharedForm::Full { name, rights } => Self { name, rights },
        }
    }
}

/// Rights of RFC 4314 §2.1, in the order `lrswipkxtea`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rights(String);

/// The letters, in order.
const RIGHTS: &str = "lrswipkxtea";

impl Rights {
    /// The letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Is this letter among them?
    pub fn has(&self, right: char) -> bool {
        self.0.contains(right)
    }
}

/// Read, keep the seen state, flag, add, post, delete, expunge.
impl Default for Rights {
    fn default() -> Self {
        Self("lrswipte".to_owned())
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Rights {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(unknown) = text.chars().find(|&letter| !RIGHTS.contains(letter)) {
            return Err(format!(
                "'{unknown}' is not a right; rights are the letters {RIGHTS} (RFC 4314)"
            ));
        }
        Ok(Self(
            RIGHTS
                .chars()
                .filter(|&letter| text.contains(letter))
                .collect(),
        ))
    }
}

impl TryFrom<String> for Rights {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rights> for String {
    fn from(rights: Rights) -> Self {
        rights.0
    }
}

/// An alias: another name for other addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasEntry {
    /// The domain.
    pub domain: DomainId,
    /// The address.
    pub address: Mailbox,
    /// Where its mail goes; addresses anywhere.
    pub targets: Vec<Mailbox>,
    /// When it was made.
    #[serde(default)]
    pub created: Timestamp,
}

/// `mailQuota`, `mailMsgQuota`: absent is the default, -1 unlimited, 0 nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "Option<i64>", into = "Option<i64>")]
pub enum Quota {
    /// What the level above says.
    #[default]
    Default,
    /// No limit.
    Unlimited,
    /// At most so many.
    Limit(u64),
}

impl TryFrom<Option<i64>> for Quota {
    type Error = String;
    fn try_from(value: Option<i64>) -> Result<Self, String> {
        match value {
            None => Ok(Self::Default),
            Some(-1) => Ok(Self::Unlimited),
            Some(limit) => {
                let limit = u64::try_from(limit);
                limit
                    .map(Self::Limit)
                    .map_err(|_| "a quota is -1 (unlimited), 0 or more".to_owned())
            }
        }
    }
}

impl From<Quota> for Option<i64> {
    fn from(quota: Quota) -> Self {
        match quota {
            Quota::Default => None,
            Quota::Unlimited => Some(-1),
            Quota::Limit(limit) => Some(i64::try_from(limit).unwrap_or(i64::MAX)),
        }
    }
}

/// What a person may administer. That of a domain is in [`DomainEntry::administrators`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The whole site.
    Site,
    /// The subtree below the own domain.
    Provider,
}
