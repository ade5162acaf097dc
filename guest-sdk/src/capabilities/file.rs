//! Capability `file`: writes to files of the domain's own folder, when the call has returned well.
//! A file is named by a label that the operator maps to it, never by a path.

use crate::{Message, border};

/// Adds bytes at the end of a file, at most 1 MiB a call.
pub fn append(label: &str, bytes: &[u8]) -> Result<(), String> {
    border::file_append(label, bytes)
}

/// Adds the message at the end of an mbox file (RFC 4155).
pub fn append_mbox(label: &str, message: &Message<'_>) -> Result<(), String> {
    border::file_append_mbox(label, message.0)
}
