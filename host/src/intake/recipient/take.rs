//! Step `take`: the recipient is part of the transaction.

use mail::words;
use routing::Decision;

use super::super::context::{Flow, RecipientContext, Taken};
use super::quota::is_for_postmaster;

pub(crate) async fn run(context: &mut RecipientContext<'_>) -> Flow {
    let Some(routed) = context.routed.take() else {
        return Flow::Answer(words::TEMPORARY_TROUBLE.reply());
    };
    let Decision::Accept { targets, .. } = routed.decision else {
        return Flow::Answer(words::TEMPORARY_TROUBLE.reply());
    };
    let Some(address) = routed.resolved.or_else(|| context.address()) else {
        return Flow::Answer(words::TEMPORARY_TROUBLE.reply());
    };
    let hooks = routed
        .domain
        .as_ref()
        .and_then(|domain| context.transaction.hooks.get(&domain.id));
    let group = hooks.map(|hooks| hooks.group().clone()).unwrap_or_default();
    context.transaction.group.get_or_insert(group);
    let original = match &context.path {
        mail::ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
        mail::ForwardPath::Postmaster => "postmaster".to_owned(),
    };
    context.transaction.recipients.push(Taken {
        id: context.site.store.recipient_id(),
        original,
        address,
        domain: routed.domain,
        targets,
        is_for_postmaster: is_for_postmaster(&context.path),
        fate: std::mem::take(&mut context.fate),
        sentences: std::mem::take(&mut context.sentences),
    });
    Flow::Answer(words::RECIPIENT_OK.reply())
}
