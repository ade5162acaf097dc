//! Taking mail: from a recipient or a message to an answer.
//!
//! Two lists of named steps, one for a recipient and one for a message ([`steps`]). Each step is
//! a small function in a file of its own that says [`Flow::Next`] with a sentence for the trace,
//! or answers. `postroom explain` runs the recipient's list in a dry run.
//!
//! Invariants: a step that fails for our own reasons answers 4xx; nothing is promised before
//! `store.accept` has answered; what one domain's hooks see and change stays in that domain's
//! part.

mod context;
mod edits;
mod hooks;
pub(crate) mod internal;
mod message;
mod plan;
mod recipient;
mod steps;
mod trace;

pub(crate) use context::{Fate, MessageContext, Mode, RecipientContext, StepSentence, Transaction};
pub(crate) use hooks::{StoredMessage, kv_effects, observe, sentence};
pub(crate) use plan::{OptionWork, STAGE_DELIVER, STAGE_ROUTE, Undeliverable, actions_for};
pub(crate) use steps::{run_message, run_recipient};
