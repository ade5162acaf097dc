//! What goes into a client and what comes out.

use std::time::Duration;

use mail::{Body, Domain, Mailbox, Outcome, ReversePath};
use sasl::Credentials;

/// Which protocol the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// SMTP: one reply for a message.
    #[default]
    Smtp,
    /// LMTP: one reply for each recipient (RFC 2033).
    Lmtp,
}

/// Whether to encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsPolicy {
    /// Never by STARTTLS: the transport is encrypted already, or shall not be.
    Never,
    /// Where the server offers it. A handshake that fails ends the connection; the caller may
    /// try again with `Never`.
    #[default]
    Opportunistic,
    /// Nothing is sent without it; a server that does not offer it defers the message.
    Required,
}

/// How long each phase may take (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the greeting (5 min).
    pub greeting: Duration,
    /// For the reply to EHLO, STARTTLS with its handshake, AUTH, MAIL, RCPT and RSET (5 min).
    pub command: Duration,
    /// For the reply to DATA (2 min).
    pub data: Duration,
    /// For each piece of the body to be written (3 min).
    pub block: Duration,
    /// For the reply after the final dot (10 min).
    pub end: Duration,
    /// For the reply to QUIT. Nothing depends on it (10 s).
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        Self {
            greeting: minutes(5),
            command: minutes(5),
            data: minutes(2),
            block: minutes(3),
            end: minutes(10),
            quit: Duration::from_secs(10),
        }
    }
}

/// The settings of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What we call ourselves.
    pub hostname: Domain,
    /// What the server is called in outcomes and reports: its MX name, its address or both.
    pub peer: String,
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Whether to encrypt.
    pub tls: TlsPolicy,
    /// Is the transport encrypted from byte one?
    pub encrypted: bool,
    /// To log in with, by PLAIN or LOGIN and only under TLS.
    pub credentials: Option<Credentials>,
    /// May the login go over a connection that is not encrypted after all?
    pub plaintext_login: bool,
    /// How long each phase may take.
    pub timeouts: Timeouts,
}

impl Config {
    /// Opportunistic SMTP without a login.
    pub fn new(hostname: Domain) -> Self {
        Self {
            hostname,
            peer: "the next server".to_owned(),
            protocol: Protocol::Smtp,
            tls: TlsPolicy::Opportunistic,
            encrypted: false,
            credentials: None,
            plaintext_login: false,
            timeouts: Timeouts::default(),
        }
    }
}

/// One message to one or more recipients. The body comes later, on `NeedBody`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who gets the reports.
    pub reverse_path: ReversePath,
    /// For whom; the outcomes are in this order.
    pub recipients: Vec<Mailbox>,
    /// Bytes of the body, where they are known.
    pub size: Option<u64>,
    /// Does the body hold bytes over 127?
    pub body: Body,
    /// Does the header section hold UTF-8, so that only an SMTPUTF8 server may have it
    /// (RFC 6531 §3.2)? Addresses are looked at apart from this.
    pub utf8: bool,
}

impl Message {
    /// A 7-bit message of unknown size.
    pub const fn new(reverse_path: ReversePath, recipients: Vec<Mailbox>) -> Self {
        Self {
            reverse_path,
            recipients,
            size: None,
            body: Body::SevenBit,
            utf8: false,
        }
    }
}

/// How far the server was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The message was never offered: greeting, EHLO, TLS or login failed. Another host of the
    /// same domain may be tried, and the outcomes are what to settle with if there is none.
    Connection,
    /// The server judged the message, or the connection broke while it did.
    Transaction,
}

/// How one message went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One for each recipient, in the order of the message. `Done` means that the server took
    /// the responsibility.
    pub outcomes: Vec<Outcome>,
    /// How far the server was reached.
    pub stage: Stage,
}

/// What the driver shall do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Write these bytes to the server.
    Write(Vec<u8>),
    /// Wait for bytes, the time-out or the end of the connection.
    NeedInput,
    /// Give the next piece of the body as it is stored (no dots, no line endings to care for).
    NeedBody,
    /// Do the handshake.
    StartTls,
    /// A message is done. The connection may take the next one.
    Done(Report),
    /// There is no message under way.
    Ready,
    /// Close the connection; everything was written.
    Close,
}
