//! The loop over in-memory streams, with a session made for the purpose.

mod script;
mod talk;
mod tls;
