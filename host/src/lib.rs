//! Postroom: a mail platform that hosts many virtual domains, each with its own WebAssembly
//! plugins. This package is the server and its command line, and the only place that wires the
//! parts together; see ARCHITECTURE.md.

mod admin;
mod backup;
mod check;
pub mod cli;
mod clock;
pub mod config;
pub mod demo;
mod follow;
mod intake;
mod listen;
mod local_users;
mod metrics_http;
mod moving;
mod outflow;
mod plugins;
mod queue_file;
mod reload;
pub mod server;
mod settings;
mod shared;
mod site;
pub mod store_stopped;
pub mod telemetry;
