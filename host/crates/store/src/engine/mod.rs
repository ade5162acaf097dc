//! Domain operations on rows: the same for every backend.
//!
//! An operation is a function on a [`Tx`]: it reads the view, changes rows in its own layer and
//! answers. The sequencer then makes the changes durable and visible, or forgets them. Nothing
//! here touches a disk or a clock.

mod accept;
pub(crate) mod access;
pub(crate) mod agenda;
mod bodies;
pub(crate) mod brought;
pub(crate) mod claim;
mod decide;
mod effects;
pub(crate) mod feed;
mod flags;
mod kv;
mod mailboxes;
pub(crate) mod mend;
pub(crate) mod messages;
pub(crate) mod names;
mod operations;
pub(crate) mod owners;
pub(crate) mod presence;
pub(crate) mod purge;
mod queue;
pub(crate) mod reads;
pub(crate) mod restored;
pub(crate) mod secrets;
mod transfer;
pub(crate) mod tx;

pub(crate) use tx::{Outcome, Tx};
