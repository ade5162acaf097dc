//! What a listener tells its sessions.

use std::time::Duration;

use mail::Domain;
use mail::limits::{self, Limits};

/// What the listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Mail from other servers, port 25. AUTH is not offered.
    Mx,
    /// Mail from people who log in, ports 587 and 465 (RFC 6409). MAIL needs AUTH, and AUTH is
    /// offered only under TLS.
    Submission,
}

/// Encryption on the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// No certificate: STARTTLS is not offered.
    None,
    /// STARTTLS is offered (RFC 3207).
    Available,
    /// TLS from byte one (RFC 8314 §3.3); the session begins on an encrypted transport.
    Implicit,
}

/// The settings of a server session. Shared by all sessions of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The name in the greeting and in the EHLO reply (RFC 5321 §4.1.1.1).
    pub hostname: Domain,
    /// What the listener is for.
    pub mode: Mode,
    /// Encryption.
    pub tls: Tls,
    /// Message size, recipients and idle time.
    pub limits: Limits,
    /// Longest line of a message in bytes with CRLF, from 1,000 on. RFC 5321 §4.5.3.1.6 lets a
    /// server take longer ones than the 1,000 every server must take, and much real mail needs
    /// it; the default is 64 KiB.
    pub text_line: usize,
    /// Bytes a second below which a message does not arrive: each `minimum_rate` bytes push the
    /// idle deadline of a message one second on, up to the idle time.
    pub minimum_rate: u32,
    /// Longest life of a session, whatever it does.
    pub session_life: Duration,
    /// Is DSN (RFC 3461) announced? Its parameters are read and handed over in any case.
    pub dsn: bool,
}

impl Config {
    /// With the default limits.
    pub fn new(hostname: Domain, mode: Mode, tls: Tls) -> Self {
        Self {
            hostname,
            mode,
            tls,
            limits: Limits::default(),
            text_line: limits::SESSION_BUFFER,
            minimum_rate: 100,
            session_life: Duration::from_secs(4 * 3600),
            dsn: false,
        }
    }
}
