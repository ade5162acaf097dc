//! Load generator for mail servers, and the benchmark of Postroom beside its peers.
//!
//! ```text
//!   accept | deliver | fetch | … ─> load/ ─> client/ ─> any server, by address
//!   suite ─> suite/: starts Postroom, and Postfix with Dovecot where they are installed,
//!            runs the loads in turn, prints ratios, writes docs/performance.md
//! ```
//!
//! Invariants: a load knows addresses and people, never which server it is; every run of two
//! servers sends the same messages to the same people; the processor time of the generator is
//! never in the server's figure. What cannot be measured is said so, never guessed.
//!
//! How it fails: a server that cannot be reached ends the run with its address; a refused message
//! is an error that is counted, and the first one is shown.

mod arguments;
mod client;
mod cpu;
mod latency;
mod load;
mod memory;
mod message;
mod suite;
mod sync;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::load::{Outcome, accept, deliver, dot, drain, fetch, mailbox};

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postroom-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    // One thread: what the generator takes of the machine, the server does not get.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match arguments.command {
            Command::Accept(options) => show(&[accept::run(&options).await?], arguments.json),
            Command::Deliver(options) => show(&[deliver::run(&options).await?], arguments.json),
            Command::Fetch(options) => show(&fetch::run(&options).await?, arguments.json),
            Command::Drain(options) => show(&[drain::run(&options).await?], arguments.json),
            Command::Dot(options) => show(&dot::run(&options).await?, arguments.json),
            Command::Mailbox(options) => show(&mailbox::run(&options).await?, arguments.json),
            Command::Suite(options) => suite::run(&options).await?,
        }
        Ok(())
    })
}

fn show(outcomes: &[Outcome], json: bool) {
    for outcome in outcomes {
        if json {
            println!("{}", outcome.json());
        } else {
            println!("{outcome}");
        }
    }
}
