//! Step `route`: a row that could not be routed before takes the message way again.

use mail::{ForwardPath, Outcome};
use routing::{Answers, Decision, DnsAnswer, Request, Sender, Target, Way, route};
use store::{QueueRow, Work};

use super::Progress;
use crate::intake::internal::outcome;
use crate::intake::{STAGE_ROUTE, actions_for};
use crate::outflow::attempt::Attempt;
use crate::outflow::effects;

/// Is the target the recipient of the row itself? Only then can it go on in the row's place.
fn is_own(row: &QueueRow, target: &Target) -> bool {
    match target {
        Target::Mailbox {
            domain, address, ..
        }
        | Target::Option {
            domain, address, ..
        } => *domain == row.domain && *address == row.address,
        Target::Remote { address, .. } => *address == row.address,
        Target::Refused { .. } => false,
    }
}

pub(super) async fn run(attempt: &mut Attempt<'_>) -> Progress {
    if !matches!(&attempt.lease.row.work, Work::Process { stage, .. } if stage == STAGE_ROUTE) {
        return Progress::Next;
    }
    let recipient = ForwardPath::Mailbox(attempt.lease.row.address.clone());
    let request = Request {
        recipient,
        sender: Sender::Internal,
    };
    let table = attempt.site.directory.table();
    let settings = attempt.site.settings();
    let mut answers = Answers::default();
    let routed = loop {
        let way = route(&request, &settings.routing, &*table, &answers);
        if table.complete().await {
            continue;
        }
        match way {
            // The channel asks DNS at its own attempt.
            Way::NeedsDns(domain) => answers.dns(domain, DnsAnswer::Temporary),
            Way::NeedsResolve(address) => answers.resolved(&address, Vec::new()),
            Way::Decided(routed) => break routed,
        }
    };
    match routed.decision.clone() {
        Decision::Refuse(reply) => Progress::Ended(outcome(&reply)),
        Decision::Accept { targets, .. } => {
            if let [Target::Refused { reply, .. }] = targets.as_slice() {
                return Progress::Ended(outcome(&reply.0));
            }
            if !targets
                .iter()
                .all(|target| is_own(&attempt.lease.row, target))
            {
                return match effects::split(attempt, routed, targets).await {
                    Ok(()) => Progress::Ended(Outcome::Done {
                        text: "to those that the recipient stands for".to_owned(),
                    }),
                    Err(outcome) => Progress::Ended(*outcome),
                };
            }
            let actions = targets
                .iter()
                .flat_map(|target| actions_for(attempt.site, target, None, attempt.now));
            Progress::Continue(actions.collect())
        }
    }
}
