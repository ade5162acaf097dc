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

/// The names of attributes; the defaults are those of the Sun messaging schema, and of
/// `packaging/postroom.schema` where that has none. Compared without case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attributes {
    /// What stays when an entry is renamed and never comes back (RFC 4530).
    pub entry_uuid: String,
    /// When an entry was last changed (RFC 4512 §3.4.2).
    pub modified: String,
    /// A domain's own name, where it has several.
    pub domain_preferred: String,
    /// A domain's names (RFC 4524 §2.1).
    pub domain_names: String,
    /// Further names.
    pub domain_aliases: String,
    /// Where the domain's people are; without it, beneath the node.
    pub domain_people_base: String,
    /// The state of the domain.
    pub domain_status: String,
    /// The state of its mail.
    pub domain_mail_status: String,
    /// Which services it may use.
    pub domain_services: String,
    /// Who gets mail for unknown local parts.
    pub domain_catch_all: String,
    /// The host that knows people who are not here.
    pub domain_smart_host: String,
    /// Bytes of all its mail.
    pub domain_quota: String,
    /// Messages of all its mail.
    pub domain_message_quota: String,
    /// Who gets its `postmaster@`.
    pub domain_postmaster: String,
    /// Who administers it, by address.
    pub domain_administrators: String,
    /// Names under which clients reach it.
    pub domain_service_names: String,
    /// The text of the 550 while it is disabled.
    pub domain_disabled_text: String,
    /// May its people have the delivery option `file`? `TRUE` or `FALSE`.
    pub domain_people_may_file: String,
    /// The login name.
    pub uid: String,
    /// The name for people.
    pub name: String,
    /// The primary address.
    pub mail: String,
    /// Further addresses.
    pub alternate_addresses: String,
    /// Further addresses that replies keep.
    pub equivalent_addresses: String,
    /// The state of a person.
    pub status: String,
    /// The state of a person's mail.
    pub mail_status: String,
    /// Which services a person may use.
    pub services: String,
    /// What happens to mail.
    pub delivery_options: String,
    /// Where mail is forwarded to, and what an alias stands for.
    pub forwarding_addresses: String,
    /// `reply` or `echo`.
    pub autoreply_mode: String,
    /// The text of the automatic reply.
    pub autoreply_text: String,
    /// The text for senders of the own domain.
    pub autoreply_text_internal: String,
    /// Its subject.
    pub autoreply_subject: String,
    /// Hours before the same sender gets another.
    pub autoreply_timeout: String,
    /// When it begins.
    pub vacation_start: String,
    /// When it ends.
    pub vacation_end: String,
    /// The label of a program.
    pub program: String,
    /// The label of a file.
    pub file: String,
    /// The shared mailbox of a person's option, and that of a group.
    pub shared: String,
    /// What the members of a group may do in its shared mailbox.
    pub shared_rights: String,
    /// Which store holds the mail.
    pub message_store: String,
    /// Mail goes there and no option is looked at.
    pub routing_address: String,
    /// Bytes of a person's mail.
    pub quota: String,
    /// Messages of a person's mail.
    pub message_quota: String,
    /// The person's language.
    pub language: String,
    /// The state of a group.
    pub group_status: String,
    /// Members by address.
    pub members: String,
    /// Members by name of their entry.
    pub member_entries: String,
}

