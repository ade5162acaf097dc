//! Step `data-hooks`: every domain that has recipients here, and the sender's own, looks at the
//! message.

use std::collections::BTreeSet;
use std::sync::Arc;

use mail::{DomainId, Reply};

use super::super::context::{Flow, MessageContext};
use super::super::hooks::StoredMessage;

pub(crate) async fn run(context: &mut MessageContext<'_>) -> Flow {
    let message = Arc::new(StoredMessage::Arriving(context.body.clone()));
    for id in concerned(context) {
        let Some(hooks) = context.transaction.hooks.get_mut(&id) else {
            continue;
        };
        let ruling = hooks.data(context.site, Arc::clone(&message)).await;
        context.sentences.extend(ruling.sentences.iter().cloned());
        context.rulings.insert(id, ruling);
    }
    match answer_for_all(context) {
        Some(reply) => {
            for (id, ruling) in &context.rulings {
                super::super::hooks::keep_refused(context.site, *id, ruling);
            }
            Flow::Answer(reply)
        }
        None => Flow::Next(String::new()),
    }
}

/// The domains that have recipients here, and the sender's own. Others have hooks too, where a
/// recipient of theirs was asked about and refused: they do not see the message.
fn concerned(context: &MessageContext<'_>) -> BTreeSet<DomainId> {
    let transaction = &context.transaction;
    let taken = transaction.recipients.iter();
    let submitter = transaction.submitter.as_ref();
    taken
        .filter_map(|taken| taken.domain.as_ref().map(|domain| domain.id))
        .chain(submitter.map(|(tenant, _)| tenant.domain()))
        .collect()
}

/// One reply where nobody gets the message. Where some do (submission, mail of this host), the
/// others become reports.
fn answer_for_all(context: &MessageContext<'_>) -> Option<Reply> {
    let refusal = |id: DomainId| {
        context
            .rulings
            .get(&id)
            .and_then(|ruling| ruling.refusal.clone())
    };
    // The sender's own domain decides about the whole message.
    if let Some((tenant, _)) = &context.transaction.submitter
        && let Some(reply) = refusal(tenant.domain())
    {
        return Some(reply);
    }
    let mut first = None;
    for taken in &context.transaction.recipients {
        let refused = taken.domain.as_ref().and_then(|domain| refusal(domain.id));
        match refused {
            Some(reply) => {
                first.get_or_insert(reply);
            }
            None => return None,
        }
    }
    first
}
