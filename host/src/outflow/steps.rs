//! The lists of an attempt.

use std::future::Future;
use std::pin::Pin;

use mail::{Outcome, words};
use store::{Quota, Work};
use tokio::time::{Instant, timeout_at};

use super::ATTEMPT;
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
    /// The row becomes other rows: what the message way says now, within the domain's limit.
    Continue(Vec<store::Action>, Quota),
}

type StepFuture<'a> = Pin<Box<dyn Future<Output = Progress> + Send + 'a>>;
type Run = for<'a, 'b> fn(&'a mut Attempt<'b>) -> StepFuture<'a>;

/// What happens to each row that is due, in order; the first end ends it. Rows that none of them
/// ends go to another server, together.
const EACH: &[(&str, Run)] = &[
    ("home", |attempt| Box::pin(home::run(attempt))),
    ("standing", |attempt| Box::pin(standing::run(attempt))),
    ("expiry", |attempt| Box::pin(expiry::run(attempt))),
    ("route", |attempt| Box::pin(reroute::run(attempt))),
    ("option", |attempt| Box::pin(option::run(attempt))),
];

/// Runs the list for each row of a group, then the last step for all that are left. The name is
/// the step that ended the row.
pub(super) async fn run(group: &mut [Attempt<'_>]) -> Vec<(&'static str, Progress)> {
    let mut ends: Vec<Option<(&'static str, Progress)>> = Vec::with_capacity(group.len());
    for attempt in group.iter_mut() {
        ends.push(each(attempt).await);
    }
    let mut left: Vec<&mut Attempt<'_>> = group
        .iter_mut()
        .zip(&ends)
        .filter_map(|(attempt, end)| end.is_none().then_some(attempt))
        .collect();
    let mut outcomes = Vec::new();
    if !left.is_empty() {
        outcomes = remote::run(&mut left).await;
    }
    let mut outcomes = outcomes.into_iter();
    let end = |end: Option<_>| {
        end.unwrap_or_else(|| {
            let outcome = outcomes.next().unwrap_or(Outcome::NotMine);
            ("remote", Progress::Ended(outcome))
        })
    };
    ends.into_iter().map(end).collect()
}

/// What an attempt does, until its time is over: then it is made again later.
pub(super) async fn bounded<T>(
    deadline: Instant,
    work: impl Future<Output = T>,
) -> Result<T, Box<Outcome>> {
    let done = timeout_at(deadline, work).await;
    done.map_err(|_| Box::new(words::ATTEMPT_TOO_LONG.outcome_with(&[])))
}

async fn each(attempt: &mut Attempt<'_>) -> Option<(&'static str, Progress)> {
    let is_remote = matches!(attempt.lease.row.work, Work::Remote { .. });
    let site = attempt.site;
    let deadline = Instant::now() + ATTEMPT;
    let _place = match is_remote {
        true => None,
        false => site.places.option().await,
    };
    for (name, step) in EACH {
        match bounded(deadline, step(attempt)).await {
            Ok(Progress::Next) => {}
            Ok(ended) => return Some((name, ended)),
            Err(outcome) => return Some((name, Progress::Ended(*outcome))),
        }
    }
    (!is_remote).then(|| {
        let outcome = words::MESSAGE_READ_FAILED.outcome_with(&[]);
        ("end", Progress::Ended(outcome))
    })
}
