//! Capability `mailbox`: files mail in mailboxes of the own domain, when the call has returned
//! well.

use crate::{Message, border};

/// Puts a copy of the message into a mailbox, with IMAP flags (`\Seen`, `$Forwarded`).
///
/// `Shared Folders/NAME` is the shared mailbox NAME of the domain; any other name is a mailbox of
/// the recipient. A mailbox that does not exist, or into which the recipient has no right to
/// insert, is refused with one and the same text.
pub fn append(message: &Message<'_>, mailbox: &str, flags: &[&str]) -> Result<(), String> {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    border::mailbox_append(message.0, mailbox, &flags)
}
