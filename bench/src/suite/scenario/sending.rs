//! Scenarios that send.

use anyhow::ensure;

use super::super::people::{self, PASSWORD};
use super::super::postroom::Postroom;
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
    let outcome = accept_load::run(&Accept {
        sending: sending(target, people),
        connections,
        messages: usize::MAX,
        seconds: Some(seconds),
        recipients: 1,
        pid: target.pids.clone(),
    })
    .await?;
    // A server that refuses is fast, and no figure.
    ensure!(
        outcome.messages > 0,
        "{} took no message: {}",
        target.name,
        outcome.first_error.as_deref().unwrap_or("no reason")
    );
    Ok(outcome)
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
        let mut runs: Vec<Runs> = targets
            .iter()
            .map(|target| Runs::new(target.name))
            .collect();
        for _ in 0..bench.rounds() {
            for (target, runs) in targets.iter().zip(&mut runs) {
                runs.push(accept_run(target, &people, connections, bench.seconds()).await?);
            }
        }
        let plural = if connections == 1 { "" } else { "s" };
        text.push_str(&format!("### {connections} connection{plural}\n\n"));
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
/// Rules about sizes and addresses; `data` looks at size and subject.
const ADDRESSES: &str = r#"{"max_size": 20000000, "denied_senders": ["@spam.test", ".bad.test"], "denied_recipients": ["all@"]}"#;
/// With these `data` reads the whole text.
const WORDS: &str = r#"{"max_size": 20000000, "denied_senders": ["@spam.test", ".bad.test"], "denied_recipients": ["all@"], "refused_words": ["cheap pills"]}"#;

/// A domain with the policy in one way.
struct Bound {
    domain: &'static str,
    label: &'static str,
    rules: Option<&'static str>,
    reuse: bool,
}

const WAYS: [Bound; 4] = [
    Bound {
        domain: "plain.bench.test",
        label: "no plugin",
        rules: None,
        reuse: false,
    },
    Bound {
        domain: "reused.bench.test",
        label: "reused instances",
        rules: Some(ADDRESSES),
        reuse: true,
    },
    Bound {
        domain: "fresh.bench.test",
        label: "fresh instances",
        rules: Some(ADDRESSES),
        reuse: false,
    },
    Bound {
        domain: "words.bench.test",
        label: "reused instances that search the whole text",
        rules: Some(WORDS),
        reuse: true,
    },
];

impl Bound {
    fn people(&self) -> Vec<String> {
        (1..=4).map(|n| format!("pat{n}@{}", self.domain)).collect()
    }

    fn set_up(&self, postroom: &Postroom) -> anyhow::Result<()> {
        postroom.add(&self.people())?;
        let Some(rules) = self.rules else {
            return Ok(());
        };
        let mut bind = vec!["plugin", "bind", self.domain, POLICY, "--config", rules];
        if self.reuse {
            bind.push("--reuse");
        }
        postroom.command(&bind)?;
        postroom.command(&["plugin", "deploy", self.domain])?;
        Ok(())
    }
}

pub(super) async fn plugin(bench: &Bench<'_>) -> anyhow::Result<String> {
    let target = bench.postroom.target()?;
    let mut runs: Vec<Runs> = WAYS.iter().map(|way| Runs::new(way.label)).collect();
    WAYS.iter().try_for_each(|way| way.set_up(bench.postroom))?;
    for _ in 0..bench.rounds() {
        for (way, runs) in WAYS.iter().zip(&mut runs) {
            runs.push(accept_run(&target, &way.people(), MANY, bench.seconds()).await?);
        }
    }
    Ok(format!(
        "As above at {MANY} connections, to four people of one domain. `{POLICY}` has the hooks `mail`, `rcpt` and `data`, with rules for size, senders and recipients; in the last row also for words.\n\n{}",
        compared_to_first(&runs)
    ))
}

/// The table, and each other row's ratio to the first one.
fn compared_to_first(runs: &[Runs]) -> String {
    let mut text = table(&runs.iter().collect::<Vec<_>>());
    if let Some((first, others)) = runs.split_first() {
        for other in others {
            text.push_str(&ratio(other, first, None));
        }
    }
    text
}
