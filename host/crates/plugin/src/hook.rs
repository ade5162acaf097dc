//! The hooks of the contract.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::CallLimits;

/// The package of the contract.
pub(crate) const PACKAGE: &str = "postroom:plugin";
/// The version of the contract that this server offers; components of `0.1.x` load.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// A hook: the interface a component exports and the one function in it, of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// A client has connected.
    Connect,
    /// It has said who it is.
    Ehlo,
    /// The sender is known.
    Mail,
    /// One recipient.
    Rcpt,
    /// The whole message, before 250.
    Data,
    /// A delivery option.
    Deliver,
    /// A fresh instance.
    Start,
    /// Is a configuration good?
    CheckConfig,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::Ehlo,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Deliver,
        Self::Start,
        Self::CheckConfig,
    ];

    /// The name of interface and function.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ehlo => "ehlo",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Deliver => "deliver",
            Self::Start => "start",
            Self::CheckConfig => "check-config",
        }
    }

    /// The hook with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }

    /// What of the effects of its calls happens, by name; the rest is dropped. `docs/hooks.tsv` has
    /// the same for people.
    pub const fn effects(self) -> &'static [&'static str] {
        match self {
            Self::Connect | Self::Ehlo | Self::Mail | Self::Rcpt => &["kv"],
            Self::Data => &["kv", "edit"],
            Self::Deliver => &["kv", "submit", "forward", "mailbox", "file"],
            Self::Start | Self::CheckConfig => &[],
        }
    }

    /// Does it make a plugin useful by itself?
    pub(crate) const fn is_asked(self) -> bool {
        !matches!(self, Self::Start | Self::CheckConfig)
    }

    pub(crate) const fn cpu_ms(self, limits: &CallLimits) -> u64 {
        match self {
            Self::Data | Self::Deliver => limits.message_cpu_ms,
            _ => limits.session_cpu_ms,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
