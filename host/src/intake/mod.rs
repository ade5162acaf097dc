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
pub(crate) mod local;
mod message;
mod plan;
mod quota;
mod recipient;
mod steps;
pub(crate) mod trace;

pub(crate) use context::{
    Fate, MessageContext, Mode, RecipientContext, StepSentence, Transaction, Undeliverable,
};
pub(crate) use hooks::{StoredMessage, kv_effects, observe, sentence};
pub(crate) use plan::{
    MAILBOX_ONLY, OptionWork, STAGE_DELIVER, STAGE_ROUTE, Vouched, actions_for, entering,
};
pub(crate) use quota::{Ledger, Trust, quotas_of};
pub(crate) use recipient::quota::{is_for_postmaster, over_quota};
pub(crate) use steps::{run_message, run_recipient};
