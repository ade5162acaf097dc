//! Step `commit`: the one durable commit, then 250.

use mail::{limits, words};
use store::Effect;

use super::super::context::{Flow, MessageContext};
use super::super::internal;
use super::super::plan::Plan;
use crate::listen::reply_to;

pub(crate) async fn run(context: &mut MessageContext<'_>) -> Flow {
    let plan = Plan {
        site: context.site,
        envelope: &context.transaction.envelope,
        operation: context.site.store.operation_id(),
        recipients: &context.transaction.recipients,
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
    let report = internal::report(context.site, &undeliverable, &returned).await;
    if let Some(report) = report {
        // A report to a verified sender, in the same commit: refused by one domain, taken by
        // others.
        match accept.parts.first_mut() {
            Some(part) => part.effects.push(Effect::Accept(Box::new(report))),
            None => accept = report,
        }
    }
    if accept.parts.is_empty() {
        return Flow::Answer(
            words::ACCEPTED.reply_with(&[("id", &context.transaction.envelope.id.to_string())]),
        );
    }
    match context.site.store.accept(accept).await {
        Ok(_) => Flow::Answer(
            words::ACCEPTED.reply_with(&[("id", &context.transaction.envelope.id.to_string())]),
        ),
        Err(error) => Flow::Answer(reply_to(&error)),
    }
}
