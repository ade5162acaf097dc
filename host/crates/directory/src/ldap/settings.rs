//! What an operator says of the LDAP server: where it is, how its tree looks, what its attributes
//! are called.

use std::path::PathBuf;
use std::time::Duration;

use mail::Secret;
use serde::{Deserialize, Serialize};

/// Where domain nodes are found and how they get their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Nodes of any depth. The name is `sunPreferredDomain`, else `associatedDomain`, else the
    /// value of the node's own RDN (`ou=abc.test`).
    #[default]
    Flat,
    /// A tree of `dc` nodes: `dc=abc,dc=test,…` is abc.test, unless an attribute names it
    /// otherwise. The people are beneath `inetDomainBaseDN`, else beneath the node.
    Dc,
}

/// One LDAP server and how to read it.
#[derive(Debug, Clone)]
pub struct LdapSettings {
    /// `ldap://host[:389]` or `ldaps://host[:636]`.
    pub url: String,
    /// Encrypt an `ldap://` connection by StartTLS (RFC 4511 §4.14) before anything is sent.
    pub start_tls: bool,
    /// Certificates in PEM that the server's must lead to; without it, the system's.
    pub ca_file: Option<PathBuf>,
    /// Everything that is read lies beneath it, but for `inetDomainBaseDN` elsewhere.
    pub base: String,
    /// Whom the server reads as; empty: as nobody (anonymous).
    pub bind_dn: String,
    /// The password of `bind_dn`.
    pub bind_password: Secret<String>,
    /// The shape of the tree.
    pub layout: Layout,
    /// Which object classes mean what.
    pub classes: Classes,
    /// Which attribute means what.
    pub attributes: Attributes,
    /// How long things last.
    pub timing: Timing,
}

impl LdapSettings {
    /// Without encryption, anonymous, and with the defaults of the schema.
    pub fn new(url: &str, base: &str) -> Self {
        Self {
            url: url.to_owned(),
            start_tls: false,
            ca_file: None,
            base: base.to_owned(),
            bind_dn: String::new(),
            bind_password: Secret::new(String::new()),
            layout: Layout::default(),
            classes: Classes::default(),
            attributes: Attributes::default(),
            timing: Timing::default(),
        }
    }
}

/// How long things last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// One operation, with the connection it needs.
    pub operation: Duration,
    /// What is there is taken as there for so long.
    pub positive: Duration,
    /// What is not there is taken as not there for so long.
    pub negative: Duration,
    /// What was there is used for so long while the server does not answer.
    pub stale: Duration,
    /// Between two questions for what changed.
    pub poll: Duration,
    /// The longest pause between two attempts to reach a server that does not answer.
    pub pause: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            operation: Duration::from_secs(5),
            positive: Duration::from_secs(10 * 60),
            negative: Duration::from_secs(60),
            stale: Duration::from_secs(24 * 3600),
            poll: Duration::from_secs(8),
            pause: Duration::from_secs(30),
        }
    }
}

/// Object classes, compared without case. An entry is what the first list that has one of its
/// classes says: domain, alias, group, person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Classes {
    /// Domain nodes.
    pub domain: Vec<String>,
    /// People.
    pub person: Vec<String>,
    /// Groups.
    pub group: Vec<String>,
    /// Aliases: another name for other addresses.
    pub alias: Vec<String>,
}

impl Default for Classes {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            domain: list(&[
                "inetDomain",
                "mailDomain",
                "sunManagedOrganization",
                "domainRelatedObject",
            ]),
            person: list(&["inetOrgPerson", "inetMailUser"]),
            group: list(&["inetMailGroup", "groupOfUniqueNames"]),
            alias: list(&["postroomAlias"]),
        }
    }
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $field:ident = $default:literal,)*) => {
        /// The names of attributes; the defaults are those of the Sun messaging schema, and of
        /// `packaging/postroom.schema` where that has none. Compared without case.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Attributes {
            $($(#[$doc])* pub $field: String,)*
        }

        impl Default for Attributes {
            fn default() -> Self {
                Self { $($field: $default.to_owned(),)* }
            }
        }

        impl Attributes {
            /// Every name, with what it is for.
            pub fn all(&self) -> Vec<(&'static str, &str)> {
                vec![$((stringify!($field), self.$field.as_str()),)*]
            }
        }
    };
}

