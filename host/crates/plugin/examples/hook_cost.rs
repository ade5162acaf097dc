//! What the hooks of a policy plugin cost, without a server around them.
//!
//! ```text
//! cargo xtask plugins
//! cargo run --release -p plugin --example hook_cost -- target/plugins/domain-policy.wasm [CONFIG] [OPEN] [ROUNDS]
//! ```
//!
//! OPEN transactions of one domain are held at once, as a server with so many connections does: each
//! asks about one recipient and about one message of 10 KiB. It prints the processor time of a
//! transaction, and the median and the 99th percentile of one call, with reused and with fresh
//! instances; `no plugin` is what this loop costs by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use mail::{Direction, Domain, DomainId, EnvelopeId, Mailbox, ReversePath, Tenant, Timestamp};
use plugin::{
    BindingSpec, Capabilities, ChainSpec, CircuitNotice, Config, FailurePolicy, Grants, Hook,
    HookReport, Installed, Level, LimitWishes, LogLine, ProgramEnd, ProgramRefusal, ProgramRun,
    Runtime, SessionFacts, Unavailable, Verdict, Waiting,
};
use rustix::time::{ClockId, clock_gettime};

/// Rules about size and addresses, as in `cargo xtask bench plugin`.
const RULES: &str = r#"{"max_size": 20000000, "denied_senders": ["@spam.test", ".bad.test"], "denied_recipients": ["all@"]}"#;
/// Bytes of the message.
const SIZE: usize = 10 * 1024;
const DOMAIN: Tenant = Tenant::vouch(DomainId(1));

/// A host without anything.
struct Nothing;

impl Capabilities for Nothing {
    fn now(&self) -> Timestamp {
        Timestamp(1_767_225_600_000)
    }

    fn kv_read<'a>(
        &'a self,
        _: Tenant,
        _: &'a str,
        _: &'a str,
    ) -> Waiting<'a, Result<Option<Vec<u8>>, Unavailable>> {
        Box::pin(async { Ok(None) })
    }

    fn mailbox_accepts<'a>(
        &'a self,
        _: Tenant,
        _: &'a Mailbox,
        _: &'a str,
    ) -> Waiting<'a, Result<bool, Unavailable>> {
        Box::pin(async { Ok(false) })
    }

    fn has_file(&self, _: Tenant, _: &str) -> bool {
        false
    }

    fn run_program<'a>(
        &'a self,
        _: Tenant,
        _: ProgramRun,
    ) -> Waiting<'a, Result<ProgramEnd, ProgramRefusal>> {
        Box::pin(async { Err(ProgramRefusal::Label) })
    }

    fn circuit(&self, _: Tenant, notice: CircuitNotice) {
        eprintln!("{notice:?}");
    }

    fn log(&self, _: Tenant, line: LogLine<'_>) {
        eprintln!("{line:?}");
    }
}

/// What the loop is made with.
struct Load {
    runtime: Runtime,
    installed: Installed,
    rules: serde_json::Value,
    open: usize,
    rounds: usize,
    facts: SessionFacts,
    recipient: Mailbox,
    message: Arc<Bytes>,
}

/// How the domain is bound.
#[derive(Clone, Copy)]
enum Way {
    NoPlugin,
    Reused,
    Fresh,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().context("which component?")?;
    let component = std::fs::read(&file).with_context(|| file.clone())?;
    let rules = arguments.next().unwrap_or_else(|| RULES.to_owned());
    let mut number = |usual: usize| {
        let given = arguments.next();
        given.map_or(Ok(usual), |text| text.parse().context(text))
    };
    let (open, rounds) = (number(64)?, number(200)?);
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    executor.block_on(async {
        let runtime = Runtime::new(Config::default(), Arc::new(Nothing))?;
        let load = Load {
            installed: runtime.install(component.into()).await?,
            runtime,
            rules: serde_json::from_str(&rules)?,
            open,
            rounds,
            facts: facts()?,
            recipient: Mailbox::parse("ann@abc.test")?,
            message: Arc::new(message()),
        };
        println!("{open} transactions at once, {rounds} rounds");
        for (label, way) in [
            ("no plugin", Way::NoPlugin),
            ("reused", Way::Reused),
            ("fresh", Way::Fresh),
        ] {
            load.bind(way).await?;
            // Once without counting: what is made at the first use is made.
            load.run(1).await?;
            println!("{label:<10} {}", load.run(load.rounds).await?);
        }
        Ok(())
    })
}

