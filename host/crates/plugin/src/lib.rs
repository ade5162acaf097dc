//! The plugin runtime: what a domain does with its mail, in code that is not trusted.
//!
//! ```text
//!  install(bytes) ──> registry, by digest ──┐
//!                                           ├── publish(domain, chain) ──> one generation, swapped as a whole
//!  bindings: order, config, grants ─────────┘                                  │ pin
//!                                                                              v
//!  host ── begin ── rcpt ── data ──> HookReport     one instance for each binding and transaction,
//!  host ── deliver ───────────────> DeliverReport   on threads of their own, within limits
//!            ^                          └ effects: values, applied by the host in its own commit
//!            └ Capabilities: a trait, implemented by the host
//! ```
//!
//! Invariants:
//! - An instance serves one binding of one domain, and its memory nobody else after it.
//! - A component is asked only if everything it imports was granted on the binding.
//! - Who pinned a chain sees exactly that generation; publishing never waits for calls and calls
//!   never wait for publishing.
//! - What a call wants to happen comes back as values, and only from a call that returned well with
//!   an answer that passed every check. Every text in it is one line.
//! - A guest that loops, waits, recurses, hoards or lies costs its own limits and nobody else's
//!   turn.
//! - What somebody sent is compiled by a process that may fail ([`CompileHelper`]); only what was
//!   compiled, and is authentic, is loaded here.
//!
//! How it fails: a component that cannot be used is refused with the import, export or version that
//! is wrong, and the chain before stays. A call that fails is a [`CallFailure`] in the report, and the
//! binding's [`FailurePolicy`] says what that means; a plugin that fails again and again is left alone for
//! a while, as if each call had failed ([`CircuitNotice`]); a failed delivery is always tried again.
//!
//! What it does not know: the store, the queue, the directory, any protocol. wasmtime is used here
//! and nowhere else.
#![warn(missing_docs)]

mod asking;
mod binding;
mod cache;
mod call_facts;
mod capabilities;
mod chain;
mod circuit;
mod compile;
mod delivery;
mod digest;
mod edit;
mod effect;
mod engine;
mod error;
mod facts;
mod gate;
mod grants;
mod guests;
mod handles;
mod hook;
mod imports;
mod keep;
mod limits;
mod live;
mod loaded;
mod manifest;
mod meter;
mod registry;
mod report;
mod runtime;
mod source;
mod state;
mod transaction;
mod verdict;
mod view;

#[cfg(test)]
mod tests;

pub use capabilities::{
    Capabilities, LogLevel, LogLine, ProgramEnd, ProgramRefusal, ProgramRun, Unavailable, Waiting,
};
pub use chain::{BindingSpec, Chain, ChainSpec, DecisionGroup, FailurePolicy, Level};
pub use circuit::{CircuitChange, CircuitNotice, OpenCircuit};
pub use compile::helper as compile_helper;
pub use compile::{CompileHelper, CompileLimits};
pub use digest::{Digest, DigestError};
pub use effect::{
    EditedHeader, Effect, FileAppend, FileContent, Forward, KvWrite, MailboxAppend, Submission,
};
pub use error::{CallFailure, LoadError, PublishError, RuntimeError};
pub use facts::{DeliverInput, Notes, SessionFacts};
pub use grants::{GrantError, Grants, Labels, Plain, Submit};
pub use hook::{CONTRACT_VERSION, Hook};
pub use keep::{KeepError, Keeper, Pace};
pub use limits::{CallLimits, LimitWishes};
pub use manifest::{MANIFEST_SECTION, Manifest};
pub use meter::Reading;
pub use registry::Installed;
pub use report::{Answer, CallReport, DeliverReport, HookReport, Stamp};
pub use runtime::{Config, Runtime};
pub use source::MessageSource;
pub use transaction::Transaction;
pub use verdict::Verdict;
