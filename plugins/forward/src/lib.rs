//! The forward plugin.
