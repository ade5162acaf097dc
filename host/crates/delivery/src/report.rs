//! Reports to the sender: what was not delivered, and what is late (RFC 3464).
//!
//! ```text
//!   multipart/report; report-type=delivery-status
//!   ├ text/plain                 what happened, in words
//!   ├ message/delivery-status    the same for programs
//!   └ message/rfc822 or text/rfc822-headers    what it was about
//! ```
//!
//! A report goes to the reverse path with a null reverse path of its own, so that no report is
//! ever sent about a report: for a null sender there is none (RFC 5321 §6.1).
//!
//! It fails only by being `None`. It does not know the queue: which recipients belong into one
//! report, and when, is the host's decision.

mod parts;
#[cfg(test)]
mod tests;

use mail::header::{HeaderBuilder, HeaderError};
use mail::message::Message;
use mail::{EnhancedStatus, Envelope, Mailbox, Timestamp, words};

use self::parts::Parts;

/// A message up to this many bytes comes back whole with a failure; of a larger one, and with a
/// delay, only its header.
pub const WHOLE_MESSAGE_BYTES: usize = 64 * 1024;

/// Recipients listed in one report.
pub const RECIPIENTS: usize = 100;

/// What is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Given up.
    Failed,
    /// Not delivered yet.
    Delayed {
        /// When it will be given up.
        until: Timestamp,
    },
}

/// One recipient in a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// As the sender wrote it (ORCPT, RFC 3461 §4.2), where it became another on the way.
    pub original: Option<String>,
    /// To whom it was to be delivered.
    pub address: Mailbox,
    /// The status of the last attempt.
    pub status: EnhancedStatus,
    /// What was said, one line.
    pub reason: String,
    /// The server that said it, where it was another one: then `reason` is its reply.
    pub remote: Option<String>,
    /// When that was.
    pub last_attempt: Timestamp,
}

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct ReportRequest<'a> {
    /// Failed or delayed.
    pub kind: Kind,
    /// The envelope of the message it is about.
    pub envelope: &'a Envelope,
    /// The message, or its beginning with at least its header.
    pub message: &'a [u8],
    /// Is `message` all of it?
    pub whole: bool,
    /// The name of this server.
    pub server: &'a str,
    /// Who the report is from: the DSN sender of the domain, or its postmaster.
    pub from: &'a Mailbox,
    /// The recipients it is about.
    pub recipients: &'a [ReportedRecipient],
    /// Now.
    pub now: Timestamp,
    /// Something that was never used before in a message id, such as an envelope id of its own.
    pub unique: &'a str,
}

/// A finished report. Its reverse path is null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// To whom: the reverse path of the message it is about.
    pub recipient: Mailbox,
    /// The message, with CRLF.
    pub message: Vec<u8>,
    /// Does it need SMTPUTF8?
    pub utf8: bool,
    /// Has it 8-bit bytes?
    pub eight_bit: bool,
}

impl ReportRequest<'_> {
    /// Writes the report. `None` for a null reverse path, and without any recipient.
    pub fn write(&self) -> Option<Report> {
        let sender = self.envelope.reverse_path.mailbox()?;
        if self.recipients.is_empty() {
            return None;
        }
        let utf8 = self.needs_utf8(sender);
        let parts = Parts::new(self, utf8);
        let eight_bit = !parts.body.is_ascii();
        let mut message = match self.header(sender, &parts, eight_bit) {
            Ok(header) => header,
            Err(error) => {
                // All values are checked addresses and words of ours.
                tracing::error!(%error, "a report could not be written");
                return None;
            }
        };
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(&parts.body);
        Some(Report {
            recipient: sender.clone(),
            message,
            utf8,
            eight_bit,
        })
    }

    fn header(
        &self,
        sender: &Mailbox,
        parts: &Parts,
        eight_bit: bool,
    ) -> Result<Vec<u8>, HeaderError> {
        let subject = match self.kind {
            Kind::Failed => words::REPORT_SUBJECT_FAILED.text(),
            Kind::Delayed { .. } => words::REPORT_SUBJECT_DELAYED.text(),
        };
        let name = words::REPORT_SENDER_NAME.text();
        let domain = self.from.domain();
        let mut header = HeaderBuilder::new();
        header
            .addresses("From", &[(&name, self.from)])?
            .addresses("To", &[("", sender)])?
            .text("Subject", &subject)?
            .date("Date", self.now)?
            .structured(
                "Message-ID",
                &format!("<{}@{domain}>", parts::token(self.unique)),
            )?
            // RFC 3834 §5: nobody answers this by machine.
            .structured("Auto-Submitted", "auto-replied")?
            .structured("MIME-Version", "1.0")?
            .structured(
                "Content-Type",
                &format!(
                    "multipart/report; report-type=delivery-status; boundary=\"{}\"",
                    parts.boundary
                ),
            )?;
        if let Some(id) = self.message_id() {
            // An id that cannot be written again is left out; the report is as good without.
            let _ = header.structured("In-Reply-To", &id);
            let _ = header.structured("References", &id);
        }
        if eight_bit {
            header.structured("Content-Transfer-Encoding", "8bit")?;
        }
        Ok(header.finish())
    }

    fn message_id(&self) -> Option<String> {
        let message = Message::new(self.message);
        let id = message.header().first("message-id")?.unfolded();
        let id = String::from_utf8(id).ok()?;
        (id.starts_with('<') && id.ends_with('>') && id.len() <= 250 && !id.contains(' '))
            .then_some(id)
    }

    /// RFC 6533 §3: only then may UTF-8 stand in the machine-readable parts.
    fn needs_utf8(&self, sender: &Mailbox) -> bool {
        self.envelope.utf8
            || sender.is_utf8()
            || self.from.is_utf8()
            || self
                .recipients
                .iter()
                .any(|recipient| recipient.address.is_utf8())
    }
}
