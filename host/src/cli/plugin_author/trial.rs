//! `postroom plugin test`: a component against mail files, without a server.
//!
//! The runtime is the server's own, with its limits; what a plugin reads is empty, and what it
//! wants to happen is shown and not done.

use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use mail::{Direction, Domain, DomainId, Mailbox, ReversePath, Tenant, Timestamp};
use plugin::{
    BindingSpec, Capabilities, ChainSpec, CircuitNotice, DeliverInput, Effect, Grants, Hook,
    HookReport, Installed, LogLine, Notes, ProgramEnd, ProgramRefusal, ProgramRun, Runtime,
    SessionFacts, Unavailable, Waiting,
};

const SMALL: &[u8] = b"From: sender@example.org\r\nTo: recipient@example.net\r\nSubject: A small message\r\n\r\nHello.\r\n";

pub(super) fn run(
    component: &PathBuf,
    messages: &[PathBuf],
    from: &str,
    to: &str,
    config: &str,
) -> anyhow::Result<()> {
    let bytes =
        std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    let trial = Trial {
        component: bytes.into(),
        from: if from.is_empty() {
            ReversePath::Null
        } else {
            ReversePath::Mailbox(Mailbox::parse(from)?)
        },
        to: Mailbox::parse(to)?,
        config: serde_json::from_str(config).context("--config is not JSON")?,
    };
    let mut mails = Vec::new();
    for path in messages {
        let text =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        mails.push((path.display().to_string(), with_crlf(&text)));
    }
    if mails.is_empty() {
        mails.push(("a small message".to_owned(), Bytes::from_static(SMALL)));
    }
    let runtime = Runtime::new(plugin::Config::default(), Arc::new(Nothing))?;
    // The author commands run inside the program's own runtime, which must not be blocked.
    let failed = tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(trial.all(&runtime, &mails))
    })?;
    if failed > 0 {
        bail!("{failed} calls failed")
    } else {
        Ok(())
    }
}

struct Trial {
    component: Bytes,
    from: ReversePath,
    to: Mailbox,
    config: serde_json::Value,
}

impl Trial {
    async fn all(&self, runtime: &Runtime, mails: &[(String, Bytes)]) -> anyhow::Result<usize> {
        let installed = runtime.install(self.component.clone()).await?;
        let manifest = &installed.manifest;
        let hooks: Vec<_> = installed.hooks.iter().map(|hook| hook.name()).collect();
        println!(
            "{}@{}: hooks {}",
            manifest.name,
            manifest.version,
            hooks.join(", ")
        );
        println!("imports: {}", installed.imports.join(", "));
        if !installed.inert.is_empty() {
            println!(
                "inert (nothing is behind them): {}",
                installed.inert.join(", ")
            );
        }
        let tenant = trial_tenant();
        runtime.publish(tenant, self.chain(&installed)).await?;
        let mut failed = 0;
        for (name, mail) in mails {
            println!("\n{name} ({} bytes)", mail.len());
            failed += self.policy(runtime, tenant, mail).await;
            if installed.hooks.contains(&Hook::Deliver) {
                failed += self.delivery(runtime, tenant, &installed, mail).await;
            }
        }
        Ok(failed)
    }

    fn chain(&self, installed: &Installed) -> ChainSpec {
        let manifest = &installed.manifest;
        let binding = BindingSpec {
            id: manifest.name.clone(),
            plugin: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: installed.digest,
            level: plugin::Level::Domain,
            order: 50,
            config: self.config.clone(),
            grants: Grants::everything(),
            on_failure: plugin::FailurePolicy::Tempfail,
            reuse: false,
            directions: vec![Direction::Inbound],
            option: None,
            limits: plugin::LimitWishes::default(),
        };
        ChainSpec {
            generation: 1,
            bindings: vec![binding],
            score_quarantine: None,
            score_reject: None,
        }
    }

    async fn policy(&self, runtime: &Runtime, tenant: Tenant, mail: &Bytes) -> usize {
        let mut transaction = runtime.begin(tenant, self.facts(mail));
        let mut failed = show("rcpt", &transaction.rcpt(&self.to).await);
        failed += show(
            "data",
            &transaction.data(Arc::new(mail.clone()), Vec::new()).await,
        );
        failed
    }

