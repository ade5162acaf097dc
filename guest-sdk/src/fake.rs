//! A host for unit tests: what a plugin may ask, answered from memory.
//!
//! ```
//! use postroom_sdk::{Context, Deliver, Message, Outcome, fake, mailbox};
//!
//! struct Filer;
//!
//! impl Deliver for Filer {
//!     fn deliver(context: &Context<'_>, message: &Message<'_>) -> Outcome {
//!         let Some(name) = context.setting("folder") else {
//!             return Outcome::failed("5.3.5", "No folder is set");
//!         };
//!         match mailbox::append(message, &name, &[]) {
//!             Ok(()) => Outcome::done("Filed"),
//!             Err(refusal) => Outcome::failed("5.2.0", refusal),
//!         }
//!     }
//! }
//!
//! let mut host = fake::Host::new().setting("folder", "Bills").mailbox("Bills").message("Subject: pay\r\n\r\n");
//! assert!(host.deliver::<Filer>().is_done());
//! assert_eq!(host.effects(), [fake::Effect::Filed { mailbox: "Bills".into(), flags: vec![] }]);
//! ```
//!
//! It keeps the rules that a plugin can see: which values are refused, that reads see the writes
//! of the same call, that a refusal drops everything but kv. It does not measure time or memory;
//! `postroom plugin test` does, on the component.

pub(crate) mod border;
mod message;
mod state;

pub use state::{Effect, Host};

#[cfg(test)]
mod tests;
