//! The program plugin.
