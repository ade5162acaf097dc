//! What an administrator asks for, as values: the same for the command line, the API and the
//! audit trail.

use std::fmt;

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Secret};
use routing::{Autoreply, DeliveryOption, Host, State};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Quota, Role, ServiceRules, SharedMailbox};

/// What to do with one attribute. In JSON: absent keeps, `null` clears, a value sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Set<T> {
    /// As it is.
    #[default]
    Keep,
    /// Back to the default.
    Clear,
    /// This value.
    To(T),
}

impl<T> Set<T> {
    /// Nothing to do?
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Changes `attribute`.
    pub(crate) fn apply(self, attribute: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *attribute = None,
            Self::To(value) => *attribute = Some(value),
        }
    }

    /// Changes `attribute`, whose default is that of its type.
    pub(crate) fn apply_or_default(self, attribute: &mut T)
    where
        T: Default,
    {
        match self {
            Self::Keep => {}
            Self::Clear => *attribute = T::default(),
            Self::To(value) => *attribute = value,
        }
    }
}

/// `None` keeps: the shape an optional flag of a command line has.
impl<T> From<Option<T>> for Set<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::To)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Set<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Clear, Self::To))
    }
}

impl<T: Serialize> Serialize for Set<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::To(value) => serializer.serialize_some(value),
        }
    }
}

/// `postroom domain add`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDomain {
    /// Its name.
    pub name: Domain,
    /// The domain above (`--under`).
    #[serde(default)]
    pub under: Option<Domain>,
    /// Everything else.
    #[serde(flatten)]
    pub attributes: DomainChanges,
}

impl NewDomain {
    /// With defaults for everything but the name.
    pub fn named(name: Domain) -> Self {
        Self {
            name,
            under: None,
            attributes: DomainChanges::default(),
        }
    }
}

macro_rules! changes {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* #[serde(skip_serializing_if = "Set::is_keep")] pub $field: Set<$type>,)*
        }

        impl $name {
            /// The names of the attributes that it touches.
            pub fn touched(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if !self.$field.is_keep() { names.push(stringify!($field)); })*
                names
            }
        }
    };
}

changes! {
    /// `postroom domain set`.
    DomainChanges {
        /// Further names.
        aliases: Vec<Domain>,
        /// `inetDomainStatus`
        status: State,
        /// `mailDomainStatus`
        mail_status: State,
        /// `mailDomainAllowedServiceAccess`
        services: ServiceRules,
        /// Who administers it.
        administrators: Vec<Mailbox>,
        /// Who gets its `postmaster@`.
        postmaster: Mailbox,
        /// Who gets mail for unknown local parts.
        catch_all: Mailbox,
        /// The host that knows people who are not here.
        smart_host: Host,
        /// Names under which clients reach it.
        service_names: Vec<Domain>,
        /// Bytes of all its mail.
        quota_bytes: Quota,
        /// Messages of all its mail.
        quota_messages: Quota,
        /// People it may have.
        quota_people: Quota,
        /// Text of the 550 while it is disabled.
        disabled_text: String,
        /// May people have the delivery option `file`?
        people_may_file: bool,
    }
}

changes! {
    /// `postroom user set`.
    PersonChanges {
        /// The login name in the domain; default: the local part of the address.
        uid: String,
        /// The name for people.
        name: String,
        /// Further addresses.
        alternate_addresses: Vec<Mailbox>,
        /// Further addresses that replies keep.
        equivalent_addresses: Vec<Mailbox>,
        /// `inetUserStatus`
        status: State,
        /// `mailUserStatus`
        mail_status: State,
        /// `mailAllowedServiceAccess`
        services: ServiceRules,
        /// `mailDeliveryOption`
        delivery_options: Vec<DeliveryOption>,
        /// `mailForwardingAddress`
        forwarding_addresses: Vec<Mailbox>,
        /// The automatic reply, all settings at once.
        autoreply: Autoreply,
        /// `mailProgramDeliveryInfo`
        program: String,
        /// `mailDeliveryFileURL`
        file: String,
        /// The shared mailbox of the option `shared`.
        shared: String,
        /// `mailMessageStore`
        message_store: String,
        /// `mailRoutingAddress`
        routing_address: Mailbox,
        /// `mailQuota`
        quota_bytes: Quota,
        /// `mailMsgQuota`
        quota_messages: Quota,
        /// `preferredLanguage`
        language: String,
        /// What the person may administer.
        roles: Vec<Role>,
    }
}

changes! {
    /// `postroom group set`.
    GroupChanges {
        /// The name for people.
        name: String,
        /// Further addresses.
        alternate_addresses: Vec<Mailbox>,
        /// The members by address.
        members: Vec<Mailbox>,
        /// `inetMailGroupStatus`
        status: State,
        /// `mailDeliveryOption`
        delivery_options: Vec<DeliveryOption>,
        /// The shared mailbox and the rights of the members.
        shared: SharedMailbox,
        /// `mailForwardingAddress`
        forwarding_addresses: Vec<Mailbox>,
        /// `mailProgramDeliveryInfo`
        program: String,
        /// `mailDeliveryFileURL`
        file: String,
    }
}

/// `postroom user add`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    /// The primary address; its domain must be hosted here.
    pub mail: Mailbox,
    /// The password in plain text; hashed before anything is stored. Without one nobody can
    /// log in.
    #[serde(default, deserialize_with = "secret")]
    pub password: Option<Secret<String>>,
    /// Everything else.
    #[serde(flatten)]
    pub attributes: PersonChanges,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

impl fmt::Debug for NewPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPerson")
            .field("mail", &self.mail)
            .field("attributes", &self.attributes)
            .finish()
    }
}

impl NewPerson {
    /// With a password, and defaults for everything else.
    pub fn with_password(mail: Mailbox, password: &str) -> Self {
        let password = Some(Secret::new(password.to_owned()));
        Self {
            mail,
            password,
            attributes: PersonChanges::default(),
        }
    }
}

/// `postroom group add`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// The primary address; its domain must be hosted here.
    pub mail: Mailbox,
    /// Everything else.
    #[serde(flatten)]
    pub attributes: GroupChanges,
}

/// `postroom alias add`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAlias {
    /// The address; its domain must be hosted here.
    pub address: Mailbox,
    /// Where its mail goes.
    pub targets: Vec<Mailbox>,
}

/// One change; each is one durable commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new domain.
    AddDomain(NewDomain),
    /// Attributes of a domain.
    SetDomain(Domain, DomainChanges),
    /// The domain's state becomes `deleted`; its rows stay until the purge.
    RemoveDomain(Domain),
    /// A new person.
    AddPerson(NewPerson),
    /// Attributes of a person.
    SetPerson(Mailbox, PersonChanges),
    /// A new password.
    SetPassword(Mailbox, Secret<String>),
    /// The hashes of a person that comes from another server, as they were there.
    SetPasswordHashes(Mailbox, Vec<Secret<String>>),
    /// The person goes; the id is never used again.
    RemovePerson(Mailbox),
    /// A new group.
    AddGroup(NewGroup),
    /// Attributes of a group.
    SetGroup(Mailbox, GroupChanges),
    /// The group goes.
    RemoveGroup(Mailbox),
    /// A new alias.
    AddAlias(NewAlias),
    /// Other targets.
    SetAlias(NewAlias),
    /// The alias goes.
    RemoveAlias(Mailbox),
}

/// What a change made or touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// A domain.
    Domain(DomainId),
    /// A person.
    Person(DomainId, PersonId),
    /// A group.
    Group(DomainId, GroupId),
    /// An alias.
    Alias(DomainId),
}
