//! What the host does for plugins. Implemented by the server, so that this crate knows neither the
//! store nor the queue.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mail::{EnvelopeId, Mailbox, ReversePath, Tenant, Timestamp};

use crate::circuit::CircuitNotice;
use crate::source::MessageSource;

/// An answer that is waited for.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The host could not do its part for the moment; the call fails with [`crate::CallFailure::Host`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// The host's side of the capabilities. Every call names the domain it is for. Reads only: what a
/// plugin wants to *happen* comes back as [`crate::Effect`]s, with one exception, `program`.
pub trait Capabilities: Send + Sync + 'static {
    /// The time of day.
    fn now(&self) -> Timestamp;

    /// A value of the table of a plugin in a domain, `None` where there is none or its time is over.
    fn kv_read<'a>(
        &'a self,
        tenant: Tenant,
        plugin: &'a str,
        key: &'a str,
    ) -> Waiting<'a, Result<Option<Vec<u8>>, Unavailable>>;

    /// Is there a mailbox of this name (`Shared Folders/NAME`, or one of the recipient) into which
    /// mail for the recipient may be put?
    fn mailbox_accepts<'a>(
        &'a self,
        tenant: Tenant,
        recipient: &'a Mailbox,
        mailbox: &'a str,
    ) -> Waiting<'a, Result<bool, Unavailable>>;

    /// Has the operator mapped this label to a file of the domain?
    fn has_file(&self, tenant: Tenant, label: &str) -> bool;

    /// Runs a program of the operator's list. It must be over, with all its children, when the
    /// future is dropped or `deadline` has passed.
    fn run_program<'a>(
        &'a self,
        tenant: Tenant,
        run: ProgramRun,
    ) -> Waiting<'a, Result<ProgramEnd, ProgramRefusal>>;

    /// A plugin of the domain is left alone from now on because it failed too often, or is called
    /// again. To be told to the domain's administrator; must not wait.
    fn circuit(&self, tenant: Tenant, notice: CircuitNotice);

    /// Takes a line of a plugin's log. It is one line, its control characters are escaped.
    fn log(&self, tenant: Tenant, line: LogLine<'_>);
}

/// A program to run.
#[derive(Clone)]
pub struct ProgramRun {
    /// The label.
    pub label: String,
    /// What goes to its standard input.
    pub message: Arc<dyn MessageSource>,
    /// The envelope sender.
    pub reverse_path: ReversePath,
    /// The recipient.
    pub recipient: Mailbox,
    /// The transaction.
    pub envelope: Option<EnvelopeId>,
    /// The same in every attempt (`POSTROOM_DELIVERY_ID`).
    pub delivery_id: String,
    /// From 1 (`POSTROOM_ATTEMPT`).
    pub attempt: u32,
    /// How long it may take.
    pub deadline: Duration,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramEnd {
    /// Exit code; `None` where a signal ended it.
    pub exit_code: Option<i32>,
    /// Was it killed at the deadline?
    pub timed_out: bool,
    /// The first 64 KiB of its output.
    pub output: Vec<u8>,
}

/// Why no program was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramRefusal {
    /// The label is not in the list, or not for this domain: the plugin is told.
    Label,
    /// It could not be started for the moment: the call fails.
    Unavailable(Unavailable),
}

/// How much a line of a log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For finding a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something went wrong.
    Error,
}

/// A line of a plugin's log.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    /// The plugin.
    pub plugin: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The binding.
    pub binding: &'a str,
    /// The hook that was called.
    pub hook: &'a str,
    /// How much it matters.
    pub level: LogLevel,
    /// One line, escaped.
    pub text: &'a str,
}
