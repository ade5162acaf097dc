//! What a plugin may ask the host for, one module for each capability of the contract.
//!
//! A call to a capability is an import of the component: it must be asked for in `plugin.toml`
//! and granted on the binding (`log` and `config` always are), or the plugin does not load.

pub mod clock;
pub mod config;
pub mod file;
pub mod kv;
pub mod log;
pub mod mailbox;
pub mod program;
pub mod submit;
