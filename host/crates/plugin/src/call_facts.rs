//! What one call may know. A fact becomes text when it is asked for: most never are.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::{Direction, Domain, EnvelopeId, Mailbox, ReversePath};

use crate::facts::{DeliverInput, SessionFacts};
use crate::hook::Hook;

/// What a call may know.
#[derive(Default)]
pub(crate) enum CallFacts {
    /// Lifecycle hooks, and an instance between two calls.
    #[default]
    Nothing,
    /// A policy hook: what is known at that point, and no more.
    Session(Session),
    /// A delivery.
    Delivery(Box<Delivery>),
}

/// A transaction, as far as it has come.
pub(crate) struct Session {
    hook: Hook,
    facts: Arc<SessionFacts>,
    /// Those that were taken so far, and the one that is asked about.
    recipients: Arc<Vec<Mailbox>>,
}

/// One recipient of a message.
pub(crate) struct Delivery {
    domain: Domain,
    aliases: Vec<Domain>,
    option: String,
    direction: Direction,
    reverse_path: ReversePath,
    recipient: Mailbox,
    /// By lower-case name.
    settings: BTreeMap<String, Vec<String>>,
    attempt: u32,
    delivery_id: String,
    envelope: Option<EnvelopeId>,
}

impl CallFacts {
    /// For a policy hook.
    pub(crate) const fn session(
        hook: Hook,
        facts: Arc<SessionFacts>,
        recipients: Arc<Vec<Mailbox>>,
    ) -> Self {
        Self::Session(Session {
            hook,
            facts,
            recipients,
        })
    }

    /// For a delivery.
    pub(crate) fn delivery(input: &DeliverInput) -> Self {
        let settings = input
            .settings
            .iter()
            .map(|(name, values)| (name.to_lowercase(), values.clone()));
        Self::Delivery(Box::new(Delivery {
            domain: input.domain.clone(),
            aliases: input.aliases.clone(),
            option: input.option.clone(),
            direction: input.direction,
            reverse_path: input.reverse_path.clone(),
            recipient: input.recipient.clone(),
            settings: settings.collect(),
            attempt: input.attempt,
            delivery_id: input.delivery_id.clone(),
            envelope: input.envelope,
        }))
    }

    /// The first value of a fact.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        match (self, key) {
            (Self::Session(session), "recipient") => {
                session.recipients().first().map(Mailbox::to_string)
            }
            (Self::Session(session), key) => session.value(key),
            (Self::Delivery(delivery), key) => delivery.value(key),
            (Self::Nothing, _) => None,
        }
    }

    /// All values of a fact.
    pub(crate) fn values(&self, key: &str) -> Vec<String> {
        match (self, key) {
            (Self::Session(session), "recipient") => session
                .recipients()
                .iter()
                .map(Mailbox::to_string)
                .collect(),
            _ => self.value(key).into_iter().collect(),
        }
    }

    pub(crate) fn settings(&self, name: &str) -> &[String] {
        let Self::Delivery(delivery) = self else {
            return &[];
        };
        let found = delivery.settings.get(&name.to_lowercase());
        found.map_or(&[], Vec::as_slice)
    }

    /// Is it the domain that is asked, by one of its names?
    pub(crate) fn is_own(&self, domain: &Domain) -> bool {
        let (name, aliases) = match self {
            Self::Session(session) => (&session.facts.domain, &session.facts.aliases),
            Self::Delivery(delivery) => (&delivery.domain, &delivery.aliases),
            Self::Nothing => return false,
        };
        name == domain || aliases.contains(domain)
    }

    pub(crate) fn reverse_path(&self) -> Option<&ReversePath> {
        match self {
            Self::Session(session) => {
                (session.hook >= Hook::Mail).then_some(&session.facts.reverse_path)
            }
            Self::Delivery(delivery) => Some(&delivery.reverse_path),
            Self::Nothing => None,
        }
    }

    /// The one recipient of a delivery; none in policy hooks.
    pub(crate) fn recipient(&self) -> Option<&Mailbox> {
        match self {
            Self::Delivery(delivery) => Some(&delivery.recipient),
            Self::Session(_) | Self::Nothing => None,
        }
    }

    pub(crate) fn envelope(&self) -> Option<EnvelopeId> {
        match self {
            Self::Session(session) => session.facts.envelope,
            Self::Delivery(delivery) => delivery.envelope,
            Self::Nothing => None,
        }
    }

    /// The same in every attempt of a delivery; empty in policy hooks.
    pub(crate) fn delivery_id(&self) -> &str {
        match self {
            Self::Delivery(delivery) => &delivery.delivery_id,
            Self::Session(_) | Self::Nothing => "",
        }
    }

    /// Number of the attempt of a delivery; 0 in policy hooks.
    pub(crate) const fn attempt(&self) -> u32 {
        match self {
            Self::Delivery(delivery) => delivery.attempt,
            Self::Session(_) | Self::Nothing => 0,
        }
    }
}

impl Session {
    fn value(&self, key: &str) -> Option<String> {
        let facts = &*self.facts;
        let known_from = match key {
            "helo" => Hook::Ehlo,
            "sender" | "declared-size" | "envelope-id" => Hook::Mail,
            _ => Hook::Connect,
        };
        if self.hook < known_from {
            return None;
        }
        match key {
            "domain" => Some(facts.domain.to_string()),
            "direction" => Some(direction(facts.direction).to_owned()),
            "encrypted" => Some(facts.encrypted.to_string()),
            "peer" => facts.peer.map(|peer| peer.to_string()),
            "authenticated" => facts.authenticated.as_ref().map(Mailbox::to_string),
            "helo" => Some(facts.helo.clone()),
            "sender" => Some(facts.reverse_path.clone().into()),
            "declared-size" => facts.declared_size.map(|size| size.to_string()),
            "envelope-id" => facts.envelope.map(|id| id.to_string()),
            _ => None,
        }
    }

    fn recipients(&self) -> &[Mailbox] {
        if self.hook < Hook::Rcpt {
            return &[];
        }
        &self.recipients
    }
}

impl Delivery {
    fn value(&self, key: &str) -> Option<String> {
        match key {
            "domain" => Some(self.domain.to_string()),
            "direction" => Some(direction(self.direction).to_owned()),
            "sender" => Some(self.reverse_path.clone().into()),
            "recipient" => Some(self.recipient.to_string()),
            "option" => Some(self.option.clone()),
            "attempt" => Some(self.attempt.to_string()),
            "delivery-id" => Some(self.delivery_id.clone()),
            "envelope-id" => self.envelope.map(|id| id.to_string()),
            _ => None,
        }
    }
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Submission => "submission",
        Direction::Internal => "internal",
    }
}
