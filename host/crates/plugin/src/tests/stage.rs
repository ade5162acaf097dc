//! What the tests stand on: a host in memory, a chain, a transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mail::{Direction, Domain, DomainId, EnvelopeId, Mailbox, ReversePath, Tenant, Timestamp};
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

use crate::{
    BindingSpec, Capabilities, ChainSpec, CircuitNotice, Config, DeliverInput, FailurePolicy,
    Grants, HookReport, Installed, Level, LimitWishes, LogLine, Notes, ProgramEnd, ProgramRefusal,
    ProgramRun, Runtime, SessionFacts, Transaction, Unavailable, Waiting,
};

/// Built once against contract 0.1.0.
pub(super) const CONTRACT: &[u8] = include_bytes!("../../fixtures/contract-0.1.0.wasm");

pub(super) const ABC: Tenant = Tenant::vouch(DomainId(1));
pub(super) const XYZ: Tenant = Tenant::vouch(DomainId(2));

pub(super) const MESSAGE: &str =
    "Received: by there\r\nSubject: hello\r\nX-Remove: a\r\n\r\nA body\r\n";

/// The capabilities of the tests.
#[derive(Default)]
pub(super) struct World {
    pub(super) kv: Mutex<BTreeMap<(DomainId, String, String), Vec<u8>>>,
    pub(super) log: Mutex<Vec<String>>,
    pub(super) ran: Mutex<Vec<(String, String, u32)>>,
    pub(super) exit_code: Mutex<Option<i32>>,
    /// While a test holds it shut, the host gives no answer about the key `slow` and no program
    /// ends.
    pub(super) gate: Arc<RwLock<()>>,
    pub(super) mailboxes: Mutex<BTreeSet<String>>,
    pub(super) circuits: Mutex<Vec<(Tenant, CircuitNotice)>>,
}

impl Capabilities for World {
    fn now(&self) -> Timestamp {
        Timestamp(1_767_225_600_000)
    }

    fn kv_read<'a>(
        &'a self,
        tenant: Tenant,
        plugin: &'a str,
        key: &'a str,
    ) -> Waiting<'a, Result<Option<Vec<u8>>, Unavailable>> {
        Box::pin(async move {
            if key == "unavailable" {
                return Err(Unavailable("the store is away".to_owned()));
            }
            if key == "slow" {
                drop(self.gate.read().await);
            }
            let key = (tenant.domain(), plugin.to_owned(), key.to_owned());
            Ok(self.kv.lock().unwrap().get(&key).cloned())
        })
    }

    fn mailbox_accepts<'a>(
        &'a self,
        tenant: Tenant,
        recipient: &'a Mailbox,
        mailbox: &'a str,
    ) -> Waiting<'a, Result<bool, Unavailable>> {
        assert_eq!(recipient.domain().as_str(), "abc.test");
        assert_eq!(tenant, ABC);
        let known = self.mailboxes.lock().unwrap().contains(mailbox);
        Box::pin(async move { Ok(known) })
    }

    fn has_file(&self, _: Tenant, label: &str) -> bool {
        label == "archive" || label == "secret"
    }

    fn run_program<'a>(
        &'a self,
        _: Tenant,
        run: ProgramRun,
    ) -> Waiting<'a, Result<ProgramEnd, ProgramRefusal>> {
        Box::pin(async move {
            if run.label != "count" {
                return Err(ProgramRefusal::Label);
            }
            let bytes = run.message.read(0, 1 << 20).unwrap();
            self.ran
                .lock()
                .unwrap()
                .push((run.label, run.delivery_id, run.attempt));
            drop(self.gate.read().await);
            let exit_code = *self.exit_code.lock().unwrap();
            let output = format!("{} bytes", bytes.len()).into_bytes();
            Ok(ProgramEnd {
                exit_code,
                timed_out: exit_code.is_none(),
                output,
            })
        })
    }

    fn circuit(&self, tenant: Tenant, notice: CircuitNotice) {
        self.circuits.lock().unwrap().push((tenant, notice));
    }

    fn log(&self, _: Tenant, line: LogLine<'_>) {
        self.log.lock().unwrap().push(format!(
            "{} {} {:?} {}",
            line.plugin, line.hook, line.level, line.text
        ));
    }
}

impl World {
    /// Shuts the gate until the value is dropped.
    pub(super) async fn shut(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.gate).write_owned().await
    }
}

/// A runtime with the contract plugin installed.
pub(super) struct Stage {
    pub(super) runtime: Runtime,
    pub(super) world: Arc<World>,
    pub(super) installed: Installed,
}

