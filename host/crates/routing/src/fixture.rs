//! A small directory for the tests of this crate.

use std::collections::HashMap;
use std::sync::Arc;

use mail::{Domain, DomainId, ForwardPath, GroupId, Mailbox, PersonId};

use crate::{
    AliasFacts, Answers, Decision, Delivery, DomainFacts, Entry, GroupFacts, Lookup, PersonFacts,
    Request, Routed, Sender, Site, State, Unavailable, Way, route,
};

pub(crate) fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("an address")
}

pub(crate) fn domain(text: &str) -> Domain {
    text.parse().expect("a domain")
}

pub(crate) fn facts(id: u64, name: &str) -> DomainFacts {
    DomainFacts {
        id: DomainId(id),
        name: domain(name),
        status: State::Active,
        mail_status: State::Active,
        disabled_text: None,
        postmaster: None,
        administrators: Vec::new(),
        catch_all: None,
        smart_host: None,
    }
}

pub(crate) fn person(id: u64, mail: &str) -> PersonFacts {
    PersonFacts {
        domain: DomainId(1),
        id: PersonId(id),
        mail: mailbox(mail),
        status: State::Active,
        mail_status: State::Active,
        routing_address: None,
        deliveries: vec![Delivery::Mailbox {
            store: "primary".to_owned(),
        }],
    }
}

pub(crate) fn group(id: u64, mail: &str, members: &[&str]) -> GroupFacts {
    GroupFacts {
        domain: DomainId(1),
        id: GroupId(id),
        mail: mailbox(mail),
        status: State::Active,
        deliveries: vec![Delivery::Members],
        members: members.iter().map(|member| mailbox(member)).collect(),
    }
}

#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) domains: HashMap<Domain, Arc<DomainFacts>>,
    pub(crate) entries: HashMap<String, Entry>,
    /// Which look-ups fail.
    pub(crate) no_domains: bool,
    pub(crate) no_entries: bool,
}

impl Fake {
    /// `abc.test` with the alias `alias.test` and the people ann and bob.
    pub(crate) fn abc() -> Self {
        let fake = Self::default().with_domain(facts(1, "abc.test"));
        fake.with_person(person(1, "ann@abc.test"))
            .with_person(person(2, "bob@abc.test"))
    }

    pub(crate) fn with_domain(mut self, facts: DomainFacts) -> Self {
        let facts = Arc::new(facts);
        if facts.name == domain("abc.test") {
            self.domains
                .insert(domain("alias.test"), Arc::clone(&facts));
        }
        self.domains.insert(facts.name.clone(), facts);
        self
    }

    pub(crate) fn with_person(mut self, facts: PersonFacts) -> Self {
        self.entries
            .insert(facts.mail.key(), Entry::Person(Arc::new(facts)));
        self
    }

    pub(crate) fn with_group(mut self, facts: GroupFacts) -> Self {
        self.entries
            .insert(facts.mail.key(), Entry::Group(Arc::new(facts)));
        self
    }

    pub(crate) fn with_alias(mut self, address: &str, targets: &[&str]) -> Self {
        let targets = targets.iter().map(|target| mailbox(target)).collect();
        let facts = AliasFacts {
            address: mailbox(address),
            targets,
        };
        self.entries
            .insert(facts.address.key(), Entry::Alias(Arc::new(facts)));
        self
    }

    /// Takes the way without answers.
    pub(crate) fn way(&self, sender: Sender, recipient: &str) -> Way {
        self.way_with(&Site::default(), sender, recipient, &Answers::default())
    }

    pub(crate) fn way_with(
        &self,
        site: &Site,
        sender: Sender,
        recipient: &str,
        answers: &Answers,
    ) -> Way {
        let recipient = match recipient {
            "Postmaster" => ForwardPath::Postmaster,
            address => ForwardPath::Mailbox(mailbox(address)),
        };
        route(&Request { recipient, sender }, site, self, answers)
    }

    /// A stranger's way, decided: `250 target, target` or code and status.
    pub(crate) fn shown(&self, recipient: &str) -> String {
        shown(&decided(self.way(Sender::Stranger, recipient)))
    }
}

pub(crate) fn decided(way: Way) -> Routed {
    match way {
        Way::Decided(routed) => routed,
        Way::NeedsDns(_) | Way::NeedsResolve(_) => panic!("not decided: {way:?}"),
    }
}

pub(crate) fn shown(routed: &Routed) -> String {
    match &routed.decision {
        Decision::Accept { targets, .. } => {
            let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
            format!("250 {}", targets.join(", "))
        }
        Decision::Refuse(reply) => {
            format!(
                "{} {}",
                reply.code().number(),
                reply.enhanced().expect("every refusal has one")
            )
        }
    }
}

impl Lookup for Fake {
    fn domain(&self, name: &Domain) -> Result<Option<Arc<DomainFacts>>, Unavailable> {
        if self.no_domains {
            return Err(Unavailable("no server answers".to_owned()));
        }
        Ok(self.domains.get(name).cloned())
    }

    fn entry(&self, _: DomainId, address: &Mailbox) -> Result<Option<Entry>, Unavailable> {
        if self.no_entries {
            return Err(Unavailable("no server answers".to_owned()));
        }
        Ok(self.entries.get(&address.key()).cloned())
    }
}
