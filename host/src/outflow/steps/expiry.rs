//! Step `expiry`: mail that has waited for its whole queue life is given up.

use mail::{Outcome, words};

use super::Progress;
use crate::outflow::attempt::Attempt;

pub(super) async fn run(attempt: &mut Attempt<'_>) -> Progress {
    let row = &attempt.lease.row;
    if attempt.lease.expired {
        // Quarantined, or a report that could not be delivered: nobody is told (L06).
        let text = "it was kept aside for its whole time".to_owned();
        return Progress::Ended(Outcome::Done { text });
    }
    if attempt.now < row.expires {
        return Progress::Next;
    }
    let days = (attempt.now.seconds() - row.created.seconds()) / (24 * 3600);
    let reason = row.last.as_ref().map_or("none", |(_, text)| text.as_str());
    Progress::Ended(
        words::QUEUE_EXPIRED.outcome_with(&[("days", &days.to_string()), ("reason", reason)]),
    )
}
