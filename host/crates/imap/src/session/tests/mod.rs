//! The session against a small host in memory.

mod attacks;
mod properties;
mod script;
mod world;
