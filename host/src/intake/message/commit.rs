//! Step `commit`: the one durable commit, then 250.

use mail::{limits, words};
use store::Effect;

use super::super::context::{Flow, MessageContext};
use super::super::hooks::keep_refused;
use super::super::internal;
use super::super::plan::Plan;
use crate::listen::reply_to;

pub(crate) async fn run(context: &mut MessageContext<'_>) -> Flow {
    let plan = Plan {
        site: context.site,
        envelope: &context.transaction.envelope,
        operation: context.site.store.operation_id(),
        recipients: &context.transaction.recipients,
        submitter: context
            .transaction
            .submitter
            .as_ref()
            .map(|(tenant, _)| tenant.domain()),
        rulings: &context.rulings,
        pieces: vec![context.body.piece()],
        sentences: &context.sentences,
    };
    let (mut accept, undeliverable) = plan.make();
    let beginning = context
        .body
        .read(0, limits::HEADER_BYTES)
        .unwrap_or_default();
    let returned = internal::Returned {
        envelope: context.transaction.envelope.clone(),
        message: beginning,
        size: context.body.len(),
    };
    let report = match internal::report(context.site, &undeliverable, &returned).await {
        Ok(report) => report,
        Err(error) => return Flow::Answer(reply_to(&error)),
    };
    if accept.parts.iter().all(|part| part.recipients.is_empty()) {
        // Nobody gets a copy: it is discarded, or all that is left is the report.
        for (id, ruling) in &context.rulings {
            keep_refused(context.site, *id, ruling);
        }
        let Some(report) = report else {
            return Flow::Answer(
                words::ACCEPTED.reply_with(&[("id", &context.transaction.envelope.id.to_string())]),
            );
        };
        accept = report;
    } else if let (Some(report), Some(part)) = (report, accept.parts.first_mut()) {
        // A report to a verified sender, in the same commit: refused by one domain, taken by
        // others.
        part.effects.push(Effect::Accept(Box::new(report)));
    }
    match context.site.store.accept(accept).await {
        Ok(_) => Flow::Answer(
            words::ACCEPTED.reply_with(&[("id", &context.transaction.envelope.id.to_string())]),
        ),
        Err(error) => Flow::Answer(reply_to(&error)),
    }
}
