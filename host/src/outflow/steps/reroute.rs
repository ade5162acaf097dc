//! Step `route`: a row that could not be routed before takes the message way again.

use mail::{ForwardPath, Mailbox, Outcome};
use routing::{Answers, Decision, DnsAnswer, Request, Sender, Target, Way, route};
use store::{Action, Owner, QueueRow, Quota, Work};

use super::Progress;
use crate::intake::internal::outcome;
use crate::intake::{
    Ledger, MAILBOX_ONLY, STAGE_ROUTE, Trust, actions_for, entering, over_quota, quotas_of,
};
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

/// Have the delivery options of the recipient rows of their own?
fn stands_for_mailbox(work: &Work) -> bool {
    matches!(work, Work::Process { context, .. } if context == MAILBOX_ONLY)
}

const fn is_mailbox(target: &Target) -> bool {
    matches!(target, Target::Mailbox { .. })
}

/// The postmaster can always be written to.
fn is_for_postmaster(row: &QueueRow) -> bool {
    row.address.localpart().is_postmaster() || row.original == "postmaster"
}

/// The first of the targets that has no room. A look ahead: the commit decides. They are all the recipient's own: the row waits
/// as a whole.
fn first_full<'t>(attempt: &Attempt<'_>, targets: &'t [Target]) -> Option<&'t Mailbox> {
    let row = &attempt.lease.row;
    if is_for_postmaster(row) {
        return None;
    }
    let mut ledger = Ledger::new(attempt.site, Trust::Numbers);
    targets.iter().find_map(|target| match target {
        Target::Mailbox {
            domain,
            person,
            address,
            ..
        } if !ledger.takes(*domain, *person, row.size) => Some(address),
        _ => None,
    })
}

pub(super) async fn run(attempt: &mut Attempt<'_>) -> Progress {
    let context = match &attempt.lease.row.work {
        Work::Process { stage, context } if stage == STAGE_ROUTE => context,
        _ => return Progress::Next,
    };
    if let Some(vouched) = entering(context) {
        let ended = effects::enter(attempt, vouched).await;
        return Progress::Ended(ended.unwrap_or_else(|outcome| *outcome));
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
        Decision::Accept { mut targets, .. } => {
            if stands_for_mailbox(&attempt.lease.row.work) && targets.iter().any(is_mailbox) {
                targets.retain(is_mailbox);
            }
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
            if let Some(full) = first_full(attempt, &targets) {
                return Progress::Ended(outcome(&over_quota(full)));
            }
            let actions = targets
                .iter()
                .flat_map(|target| actions_for(attempt.site, target, None, attempt.now));
            let mut actions: Vec<Action> = actions.collect();
            let row = &attempt.lease.row;
            if !is_for_postmaster(row) {
                let (_, of_domain) = quotas_of(attempt.site, row.domain, Owner::Domain);
                return Progress::Continue(actions, of_domain);
            }
            for action in &mut actions {
                if let Action::Mailbox { quota, .. } = action {
                    *quota = Quota::NONE;
                }
            }
            Progress::Continue(actions, Quota::NONE)
        }
    }
}
