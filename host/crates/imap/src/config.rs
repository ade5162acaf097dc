//! What a session is told about the server it runs in.

use mail::limits::Limits;

/// The same for all sessions of a listener; shared between them.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the server calls itself, in the greeting.
    pub host: String,
    /// May a plaintext connection switch to TLS?
    pub starttls: StartTls,
    /// The operator's limits.
    pub limits: Limits,
}

/// May a plaintext connection switch to TLS?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// STARTTLS is announced on plaintext connections.
    Offered,
    /// There is no certificate: nobody can sign in on a plaintext connection.
    Absent,
}