/// What was counted.
struct Counted {
    /// Of one transaction.
    cpu: Duration,
    /// Of each call, in the order of size.
    walls: BTreeMap<Hook, Vec<Duration>>,
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        write!(f, "{:6.1} µs", micros(self.cpu))?;
        for (hook, walls) in &self.walls {
            let at = |percent: usize| micros(walls[(walls.len() - 1) * percent / 100]);
            write!(f, "  {hook} p50 {:.1} p99 {:.1}", at(50), at(99))?;
        }
        Ok(())
    }
}

impl Load {
    async fn bind(&self, way: Way) -> anyhow::Result<()> {
        let binding = BindingSpec {
            id: "policy".to_owned(),
            plugin: self.installed.manifest.name.clone(),
            version: self.installed.manifest.version.clone(),
            digest: self.installed.digest,
            level: Level::Domain,
            order: 0,
            config: self.rules.clone(),
            grants: Grants::everything(),
            on_failure: FailurePolicy::Tempfail,
            reuse: matches!(way, Way::Reused),
            directions: vec![Direction::Inbound],
            option: None,
            limits: LimitWishes::default(),
        };
        let bindings = match way {
            Way::NoPlugin => Vec::new(),
            Way::Reused | Way::Fresh => vec![binding],
        };
        let spec = ChainSpec {
            generation: self.runtime.pin(DOMAIN).generation() + 1,
            bindings,
            score_quarantine: None,
            score_reject: None,
        };
        self.runtime.publish(DOMAIN, spec).await?;
        Ok(())
    }

    async fn run(&self, rounds: usize) -> anyhow::Result<Counted> {
        let mut walls: BTreeMap<Hook, Vec<Duration>> = BTreeMap::new();
        let mut count = |report: HookReport| {
            anyhow::ensure!(report.verdict == Verdict::Proceed, "{report:?}");
            for call in report.calls {
                walls.entry(call.hook).or_default().push(call.wall);
            }
            Ok(())
        };
        let before = process_cpu();
        for _ in 0..rounds {
            let begin = || self.runtime.begin(DOMAIN, self.facts.clone());
            let mut open: Vec<_> = (0..self.open).map(|_| begin()).collect();
            for transaction in &mut open {
                count(transaction.rcpt(&self.recipient).await)?;
            }
            for transaction in &mut open {
                let message = Arc::clone(&self.message);
                count(transaction.data(message, Vec::new()).await)?;
            }
        }
        let spent = process_cpu() - before;
        walls.values_mut().for_each(|walls| walls.sort_unstable());
        let transactions = u32::try_from(rounds * self.open)?;
        Ok(Counted {
            cpu: spent / transactions,
            walls,
        })
    }
}

fn facts() -> anyhow::Result<SessionFacts> {
    Ok(SessionFacts {
        domain: Domain::parse("abc.test")?,
        aliases: Vec::new(),
        direction: Direction::Inbound,
        peer: Some("192.0.2.7".parse()?),
        encrypted: false,
        authenticated: None,
        helo: "client.test".to_owned(),
        reverse_path: ReversePath::Mailbox(Mailbox::parse("joe@far.test")?),
        declared_size: Some(SIZE as u64),
        envelope: Some(EnvelopeId(9)),
    })
}

fn message() -> Bytes {
    let header = "From: Joe <joe@far.test>\r\nTo: Ann <ann@abc.test>\r\nSubject: The report of this week\r\nDate: Thu, 01 Jan 2026 10:00:00 +0000\r\nMessage-ID: <1@far.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
    let line = "A line of words that say nothing, so that there is something to carry.\r\n";
    let body = line.repeat((SIZE - header.len()) / line.len());
    [header.as_bytes(), body.as_bytes()].concat().into()
}

/// Of all threads: a call may move to those of the guests.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}
