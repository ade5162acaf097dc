//! Programs and files as they really are: child processes, locks, links, another reader.

mod file;
mod program;
mod program_attacks;
