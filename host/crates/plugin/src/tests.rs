//! End to end inside the crate.
