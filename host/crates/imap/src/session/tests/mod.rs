//! The session against a small host in memory.

mod attacks;
mod host;
mod properties;
mod script;
mod world;
