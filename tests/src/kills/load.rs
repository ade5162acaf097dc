//! The load: mail that comes in, mail that goes out, plugins that are deployed.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::shared::{Shared, Taken, locked};
use super::{MARK, Report};
use crate::Line;

pub(super) const VERSIONS: [&str; 2] = ["1.0.0", "2.0.0"];

/// Numbers that look random and are the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, use_number: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (use_number + 1) << 40 | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What became of one message.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) hash: String,
    pub(super) to: Vec<&'static str>,
    pub(super) is_acknowledged: bool,
    /// Attempts whose reply never came.
    pub(super) unanswered: u64,
}

fn message(id: &str, dice: &mut Dice) -> String {
    // Most are small; now and then one has a file of its own (beyond 256 KiB).
    let lines = match dice.below(60) {
        0 => 5000,
        _ => dice.below(200),
    };
    let mut text = format!("{MARK}{id}>\r\nSubject: {id}\r\n\r\n");
    for _ in 0..lines {
        text.push_str(&format!("{:064x}\r\n", u128::from(dice.below(u64::MAX))));
    }
    text
}

/// Sends until told to end; every acknowledgement is also said on `acknowledged`.
pub(super) fn send(
    shared: &Shared,
    sender: u64,
    acknowledged: &Sender<()>,
) -> HashMap<String, Fate> {
    let mut dice = Dice::new(shared.seed, sender);
    let mut fates = HashMap::new();
    let mut line: Option<Line> = None;
    for number in 0.. {
        let id = format!("m{sender}-{number}");
        let text = message(&id, &mut dice);
        let to = [
            &["ann@abc.test", "eve@def.test"][..],
            &["ann@abc.test", "pop@def.test"],
            &["pop@def.test"],
            &["ann@abc.test"],
        ][dice.below(4) as usize];
        let mut fate = Fate {
            hash: sha256(text.as_bytes()),
            to: to.to_vec(),
            ..Fate::default()
        };
        while !fate.is_acknowledged && !shared.ends() {
            let Some(open) = line.take().or_else(|| connect(shared)) else {
                std::thread::park_timeout(Duration::from_millis(2));
                continue;
            };
            let open = line.insert(open);
            match open.send("joe@example.org", to, &text).code {
                250 => {
                    fate.is_acknowledged = true;
                    shared.take(Taken {
                        id: id.clone(),
                        hash: fate.hash.clone(),
                        to: fate.to.clone(),
                    });
                    let _ = acknowledged.send(());
                }
                0 => {
                    fate.unanswered += 1;
                    line = None;
                }
                _ => line = None,
            }
        }
        fates.insert(id, fate);
        if shared.ends() {
            break;
        }
    }
    fates
}

fn connect(shared: &Shared) -> Option<Line> {
    let address = locked(&shared.ports).as_ref()?.mx;
    let mut line = Line::try_connect(address).ok()?;
    let is_open = line.reply().code == 220 && line.command("EHLO client.example").code == 250;
    is_open.then_some(line)
}

/// Local mail to a host elsewhere, by way of the queue.
pub(super) fn inject(shared: &Shared) -> HashMap<String, Fate> {
    let mut fates = HashMap::new();
    for number in 0.. {
        if !shared.is_up() {
            break;
        }
        let id = format!("q{number}@abc.test");
        let text = format!("{MARK}{id}>\nSubject: out\n\nhello\n");
        let ran = shared.command(
            &["sendmail", "-i", "-f", "ann@abc.test", "far@far.test"],
            text.as_bytes(),
        );
        let fate = Fate {
            is_acknowledged: ran.code == 0,
            unanswered: u64::from(ran.code != 0),
            ..Fate::default()
        };
        fates.insert(id, fate);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    fates
}

/// One version of a plugin after the other, in a domain without mail. What was deployed last runs
/// after each start; a deployment without an answer may have been made.
pub(super) fn deploy(shared: &Shared) -> Report {
    let mut report = Report::default();
    let mut may_run = vec![VERSIONS[0]];
    for number in 1.. {
        if !shared.is_up() {
            break;
        }
        let list = shared.command(&["--json", "plugin", "list", "plug.test"], b"");
        if list.code == 0 {
            let said = serde_json::from_str::<Value>(&list.out).unwrap_or_default();
            let running = said["running"].to_string();
            let runs: Vec<_> = VERSIONS
                .iter()
                .filter(|version| running.contains(**version))
                .collect();
            if runs.len() != 1 || !may_run.contains(runs[0]) {
                report.failures.push(format!(
                    "{runs:?} runs, and {may_run:?} was deployed: {}",
                    list.out
                ));
            }
            may_run = runs.into_iter().copied().collect();
            report.add("plugin deployments checked", 1);
        }
        let version = VERSIONS[number % 2];
        may_run.push(version);
        let plugin = format!("swap@{version}");
        if shared
            .command(&["plugin", "deploy", "plug.test", &plugin], b"")
            .code
            == 0
        {
            may_run = vec![version];
            report.add("plugin deployments acknowledged", 1);
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    report
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes);
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}