attributes! {
    /// What stays when an entry is renamed and never comes back (RFC 4530).
    entry_uuid = "entryUUID",
    /// When an entry was last changed (RFC 4512 §3.4.2).
    modified = "modifyTimestamp",
    /// A domain's own name, where it has several.
    domain_preferred = "sunPreferredDomain",
    /// A domain's names (RFC 4524 §2.1).
    domain_names = "associatedDomain",
    /// Further names.
    domain_aliases = "inetDomainAlias",
    /// Where the domain's people are; without it, beneath the node.
    domain_people_base = "inetDomainBaseDN",
    /// The state of the domain.
    domain_status = "inetDomainStatus",
    /// The state of its mail.
    domain_mail_status = "mailDomainStatus",
    /// Which services it may use.
    domain_services = "mailDomainAllowedServiceAccess",
    /// Who gets mail for unknown local parts.
    domain_catch_all = "mailDomainCatchallAddress",
    /// The host that knows people who are not here.
    domain_smart_host = "mailRoutingSmartHost",
    /// Bytes of all its mail.
    domain_quota = "mailDomainDiskQuota",
    /// Messages of all its mail.
    domain_message_quota = "mailDomainMsgQuota",
    /// Who gets its `postmaster@`.
    domain_postmaster = "postroomPostmaster",
    /// Who administers it, by address.
    domain_administrators = "postroomAdministrator",
    /// Names under which clients reach it.
    domain_service_names = "postroomServiceName",
    /// The text of the 550 while it is disabled.
    domain_disabled_text = "postroomDisabledText",
    /// May its people have the delivery option `file`? `TRUE` or `FALSE`.
    domain_people_may_file = "postroomPeopleMayFile",
    /// The login name.
    uid = "uid",
    /// The name for people.
    name = "cn",
    /// The primary address.
    mail = "mail",
    /// Further addresses.
    alternate_addresses = "mailAlternateAddress",
    /// Further addresses that replies keep.
    equivalent_addresses = "mailEquivalentAddress",
    /// The state of a person.
    status = "inetUserStatus",
    /// The state of a person's mail.
    mail_status = "mailUserStatus",
    /// Which services a person may use.
    services = "mailAllowedServiceAccess",
    /// What happens to mail.
    delivery_options = "mailDeliveryOption",
    /// Where mail is forwarded to, and what an alias stands for.
    forwarding_addresses = "mailForwardingAddress",
    /// `reply` or `echo`.
    autoreply_mode = "mailAutoReplyMode",
    /// The text of the automatic reply.
    autoreply_text = "mailAutoReplyText",
    /// The text for senders of the own domain.
    autoreply_text_internal = "mailAutoReplyTextInternal",
    /// Its subject.
    autoreply_subject = "mailAutoReplySubject",
    /// Hours before the same sender gets another.
    autoreply_timeout = "mailAutoReplyTimeOut",
    /// When it begins.
    vacation_start = "vacationStartDate",
    /// When it ends.
    vacation_end = "vacationEndDate",
    /// The label of a program.
    program = "mailProgramDeliveryInfo",
    /// The label of a file.
    file = "mailDeliveryFileURL",
    /// The shared mailbox of a person's option, and that of a group.
    shared = "postroomSharedMailbox",
    /// What the members of a group may do in its shared mailbox.
    shared_rights = "postroomSharedRights",
    /// Which store holds the mail.
    message_store = "mailMessageStore",
    /// Mail goes there and no option is looked at.
    routing_address = "mailRoutingAddress",
    /// Bytes of a person's mail.
    quota = "mailQuota",
    /// Messages of a person's mail.
    message_quota = "mailMsgQuota",
    /// The person's language.
    language = "preferredLanguage",
    /// The state of a group.
    group_status = "inetMailGroupStatus",
    /// Members by address.
    members = "mgrpRFC822MailMember",
    /// Members by name of their entry.
    member_entries = "uniqueMember",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_attributes_are_names() {
        for (field, name) in Attributes::default().all() {
            assert!(
                name.chars().all(|c| c.is_ascii_alphanumeric()),
                "{field} = {name}"
            );
        }
    }
}
