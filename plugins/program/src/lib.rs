//! Delivery option `program`: gives mail to a program of the approved list.
//!
//! Invariants: a label is all that a domain can name; exit 75, a signal and the deadline defer,
//! every other exit but 0 fails. How it fails: a label that could not be one fails for good, one
//! that is not mapped defers. It does not know how programs are run: argv, environment, user and
//! limits are the host's.

mod exit;
mod label;

use postroom_sdk::{Context, Deliver, Message, Outcome, program};

use crate::exit::Meaning;
use crate::label::Label;

/// The plugin.
#[derive(Debug)]
pub struct Program;

postroom_sdk::export!(Program: Deliver);

impl Deliver for Program {
    fn deliver(context: &Context<'_>, message: &Message<'_>) -> Outcome {
        let label = match label::read(context.setting("mailProgramDeliveryInfo").as_deref()) {
            Label::Named(label) => label,
            Label::Unset => {
                return Outcome::deferred("4.3.5", "Program delivery is not set up")
                    .explain("No label is set");
            }
            Label::Wrong(reason) => {
                return Outcome::failed("5.3.5", "Program delivery is set up wrongly")
                    .explain(reason);
            }
        };
        match program::run(&label, message) {
            Ok(ended) => outcome(&label, &ended),
            Err(refusal) => {
                let reason = format!("'{label}' was not run: {refusal}");
                Outcome::deferred("4.3.5", "Program delivery is not available").explain(reason)
            }
        }
    }
}

fn outcome(label: &str, ended: &program::Ended) -> Outcome {
    let outcome = match exit::meaning(ended.exit_code, ended.timed_out) {
        Meaning::Done => Outcome::done("The program took the message"),
        Meaning::TryAgain(how) => {
            Outcome::deferred("4.3.0", "The program could not take the message now")
                .explain(format!("'{label}' {how}"))
        }
        Meaning::Refused { status, how } => {
            Outcome::failed(status, "The program refused the message")
                .explain(format!("'{label}' {how}"))
        }
    };
    match exit::first_line(&ended.output) {
        Some(line) => outcome.explain(format!("'{label}' printed: {line}")),
        None => outcome,
    }
}

#[cfg(test)]
mod tests;
