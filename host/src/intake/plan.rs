//! From what was decided to what the store writes: parts by domain, recipients with their
//! actions.
//!
//! The bytes of a message are the same for everybody; each domain has its own trace fields and
//! edits in front of them, each mailbox its `Return-Path` and `Delivered-To`.

mod draft;

use std::collections::BTreeMap;

use mail::trace::{self, Hop};
use mail::{Access, DomainId, Envelope, Mailbox, Tenant, Timestamp};
use routing::{NextHop, Owner as OptionOwner, Target};
use serde::{Deserialize, Serialize};
use store::{Accept, Action, Flags, Owner, Parked, ParkedReason, Part, Piece, Place, Quota, Work};

use super::context::{StepSentence, Taken, Told, Undeliverable};
use super::hooks::Ruling;
use super::quota::{Trust, quotas_of};
use crate::site::Site;
use draft::Draft;

/// What a queue row of a delivery option needs to know; the settings are read from the
/// directory at the attempt, so a change there counts at once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OptionWork {
    /// Whose option.
    pub(crate) owner: OptionOwner,
    /// The option's name, and the plugin's.
    pub(crate) option: String,
    /// What plugins left with `remember`, by plugin.
    #[serde(default)]
    pub(crate) notes: plugin::Notes,
}

/// A queue row that takes the message way again.
pub(crate) const STAGE_ROUTE: &str = "route";
/// The context of a row that stands for the mailbox alone: options have rows of their own.
pub(crate) const MAILBOX_ONLY: &[u8] = b"mailbox";
/// Queue rows of delivery options begin so.
pub(crate) const STAGE_DELIVER: &str = "deliver:";

/// Is it known that the sender's address is that of who sent it? Where it is not, what a plugin
/// refuses after the message was taken is kept aside instead of reported (no backscatter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Vouched {
    Yes,
    No,
}

/// What a `route` row knows whose recipient has not passed its domain's hooks. Rows that have
/// passed them carry nothing: they take the message way only, and no plugin is asked twice.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct RouteWork {
    vouched: Vouched,
}

/// The work of a row that enters its domain again, hooks and all.
fn enter_again(vouched: Vouched) -> Work {
    Work::Process {
        stage: STAGE_ROUTE.to_owned(),
        // A struct of one enum always has a JSON form.
        context: serde_json::to_vec(&RouteWork { vouched }).unwrap_or_default(),
    }
}

/// Does a `route` row still have to pass its domain's hooks?
pub(crate) fn entering(context: &[u8]) -> Option<Vouched> {
    let work: RouteWork = serde_json::from_slice(context).ok()?;
    Some(work.vouched)
}

/// A message to be planned.
pub(crate) struct Plan<'a> {
    pub(crate) site: &'a Site,
    pub(crate) envelope: &'a Envelope,
    pub(crate) hop: Hop,
    pub(crate) recipients: &'a [Taken],
    /// The domain of the person who submits: its hooks decide about every copy.
    pub(crate) submitter: Option<DomainId>,
    /// The domain of the person, or of the plugin, that sends it: it reads about every copy.
    pub(crate) sent_by: Option<DomainId>,
    /// Of its header.
    pub(crate) message_id: Option<String>,
    /// What each domain's hooks said.
    pub(crate) rulings: &'a BTreeMap<DomainId, Ruling>,
    /// The message without our trace fields.
    pub(crate) pieces: Vec<Piece>,
    /// Sentences about the message as a whole.
    pub(crate) sentences: &'a [StepSentence],
    /// What was found to be undeliverable before.
    pub(crate) undeliverable: &'a [Undeliverable],
    pub(crate) told: Told,
    pub(crate) vouched: Vouched,
    /// Are the numbers about quotas believed?
    pub(crate) trust: Trust,
}

/// What comes of a plan.
pub(crate) struct Planned {
    pub(crate) accept: Accept,
    /// The sender is told of these.
    pub(crate) undeliverable: Vec<Undeliverable>,
    /// Nobody but the trace is told of these.
    pub(crate) dropped: Vec<Undeliverable>,
    /// Whose copies wait for room.
    pub(crate) waiting: Vec<Mailbox>,
}

impl Planned {
    /// Does anybody get a copy, now or later?
    pub(crate) fn is_for_somebody(&self) -> bool {
        self.copies() > 0
    }

    /// The first who waits, where nobody gets more than a place in the queue for want of room.
    pub(crate) fn all_full(&self) -> Option<&Mailbox> {
        let is_all = self.copies() == self.waiting.len() && self.undeliverable.is_empty();
        self.waiting.first().filter(|_| is_all)
    }

    fn copies(&self) -> usize {
        let recipients = self.accept.parts.iter().flat_map(|part| &part.recipients);
        recipients.map(|recipient| recipient.actions.len()).sum()
    }

    /// Counts what was dropped, once it is sure.
    pub(crate) fn count_dropped(site: &Site, envelope: &Envelope, dropped: &[Undeliverable]) {
        for lost in dropped {
            let domain = lost.domain.as_ref().map(|domain| &domain.name);
            let status = lost.reply.enhanced().map(|status| status.to_string());
            site.metrics
                .drop_recipient(domain, status.as_deref().unwrap_or("-"));
            tracing::warn!(
                envelope = %envelope.id, address = %lost.address, original = lost.original, reply = %lost.reply,
                "a recipient was dropped from a message that others got"
            );
        }
    }
}

