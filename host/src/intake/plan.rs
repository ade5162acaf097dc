//! From what was decided to what the store writes: parts by domain, recipients with their
//! actions.
//!
//! The bytes of a message are the same for everybody; each domain has its own trace fields and
//! edits in front of them, each mailbox its `Return-Path` and `Delivered-To`.

use std::collections::BTreeMap;

use mail::{Access, DomainId, Envelope, Mailbox, OperationId, Reply, Tenant, Timestamp, trace};
use routing::{NextHop, Owner as OptionOwner, Target};
use serde::{Deserialize, Serialize};
use store::{
    Accept, Action, Flags, Parked, ParkedReason, Part, Piece, Place, Quota, Recipient, Work,
};

use super::context::Taken;
use super::hooks::Ruling;
use super::trace::lines;
use crate::site::Site;

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
/// Queue rows of delivery options begin so.
pub(crate) const STAGE_DELIVER: &str = "deliver:";

/// A recipient that cannot be delivered to although the message was accepted: it becomes a
/// report.
#[derive(Debug, Clone)]
pub(crate) struct Undeliverable {
    pub(crate) address: Mailbox,
    pub(crate) original: String,
    pub(crate) reply: Reply,
}

/// A message to be planned.
pub(crate) struct Plan<'a> {
    pub(crate) site: &'a Site,
    pub(crate) envelope: &'a Envelope,
    pub(crate) operation: OperationId,
    pub(crate) recipients: &'a [Taken],
    /// The domain of the person who submits: its hooks decide about every copy.
    pub(crate) submitter: Option<DomainId>,
    /// What each domain's hooks said.
    pub(crate) rulings: &'a BTreeMap<DomainId, Ruling>,
    /// The message without our trace fields.
    pub(crate) pieces: Vec<Piece>,
    /// Sentences about the message as a whole.
    pub(crate) sentences: &'a [super::context::StepSentence],
}

impl Plan<'_> {
    /// The accept, and what cannot be delivered.
    pub(crate) fn make(self) -> (Accept, Vec<Undeliverable>) {
        let now = self.envelope.received;
        let mut parts: BTreeMap<Option<DomainId>, Part> = BTreeMap::new();
        let mut undeliverable = Vec::new();
        for taken in self.recipients {
            let ruling = taken
                .domain
                .as_ref()
                .and_then(|domain| self.rulings.get(&domain.id));
            let mut fate = taken.fate.clone();
            for ruling in ruling.into_iter().chain(self.submitters_ruling()) {
                fate.add(ruling);
            }
            if fate.discard {
                self.part(
                    &mut parts,
                    None,
                    taken.domain.as_ref().map(|domain| domain.id),
                )
                .trace
                .extend(lines(
                    &[super::context::StepSentence {
                        step: "discard".to_owned(),
                        text: "a plugin discards it".to_owned(),
                    }],
                    Some(taken.id),
                    now,
                ));
                continue;
            }
            if let Some(reply) = ruling.and_then(|ruling| ruling.refusal.clone()) {
                let (address, original) = (taken.address.clone(), taken.original.clone());
                undeliverable.push(Undeliverable {
                    address,
                    original,
                    reply,
                });
                continue;
            }
            let mut by_address: BTreeMap<(Option<DomainId>, Mailbox, Kind), Vec<Action>> =
                BTreeMap::new();
            for target in &taken.targets {
                if let Target::Refused { address, reply } = target
                    && reply.0.code().is_permanent()
                {
                    let (address, reply) = (address.clone(), reply.0.clone());
                    undeliverable.push(Undeliverable {
                        address,
                        original: taken.original.clone(),
                        reply,
                    });
                    continue;
                }
                let (domain, address, kind) = place_of(target, taken);
                let mut actions = actions_for(self.site, target, ruling, now);
                if let Some(reason) = &fate.quarantine {
                    actions = vec![parked(target, ruling, reason, now)];
                }
                by_address
                    .entry((domain, address, kind))
                    .or_default()
                    .extend(actions);
            }
            for ((domain, address, kind), actions) in by_address {
                let own = taken.domain.as_ref().map(|domain| domain.id);
                let part = self.part(&mut parts, domain, own);
                part.trace
                    .extend(lines(&taken.sentences, Some(taken.id), now));
                part.recipients.push(Recipient {
                    id: self.site.store.recipient_id(),
                    original: taken.original.clone(),
                    prefix: prefix(self.envelope, &address, kind),
                    address,
                    actions,
                });
            }
        }
        if self
            .submitters_ruling()
            .is_some_and(|ruling| !ruling.effects.is_empty())
        {
            // The effects come with the part, also where nobody of that domain gets a copy.
            self.part(&mut parts, self.submitter, None);
        }
        for part in parts.values_mut() {
            part.trace.extend(lines(self.sentences, None, now));
        }
        let parts = parts.into_values().collect();
        (
            Accept {
                operation: self.operation,
                envelope: self.envelope.clone(),
                parts,
            },
            undeliverable,
        )
    }

    fn submitters_ruling(&self) -> Option<&Ruling> {
        self.submitter.and_then(|id| self.rulings.get(&id))
    }

    /// The part of a domain, made when it is first needed.
    fn part<'p>(
        &self,
        parts: &'p mut BTreeMap<Option<DomainId>, Part>,
        domain: Option<DomainId>,
        own: Option<DomainId>,
    ) -> &'p mut Part {
        let domain = domain.or(own);
        parts.entry(domain).or_insert_with(|| self.new_part(domain))
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
            part.domain_quota = quota(entry.quota_bytes, entry.quota_messages);
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
            let (place, quota) = place_for(site, *domain, *person);
            vec![Action::Mailbox {
                place,
                flags: Flags::NONE,
                quota,
            }]
        }
        _ => match work_for(target, ruling) {
            Work::Process { stage, context } => vec![Action::Process {
                stage,
                context,
                due: now,
                expires,
            }],
            Work::Remote { channel, next_hop } => vec![Action::Remote {
                channel,
                next_hop,
                due: now,
                expires,
            }],
        },
    }
}

/// The INBOX of a person, with the quota in force.
pub(crate) fn place_for(site: &Site, domain: DomainId, person: mail::PersonId) -> (Place, Quota) {
    let entry = site.directory.known_person(domain, person);
    let quota = entry.map_or(Quota::NONE, |entry| {
        quota(entry.quota_bytes, entry.quota_messages)
    });
    (Place::Inbox(person), quota)
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
                NextHop::Mx { .. } => None,
                NextHop::Host(host) => Some(host.to_string()),
            };
            Work::Remote {
                channel: channel.clone(),
                next_hop,
            }
        }
        Target::Mailbox { .. } | Target::Refused { .. } => Work::Process {
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

fn quota(bytes: directory::Quota, messages: directory::Quota) -> Quota {
    let limit = |quota| match quota {
        directory::Quota::Limit(limit) => Some(limit),
        directory::Quota::Default | directory::Quota::Unlimited => None,
    };
    Quota {
        bytes: limit(bytes),
        messages: limit(messages),
    }
}
