//! The three parts of a report.

use mail::message::Message;
use mail::{Mailbox, limits, words};

use super::{Kind, RECIPIENTS, ReportRequest, ReportedRecipient, WHOLE_MESSAGE_BYTES};

/// Header bytes of the message that are given back.
const HEADER_BYTES: usize = 16 * 1024;

/// Longest line in a field of the status part.
const FIELD_CHARS: usize = 900;

/// The parts, joined.
pub(super) struct Parts {
    pub(super) boundary: String,
    pub(super) body: Vec<u8>,
}

impl Parts {
    pub(super) fn new(request: &ReportRequest<'_>, utf8: bool) -> Self {
        let returned = Returned::of(request, utf8);
        let text = text(request, &returned);
        let status = status(request, utf8);
        let boundary = boundary(
            request,
            &[text.as_bytes(), status.as_bytes(), &returned.bytes],
        );
        let mut body = Vec::with_capacity(text.len() + status.len() + returned.bytes.len() + 600);
        let status_type = if utf8 {
            "message/global-delivery-status"
        } else {
            "message/delivery-status"
        };
        for (media, bytes) in [
            ("text/plain; charset=utf-8", text.as_bytes()),
            (status_type, status.as_bytes()),
            (returned.media, &returned.bytes),
        ] {
            let encoding = if bytes.is_ascii() { "7bit" } else { "8bit" };
            let header = format!(
                "--{boundary}\r\nContent-Type: {media}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
            );
            body.extend_from_slice(header.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Self { boundary, body }
    }
}

/// What people read.
fn text(request: &ReportRequest<'_>, returned: &Returned) -> String {
    let date = request.envelope.received.rfc5322();
    let introduction = match request.kind {
        Kind::Failed => words::REPORT_INTRODUCTION_FAILED
            .text_with(&[("host", request.server), ("date", &date)]),
        Kind::Delayed { until } => words::REPORT_INTRODUCTION_DELAYED.text_with(&[
            ("host", request.server),
            ("date", &date),
            ("until", &until.rfc5322()),
        ]),
    };
    let mut text = introduction + "\n\n";
    for recipient in request.recipients.iter().take(RECIPIENTS) {
        text.push_str(&words::REPORT_RECIPIENT.text_with(&[
            ("address", &recipient.address.to_string()),
            ("reason", &recipient.reason),
            ("status", &recipient.status.to_string()),
        ]));
        text.push('\n');
    }
    if let Some(more) = request
        .recipients
        .len()
        .checked_sub(RECIPIENTS)
        .filter(|&more| more > 0)
    {
        text.push_str(&words::REPORT_MORE_RECIPIENTS.text_with(&[("count", &more.to_string())]));
        text.push('\n');
    }
    let closing = if returned.whole {
        &words::REPORT_CLOSING_FULL
    } else {
        &words::REPORT_CLOSING_HEADER
    };
    text.push('\n');
    text.push_str(&closing.text_with(&[("id", &request.envelope.id.to_string())]));
    text.push('\n');
    text.replace('\n', "\r\n")
}

/// What programs read (RFC 3464 §2).
fn status(request: &ReportRequest<'_>, utf8: bool) -> String {
    let mut fields = Fields::default();
    if let Some(envid) = &request.envelope.envid {
        fields.push("Original-Envelope-Id", envid);
    }
    fields.push("Reporting-MTA", &format!("dns; {}", request.server));
    fields.push("X-Postroom-Envelope-Id", &request.envelope.id.to_string());
    fields.push("Arrival-Date", &request.envelope.received.rfc5322());
    for recipient in request.recipients.iter().take(RECIPIENTS) {
        fields.next_group();
        one_status(&mut fields, request, recipient, utf8);
    }
    fields.0
}

fn one_status(
    fields: &mut Fields,
    request: &ReportRequest<'_>,
    recipient: &ReportedRecipient,
    utf8: bool,
) {
    let address = |mailbox: &Mailbox| {
        let kind = if utf8 && mailbox.is_utf8() {
            "utf-8"
        } else {
            "rfc822"
        };
        format!("{kind}; {mailbox}")
    };
    // RFC 3461 §4.2: type and address; where only the address is known it is one of ours.
    if let Some(original) = recipient
        .original
        .as_ref()
        .filter(|text| utf8 || text.is_ascii())
    {
        let kind = if original.contains(';') {
            ""
        } else {
            "rfc822; "
        };
        fields.push("Original-Recipient", &format!("{kind}{original}"));
    }
    fields.push("Final-Recipient", &address(&recipient.address));
    let (action, until) = match request.kind {
        Kind::Failed => ("failed", None),
        Kind::Delayed { until } => ("delayed", Some(until)),
    };
    fields.push("Action", action);
    fields.push("Status", &recipient.status.to_string());
    if let Some(remote) = &recipient.remote {
        fields.push("Remote-MTA", &format!("dns; {remote}"));
        fields.push("Diagnostic-Code", &format!("smtp; {}", recipient.reason));
    } else {
        fields.push(
            "Diagnostic-Code",
            &format!("x-postroom; {}", recipient.reason),
        );
    }
    fields.push("Last-Attempt-Date", &recipient.last_attempt.rfc5322());
    if let Some(until) = until {
        fields.push("Will-Retry-Until", &until.rfc5322());
    }
}

/// `name: value` lines; no value makes a line of its own.
#[derive(Default)]
struct Fields(String);

impl Fields {
    fn push(&mut self, name: &str, value: &str) {
        let safe = |c: char| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                ' '
            } else {
                c
            }
        };
        self.0.push_str(name);
        self.0.push_str(": ");
        self.0.extend(value.chars().map(safe).take(FIELD_CHARS));
        self.0.push_str("\r\n");
    }

