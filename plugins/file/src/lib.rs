//! Delivery option `file`: appends mail to an mbox file.
//!
//! Invariants: a label is all that a domain can name, and one delivery appends once. How it fails:
//! a value that is a path fails for good, everything else defers. It does not know where files
//! are and how they are written: that is the host's.

mod label;

use postroom_sdk::{Context, Deliver, Message, Outcome, file};

use crate::label::Label;

/// The plugin.
#[derive(Debug)]
pub struct File;

postroom_sdk::export!(File: Deliver);

impl Deliver for File {
    fn deliver(context: &Context<'_>, message: &Message<'_>) -> Outcome {
        match label::read(context.setting("mailDeliveryFileURL").as_deref()) {
            Label::Named(label) => match file::append_mbox(&label, message) {
                Ok(()) => Outcome::done("Appended to a file")
                    .explain(format!("Appended to the file '{label}'")),
                Err(refusal) => Outcome::deferred("4.3.5", "The file is not available")
                    .explain(format!("'{label}' was not written: {refusal}")),
            },
            Label::Unset => {
                Outcome::deferred("4.3.5", "File delivery is not set up").explain("No label is set")
            }
            Label::Wrong => Outcome::failed("5.3.5", "File delivery is set up wrongly")
                .explain("The value is no label: paths are not opened"),
        }
    }
}

#[cfg(test)]
mod tests;
