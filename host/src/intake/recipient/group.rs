//! Step `group`: one transaction has room for one answer after DATA, so all its recipients must
//! be of one decision group: the same domain, or none, that can refuse the message.
//!
//! Submission and mail of this host are split instead: their refusals can become reports.

use mail::{DomainId, words};
use plugin::DecisionGroup;
use routing::Sender;

use super::super::context::{Flow, RecipientContext};
use super::super::hooks::DomainHooks;

pub(crate) async fn run(context: &mut RecipientContext<'_>) -> Flow {
    for id in concerned(context) {
        if context.transaction.hooks.contains_key(&id) {
            continue;
        }
        let Some(domain) = context.site.directory.known_domain(id) else {
            // It went while this was under way; without its policies nothing is taken for it.
            return Flow::Answer(words::TEMPORARY_TROUBLE.reply());
        };
        context.site.plugins.ensure(&domain).await;
        if context.site.plugins.is_broken(id) {
            return Flow::Answer(
                words::PLUGIN_TROUBLE.reply_with(&[("domain", domain.name.as_str())]),
            );
        }
        let hooks = DomainHooks::begin(context.site, context.transaction, &domain);
        context.transaction.hooks.insert(id, hooks);
    }
    if matches!(
        context.transaction.sender,
        Sender::Authenticated(_) | Sender::Internal
    ) {
        return Flow::Next(String::new());
    }
    let own = group_of(context);
    let fits = context
        .transaction
        .group
        .as_ref()
        .is_none_or(|group| *group == own || (group.is_free() && own.is_free()));
    if fits {
        return Flow::Next(String::new());
    }
    let address = context
        .address()
        .map(|address| address.to_string())
        .unwrap_or_default();
    Flow::Answer(words::NEXT_TRANSACTION.reply_with(&[("address", &address)]))
}

/// The decision group of the recipient; nobody's where no domain of ours is concerned.
pub(super) fn group_of(context: &RecipientContext<'_>) -> DecisionGroup {
    let hooks = context
        .domain()
        .and_then(|domain| context.transaction.hooks.get(&domain.id));
    hooks.map(|hooks| hooks.group().clone()).unwrap_or_default()
}

/// The domains whose hooks look at this recipient: its own, and that of the person who submits.
pub(super) fn concerned(context: &RecipientContext<'_>) -> Vec<DomainId> {
    let own = context.domain().map(|domain| domain.id);
    let submitter = context
        .transaction
        .submitter
        .as_ref()
        .map(|(tenant, _)| tenant.domain());
    own.into_iter()
        .chain(submitter.filter(|id| Some(*id) != own))
        .collect()
}
