//! Channels and their outcomes: remote, program, file; and the reports about them.
