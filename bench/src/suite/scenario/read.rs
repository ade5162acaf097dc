//! Scenarios that read.

use super::super::people::{self, PASSWORD};
use super::super::rounds::Runs;
use super::Bench;
use super::sending::compared;
use crate::arguments::{Drain, Fetch};
use crate::load::{drain as drain_load, fetch as fetch_load};

/// Bytes of a message.
const SIZE: usize = 10 * 1024;
/// Messages of the mailbox that is fetched.
const MAILBOX: usize = 2000;
/// Messages of each maildrop.
const MAILDROP: usize = 500;

pub(super) async fn fetch(bench: &Bench<'_>) -> anyhow::Result<String> {
    let messages = if bench.options.quick {
        MAILBOX / 4
    } else {
        MAILBOX
    };
    let postroom = bench.postroom(&[people::fetch()]).await?;
    let targets = bench.targets(&postroom)?;
    // One list of runs for each kind of FETCH, in each one for each server.
    let of_one = || {
        targets
            .iter()
            .map(|target| Runs::new(target.name))
            .collect()
    };
    let mut kinds: Vec<Vec<Runs>> = fetch_load::KINDS.iter().map(|_| of_one()).collect();
    for _ in 0..bench.rounds() {
        for (index, target) in targets.iter().enumerate() {
            let options = Fetch {
                imaps: target.imaps,
                user: people::fetch(),
                password: PASSWORD.to_owned(),
                messages,
                size: SIZE,
                seconds: bench.seconds() / 3.0,
                pid: target.pids.clone(),
            };
            let outcomes = fetch_load::run(&options).await?;
            for (runs, outcome) in kinds.iter_mut().zip(outcomes) {
                runs[index].push(outcome);
            }
        }
    }
    let mut text = format!(
        "A mailbox of {messages} messages of {} KiB, all of it fetched again and again by one connection (TLS); latency of one such FETCH. The first one is not counted.\n\n",
        SIZE / 1024
    );
    for (runs, (what, command)) in kinds.iter().zip(fetch_load::KINDS) {
        text.push_str(&format!("### {what}: `{command}`\n\n"));
        text.push_str(&compared(runs, bench.why_no_peers()));
    }
    Ok(text)
}

pub(super) async fn drain(bench: &Bench<'_>) -> anyhow::Result<String> {
    let messages = if bench.options.quick {
        MAILDROP / 5
    } else {
        MAILDROP
    };
    let postroom = bench.postroom(&people::drain()).await?;
    let targets = bench.targets(&postroom)?;
    let mut runs: Vec<Runs> = targets
        .iter()
        .map(|target| Runs::new(target.name))
        .collect();
    for _ in 0..bench.rounds() {
        for (target, runs) in targets.iter().zip(&mut runs) {
            let options = Drain {
                imaps: target.imaps,
                pop3s: target.pop3s,
                user: people::drain(),
                password: PASSWORD.to_owned(),
                messages,
                size: SIZE,
                pid: target.pids.clone(),
            };
            runs.take(drain_load::run(&options).await);
        }
    }
    Ok(format!(
        "{} people with {messages} messages of {} KiB each, one connection (TLS) for each: RETR and DELE for every message, then QUIT; latency of one RETR with its DELE.\n\n{}",
        people::drain().len(),
        SIZE / 1024,
        compared(&runs, bench.why_no_peers())
    ))
}
