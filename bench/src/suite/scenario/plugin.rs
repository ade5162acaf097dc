//! Mail through a policy plugin, in each way that a domain may have it.

use super::super::postroom::Postroom;
use super::super::rounds::Runs;
use super::super::table::{ratio, table};
use super::Bench;
use super::sending::{MANY, SIZE, accept_run};

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
    let postroom = bench.postroom(&[]).await?;
    let target = postroom.target();
    let mut runs: Vec<Runs> = WAYS.iter().map(|way| Runs::new(way.label)).collect();
    WAYS.iter().try_for_each(|way| way.set_up(&postroom))?;
    for _ in 0..bench.rounds() {
        for (way, runs) in WAYS.iter().zip(&mut runs) {
            runs.push(accept_run(&target, &way.people(), MANY, SIZE, bench.seconds()).await?);
        }
    }
    Ok(format!(
        "As above at {MANY} connections, to four people of one domain. `{POLICY}` has the hooks `mail`, `rcpt` and `data`, with rules for size, senders and recipients; in the last row also for words.\n\n{}",
        compared_to_first(&runs)
    ))
}

/// The table, and each other row's ratio to the first one.
pub(super) fn compared_to_first(runs: &[Runs]) -> String {
    let mut text = table(&runs.iter().collect::<Vec<_>>());
    if let Some((first, others)) = runs.split_first() {
        for other in others {
            text.push_str(&ratio(other, first, None));
        }
    }
    text
}
