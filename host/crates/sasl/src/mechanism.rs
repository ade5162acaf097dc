//! The mechanisms that are served.

use std::fmt;

/// A mechanism both sides speak. Each sends the password itself, so a protocol must offer them
/// only under TLS (RFC 4616 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN: never standardised (draft-murchison-sasl-login), still what many clients try.
    Login,
}

impl Mechanism {
    /// All of them, in the order in which they are announced.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Login];

    /// By its registered name, without regard to case (RFC 4954 §4).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