impl Default for Attributes {
    fn default() -> Self {
        let name = str::to_owned;
        Self {
            entry_uuid: name("entryUUID"),
            modified: name("modifyTimestamp"),
            domain_preferred: name("sunPreferredDomain"),
            domain_names: name("associatedDomain"),
            domain_aliases: name("inetDomainAlias"),
            domain_people_base: name("inetDomainBaseDN"),
            domain_status: name("inetDomainStatus"),
            domain_mail_status: name("mailDomainStatus"),
            domain_services: name("mailDomainAllowedServiceAccess"),
            domain_catch_all: name("mailDomainCatchallAddress"),
            domain_smart_host: name("mailRoutingSmartHost"),
            domain_quota: name("mailDomainDiskQuota"),
            domain_message_quota: name("mailDomainMsgQuota"),
            domain_postmaster: name("postroomPostmaster"),
            domain_administrators: name("postroomAdministrator"),
            domain_service_names: name("postroomServiceName"),
            domain_disabled_text: name("postroomDisabledText"),
            domain_people_may_file: name("postroomPeopleMayFile"),
            uid: name("uid"),
            name: name("cn"),
            mail: name("mail"),
            alternate_addresses: name("mailAlternateAddress"),
            equivalent_addresses: name("mailEquivalentAddress"),
            status: name("inetUserStatus"),
            mail_status: name("mailUserStatus"),
            services: name("mailAllowedServiceAccess"),
            delivery_options: name("mailDeliveryOption"),
            forwarding_addresses: name("mailForwardingAddress"),
            autoreply_mode: name("mailAutoReplyMode"),
            autoreply_text: name("mailAutoReplyText"),
            autoreply_text_internal: name("mailAutoReplyTextInternal"),
            autoreply_subject: name("mailAutoReplySubject"),
            autoreply_timeout: name("mailAutoReplyTimeOut"),
            vacation_start: name("vacationStartDate"),
            vacation_end: name("vacationEndDate"),
            program: name("mailProgramDeliveryInfo"),
            file: name("mailDeliveryFileURL"),
            shared: name("postroomSharedMailbox"),
            shared_rights: name("postroomSharedRights"),
            message_store: name("mailMessageStore"),
            routing_address: name("mailRoutingAddress"),
            quota: name("mailQuota"),
            message_quota: name("mailMsgQuota"),
            language: name("preferredLanguage"),
            group_status: name("inetMailGroupStatus"),
            members: name("mgrpRFC822MailMember"),
            member_entries: name("uniqueMember"),
        }
    }
}

impl Attributes {
    /// Every key with the name that it has.
    pub fn all(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("entry_uuid", &self.entry_uuid),
            ("modified", &self.modified),
            ("domain_preferred", &self.domain_preferred),
            ("domain_names", &self.domain_names),
            ("domain_aliases", &self.domain_aliases),
            ("domain_people_base", &self.domain_people_base),
            ("domain_status", &self.domain_status),
            ("domain_mail_status", &self.domain_mail_status),
            ("domain_services", &self.domain_services),
            ("domain_catch_all", &self.domain_catch_all),
            ("domain_smart_host", &self.domain_smart_host),
            ("domain_quota", &self.domain_quota),
            ("domain_message_quota", &self.domain_message_quota),
            ("domain_postmaster", &self.domain_postmaster),
            ("domain_administrators", &self.domain_administrators),
            ("domain_service_names", &self.domain_service_names),
            ("domain_disabled_text", &self.domain_disabled_text),
            ("domain_people_may_file", &self.domain_people_may_file),
            ("uid", &self.uid),
            ("name", &self.name),
            ("mail", &self.mail),
            ("alternate_addresses", &self.alternate_addresses),
            ("equivalent_addresses", &self.equivalent_addresses),
            ("status", &self.status),
            ("mail_status", &self.mail_status),
            ("services", &self.services),
            ("delivery_options", &self.delivery_options),
            ("forwarding_addresses", &self.forwarding_addresses),
            ("autoreply_mode", &self.autoreply_mode),
            ("autoreply_text", &self.autoreply_text),
            ("autoreply_text_internal", &self.autoreply_text_internal),
            ("autoreply_subject", &self.autoreply_subject),
            ("autoreply_timeout", &self.autoreply_timeout),
            ("vacation_start", &self.vacation_start),
            ("vacation_end", &self.vacation_end),
            ("program", &self.program),
            ("file", &self.file),
            ("shared", &self.shared),
            ("shared_rights", &self.shared_rights),
            ("message_store", &self.message_store),
            ("routing_address", &self.routing_address),
            ("quota", &self.quota),
            ("message_quota", &self.message_quota),
            ("language", &self.language),
            ("group_status", &self.group_status),
            ("members", &self.members),
            ("member_entries", &self.member_entries),
        ]
    }
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
