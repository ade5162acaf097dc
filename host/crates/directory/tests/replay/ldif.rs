//! The same commands as entries of an LDAP server.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use directory::Layout;
use mail::{Domain, Mailbox};
use serde_json::{Map, Value, json};

use super::{attribute, lines, object, words};

/// The suffix of the tree.
pub(crate) const SUFFIX: &str = "o=mail";

/// What the attributes of the commands are called, by kind of entry.
const NAMES: &[(&str, &str, &str)] = &[
    ("domain", "aliases", "inetDomainAlias"),
    ("domain", "postmaster", "postroomPostmaster"),
    ("domain", "administrators", "postroomAdministrator"),
    ("domain", "status", "inetDomainStatus"),
    ("domain", "mail_status", "mailDomainStatus"),
    ("domain", "services", "mailDomainAllowedServiceAccess"),
    ("domain", "service_names", "postroomServiceName"),
    ("domain", "catch_all", "mailDomainCatchallAddress"),
    ("domain", "smart_host", "mailRoutingSmartHost"),
    ("domain", "disabled_text", "postroomDisabledText"),
    ("user", "uid", "uid"),
    ("user", "password", "userPassword"),
    ("user", "status", "inetUserStatus"),
    ("user", "mail_status", "mailUserStatus"),
    ("user", "services", "mailAllowedServiceAccess"),
    ("user", "alternate_addresses", "mailAlternateAddress"),
    ("user", "delivery_options", "mailDeliveryOption"),
    ("user", "forwarding_addresses", "mailForwardingAddress"),
    ("user", "autoreply", "mailAutoReplyText"),
    ("user", "program", "mailProgramDeliveryInfo"),
    ("user", "routing_address", "mailRoutingAddress"),
    ("group", "status", "inetMailGroupStatus"),
    ("group", "members", "mgrpRFC822MailMember"),
    ("group", "delivery_options", "mailDeliveryOption"),
    ("group", "program", "mailProgramDeliveryInfo"),
    ("group", "shared", "postroomSharedMailbox"),
    ("alias", "targets", "mailForwardingAddress"),
];

/// The entries of a script.
pub(crate) fn of(script: &str, layout: Layout) -> String {
    let mut tree = Tree::default();
    for line in lines(script) {
        tree.run(&words(line));
    }
    tree.write(layout)
}

#[derive(Default)]
struct Tree {
    domains: BTreeMap<String, Map<String, Value>>,
    /// Kind, address, attributes.
    entries: Vec<(&'static str, Mailbox, Map<String, Value>)>,
}

impl Tree {
    fn run(&mut self, words: &[String]) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let domain = |name: &str| Domain::parse(name).expect("a domain").to_string();
        let address = |text: &str| Mailbox::parse(text).expect("an address");
        match words[..] {
            ["domain", "add", name, ref rest @ ..] => {
                self.domains
                    .insert(domain(name), object("name", name, rest));
            }
            ["domain", "set", name, ref rest @ ..] => {
                let known = self.domains.get_mut(&domain(name)).expect("added before");
                rest.iter().for_each(|pair| attribute(known, pair));
            }
            ["domain", "remove", name] => {
                let known = self.domains.get_mut(&domain(name)).expect("added before");
                known.insert("status".to_owned(), json!("deleted"));
            }
            ["user", "add", mail, ref rest @ ..] => {
                self.entries
                    .push(("user", address(mail), object("mail", mail, rest)));
            }
            ["group", "add", mail, ref rest @ ..] => {
                self.entries
                    .push(("group", address(mail), object("mail", mail, rest)));
            }
            ["alias", "add", mail, ref targets @ ..] => {
                let targets = Map::from_iter([("targets".to_owned(), json!(targets))]);
                self.entries.push(("alias", address(mail), targets));
            }
            _ => panic!("not a command of the script: {words:?}"),
        }
    }

    fn write(&self, layout: Layout) -> String {
        let mut out = format!("dn: {SUFFIX}\nobjectClass: organization\no: mail\n\n");
        if layout == Layout::Dc {
            let _ = write!(
                out,
                "dn: ou=dns,{SUFFIX}\nobjectClass: organizationalUnit\nou: dns\n\n"
            );
            let _ = write!(
                out,
                "dn: dc=test,ou=dns,{SUFFIX}\nobjectClass: domain\ndc: test\n\n"
            );
        }
        for (name, attributes) in &self.domains {
            let people = format!("ou={name},{SUFFIX}");
            let node = match layout {
                Layout::Flat => {
                    let _ = write!(
                        out,
                        "dn: {people}\nobjectClass: organizationalUnit\nobjectClass: domainRelatedObject\n\
                         objectClass: inetDomain\nobjectClass: mailDomain\nou: {name}\nassociatedDomain: {name}\n"
                    );
                    String::new()
                }
                Layout::Dc => {
                    let label = name.strip_suffix(".test").expect("a domain beneath test");
                    let _ = write!(
                        out,
                        "dn: {people}\nobjectClass: organizationalUnit\nou: {name}\n\n"
                    );
                    format!(
                        "dn: dc={label},dc=test,ou=dns,{SUFFIX}\nobjectClass: domain\nobjectClass: inetDomain\n\
                         objectClass: mailDomain\ndc: {label}\ninetDomainBaseDN: {people}\n"
                    )
                }
            };
            out.push_str(&node);
            write_attributes(&mut out, "domain", attributes);
        }
        for (number, (kind, mail, attributes)) in self.entries.iter().enumerate() {
            let home = self.home(mail);
            let _ = write!(
                out,
                "dn: cn=e{number},ou={home},{SUFFIX}\ncn: e{number}\npostroomMail: {mail}\n"
            );
            out.push_str(match *kind {
                "user" => "objectClass: inetOrgPerson\nobjectClass: inetMailUser\nobjectClass: inetUser\nsn: e\n",
                "group" => "objectClass: organizationalRole\nobjectClass: inetMailGroup\n",
                _ => "objectClass: postroomAlias\n",
            });
            if *kind == "user" && !attributes.contains_key("uid") {
                let _ = writeln!(out, "uid: {}", mail.localpart().as_str());
            }
            write_attributes(&mut out, kind, attributes);
        }
        out
    }

    /// The domain of an address, by its own name.
    fn home(&self, mail: &Mailbox) -> &str {
        let name = mail.domain().as_str();
        self.domains
            .keys()
            .find(|own| *own == name)
            .unwrap_or_else(|| panic!("{mail} has no domain"))
    }
}

fn write_attributes(out: &mut String, kind: &str, attributes: &Map<String, Value>) {
    for (key, value) in attributes {
        if matches!(key.as_str(), "name" | "mail") {
            continue;
        }
        let (_, _, name) = NAMES
            .iter()
            .find(|(of, known, _)| *of == kind && *known == key)
            .unwrap_or_else(|| panic!("{kind} has no attribute {key}"));
        let values = match value {
            Value::Array(values) => values.clone(),
            Value::Object(object) => object.values().cloned().collect(),
            value => vec![value.clone()],
        };
        for value in values {
            let text = value.as_str().expect("a text");
            let _ = writeln!(out, "{name}: {text}");
        }
    }
    out.push('\n');
}
