//! What the steps share: the transaction, one recipient, one message.

use std::collections::BTreeMap;
use std::sync::Arc;

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
}

/// One transaction, from MAIL to the end of data.
pub(crate) struct Transaction {
    pub(crate) envelope: Envelope,
    pub(crate) sender: routing::Sender,
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

/// What plugins want to become of a recipient's copy, where it is neither delivered nor refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) discard: bool,
    pub(crate) quarantine: Option<String>,
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
    pub(crate) fate: Fate,
    pub(crate) sentences: Vec<StepSentence>,
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
    pub(crate) sentences: Vec<StepSentence>,
}
