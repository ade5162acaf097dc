//! The list of an attempt.

use std::future::Future;
use std::pin::Pin;

use mail::Outcome;

use super::attempt::Attempt;

mod expiry;
mod home;
mod option;
mod remote;
mod reroute;
mod standing;

/// What a step says.
pub(super) enum Progress {
    /// Go on.
    Next,
    /// The attempt ended so.
    Ended(Outcome),
    /// The row becomes other rows: what the message way says now.
    Continue(Vec<store::Action>),
}

type StepFuture<'a> = Pin<Box<dyn Future<Output = Progress> + Send + 'a>>;
type Run = for<'a, 'b> fn(&'a mut Attempt<'b>) -> StepFuture<'a>;

/// What happens to a row that is due, in order; the first end ends it.
const ATTEMPT: &[(&str, Run)] = &[
    ("home", |attempt| Box::pin(home::run(attempt))),
    ("standing", |attempt| Box::pin(standing::run(attempt))),
    ("expiry", |attempt| Box::pin(expiry::run(attempt))),
    ("route", |attempt| Box::pin(reroute::run(attempt))),
    ("option", |attempt| Box::pin(option::run(attempt))),
    ("remote", |attempt| Box::pin(remote::run(attempt))),
];

/// Runs the list. The name is the step that ended it.
pub(super) async fn run(attempt: &mut Attempt<'_>) -> (&'static str, Progress) {
    for (name, step) in ATTEMPT {
        match step(attempt).await {
            Progress::Next => {}
            ended => return (name, ended),
        }
    }
    (
        "end",
        Progress::Ended(mail::words::MESSAGE_READ_FAILED.outcome_with(&[])),
    )
}
