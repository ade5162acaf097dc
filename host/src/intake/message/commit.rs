//! Step `commit`: the one durable commit, then 250.
//!
//! Two things may have changed since it was planned, and each makes a new plan: a mailbox is full
//! by now, and waits; a value that a plugin saw has another content, and the plugin is asked
//! again.

use std::collections::BTreeMap;

use mail::{DomainId, Reply, limits, words};
use store::{Accept, Effect};

use super::super::context::{Flow, MessageContext};
use super::super::hooks::{Ruling, keep_refused};
use super::super::internal;
use super::super::plan::{Plan, Planned, Vouched};
use super::super::quota::Trust;
use super::super::trace;
use super::data_hooks;
use crate::listen::reply_to;
use crate::site::Site;

/// Commits that may be refused for one reason before it is given in to.
const TRIES: usize = 4;

pub(crate) async fn run(context: &mut MessageContext<'_>) -> Flow {
    let (mut full, mut conflicts) = (0, 0);
    loop {
        let trust = if full < TRIES - 1 {
            Trust::Numbers
        } else {
            Trust::Nobody
        };
        let planned = plan(context, trust);
        if let Some(address) = planned.all_full() {
            return Flow::Answer(crate::intake::over_quota(address));
        }
        let dropped = planned.dropped.clone();
        let about = match returned(context, &planned) {
            Ok(about) => about,
            Err(error) => return Flow::Answer(reply_to(&error)),
        };
        let error = match commit(context.site, &context.rulings, about, planned).await {
            Ok(()) => {
                let envelope = &context.transaction.envelope;
                Planned::count_dropped(context.site, envelope, &dropped);
                return Flow::Answer(
                    words::ACCEPTED.reply_with(&[("id", &envelope.id.to_string())]),
                );
            }
            Err(error) => error,
        };
        match error {
            store::Error::OverQuota(_) if full < TRIES => full += 1,
            store::Error::Conflict if conflicts < TRIES - 1 => {
                conflicts += 1;
                if let Some(reply) = data_hooks::ask_again(context).await {
                    return Flow::Answer(reply);
                }
            }
            error => return Flow::Answer(told(&error)),
        }
    }
}

/// What the peer is told of a commit that was refused for good.
fn told(error: &store::Error) -> Reply {
    if *error == store::Error::Conflict {
        // Another was faster each time: so it will be later.
        return words::STORE_BUSY.reply();
    }
    reply_to(error)
}

fn plan(context: &MessageContext<'_>, trust: Trust) -> Planned {
    let transaction = &context.transaction;
    let submitter = transaction.submitter.as_ref();
    let plan = Plan {
        site: context.site,
        envelope: &transaction.envelope,
        hop: transaction.hop,
        recipients: &transaction.recipients,
        submitter: submitter.map(|(tenant, _)| tenant.domain()),
        sent_by: submitter.map(|(tenant, _)| tenant.domain()),
        message_id: context.message_id.clone(),
        rulings: &context.rulings,
        pieces: vec![context.body.piece()],
        sentences: &context.sentences,
        undeliverable: &context.undeliverable,
        told: transaction.told(),
        vouched: match submitter {
            Some(_) => Vouched::Yes,
            None => Vouched::No,
        },
        trust,
    };
    plan.make()
}

async fn commit(
    site: &Site,
    rulings: &BTreeMap<DomainId, Ruling>,
    about: Option<internal::Returned>,
    planned: Planned,
) -> store::Result<()> {
    let is_for_somebody = planned.is_for_somebody();
    let mut accept = planned.accept;
    // To a person that signed in: what one domain refused and others took.
    let report = match about {
        None => None,
        Some(about) => internal::report(site, &planned.undeliverable, &about).await?,
    };
    if is_for_somebody {
        add_report(&mut accept, report);
        return site.store.accept(accept).await.map(drop);
    }
    // Nobody gets a copy: it is discarded, or all that is left is the report.
    for (id, ruling) in rulings {
        keep_refused(site, *id, ruling);
    }
    trace::of_nobody(site, &accept);
    match report {
        Some(report) => site.store.accept(report).await.map(drop),
        None => Ok(()),
    }
}

/// What a report would be about, where there is one.
fn returned(
    context: &MessageContext<'_>,
    planned: &Planned,
) -> store::Result<Option<internal::Returned>> {
    if planned.undeliverable.is_empty() {
        return Ok(None);
    }
    let submitter = context.transaction.submitter.as_ref();
    Ok(Some(internal::Returned {
        sent_by: submitter.map(|(tenant, _)| tenant.domain()),
        envelope: context.transaction.envelope.clone(),
        message: context.body.read(0, limits::HEADER_BYTES)?.to_vec(),
        size: context.body.len(),
    }))
}

/// The report goes into the commit of the message.
fn add_report(accept: &mut Accept, report: Option<Accept>) {
    let Some(report) = report else { return };
    let line = internal::report_line(&report);
    for part in &mut accept.parts {
        let traced = part.effects.iter_mut().find_map(|effect| match effect {
            Effect::Trace(traced) if traced.is_sender => Some(traced),
            _ => None,
        });
        if let Some(traced) = traced {
            traced.lines.push(line.clone());
        }
    }
    if let Some(part) = accept.parts.first_mut() {
        part.effects.push(Effect::Accept(Box::new(report)));
    }
}
