//! The trace fields a server puts before a message (RFC 5321 §4.4).

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::header::{HeaderBuilder, HeaderError};
use crate::{Domain, Envelope, Mailbox, ReversePath};

/// How a message came to where the field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// From a peer that said HELO.
    Smtp,
    /// From a peer that said EHLO.
    Esmtp,
    /// From this server itself: there is no peer to name.
    Inside,
}

/// `Received`, with CRLF. `recipient` is named only where the message goes to one alone: a
/// trace must not show who else got it (RFC 5321 §7.6).
///
/// ```text
/// Received: from mx.example ([192.0.2.1]) by mail.abc.test (Postroom) with ESMTPS id q2a
///  for <ann@abc.test>; Mon, 23 Nov 2026 14:00:00 +0000
/// ```
pub fn received(
    envelope: &Envelope,
    hop: Hop,
    server: &str,
    recipient: Option<&Mailbox>,
) -> Vec<u8> {
    let peer = envelope.peer.filter(|_| hop != Hop::Inside);
    let from = peer
        .map(|peer| {
            format!(
                "from {} ({}) ",
                helo_word(&envelope.helo),
                address_literal(peer)
            )
        })
        .unwrap_or_default();
    let with = peer
        .map(|_| format!(" with {}", protocol(envelope, hop)))
        .unwrap_or_default();
    let recipient = recipient
        .filter(|mailbox| envelope.utf8 || !mailbox.is_utf8())
        .map(|mailbox| format!(" for <{mailbox}>"))
        .unwrap_or_default();
    let server = helo_word(server);
    let date = envelope.received.rfc5322();
    let value = format!(
        "{from}by {server} (Postroom){with} id {}{recipient}; {date}",
        envelope.id
    );
    field("Received", &value)
}

/// `Return-Path`, with CRLF: only at final delivery (RFC 5321 §4.4).
pub fn return_path(path: &ReversePath) -> Vec<u8> {
    field("Return-Path", &path.to_string())
}

/// `Delivered-To`, with CRLF: the address this copy was made for (RFC 9228 §3).
pub fn delivered_to(recipient: &Mailbox) -> Vec<u8> {
    field("Delivered-To", &recipient.to_string())
}

/// The text is made of checked parts only; should it be refused all the same, the field says
/// nothing rather than something wrong.
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut header = HeaderBuilder::new();
    let written: Result<_, HeaderError> = header.raw(name, value).map(|_| ());
    match written {
        Ok(()) => header.finish(),
        Err(_) => format!("{name}: (not shown)\r\n").into_bytes(),
    }
}

/// RFC 3848 §2, RFC 6531 §4.3: after HELO there are no extensions, whatever is under it.
const fn protocol(envelope: &Envelope, hop: Hop) -> &'static str {
    if matches!(hop, Hop::Smtp) {
        return "SMTP";
    }
    match (
        envelope.utf8,
        envelope.encrypted,
        envelope.authenticated.is_some(),
    ) {
        (false, false, false) => "ESMTP",
        (false, true, false) => "ESMTPS",
        (false, false, true) => "ESMTPA",
        (false, true, true) => "ESMTPSA",
        (true, false, false) => "UTF8SMTP",
        (true, true, false) => "UTF8SMTPS",
        (true, false, true) => "UTF8SMTPA",
        (true, true, true) => "UTF8SMTPSA",
    }
}

/// What the peer calls itself, if it is one harmless word; anything else would be a place to
/// write comments and fields of one's own.
fn helo_word(helo: &str) -> String {
    if let Ok(domain) = Domain::parse(helo) {
        return domain.to_string();
    }
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if (1..=255).contains(&helo.len()) && helo.bytes().all(harmless) {
        helo.to_owned()
    } else {
        "unknown".to_owned()
    }
}

fn address_literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}
