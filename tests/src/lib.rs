//! Shared pieces of the end-to-end tests: a real server in a temporary folder on loopback, its
//! command line, a line client, and the real programs that test it.
//!
//! Everything a test starts it also ends, on failure too: servers and programs die with the value
//! that holds them. A program that is not installed fails the test with the command that
//! installs it.

mod eventually;
mod faults;
pub mod kills;
mod line;
mod names;
mod programs;
mod reading;
mod server;
mod sink;
pub mod slapd;

pub use eventually::{eventually, eventually_some, until};
pub use faults::{SystemClock, injected};
pub use line::{Line, Reply};
pub use names::{Dns, NameServer};
pub use programs::{Ran, node_client, program, python, python_client, run};
pub use server::{Server, ServerOptions, binary, fixture, plugin_file};
pub use sink::{Letter, Sink};