    async fn delivery(
        &self,
        runtime: &Runtime,
        tenant: Tenant,
        installed: &Installed,
        mail: &Bytes,
    ) -> usize {
        let input = DeliverInput {
            domain: self.to.domain().clone(),
            aliases: Vec::new(),
            option: installed.manifest.name.clone(),
            direction: Direction::Inbound,
            reverse_path: self.from.clone(),
            recipient: self.to.clone(),
            settings: [("mail".to_owned(), vec![self.to.to_string()])].into(),
            attempt: 1,
            delivery_id: "trial".to_owned(),
            envelope: None,
            message: Arc::new(mail.clone()),
            auth_results: Vec::new(),
            notes: Notes::default(),
        };
        let chain = runtime.pin(tenant);
        let report = runtime.deliver(&chain, input).await;
        println!("  deliver: {:?}", report.outcome);
        effects(&report.effects);
        usize::from(report.call.is_some_and(|call| call.answer.is_err()))
    }

    fn facts(&self, mail: &Bytes) -> SessionFacts {
        SessionFacts {
            domain: self.to.domain().clone(),
            aliases: Vec::new(),
            direction: Direction::Inbound,
            peer: Some(std::net::IpAddr::from([192, 0, 2, 1])),
            encrypted: true,
            authenticated: None,
            helo: Domain::parse("client.example")
                .map_or_else(|_| String::new(), |name| name.to_string()),
            reverse_path: self.from.clone(),
            declared_size: Some(mail.len() as u64),
            envelope: None,
        }
    }
}

/// A domain for the trial alone: nothing outside this process knows it.
fn trial_tenant() -> Tenant {
    directory::trial_tenant(DomainId(1))
}

fn show(point: &str, report: &HookReport) -> usize {
    for call in &report.calls {
        match &call.answer {
            Ok(answer) => println!("  {}: {answer:?} ({} µs)", call.hook, call.wall.as_micros()),
            Err(failure) => println!("  {}: FAILED: {failure}", call.hook),
        }
        for sentence in &call.explanations {
            println!("    {sentence}");
        }
    }
    if !report.calls.is_empty() {
        println!("  after {point}: {}", report.verdict.name());
    }
    effects(&report.effects);
    report
        .calls
        .iter()
        .filter(|call| call.answer.is_err())
        .count()
}

fn effects(effects: &[Effect]) {
    for effect in effects {
        println!("    would: {effect:?}");
    }
}

/// Mail files on disk often end lines with LF.
fn with_crlf(text: &[u8]) -> Bytes {
    let mut mail = Vec::with_capacity(text.len() + text.len() / 40);
    let mut before = 0;
    for &byte in text {
        if byte == b'\n' && before != b'\r' {
            mail.push(b'\r');
        }
        mail.push(byte);
        before = byte;
    }
    mail.into()
}

/// A host that has nothing.
struct Nothing;

impl Capabilities for Nothing {
    fn now(&self) -> Timestamp {
        crate::site::now()
    }

    fn kv_read<'a>(
        &'a self,
        _tenant: Tenant,
        _plugin: &'a str,
        _key: &'a str,
    ) -> Waiting<'a, Result<Option<Vec<u8>>, Unavailable>> {
        Box::pin(ready(Ok(None)))
    }

    fn mailbox_accepts<'a>(
        &'a self,
        _tenant: Tenant,
        _recipient: &'a Mailbox,
        _mailbox: &'a str,
    ) -> Waiting<'a, Result<bool, Unavailable>> {
        Box::pin(ready(Ok(true)))
    }

    fn has_file(&self, _tenant: Tenant, _label: &str) -> bool {
        true
    }

    fn run_program<'a>(
        &'a self,
        _tenant: Tenant,
        run: ProgramRun,
    ) -> Waiting<'a, Result<ProgramEnd, ProgramRefusal>> {
        println!("    would run: {}", run.label);
        Box::pin(ready(Ok(ProgramEnd {
            exit_code: Some(0),
            timed_out: false,
            output: Vec::new(),
        })))
    }

    fn circuit(&self, _tenant: Tenant, notice: CircuitNotice) {
        println!("    circuit: {:?}", notice.change);
    }

    fn log(&self, _tenant: Tenant, line: LogLine<'_>) {
        println!("    log {:?}: {}", line.level, line.text);
    }
}
