//! The shared plugin.
