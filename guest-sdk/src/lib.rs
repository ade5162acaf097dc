//! For authors of Postroom plugins: a trait per hook, the capabilities, and a fake host for tests.
//!
//! ```text
//! your crate                     this crate                        host
//! impl Rcpt for Policy  ──────>  export!(Policy: Rcpt)  ──wasm──>  calls rcpt(context, recipient)
//!   config::get("..")   <──────  config, kv, log, submit, ..  <──  grants what plugin.toml asks
//!   #[test] fake::Host  ──────>  the same traits and functions, natively, without a server
//! ```
//!
//! A plugin is a crate of type `cdylib` (and `rlib`, for its tests) with a `plugin.toml` beside
//! its `Cargo.toml`. It implements the traits of the hooks it has and names them once in
//! [`export!`]; only those are in the component, and only the capabilities that are really called
//! are among its imports.
//!
//! ```
//! use postroom_sdk::{Context, Rcpt, Verdict, config};
//!
//! struct Closed;
//!
//! impl Rcpt for Closed {
//!     fn rcpt(context: &Context<'_>, recipient: &str) -> Verdict {
//!         let closed = config::all("closed").iter().any(|address| address == recipient);
//!         if closed && context.get("authenticated").is_none() {
//!             return Verdict::reject(550, "5.7.1", "This address takes mail from inside only");
//!         }
//!         Verdict::proceed()
//!     }
//! }
//!
//! postroom_sdk::export!(Closed: Rcpt);
//!
//! let mut host = postroom_sdk::fake::Host::new().config(r#"{"closed": ["all@abc.test"]}"#);
//! assert!(host.rcpt::<Closed>("all@abc.test").is_refusal());
//! assert_eq!(host.rcpt::<Closed>("ann@abc.test"), Verdict::proceed());
//! ```
//!
//! How it fails: a panic ends the call, is logged, and the failure policy of the binding applies
//! (by default the client is asked to try again later); the next call starts with a fresh
//! instance. Nothing that was sent, filed or written by a call that did not return well happens.
//!
//! What it does not know: anything of the server. It speaks the contract in `wit/` only.
#![warn(missing_docs)]

mod answer;
mod capabilities;
mod context;
mod export;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod glue;
mod hooks;
mod message;

pub use answer::{Decision, Outcome, Settlement, Verdict};
pub use capabilities::{clock, config, file, kv, log, mailbox, program, submit};
pub use context::Context;
pub use hooks::{CheckConfig, Connect, Data, Deliver, Ehlo, Mail, Rcpt, Start};
pub use message::{Message, Part};

/// Where the functions of the capabilities lead: to the host on wasm, to the fake one natively.
#[cfg(not(target_arch = "wasm32"))]
use fake::border;
#[cfg(target_arch = "wasm32")]
use glue::border;

/// The first plugin of the README is compiled, as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
