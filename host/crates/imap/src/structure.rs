//! The tree of parts, until `mail::message` has it.

/// The tree of parts of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure;
