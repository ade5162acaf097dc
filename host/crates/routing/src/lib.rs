//! Where mail goes: the message way, from an address to the targets that get the mail.
//!
//! ```text
//!  request ──> domain ─> relay ─> state ─> local part ─> person | group | alias ──> targets
//!              (table,   (trust,  (domain, (exact, alias  (state, options,            or
//!              alias)     DNS)     mail)    name, "+",     members, routing           a reply
//!                                           hook, catch-   address)
//!                                           all, smart host)
//! ```
//! Each step is one small function in a file of its own under `steps`; the first that answers
//! ends the way. [`route`] runs them and writes down what each one did, so `explain`, the trace
//! and the intake see the same thing.
//!
//! Invariants:
//! - Pure: no I/O, no clock. Entries come from a [`Lookup`]; what only DNS or a hook can know is
//!   asked for by [`Way::NeedsDns`] and [`Way::NeedsResolve`] and comes back in [`Answers`].
//! - The same request, entries and answers give the same targets in the same order.
//! - It sees addresses, never a message.
//! - Nothing leaves this host for a sender that is neither trusted nor authenticated, unless an
//!   entry of a hosted domain says so.
//! - Expansion ends: every address is visited once, at most
//!   [`mail::limits::EXPANSION_DEPTH`] deep and [`mail::limits::EXPANSION_TARGETS`] wide.
//!
//! How it fails: with a [`mail::Reply`]; a directory that cannot answer is a 4xx, never "user
//! unknown". It does not know protocols, the store, plugins or where entries are kept.
#![warn(missing_docs)]

mod decision;
mod facts;
#[cfg(test)]
mod fixture;
mod replies;
mod request;
mod routes;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod way;

pub use decision::{
    Decision, NextHop, Owner, Routed, StepName, StepTaken, StoredReply, Target, Way,
};
pub use facts::{
    AliasFacts, Autoreply, AutoreplyMode, Delivery, DeliveryOption, DomainFacts, Entry, GroupFacts,
    Lookup, OptionError, PersonFacts, Unavailable,
};
pub use request::{Answers, DnsAnswer, Request, Sender, Site};
pub use routes::{Host, HostError, Pattern, Route, RouteError, RouteTable};
pub use state::{Level, Standing, State, StateError, standing};
pub use way::route;
