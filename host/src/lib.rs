//! The Postroom server and its command line.
