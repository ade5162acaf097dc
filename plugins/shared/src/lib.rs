//! Delivery option `shared`: files mail in a shared mailbox.
//!
//! Invariants: only mailboxes below `Shared Folders` are named, and one delivery files once. How it
//! fails: a name that can be none fails for good, everything else defers. It does not know who may
//! read there: rights are the host's.

mod name;

use postroom_sdk::{Context, Deliver, Message, Outcome, mailbox};

use crate::name::Name;

/// The plugin.
#[derive(Debug)]
pub struct Shared;

postroom_sdk::export!(Shared: Deliver);

/// The setting that names the mailbox.
const SETTING: &str = "mailSharedFolder";

impl Deliver for Shared {
    fn deliver(context: &Context<'_>, message: &Message<'_>) -> Outcome {
        match name::read(context.setting(SETTING).as_deref()) {
            Name::Mailbox(name) => match mailbox::append(message, &name, &[]) {
                Ok(()) => {
                    Outcome::done("Filed in a shared mailbox").explain(format!("Filed in '{name}'"))
                }
                Err(refusal) => Outcome::deferred("4.2.0", "The shared mailbox is not available")
                    .explain(format!("'{name}': {refusal}")),
            },
            Name::Unset => Outcome::deferred("4.3.5", "Shared delivery is not set up")
                .explain("No mailbox is named"),
            Name::Wrong(reason) => {
                Outcome::failed("5.3.5", "Shared delivery is set up wrongly").explain(reason)
            }
        }
    }
}

#[cfg(test)]
mod tests;
