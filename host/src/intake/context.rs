//! What the steps share: the transaction, one recipient, one message.

use std::collections::BTreeMap;
use std::sync::Arc;

use mail::trace::Hop;
use mail::{DomainId, Envelope, ForwardPath, Mailbox, RecipientId, Reply, Tenant};
use plugin::DecisionGroup;
use routing::{DomainFacts, Routed, Target};
use store::BodyRef;

use super::hooks::{DomainHooks, Ruling};
use crate::site::Site;

/// What a step says.
pub(crate) enum Flow {
    /// Go on; the sentence is for the trace.
    Next(String),
    /// The end of the list.
    Answer(Reply),
}

/// Is it meant?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A real transaction.
    Real,
    /// `explain`: the same steps, nothing is kept.
    Dry,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepSentence {
    /// Its name.
    pub(crate) step: String,
    /// For people.
    pub(crate) text: String,
    /// Whose plugin said it; nobody's where the server did, which is for the recipient's domain.
    pub(crate) of: Option<DomainId>,
}

impl StepSentence {
    /// What the server itself says.
    pub(crate) fn new(step: &str, text: String) -> Self {
        Self {
            step: step.to_owned(),
            text,
            of: None,
        }
    }
}

/// One transaction, from MAIL to the end of data.
pub(crate) struct Transaction {
    pub(crate) envelope: Envelope,
    pub(crate) sender: routing::Sender,
    /// How it came.
    pub(crate) hop: Hop,
    /// The address of the person who logged in, and the domain.
    pub(crate) submitter: Option<(Tenant, Mailbox)>,
    /// What SIZE declared.
    pub(crate) declared_size: Option<u64>,
    pub(crate) mode: Mode,
    /// Recipients that were taken.
    pub(crate) recipients: Vec<Taken>,
    /// The hooks of each domain that has recipients here.
    pub(crate) hooks: BTreeMap<DomainId, DomainHooks>,
    /// The decision group of the recipients so far.
    pub(crate) group: Option<DecisionGroup>,
}

impl Transaction {
    /// Who learns of a recipient that fails although the message is taken: only a person that
    /// signed in is known to be the sender (no backscatter).
    pub(crate) const fn told(&self) -> Told {
        match self.sender {
            routing::Sender::Authenticated(_) | routing::Sender::Internal => Told::Sender,
            routing::Sender::Stranger | routing::Sender::Trusted => Told::Trace,
        }
    }
}

/// Who learns of a recipient that fails although the message is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The sender, by a report.
    Sender,
    /// The trace, the log and a counter: nobody vouches for the sender's address.
    Trace,
}

/// A recipient, or one of its targets, that cannot be delivered to although the message is
/// taken.
#[derive(Debug, Clone)]
pub(crate) struct Undeliverable {
    pub(crate) recipient: RecipientId,
    pub(crate) domain: Option<Arc<DomainFacts>>,
    pub(crate) address: Mailbox,
    pub(crate) original: String,
    pub(crate) reply: Reply,
}

/// What plugins want to become of a recipient's copy, where it is neither delivered nor refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) discard: bool,
    pub(crate) quarantine: Option<String>,
    /// It cannot come in for the moment; mail of this host asks again from its queue.
    pub(crate) later: Option<Reply>,
}

impl Fate {
    /// Adds what one more ruling wants; the first reason for quarantine stays.
    pub(crate) fn add(&mut self, ruling: &Ruling) {
        self.discard |= ruling.discard;
        if self.quarantine.is_none() {
            self.quarantine.clone_from(&ruling.quarantine);
        }
    }
}

/// A recipient that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) id: RecipientId,
    /// As in RCPT TO, without brackets.
    pub(crate) original: String,
    /// What it stands for.
    pub(crate) address: Mailbox,
    /// The hosted domain it belongs to.
    pub(crate) domain: Option<Arc<DomainFacts>>,
    pub(crate) targets: Vec<Target>,
    /// Is it for the postmaster, who has no quota?
    pub(crate) is_for_postmaster: bool,
    pub(crate) fate: Fate,
    pub(crate) sentences: Vec<StepSentence>,
}

impl Taken {
    /// `address`, which the recipient stands for, gets nothing.
    pub(crate) fn failed(&self, address: &Mailbox, reply: &Reply) -> Undeliverable {
        Undeliverable {
            recipient: self.id,
            domain: self.domain.clone(),
            address: address.clone(),
            original: self.original.clone(),
            reply: reply.clone(),
        }
    }
}

/// One recipient on its way through the steps.
pub(crate) struct RecipientContext<'a> {
    pub(crate) site: &'a Site,
    pub(crate) transaction: &'a mut Transaction,
    pub(crate) path: ForwardPath,
    pub(crate) routed: Option<Routed>,
    pub(crate) fate: Fate,
    pub(crate) sentences: Vec<StepSentence>,
}

impl RecipientContext<'_> {
    /// The hosted domain of the recipient, once `route` has run.
    pub(crate) fn domain(&self) -> Option<Arc<DomainFacts>> {
        self.routed
            .as_ref()
            .and_then(|routed| routed.domain.clone())
    }

    /// The address that hooks see: as it was given, and the site's postmaster where RCPT TO said
    /// `<Postmaster>` without a domain.
    pub(crate) fn address(&self) -> Option<Mailbox> {
        match &self.path {
            ForwardPath::Mailbox(mailbox) => Some(mailbox.clone()),
            ForwardPath::Postmaster => self
                .routed
                .as_ref()
                .and_then(|routed| routed.resolved.clone())
                .or_else(|| self.site.settings().routing.postmaster.clone()),
        }
    }
}

/// One message on its way through the steps.
pub(crate) struct MessageContext<'a> {
    pub(crate) site: &'a Site,
    pub(crate) transaction: &'a mut Transaction,
    pub(crate) body: BodyRef,
    /// What each domain's hooks said of the message.
    pub(crate) rulings: BTreeMap<DomainId, Ruling>,
    /// What was found to be undeliverable on the way.
    pub(crate) undeliverable: Vec<Undeliverable>,
    /// Of its header, once that was looked at.
    pub(crate) message_id: Option<String>,
    pub(crate) sentences: Vec<StepSentence>,
}