impl Stage {
    pub(super) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(super) async fn with(config: Config) -> Self {
        let world = Arc::new(World::default());
        *world.exit_code.lock().unwrap() = Some(0);
        world
            .mailboxes
            .lock()
            .unwrap()
            .insert("Shared Folders/all".to_owned());
        let config = Config {
            instances: config.instances.min(200),
            threads: config.threads.or(Some(2)),
            ..config
        };
        let runtime = Runtime::new(config, Arc::clone(&world) as Arc<dyn Capabilities>).unwrap();
        let installed = runtime.install(Bytes::from_static(CONTRACT)).await.unwrap();
        Self {
            runtime,
            world,
            installed,
        }
    }

    /// A binding of the contract plugin.
    pub(super) fn binding(&self, id: &str) -> BindingSpec {
        BindingSpec {
            id: id.to_owned(),
            plugin: "contract".to_owned(),
            version: "0.1.0".to_owned(),
            digest: self.installed.digest,
            level: Level::Domain,
            order: 0,
            config: serde_json::json!({"name": id}),
            grants: {
                let mut grants = Grants::everything();
                grants.submit = Some(crate::Submit { messages: 2 });
                grants.file = Some(crate::Labels {
                    labels: vec!["archive".to_owned()],
                });
                grants
            },
            on_failure: FailurePolicy::Tempfail,
            reuse: false,
            directions: vec![Direction::Inbound],
            option: None,
            limits: LimitWishes::default(),
        }
    }

    /// Publishes a chain of these bindings in `abc.test`.
    pub(super) async fn publish(&self, bindings: Vec<BindingSpec>) {
        let generation = self.runtime.pin(ABC).generation() + 1;
        let bindings = bindings
            .into_iter()
            .map(|binding| BindingSpec {
                option: binding.option.clone().or_else(|| Some(binding.id.clone())),
                ..binding
            })
            .collect();
        self.runtime
            .publish(ABC, chain(generation, bindings))
            .await
            .unwrap();
    }

    pub(super) fn begin(&self) -> Transaction {
        self.runtime.begin(ABC, facts())
    }

    /// One recipient in a transaction of its own.
    pub(super) async fn rcpt(&self, local: &str) -> HookReport {
        self.begin().rcpt(&address(local)).await
    }

    /// One message to `ann`.
    pub(super) async fn data(&self, message: &str) -> HookReport {
        let mut transaction = self.begin();
        transaction.rcpt(&address("ann")).await;
        transaction
            .data(source(message), vec!["spf=pass".to_owned()])
            .await
    }

    /// A delivery by the option `contract`, with a task for the plugin.
    pub(super) async fn deliver(&self, task: &str) -> crate::DeliverReport {
        self.runtime
            .deliver(&self.runtime.pin(ABC), delivery(task))
            .await
    }
}

pub(super) fn chain(generation: u64, bindings: Vec<BindingSpec>) -> ChainSpec {
    ChainSpec {
        generation,
        bindings,
        score_quarantine: None,
        score_reject: None,
    }
}

pub(super) fn address(local: &str) -> Mailbox {
    Mailbox::parse(&format!("{local}@abc.test")).unwrap()
}

pub(super) fn source(message: &str) -> Arc<Bytes> {
    Arc::new(Bytes::copy_from_slice(message.as_bytes()))
}

pub(super) fn facts() -> SessionFacts {
    SessionFacts {
        domain: Domain::parse("abc.test").unwrap(),
        aliases: vec![Domain::parse("abc.example").unwrap()],
        direction: Direction::Inbound,
        peer: Some("192.0.2.7".parse().unwrap()),
        encrypted: true,
        authenticated: None,
        helo: "client.test".to_owned(),
        reverse_path: ReversePath::Mailbox(Mailbox::parse("joe@far.test").unwrap()),
        declared_size: Some(1000),
        envelope: Some(EnvelopeId(9)),
    }
}

pub(super) fn delivery(task: &str) -> DeliverInput {
    DeliverInput {
        domain: Domain::parse("abc.test").unwrap(),
        aliases: Vec::new(),
        option: "contract".to_owned(),
        direction: Direction::Inbound,
        reverse_path: ReversePath::Mailbox(Mailbox::parse("joe@far.test").unwrap()),
        recipient: address("ann"),
        settings: BTreeMap::from([
            ("Task".to_owned(), vec![task.to_owned()]),
            (
                "to".to_owned(),
                vec!["a@next.test".to_owned(), "b@next.test".to_owned()],
            ),
        ]),
        attempt: 3,
        delivery_id: "r7".to_owned(),
        envelope: Some(EnvelopeId(9)),
        message: source(MESSAGE),
        auth_results: Vec::new(),
        notes: Notes::default(),
    }
}

/// All explanations as one text.
pub(super) fn said(report: &HookReport) -> String {
    report
        .explanations()
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The reply of a refusal as one line.
#[track_caller]
pub(super) fn refusal(report: &HookReport) -> String {
    let refusal = report.verdict.refusal();
    refusal.unwrap_or_else(|| panic!("{report:?}")).to_string()
}
