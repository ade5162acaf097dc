//! Capability `log`: lines for the administrator of the domain. Always granted; 64 lines or 16 KiB
//! a call.

use crate::border;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For finding a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something went wrong.
    Error,
}

/// Writes one line.
pub fn write(level: Level, text: &str) {
    border::log_write(level, text);
}

/// Writes a line for finding a fault.
pub fn debug(text: &str) {
    write(Level::Debug, text);
}

/// Writes a line worth knowing.
pub fn info(text: &str) {
    write(Level::Info, text);
}

/// Writes that something is not as it should be.
pub fn warn(text: &str) {
    write(Level::Warn, text);
}

/// Writes that something went wrong.
pub fn error(text: &str) {
    write(Level::Error, text);
}
