//! What a listener tells its sessions.

use std::time::Duration;

use mail::Domain;
use mail::limits::Limits;

/// Does the listener have TLS?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// STLS is offered until TLS is on.
    Available,
    /// From byte one.
    Implicit,
    /// There is no certificate; nobody can sign in.
    Never,
}

/// Shared by all sessions of a listener.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our name, for greeting and good-bye.
    pub host: Domain,
    /// TLS here.
    pub tls: Tls,
    /// Without a command for so long, the connection is closed (RFC 1939 §3: at least 10 min).
    pub idle: Duration,
    /// How long somebody who has not signed in may take for each command.
    pub sign_in: Duration,
}

impl Config {
    /// With the operator's limits.
    pub fn new(host: Domain, tls: Tls, limits: &Limits) -> Self {
        Self {
            host,
            tls,
            idle: limits.pop3_idle(),
            sign_in: limits.sign_in().min(limits.pop3_idle()),
        }
    }
}
