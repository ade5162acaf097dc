//! A plan on its way: recipient by recipient into parts.

use std::collections::BTreeMap;

use mail::{DomainId, Mailbox, OperationId, Reply, Timestamp};
use routing::Target;
use store::{Accept, Action, Effect, Part, Piece, Quota, Recipient, TraceKey, Traced};

use super::{
    Kind, Plan, Planned, Vouched, action_of, actions_for, enter_again, parked, place_of, prefix,
    work_for,
};
use crate::intake::context::{StepSentence, Taken, Told, Undeliverable};
use crate::intake::hooks::Ruling;
use crate::intake::quota::Ledger;
use crate::intake::trace::{self, lines};

pub(super) struct Draft<'p> {
    plan: &'p Plan<'p>,
    now: Timestamp,
    parts: BTreeMap<Option<DomainId>, Part>,
    ledger: Ledger<'p>,
    undeliverable: Vec<Undeliverable>,
    dropped: Vec<Undeliverable>,
    waiting: Vec<Mailbox>,
}

impl<'p> Draft<'p> {
    pub(super) fn new(plan: &'p Plan<'p>) -> Self {
        Self {
            plan,
            now: plan.envelope.received,
            parts: BTreeMap::new(),
            ledger: Ledger::new(plan.site, plan.trust),
            undeliverable: Vec::new(),
            dropped: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Somebody gets nothing: the sender is told, or nobody but the trace.
    pub(super) fn fail(&mut self, failed: Undeliverable) {
        let (step, list) = match self.plan.told {
            Told::Sender => ("undeliverable", &mut self.undeliverable),
            Told::Trace => ("dropped", &mut self.dropped),
        };
        list.push(failed.clone());
        let domain = failed.domain.as_ref().map(|domain| domain.id);
        let text = format!("{}: {}", failed.address, failed.reply);
        self.note(domain, failed.recipient, step, text);
    }

    /// What becomes of one recipient.
    pub(super) fn add(&mut self, taken: &Taken) {
        let own = taken.domain.as_ref().map(|domain| domain.id);
        self.tell(taken);
        let ruling = own.and_then(|id| self.plan.rulings.get(&id));
        let mut fate = taken.fate.clone();
        for ruling in ruling.into_iter().chain(self.plan.submitters_ruling()) {
            fate.add(ruling);
        }
        if let Some(reply) = &fate.later {
            return self.enter_later(taken, reply, self.now);
        }
        if fate.discard {
            let text = "a plugin discards it".to_owned();
            return self.note(own, taken.id, "discard", text);
        }
        let refusal = ruling.and_then(|ruling| ruling.refusal.as_ref());
        match refusal {
            Some(reply) if reply.code().is_transient() => {
                return self.enter_later(taken, reply, self.pause());
            }
            Some(reply) if self.plan.vouched == Vouched::Yes => {
                return self.fail(taken.failed(&taken.address, reply));
            }
            Some(reply) => fate.quarantine = Some(format!("refused: {reply}")),
            None => {}
        }
        let mut rows: BTreeMap<(Option<DomainId>, Mailbox, Kind), Vec<Action>> = BTreeMap::new();
        for target in &taken.targets {
            if let Target::Refused { address, reply } = target
                && reply.0.code().is_permanent()
            {
                self.fail(taken.failed(address, &reply.0));
                continue;
            }
            let (domain, address, kind) = place_of(target, taken);
            let actions = match &fate.quarantine {
                Some(reason) => vec![parked(target, ruling, reason, self.now)],
                None => self.actions(taken, target, ruling),
            };
            rows.entry((domain, address, kind))
                .or_default()
                .extend(actions);
        }
        let mut id = Some(taken.id);
        for ((domain, address, kind), actions) in rows {
            let prefix = prefix(self.plan.envelope, &address, kind);
            let recipient = Recipient {
                id: id
                    .take()
                    .unwrap_or_else(|| self.plan.site.store.recipient_id()),
                original: taken.original.clone(),
                address,
                prefix,
                actions,
            };
            self.push(domain.or(own), recipient);
        }
    }

    pub(super) fn finish(mut self, operation: OperationId) -> Planned {
        // The effects come with the part, also where nobody of that domain gets a copy.
        let acting: Vec<_> = self
            .plan
            .rulings
            .iter()
            .filter(|(_, ruling)| !ruling.effects.is_empty())
            .map(|(id, _)| *id)
            .collect();
        for id in acting {
            self.part(Some(id));
        }
        // Who sends it reads about it, also where no recipient is of that domain.
        if self.plan.sent_by.is_some() {
            self.part(self.plan.sent_by);
        }
        let (plan, now) = (self.plan, self.now);
        for (domain, part) in &mut self.parts {
            let sentences = plan.sentences.iter();
            let sentences = sentences.filter(|said| said.of.is_none() || said.of == *domain);
            part.trace.extend(lines(sentences, None, now));
            part.effects.extend(found_by(plan, *domain));
        }
        Planned {
            accept: Accept {
                operation,
                envelope: self.plan.envelope.clone(),
                parts: self.parts.into_values().collect(),
            },
            undeliverable: self.undeliverable,
            dropped: self.dropped,
            waiting: self.waiting,
        }
    }

    /// The rows of one target. A mailbox without room becomes a row that tries again, so that
    /// one full mailbox is nobody else's trouble.
    fn actions(&mut self, taken: &Taken, target: &Target, ruling: Option<&Ruling>) -> Vec<Action> {
        let site = self.plan.site;
        let mut actions = actions_for(site, target, ruling, self.now);
        let Target::Mailbox {
            domain,
            person,
            address,
            ..
        } = target
        else {
            return actions;
        };
        if taken.is_for_postmaster {
            self.part(Some(*domain)).domain_quota = Quota::NONE;
            for action in &mut actions {
                if let Action::Mailbox { quota, .. } = action {
                    *quota = Quota::NONE;
                }
            }
            return actions;
        }
        let own = prefix(self.plan.envelope, address, Kind::Mailbox).len() as u64;
        let size = own + size_of(&self.part(Some(*domain)).pieces);
        if self.ledger.takes(*domain, *person, size) {
            return actions;
        }
        self.waiting.push(address.clone());
        let reply = crate::intake::over_quota(address);
        self.note(Some(*domain), taken.id, "quota", reply.to_string());
        vec![action_of(
            work_for(target, ruling),
            self.pause(),
            self.end(),
        )]
    }

    /// It cannot come in now: it takes the message way again, and then comes to its domain's
    /// hooks.
    fn enter_later(&mut self, taken: &Taken, reply: &Reply, due: Timestamp) {
        let own = taken.domain.as_ref().map(|domain| domain.id);
        self.note(own, taken.id, "deferred", reply.to_string());
        let action = action_of(enter_again(self.plan.vouched), due, self.end());
        let recipient = Recipient {
            id: taken.id,
            original: taken.original.clone(),
            address: taken.address.clone(),
            prefix: Vec::new(),
            actions: vec![action],
        };
        self.push(own, recipient);
    }

    /// The end of the first pause.
    fn pause(&self) -> Timestamp {
        let settings = self.plan.site.settings();
        let limits = &settings.config.limits;
        self.now.plus_seconds(limits.retry_pause_seconds(1))
    }

    /// The end of the queue life.
    fn end(&self) -> Timestamp {
        let settings = self.plan.site.settings();
        let limits = &settings.config.limits;
        self.now.plus_seconds(limits.queue_life_seconds)
    }

    /// What the steps said of a recipient, to whom each of it belongs; and that there is one, to
    /// the domain that sends.
    fn tell(&mut self, taken: &Taken) {
        let own = taken.domain.as_ref().map(|domain| domain.id);
        let mut told = vec![own];
        let sent_by = self.plan.sent_by;
        told.extend(taken.sentences.iter().map(|said| said.of.or(own)));
        told.extend(sent_by.is_some().then_some(sent_by));
        told.sort_unstable();
        told.dedup();
        let now = self.now;
        for domain in told {
            let who = trace::recipient(taken.id, &taken.address, &taken.original, now);
            let said = taken.sentences.iter();
            let said = said.filter(|said| said.of.or(own) == domain);
            let part = self.part(domain);
            part.trace.push(who);
            part.trace.extend(lines(said, Some(taken.id), now));
        }
    }

    fn push(&mut self, domain: Option<DomainId>, recipient: Recipient) {
        let now = self.now;
        let part = self.part(domain);
        let (id, address) = (recipient.id, &recipient.address);
        let is_told = part
            .trace
            .iter()
            .any(|line| line.recipient == Some(id) && line.step == trace::RECIPIENT);
        if !is_told {
            let who = trace::recipient(id, address, &recipient.original, now);
            part.trace.push(who);
        }
        part.recipients.push(recipient);
    }

    fn note(
        &mut self,
        domain: Option<DomainId>,
        recipient: mail::RecipientId,
        step: &str,
        text: String,
    ) {
        let sentence = StepSentence::new(step, text);
        let line = lines([&sentence], Some(recipient), self.now);
        self.part(domain).trace.extend(line);
    }

    /// The part of a domain, made when it is first needed.
    fn part(&mut self, domain: Option<DomainId>) -> &mut Part {
        let plan = self.plan;
        self.parts
            .entry(domain)
            .or_insert_with(|| plan.new_part(domain))
    }
}

/// What a domain finds the message by, beside the addresses of its own copies.
fn found_by(plan: &Plan<'_>, domain: Option<DomainId>) -> Option<Effect> {
    let mut traced = Traced::new(plan.envelope.id);
    let message_id = plan.message_id.clone();
    traced.found_by.extend(message_id.map(TraceKey::MessageId));
    if domain.is_some() && domain == plan.sent_by {
        traced.is_sender = true;
        traced
            .found_by
            .extend(trace::addresses(plan.envelope, plan.recipients));
    }
    let is_empty = traced == Traced::new(plan.envelope.id);
    (!is_empty).then(|| Effect::Trace(Box::new(traced)))
}

fn size_of(pieces: &[Piece]) -> u64 {
    let length = |piece: &Piece| match piece {
        Piece::Private(bytes) => bytes.len() as u64,
        Piece::Body { length, .. } | Piece::Content { length, .. } => *length,
    };
    pieces.iter().map(length).sum()
}