impl Plan<'_> {
    /// The accept, and what cannot be delivered.
    pub(crate) fn make(&self) -> Planned {
        let mut draft = Draft::new(self);
        for failed in self.undeliverable {
            draft.fail(failed.clone());
        }
        for taken in self.recipients {
            draft.add(taken);
        }
        draft.finish(self.site.store.operation_id())
    }

    fn submitters_ruling(&self) -> Option<&Ruling> {
        self.submitter.and_then(|id| self.rulings.get(&id))
    }

    fn new_part(&self, domain: Option<DomainId>) -> Part {
        let entry = domain.and_then(|id| self.site.directory.known_domain(id));
        let tenant = entry.as_ref().map_or(Tenant::HOST, |entry| entry.tenant());
        let ruling = domain.and_then(|id| self.rulings.get(&id));
        let mut part = empty_part(tenant);
        let single = match self.recipients {
            [only] => Some(&only.address),
            _ => None,
        };
        part.pieces = vec![Piece::Private(trace::received(
            self.envelope,
            self.hop,
            self.site.hostname.as_str(),
            single,
        ))];
        // What leaves this server goes as the submitting domain edited it.
        let editor = if domain.is_some() {
            ruling
        } else {
            self.submitters_ruling()
        };
        let edited = editor.and_then(|ruling| ruling.edited.as_ref());
        part.pieces
            .extend(super::edits::apply(edited, self.pieces.clone()));
        if let Some(ruling) = ruling {
            part.effects.clone_from(&ruling.effects);
        }
        if let Some(entry) = entry {
            part.domain_quota = quotas_of(self.site, entry.id, Owner::Domain).1;
        }
        part
    }
}

fn empty_part(tenant: Tenant) -> Part {
    Part {
        access: Access::system(tenant),
        pieces: Vec::new(),
        thread: None,
        trace: Vec::new(),
        recipients: Vec::new(),
        effects: Vec::new(),
        domain_quota: Quota::NONE,
    }
}

/// What is put in front of a copy: a mailbox shows where it came from, what goes on carries the
/// loop mark only, what leaves carries nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Mailbox,
    Option,
    Remote,
}

fn prefix(envelope: &Envelope, address: &Mailbox, kind: Kind) -> Vec<u8> {
    match kind {
        // RFC 5321 §4.4: Return-Path at final delivery only.
        Kind::Mailbox => [
            trace::return_path(&envelope.reverse_path),
            trace::delivered_to(address),
        ]
        .concat(),
        Kind::Option => trace::delivered_to(address),
        Kind::Remote => Vec::new(),
    }
}

fn place_of(target: &Target, taken: &Taken) -> (Option<DomainId>, Mailbox, Kind) {
    match target {
        Target::Mailbox {
            domain, address, ..
        } => (Some(*domain), address.clone(), Kind::Mailbox),
        Target::Option {
            domain, address, ..
        } => (Some(*domain), address.clone(), Kind::Option),
        Target::Remote { address, .. } => (None, address.clone(), Kind::Remote),
        Target::Refused { address, .. } => (
            taken.domain.as_ref().map(|domain| domain.id),
            address.clone(),
            Kind::Remote,
        ),
    }
}

/// The rows of one target.
pub(crate) fn actions_for(
    site: &Site,
    target: &Target,
    ruling: Option<&Ruling>,
    now: Timestamp,
) -> Vec<Action> {
    let expires = now.plus_seconds(site.settings().config.limits.queue_life_seconds);
    match target {
        Target::Mailbox { domain, person, .. } => {
            vec![Action::Mailbox {
                place: Place::Inbox(*person),
                flags: Flags::NONE,
                quota: quotas_of(site, *domain, Owner::Person(*person)).0,
            }]
        }
        _ => vec![action_of(work_for(target, ruling), now, expires)],
    }
}

fn action_of(work: Work, due: Timestamp, expires: Timestamp) -> Action {
    match work {
        Work::Process { stage, context } => Action::Process {
            stage,
            context,
            due,
            expires,
        },
        Work::Remote { channel, next_hop } => Action::Remote {
            channel,
            next_hop,
            due,
            expires,
        },
    }
}

fn work_for(target: &Target, ruling: Option<&Ruling>) -> Work {
    match target {
        Target::Option {
            owner, delivery, ..
        } => {
            let option = delivery.option().name().to_owned();
            let notes = ruling
                .map(|ruling| ruling.notes.clone())
                .unwrap_or_default();
            let work = OptionWork {
                owner: *owner,
                option: option.clone(),
                notes,
            };
            // A struct of strings and numbers always has a JSON form.
            let context = serde_json::to_vec(&work).unwrap_or_default();
            Work::Process {
                stage: format!("{STAGE_DELIVER}{option}"),
                context,
            }
        }
        Target::Remote {
            channel, next_hop, ..
        } => {
            let next_hop = match next_hop {
                NextHop::Mx { .. } | NextHop::Channel => None,
                NextHop::Host(host) => Some(host.to_string()),
            };
            Work::Remote {
                channel: channel.clone(),
                next_hop,
            }
        }
        Target::Mailbox { .. } => Work::Process {
            stage: STAGE_ROUTE.to_owned(),
            context: MAILBOX_ONLY.to_vec(),
        },
        Target::Refused { .. } => Work::Process {
            stage: STAGE_ROUTE.to_owned(),
            context: Vec::new(),
        },
    }
}

/// Days that quarantined mail is kept.
const QUARANTINE_DAYS: i64 = 30;

fn parked(target: &Target, ruling: Option<&Ruling>, reason: &str, now: Timestamp) -> Action {
    Action::Parked(Parked {
        reason: ParkedReason::Quarantine,
        text: reason.to_owned(),
        resume: work_for(target, ruling),
        expires: Some(now.plus_seconds(QUARANTINE_DAYS * 24 * 3600)),
    })
}
