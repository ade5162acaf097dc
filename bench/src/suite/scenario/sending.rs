//! Scenarios that send.

use super::super::people::{self, PASSWORD};
use super::super::rounds::{Runs, Target};
use super::super::table::{ratio, table};
use super::Bench;
use crate::arguments::{Accept, Deliver, Sending};
use crate::load::{Outcome, accept as accept_load, deliver as deliver_load};

/// Bytes of a message.
const SIZE: usize = 10 * 1024;
/// Connections at once.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Where the plugin is looked at.
const MANY: usize = 64;
/// Messages until they are seen by IMAP.
const DELIVERED: usize = 2000;

/// A run of `accept` with nothing but its people and connections to choose.
pub(super) async fn accept_run(
    target: &Target,
    people: &[String],
    connections: usize,
    seconds: f64,
) -> anyhow::Result<Outcome> {
    target.settle().await?;
    accept_load::run(&Accept {
        sending: sending(target, people),
        connections,
        messages: usize::MAX,
        seconds: Some(seconds),
        recipients: 1,
        pid: target.pids.clone(),
    })
    .await
}

fn sending(target: &Target, people: &[String]) -> Sending {
    Sending {
        smtp: target.smtp,
        to: people.to_vec(),
        size: SIZE,
    }
}

pub(super) async fn accept(bench: &Bench<'_>) -> anyhow::Result<String> {
    let people = people::accept();
    let mut text = format!(
        "Messages of {} KiB to one recipient each, over {} domains; PIPELINING; latency from the final dot to 250. Postroom has the message in the mailbox then; Postfix delivers it to Dovecot by LMTP beside, or holds it.\n\n",
        SIZE / 1024,
        people.len()
    );
    let mut targets = bench.targets()?;
    if let Ok(peers) = bench.peers {
        targets.push(peers.holding()?);
    }
    for connections in CONNECTIONS {
        let label = |target: &Target| format!("{}, {connections} connections", target.name);
        let mut runs: Vec<Runs> = targets
            .iter()
            .map(|target| Runs::new(label(target)))
            .collect();
        for _ in 0..bench.rounds() {
            for (target, runs) in targets.iter().zip(&mut runs) {
                runs.push(accept_run(target, &people, connections, bench.seconds()).await?);
            }
        }
        text.push_str(&compared(&runs, bench.why_no_peers()));
    }
    Ok(text)
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
    let messages = if bench.options.quick {
        DELIVERED / 4
    } else {
        DELIVERED
    };
    let targets = bench.targets()?;
    let mut runs: Vec<Runs> = targets
        .iter()
        .map(|target| Runs::new(target.name))
        .collect();
    for _ in 0..bench.rounds() {
        for (target, runs) in targets.iter().zip(&mut runs) {
            target.settle().await?;
            let options = Deliver {
                sending: sending(target, &people),
                imaps: target.imaps,
                password: PASSWORD.to_owned(),
                messages,
                pid: target.pids.clone(),
            };
            runs.push(deliver_load::run(&options).await?);
        }
    }
    Ok(format!(
        "{messages} messages of {} KiB to {} people in as many domains, one SMTP connection for each and one IMAP connection (TLS) that waits in IDLE; latency from MAIL until EXISTS says so.\n\n{}",
        SIZE / 1024,
        people.len(),
        compared(&runs, bench.why_no_peers())
    ))
}

/// The bundled policy plugin, whose hooks are `mail`, `rcpt` and `data`.
const POLICY: &str = "domain-policy";
const RULES: &str = r#"{"max_size": 20000000, "denied_senders": ["@spam.test", ".bad.test"], "denied_recipients": ["all@*"], "refused_words": ["cheap pills"]}"#;

pub(super) async fn plugin(bench: &Bench<'_>) -> anyhow::Result<String> {
    let ways = [
        ("plain", "no plugin"),
        ("reused", "reused instances"),
        ("fresh", "fresh instances"),
    ];
    let mut rows = Vec::new();
    for (name, label) in ways {
        let people: Vec<String> = (1..=4)
            .map(|n| format!("pat{n}@{name}.bench.test"))
            .collect();
        bench.postroom.add(&people)?;
        let domain = format!("{name}.bench.test");
        let bind = ["plugin", "bind", &domain, POLICY, "--config", RULES];
        match name {
            "fresh" => drop(bench.postroom.command(&bind)?),
            "reused" => drop(
                bench
                    .postroom
                    .command(&[&bind[..], &["--reuse"]].concat())?,
            ),
            _ => {}
        }
        if name != "plain" {
            bench.postroom.command(&["plugin", "deploy", &domain])?;
        }
        rows.push((people, Runs::new(label)));
    }
    let target = bench.postroom.target()?;
    for _ in 0..bench.rounds() {
        for (people, runs) in &mut rows {
            runs.push(accept_run(&target, people, MANY, bench.seconds()).await?);
        }
    }
    let runs: Vec<Runs> = rows.into_iter().map(|(_, runs)| runs).collect();
    let mut text = format!(
        "As above at {MANY} connections, to four people of one domain; `{POLICY}` has the hooks `mail`, `rcpt` and `data` and rules for size, senders, recipients and words, which it looks for in the whole text.\n\n{}",
        table(&runs.iter().collect::<Vec<_>>())
    );
    if let [plain, reused, fresh] = &runs[..] {
        text.push_str(&ratio(reused, plain, None));
        text.push_str(&ratio(fresh, plain, None));
    }
    Ok(text)
}
