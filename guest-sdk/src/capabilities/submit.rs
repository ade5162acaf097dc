//! Capability `submit`: sends mail when the call has returned well.
//!
//! The host adds date, id and MIME fields where they are missing, and the marks that stop loops.

use crate::{Message, border};

/// A new message in the making. Every function refuses a value that cannot be used with a text,
/// and has then changed nothing.
#[derive(Debug)]
pub struct Draft(border::Draft);

impl Default for Draft {
    fn default() -> Self {
        Self::new()
    }
}

impl Draft {
    /// Without recipients, from `<>`.
    pub fn new() -> Self {
        Self(border::Draft::new())
    }

    /// The envelope sender: an address of the own domain, or empty for `<>`.
    pub fn sender(&self, address: &str) -> Result<(), String> {
        self.0.sender(address)
    }

    /// Adds an envelope recipient.
    pub fn recipient(&self, address: &str) -> Result<(), String> {
        self.0.recipient(address)
    }

    /// Adds a header field: one line without control characters. Text that is not ASCII is
    /// encoded.
    pub fn header(&self, name: &str, value: &str) -> Result<(), String> {
        self.0.header(name, value)
    }

    /// The body: plain text, at most 256 KiB.
    pub fn text(&self, text: &str) -> Result<(), String> {
        self.0.text(text)
    }

    /// Also puts the whole given message behind the text, as an attachment.
    pub fn attach(&self, message: &Message<'_>) -> Result<(), String> {
        self.0.attach(message.0)
    }

    /// Sends it. It must have a recipient.
    pub fn send(self) -> Result<(), String> {
        border::submit_send(self.0)
    }
}

/// Sends the message on, its bytes unchanged. An empty `sender` is `<>`; the sender of the message
/// may be kept, any other must be of the own domain.
pub fn forward(message: &Message<'_>, sender: &str, recipients: &[String]) -> Result<(), String> {
    border::submit_forward(message.0, sender, recipients)
}