    /// The empty line between the fields of the message and of each recipient.
    fn next_group(&mut self) {
        self.0.push_str("\r\n");
    }
}

/// What of the message comes back.
struct Returned {
    media: &'static str,
    bytes: Vec<u8>,
    whole: bool,
}

impl Returned {
    fn of(request: &ReportRequest<'_>, utf8: bool) -> Self {
        let whole = request.whole
            && request.kind == Kind::Failed
            && request.message.len() <= WHOLE_MESSAGE_BYTES
            && has_good_lines(request.message);
        if whole {
            let media = if utf8 {
                "message/global"
            } else {
                "message/rfc822"
            };
            return Self {
                media,
                bytes: request.message.to_vec(),
                whole,
            };
        }
        let media = if utf8 {
            "message/global-headers"
        } else {
            "text/rfc822-headers"
        };
        Self {
            media,
            bytes: header(request.message),
            whole,
        }
    }
}

/// The first fields of the header, each line ended by CRLF, without what cannot be one.
fn header(message: &[u8]) -> Vec<u8> {
    let message = Message::new(message);
    let mut bytes = Vec::new();
    for field in message.header().fields() {
        let raw = field.raw();
        let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        let written = [raw, b"\r\n"].concat();
        if bytes.len() + written.len() > HEADER_BYTES {
            break;
        }
        if has_good_lines(&written) {
            bytes.extend_from_slice(&written);
        }
    }
    bytes
}

/// CRLF only, and no line longer than RFC 5321 §4.5.3.1.6 allows.
fn has_good_lines(bytes: &[u8]) -> bool {
    bytes.split_inclusive(|&b| b == b'\n').all(|line| {
        let inner = match line {
            [inner @ .., b'\r', b'\n'] => inner,
            [.., b'\n'] => return false,
            inner => inner,
        };
        line.len() <= limits::SMTP_TEXT_LINE && !inner.iter().any(|b| matches!(b, b'\r' | 0))
    })
}

/// A boundary that stands in none of the parts (RFC 2046 §5.1.1).
fn boundary(request: &ReportRequest<'_>, parts: &[&[u8]]) -> String {
    let base = format!("postroom-{}-{}", request.envelope.id, token(request.unique));
    let mut boundary = base.clone();
    let mut number = 0;
    while parts.iter().any(|part| contains(part, boundary.as_bytes())) {
        number += 1;
        boundary = format!("{base}-{number}");
    }
    boundary
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Letters and digits of `text`, at most 40: harmless in an id and in a boundary.
pub(super) fn token(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect()
}
