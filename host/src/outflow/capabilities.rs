//! What plugins may ask of the host while they run: reads, and the one thing that acts, `program`.

use std::collections::HashMap;
use std::future::ready;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use delivery::program::{ApprovedPrograms, Attempt, Exit, Runner};
use directory::{DirectoryAdmin, GroupEntry, LookupError};
use mail::{Access, Mailbox, Tenant, Timestamp};
use plugin::{
    Capabilities, CircuitNotice, LogLevel, LogLine, MessageSource, ProgramEnd, ProgramRefusal,
    ProgramRun, Unavailable, Waiting,
};
use store::{Lease, Owner, Rights, Started, Store};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc::UnboundedSender;

use crate::config::Config;
use crate::site;

/// Bytes of a message handed to a program at a time.
const PIECE: usize = 64 * 1024;

/// The host's side of the capabilities.
pub(crate) struct HostCapabilities {
    store: Arc<dyn Store>,
    directory: Arc<dyn DirectoryAdmin>,
    programs: ApprovedPrograms,
    files: Vec<String>,
    runner: Runner,
    /// The leases of deliveries under way, by delivery id: a program's run is written down
    /// before it begins.
    leases: Mutex<HashMap<String, Lease>>,
    /// To those who tell the administrators of domains.
    notices: UnboundedSender<(Tenant, CircuitNotice)>,
}

/// A delivery under way; dropping it forgets the lease.
pub(crate) struct Delivering {
    capabilities: Arc<HostCapabilities>,
    id: String,
}

impl Drop for Delivering {
    fn drop(&mut self) {
        self.capabilities.leases().remove(&self.id);
    }
}

impl HostCapabilities {
    /// From the configuration.
    pub(crate) fn new(
        config: &Config,
        store: Arc<dyn Store>,
        directory: Arc<dyn DirectoryAdmin>,
        notices: UnboundedSender<(Tenant, CircuitNotice)>,
    ) -> anyhow::Result<Self> {
        let programs = config
            .program
            .iter()
            .map(program_spec)
            .collect::<anyhow::Result<Vec<_>>>()?;
        let own: PathBuf = std::env::current_exe()?;
        Ok(Self {
            store,
            directory,
            programs: ApprovedPrograms::new(programs)?,
            files: config.file.iter().map(|file| file.label.clone()).collect(),
            runner: Runner::new(own, vec!["exec-helper".into()]),
            leases: Mutex::new(HashMap::new()),
            notices,
        })
    }

