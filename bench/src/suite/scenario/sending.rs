//! Scenarios that send.

use anyhow::ensure;

use super::super::people::{self, PASSWORD};
use super::super::rounds::{Runs, Target};
use super::super::table::{ratio, table};
use super::{Bench, Size};
use crate::arguments::{Accept, Deliver, Sending};
use crate::load::fill::by_smtp;
use crate::load::{Outcome, accept as accept_load, deliver as deliver_load};
use crate::message::Kind;

/// Bytes of a message where the size is not what is looked at.
pub(super) const SIZE: usize = 10 * 1024;
/// Connections where their number is not what is looked at.
pub(super) const MANY: usize = 64;
/// Messages until they are seen by IMAP.
const DELIVERED: usize = 2000;

/// A run of `accept` for some seconds with nothing but people, connections and size to choose.
pub(super) async fn accept_run(
    target: &Target,
    people: &[String],
    connections: usize,
    size: usize,
    seconds: f64,
) -> anyhow::Result<Outcome> {
    let options = Accept {
        connections,
        messages: usize::MAX,
        seconds: Some(seconds),
        ..accept_options(target, people, size)
    };
    accepted(target, &options).await
}

/// Sends until so many messages were taken.
pub(super) async fn fill(
    target: &Target,
    people: &[String],
    size: usize,
    messages: usize,
) -> anyhow::Result<Outcome> {
    let options = Accept {
        connections: MANY.min(messages.max(1)),
        messages,
        ..accept_options(target, people, size)
    };
    by_smtp(&options).await
}

/// What most runs have in common: one connection, one message.
pub(super) fn accept_options(target: &Target, people: &[String], size: usize) -> Accept {
    Accept {
        sending: sending(target, people, size),
        connections: 1,
        messages: 1,
        seconds: None,
        rate: None,
        recipients: 1,
        pid: target.pids.clone(),
    }
}

pub(super) async fn accepted(target: &Target, options: &Accept) -> anyhow::Result<Outcome> {
    target.settle().await?;
    let outcome = accept_load::run(options).await?;
    // A server that refuses is fast, and no figure.
    ensure!(
        outcome.messages > 0,
        "{} took no message: {}",
        target.name,
        outcome.first_error.as_deref().unwrap_or("no reason")
    );
    Ok(outcome)
}

/// A run of `deliver`.
pub(super) async fn deliver_run(
    target: &Target,
    people: &[String],
    messages: usize,
) -> anyhow::Result<Outcome> {
    target.settle().await?;
    let options = Deliver {
        sending: sending(target, people, SIZE),
        imaps: target.imaps,
        password: PASSWORD.to_owned(),
        messages,
        pid: target.pids.clone(),
    };
    deliver_load::run(&options).await
}

fn sending(target: &Target, people: &[String], size: usize) -> Sending {
    Sending {
        smtp: target.smtp,
        to: people.to_vec(),
        size,
        kind: Kind::Letters,
    }
}

/// How many connections a size is sent over.
fn connections(size: Size, is_quick: bool) -> &'static [usize] {
    match (is_quick, size) {
        (false, _) => &[1, 16, 64, 256],
        (true, Size::Kib10) => &[1, 16, 64],
        (true, Size::Mib5) => &[1, 16],
        (true, _) => &[1, 64],
    }
}

pub(super) async fn accept(bench: &Bench<'_>, size: Size) -> anyhow::Result<String> {
    let people = people::accept();
    let postroom = bench.postroom(&people).await?;
    let (targets, text) = match size {
        // Both ways to run the peers, once.
        Size::Kib10 => {
            let mut targets = bench.targets(&postroom)?;
            if let Ok(peers) = bench.peers {
                targets.push(peers.holding()?);
            }
            (
                targets,
                "Postroom has the message in the mailbox then; Postfix delivers it to Dovecot by LMTP beside, or holds it.",
            )
        }
        _ => {
            let mut targets = vec![postroom.target()];
            if let Ok(peers) = bench.peers {
                targets.push(peers.holding()?);
            }
            (
                targets,
                "Postroom has the message in the mailbox then; Postfix holds it.",
            )
        }
    };
    let rounds = match size {
        Size::Mib5 => bench.rounds().min(2),
        _ => bench.rounds(),
    };
    let seconds = match size {
        Size::Kib10 => bench.seconds(),
        _ => bench.seconds().min(2.0),
    };
    let mut page = format!(
        "Messages of {} KiB to one recipient each, over {} domains; PIPELINING; latency from the final dot to 250. {text}\n\n",
        size.bytes() / 1024,
        people.len()
    );
    for &connections in connections(size, bench.options.quick) {
        let mut runs = all_runs(&targets);
        for _ in 0..rounds {
            for (target, runs) in targets.iter().zip(&mut runs) {
                runs.take(accept_run(target, &people, connections, size.bytes(), seconds).await);
            }
        }
        let plural = if connections == 1 { "" } else { "s" };
        page.push_str(&format!("### {connections} connection{plural}\n\n"));
        page.push_str(&compared(&runs, bench.why_no_peers()));
    }
    Ok(page)
}

fn all_runs(targets: &[Target]) -> Vec<Runs> {
    targets
        .iter()
        .map(|target| Runs::new(target.name))
        .collect()
}

/// The table, and the first row's ratio to each other one.
pub(super) fn compared(runs: &[Runs], missing: Option<&str>) -> String {
    let mut text = table(&runs.iter().collect::<Vec<_>>());
    let Some((own, others)) = runs.split_first() else {
        return text;
    };
    for other in others {
        text.push_str(&ratio(own, other, None));
    }
    if let Some(reason) = missing {
        text.push_str(&ratio(own, &Runs::new("Postfix and Dovecot"), Some(reason)));
    }
    text.push('\n');
    text
}

pub(super) async fn deliver(bench: &Bench<'_>) -> anyhow::Result<String> {
    let people = people::deliver();
    let postroom = bench.postroom(&people).await?;
    let messages = if bench.options.quick {
        DELIVERED / 4
    } else {
        DELIVERED
    };
    let targets = bench.targets(&postroom)?;
    let mut runs = all_runs(&targets);
    for _ in 0..bench.rounds() {
        for (target, runs) in targets.iter().zip(&mut runs) {
            runs.take(deliver_run(target, &people, messages).await);
        }
    }
    Ok(format!(
        "{messages} messages of {} KiB to {} people in as many domains, one SMTP connection for each and one IMAP connection (TLS) that waits in IDLE; latency from MAIL until EXISTS says so.\n\n{}",
        SIZE / 1024,
        people.len(),
        compared(&runs, bench.why_no_peers())
    ))
}
