//! A plan on its way: recipient by recipient into parts.

use std::collections::BTreeMap;

use mail::{DomainId, Mailbox, OperationId, Reply, Timestamp};
use routing::Target;
use store::{Accept, Action, Part, Piece, Quota, Recipient};

use super::{
    Kind, Plan, Planned, Vouched, action_of, actions_for, enter_again, parked, place_of, prefix,
    work_for,
};
use crate::intake::context::{StepSentence, Taken, Told, Undeliverable};
use crate::intake::hooks::Ruling;
use crate::intake::quota::Ledger;
use crate::intake::trace::lines;

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
        for ((domain, address, kind), actions) in rows {
            let prefix = prefix(self.plan.envelope, &address, kind);
            self.push(domain.or(own), taken, address, prefix, actions);
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
        for part in self.parts.values_mut() {
            part.trace
                .extend(lines(self.plan.sentences, None, self.now));
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
        self.push(own, taken, taken.address.clone(), Vec::new(), vec![action]);
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

    fn push(
        &mut self,
        domain: Option<DomainId>,
        taken: &Taken,
        address: Mailbox,
        prefix: Vec<u8>,
        actions: Vec<Action>,
    ) {
        let (id, now) = (self.plan.site.store.recipient_id(), self.now);
        let part = self.part(domain);
        part.trace
            .extend(lines(&taken.sentences, Some(taken.id), now));
        part.recipients.push(Recipient {
            id,
            original: taken.original.clone(),
            prefix,
            address,
            actions,
        });
    }

    fn note(
        &mut self,
        domain: Option<DomainId>,
        recipient: mail::RecipientId,
        step: &str,
        text: String,
    ) {
        let sentence = StepSentence {
            step: step.to_owned(),
            text,
        };
        let now = self.now;
        let line = lines(std::slice::from_ref(&sentence), Some(recipient), now);
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

fn size_of(pieces: &[Piece]) -> u64 {
    let length = |piece: &Piece| match piece {
        Piece::Private(bytes) => bytes.len() as u64,
        Piece::Body { length, .. } | Piece::Content { length, .. } => *length,
    };
    pieces.iter().map(length).sum()
}
