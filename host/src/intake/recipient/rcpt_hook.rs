//! Step `rcpt-hook`: the plugins of the recipient's domain, and of the submitting person's, about
//! this recipient. Before a domain's first recipient its `connect`, `ehlo` and `mail` are asked;
//! a refusal refuses that domain's recipients only.

use super::super::context::{Flow, RecipientContext};
use super::group::concerned;

pub(crate) async fn run(context: &mut RecipientContext<'_>) -> Flow {
    let Some(address) = context.address() else {
        return Flow::Next(String::new());
    };
    for id in concerned(context) {
        let Some(hooks) = context.transaction.hooks.get_mut(&id) else {
            continue;
        };
        let mut ruling = hooks.rcpt(context.site, &address).await;
        context.sentences.append(&mut ruling.sentences);
        if let Some(reply) = &ruling.refusal {
            return Flow::Answer(reply.clone());
        }
        context.fate.add(&ruling);
    }
    Flow::Next(String::new())
}
