//! Delivery option `forward`: sends mail on to other addresses.
//!
//! Invariants: the bytes are not touched, the envelope sender is kept, a message passes the same
//! recipient once and is sent on 10 times at most. How it fails: a loop fails for good, a missing
//! address or a refusal of the host defers. It does not know where an address leads: next hop and
//! retries are the queue's.

mod plan;

use postroom_sdk::{Context, Deliver, Message, Outcome, config, submit};

use crate::plan::Plan;

/// The plugin.
#[derive(Debug)]
pub struct Forward;

postroom_sdk::export!(Forward: Deliver);

/// What `targets` is when it is not set.
const TARGETS: u64 = 100;

impl Deliver for Forward {
    fn deliver(context: &Context<'_>, message: &Message<'_>) -> Outcome {
        let recipient = context.get("recipient").unwrap_or_default();
        let limit = config::number("targets").unwrap_or(TARGETS);
        let addresses = context.settings("mailForwardingAddress");
        let delivered_to = message.headers("Delivered-To");
        match plan::plan(
            &addresses,
            &recipient,
            &delivered_to,
            usize::try_from(limit).unwrap_or(usize::MAX),
        ) {
            Plan::SendTo(targets) => send(context, message, &targets),
            // RFC 3463 §3.5: X.4.6 is a routing loop.
            Plan::Loop(reason) => {
                Outcome::failed("5.4.6", "Forwarding loop detected").explain(reason)
            }
            Plan::Unset(reason) => {
                Outcome::deferred("4.3.5", "Forwarding is not set up").explain(reason)
            }
        }
    }
}

fn send(context: &Context<'_>, message: &Message<'_>, targets: &[String]) -> Outcome {
    let sender = context.get("sender").unwrap_or_default();
    match submit::forward(message, &sender, targets) {
        Ok(()) => {
            Outcome::done("Forwarded").explain(format!("Forwarded to {}", targets.join(", ")))
        }
        Err(refusal) => Outcome::deferred("4.3.0", "Forwarding was refused").explain(refusal),
    }
}

#[cfg(test)]
mod tests;
