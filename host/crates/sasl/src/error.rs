//! Why an exchange ended without credentials.

/// The peer's fault, always. The texts say nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The peer sent `*` (RFC 4954 §4, RFC 5034 §4, RFC 3501 §6.2.2).
    #[error("authentication was cancelled")]
    Cancelled,
    /// Not base64 with its padding (RFC 4648 §4).
    #[error("the response is not base64")]
    Base64,
    /// The response, the name or the password is longer than any real one.
    #[error("the response is too long")]
    TooLong,
    /// The response has not the shape the mechanism asks for.
    #[error("the response is malformed")]
    Malformed,
    /// Not UTF-8 (RFC 4616 §2).
    #[error("the response is not UTF-8")]
    NotUtf8,
    /// No name or no password. An empty password is refused before anything is asked: to LDAP
    /// it would be an anonymous bind that succeeds (RFC 4513 §5.1.2).
    #[error("the login name or the password is empty")]
    Empty,
    /// The server asks for more than the mechanism has (client side only).
    #[error("the server asks for a response that the mechanism does not have")]
    UnexpectedChallenge,
}
