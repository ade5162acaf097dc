//! Step `data-hooks`: every domain that has recipients here, and the sender's own, looks at the
//! message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mail::{DomainId, Reply};

use super::super::context::{Flow, MessageContext, Transaction};
use super::super::hooks::{Ruling, StoredMessage, keep_refused};
use crate::site::Site;

pub(crate) async fn run(context: &mut MessageContext<'_>) -> Flow {
    match ask_again(context).await {
        Some(reply) => Flow::Answer(reply),
        None => Flow::Next(String::new()),
    }
}

/// Asks all of them about the message, as if for the first time. A reply where nobody gets it.
pub(super) async fn ask_again(context: &mut MessageContext<'_>) -> Option<Reply> {
    let message = Arc::new(StoredMessage::Arriving(context.body.clone()));
    context.rulings = ask(context.site, context.transaction, &message).await;
    let sentences = context
        .rulings
        .values()
        .flat_map(|ruling| &ruling.sentences);
    context.sentences.extend(sentences.cloned());
    let reply = answer_for_all(context)?;
    for (id, ruling) in &context.rulings {
        keep_refused(context.site, *id, ruling);
    }
    Some(reply)
}

/// What each domain says of a message.
pub(crate) async fn ask(
    site: &Site,
    transaction: &mut Transaction,
    message: &Arc<StoredMessage>,
) -> BTreeMap<DomainId, Ruling> {
    let mut rulings = BTreeMap::new();
    for id in concerned(transaction) {
        if let Some(hooks) = transaction.hooks.get_mut(&id) {
            rulings.insert(id, hooks.data(site, Arc::clone(message)).await);
        }
    }
    rulings
}

/// The domains that have recipients here, and the sender's own. Others have hooks too, where a
/// recipient of theirs was asked about and refused: they do not see the message.
fn concerned(transaction: &Transaction) -> BTreeSet<DomainId> {
    let taken = transaction.recipients.iter();
    let submitter = transaction.submitter.as_ref();
    taken
        .filter(|taken| taken.fate.later.is_none())
        .filter_map(|taken| taken.domain.as_ref().map(|domain| domain.id))
        .chain(submitter.map(|(tenant, _)| tenant.domain()))
        .collect()
}

/// One reply where nobody gets the message. Where some do (submission), the others become
/// reports.
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
