//! Step `home`: the domain that the row belongs to, as the directory has it now.

use directory::LookupError;
use mail::words;

use super::Progress;
use crate::intake::internal::outcome;
use crate::outflow::attempt::Attempt;

pub(super) async fn run(attempt: &mut Attempt<'_>) -> Progress {
    let row = &attempt.lease.row;
    match attempt.site.directory.domain_by_id(row.domain).await {
        Ok(domain) => {
            attempt.site.plugins.ensure(&domain).await;
            attempt.domain = Some(domain);
        }
        Err(LookupError::NotFound(_)) => {}
        Err(LookupError::Temporary(cause)) => {
            tracing::warn!(row = %row.id, cause, "an attempt without its domain");
            // Mail that goes out needs nothing of the domain, and what is too old is given up
            // whether the directory answers or not.
            let needs_none = matches!(row.work, store::Work::Remote { .. });
            if !needs_none && attempt.now < row.expires && !attempt.lease.expired {
                return Progress::Ended(unavailable(attempt));
            }
        }
    }
    Progress::Next
}

/// Tried again: what the directory cannot say now is never taken for "there is none".
pub(super) fn unavailable(attempt: &Attempt<'_>) -> mail::Outcome {
    let address = attempt.lease.row.address.to_string();
    outcome(&words::DIRECTORY_UNAVAILABLE.reply_with(&[("address", &address)]))
}
