//! Capability `program`: runs a program of the operator's approved list.

use crate::{Message, border};

/// A program that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; `None` where a signal or the deadline ended it.
    pub exit_code: Option<i32>,
    /// Was it killed because its time was over?
    pub timed_out: bool,
    /// The first 64 KiB that it wrote to standard output and standard error.
    pub output: Vec<u8>,
}

/// Runs the program under a label with the message on standard input and waits for it. An error
/// says why nothing was run.
pub fn run(label: &str, message: &Message<'_>) -> Result<Ended, String> {
    border::program_run(label, message.0)
}
