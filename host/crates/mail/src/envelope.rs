//! The envelope: what routing and transport see of a message.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{EnvelopeId, PersonId, ReversePath, Timestamp};

/// The service a connection is for, as `mailDomainAllowedServiceAccess` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Receiving from other servers, port 25. Never filtered by the directory.
    Mx,
    /// Submission on 587, plaintext or STARTTLS.
    Smtp,
    /// Submission on 465, TLS from byte one.
    Smtps,
    /// IMAP on 143, with or without STARTTLS.
    Imap,
    /// IMAP on 993, TLS from byte one.
    Imaps,
    /// POP3 on 110, with or without STLS.
    Pop3,
    /// POP3 on 995, TLS from byte one.
    Pop3s,
    /// The HTTP API, TLS from byte one.
    Http,
}

impl Service {
    /// Is it TLS from byte one?
    pub const fn is_implicit_tls(self) -> bool {
        matches!(self, Self::Smtps | Self::Imaps | Self::Pop3s | Self::Http)
    }

    /// The name, as in configuration and directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Http => "http",
        }
    }
}

/// Where a message comes from, seen from the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From another server, not authenticated.
    Inbound,
    /// From an authenticated person or the local command.
    Submission,
    /// Made on this host: forward, list, plugin, report.
    Internal,
}

/// What the BODY parameter announced (RFC 6152, RFC 3030, RFC 6531).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Body {
    /// 7BIT, also when nothing was said.
    #[default]
    SevenBit,
    /// 8BITMIME.
    EightBitMime,
}

/// One transaction without its recipients and without its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Ours, in logs, `Received` and reports.
    pub id: EnvelopeId,
    /// Who gets the reports.
    pub reverse_path: ReversePath,
    /// From where, seen from the domains.
    pub direction: Direction,
    /// Who logged in, with a submission.
    pub authenticated: Option<PersonId>,
    /// The peer's address; `None` for mail made on this host.
    pub peer: Option<IpAddr>,
    /// What the peer called itself in EHLO or HELO, checked to be one printable word.
    pub helo: String,
    /// Was the connection encrypted?
    pub encrypted: bool,
    /// When MAIL was accepted.
    pub received: Timestamp,
    /// BODY parameter.
    pub body: Body,
    /// Was SMTPUTF8 given (RFC 6531 §3.4)?
    pub utf8: bool,
    /// ENVID given by the sender (RFC 3461 §4.4), decoded.
    pub envid: Option<String>,
}