    /// Knows a lease while its delivery is under way.
    pub(crate) fn delivering(self: &Arc<Self>, lease: &Lease) -> Delivering {
        let id = lease.row.id.to_string();
        self.leases().insert(id.clone(), lease.clone());
        Delivering {
            capabilities: Arc::clone(self),
            id,
        }
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<String, Lease>> {
        // One insert or remove: a panic cannot leave it half done.
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn note(&self, run: &ProgramRun) -> Result<(), ProgramRefusal> {
        let lease = self.leases().get(&run.delivery_id).cloned();
        let Some(lease) = lease else { return Ok(()) };
        let started = Started {
            attempt: run.attempt,
            label: run.label.clone(),
            file_length: None,
            at: site::now(),
        };
        let noted = self.store.note_started(&lease, started).await;
        noted.map_err(|error| ProgramRefusal::Unavailable(Unavailable(error.to_string())))
    }

    async fn run(&self, run: ProgramRun) -> Result<ProgramEnd, ProgramRefusal> {
        let spec = self
            .programs
            .find(&run.label)
            .map_err(|_| ProgramRefusal::Label)?;
        let mut spec = spec.clone();
        spec.timeout = spec.timeout.min(run.deadline);
        self.note(&run).await?;
        let extension = run
            .recipient
            .localpart()
            .subaddress()
            .map(|(_, detail)| detail.to_owned());
        let attempt = Attempt {
            delivery_id: run.delivery_id,
            number: run.attempt,
            sender: run.reverse_path,
            recipient: run.recipient,
            extension,
        };
        let (reader, writer) = tokio::io::duplex(PIECE);
        let feeder = tokio::spawn(feed(run.message, writer));
        let ended = self.runner.run(&spec, &attempt, reader).await;
        feeder.abort();
        match ended.exit {
            Exit::NotStarted => {
                let detail = String::from_utf8_lossy(&ended.output).into_owned();
                Err(ProgramRefusal::Unavailable(Unavailable(detail)))
            }
            exit => Ok(ProgramEnd {
                exit_code: ended.exit_code(),
                timed_out: exit == Exit::TimedOut,
                output: ended.output,
            }),
        }
    }

    async fn mailbox_open_to(
        &self,
        tenant: Tenant,
        recipient: &Mailbox,
        name: &str,
    ) -> Result<bool, Unavailable> {
        let access = Access::system(tenant);
        let viewer = match self.directory.person_by_address(tenant, recipient).await {
            Ok(person) => Owner::Person(person.id),
            Err(LookupError::Temporary(cause)) => return Err(Unavailable(cause)),
            // A group files into its own mailboxes only.
            Err(LookupError::NotFound(_)) => {
                let groups = self.directory.groups(tenant).await;
                let groups = groups.map_err(|error| Unavailable(error.to_string()))?;
                match group_of(&groups, recipient) {
                    Some(group) => Owner::Group(group),
                    None => return Ok(false),
                }
            }
        };
        match self.store.mailbox_named(&access, viewer, name) {
            Ok(mailbox) => Ok(mailbox.rights.contains(Rights::INSERT)),
            Err(store::Error::NotFound | store::Error::Denied) => Ok(false),
            Err(error) => Err(Unavailable(error.to_string())),
        }
    }
}

/// The group with this address.
fn group_of(groups: &[Arc<GroupEntry>], address: &Mailbox) -> Option<mail::GroupId> {
    let group = groups
        .iter()
        .find(|group| group.addresses().any(|own| own.key() == address.key()))?;
    Some(group.id)
}

async fn feed(message: Arc<dyn MessageSource>, mut writer: tokio::io::DuplexStream) {
    let mut offset = 0;
    while offset < message.size() {
        let source = Arc::clone(&message);
        let read = tokio::task::spawn_blocking(move || source.read(offset, PIECE)).await;
        let Ok(Ok(bytes)) = read else { return };
        if bytes.is_empty() || writer.write_all(&bytes).await.is_err() {
            return;
        }
        offset += bytes.len() as u64;
    }
    let _ = writer.shutdown().await;
}

fn program_spec(
    program: &crate::config::Program,
) -> anyhow::Result<delivery::program::ProgramSpec> {
    use delivery::program::{AfterCrash, ProgramSpec};
    let mut spec = ProgramSpec::new(program.label.clone(), program.path.clone());
    spec.arguments.clone_from(&program.args);
    spec.timeout = std::time::Duration::from_secs(program.timeout_seconds);
    spec.after_crash = match program.after_crash.as_str() {
        "park" => AfterCrash::Park,
        "fail" => AfterCrash::Fail,
        _ => AfterCrash::Retry,
    };
    if rustix::process::geteuid().is_root() {
        spec.confinement.run_as = Some(delivery::exec_helper::RunAs::lookup(&program.user)?);
    }
    Ok(spec)
}

impl Capabilities for HostCapabilities {
    fn now(&self) -> Timestamp {
        site::now()
    }

    fn kv_read<'a>(
        &'a self,
        tenant: Tenant,
        plugin: &'a str,
        key: &'a str,
    ) -> Waiting<'a, Result<Option<Vec<u8>>, Unavailable>> {
        let read = self
            .store
            .kv(&Access::system(tenant), plugin, key.as_bytes());
        Box::pin(ready(read.map_err(|error| Unavailable(error.to_string()))))
    }

    fn mailbox_accepts<'a>(
        &'a self,
        tenant: Tenant,
        recipient: &'a Mailbox,
        mailbox: &'a str,
    ) -> Waiting<'a, Result<bool, Unavailable>> {
        Box::pin(self.mailbox_open_to(tenant, recipient, mailbox))
    }

    fn has_file(&self, _tenant: Tenant, label: &str) -> bool {
        self.files.iter().any(|known| known == label)
    }

    fn run_program<'a>(
        &'a self,
        _tenant: Tenant,
        run: ProgramRun,
    ) -> Waiting<'a, Result<ProgramEnd, ProgramRefusal>> {
        Box::pin(self.run(run))
    }

    fn circuit(&self, tenant: Tenant, notice: CircuitNotice) {
        if self.notices.send((tenant, notice)).is_err() {
            tracing::debug!("nobody is told of a circuit while the server stops");
        }
    }

    fn log(&self, tenant: Tenant, line: LogLine<'_>) {
        let domain = tenant.domain();
        let LogLine {
            plugin,
            version,
            binding,
            hook,
            text,
            ..
        } = line;
        match line.level {
            LogLevel::Debug => {
                tracing::debug!(%domain, plugin, version, binding, hook, text, "plugin");
            }
            LogLevel::Info => {
                tracing::info!(%domain, plugin, version, binding, hook, text, "plugin");
            }
            LogLevel::Warn => {
                tracing::warn!(%domain, plugin, version, binding, hook, text, "plugin");
            }
            LogLevel::Error => {
                tracing::error!(%domain, plugin, version, binding, hook, text, "plugin");
            }
        }
    }
}
