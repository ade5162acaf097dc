//! Step `standing`: the state of the domain and of its mail counts for what is queued already
//! (`directory.md`): inactive stays queued, disabled and deleted become a report.

use mail::words;
use routing::{Level, Standing, State, standing};

use super::Progress;
use crate::intake::internal::outcome;
use crate::outflow::attempt::Attempt;

pub(super) async fn run(attempt: &mut Attempt<'_>) -> Progress {
    let Some(domain) = &attempt.domain else {
        return Progress::Next;
    };
    // Mail that goes out goes on, whatever became of the domain (`directory.md`, "Mail already
    // accepted from it goes out").
    if matches!(attempt.lease.row.work, store::Work::Remote { .. }) {
        return Progress::Next;
    }
    let levels = [
        (Level::Domain, domain.status),
        (Level::DomainMail, domain.mail_status),
    ];
    let address = attempt.lease.row.address.to_string();
    let values = [("address", address.as_str())];
    let reply = match standing(&levels) {
        Standing::Refusing(_, State::Inactive) => words::INACTIVE.reply_with(&values),
        Standing::Refusing(_, State::Disabled) => words::DISABLED.reply_with(&values),
        Standing::Refusing(..) => words::DELETED.reply_with(&values),
        Standing::Active | Standing::Hold(_) | Standing::Overquota(_) => return Progress::Next,
    };
    // Given up at the end of the queue life, like everything else.
    if !reply.code().is_permanent() && attempt.now >= attempt.lease.row.expires {
        return Progress::Next;
    }
    Progress::Ended(outcome(&reply))
}
