//! Which channel and host remote mail takes.

use std::fmt;
use std::str::FromStr;

use mail::{Domain, DomainError};
use serde::{Deserialize, Serialize};

use crate::NextHop;

/// The channel of everything no route names.
pub(crate) const SMTP: &str = "smtp";

/// A host to hand mail to, `name`, `name:port` or `[literal]:port`; port 25 unless given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host {
    /// Name or address literal. A bare IPv4 address is kept as a literal.
    pub name: Domain,
    /// TCP port.
    pub port: u16,
}

/// Not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The name.
    #[error(transparent)]
    Name(#[from] DomainError),
    /// The port.
    #[error("'{0}' is not a TCP port")]
    Port(String),
}

impl FromStr for Host {
    type Err = HostError;
    fn from_str(text: &str) -> Result<Self, HostError> {
        let after_literal = text.rfind(']').map_or(0, |end| end + 1);
        let (name, port) = match text[after_literal..].rfind(':') {
            Some(colon) => (
                &text[..after_literal + colon],
                Some(&text[after_literal + colon + 1..]),
            ),
            None => (text, None),
        };
        let port = match port {
            Some(digits) => match digits.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(HostError::Port(digits.to_owned())),
            },
            None => 25,
        };
        let name = match name.parse::<std::net::Ipv4Addr>() {
            Ok(address) => Domain::parse(&format!("[{address}]"))?,
            Err(_) => Domain::parse(name)?,
        };
        Ok(Self { name, port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

/// Which domains a route is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pattern {
    /// This domain.
    Exact(Domain),
    /// Every domain below, written `.example.org`.
    Suffix(Domain),
    /// Every domain, written `*`.
    Any,
}

impl Pattern {
    fn matches(&self, domain: &Domain) -> bool {
        match self {
            Self::Exact(exact) => exact == domain,
            Self::Suffix(suffix) => {
                let below = domain.as_str().strip_suffix(suffix.as_str());
                below.is_some_and(|rest| rest.ends_with('.'))
            }
            Self::Any => true,
        }
    }

    /// Larger is more specific.
    fn weight(&self) -> usize {
        match self {
            Self::Any => 0,
            Self::Suffix(suffix) => suffix.as_str().len(),
            Self::Exact(_) => usize::MAX,
        }
    }
}

impl FromStr for Pattern {
    type Err = DomainError;
    fn from_str(text: &str) -> Result<Self, DomainError> {
        match text.strip_prefix('.') {
            _ if text == "*" => Ok(Self::Any),
            Some(suffix) => Ok(Self::Suffix(Domain::parse(suffix)?)),
            None => Ok(Self::Exact(Domain::parse(text)?)),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(domain) => write!(f, "{domain}"),
            Self::Suffix(domain) => write!(f, ".{domain}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = DomainError;
    fn try_from(text: String) -> Result<Self, DomainError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

/// One `[[route]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which domains.
    pub pattern: Pattern,
    /// The channel.
    pub channel: String,
    /// Where to: by MX, to a host of the route, or where the channel leads.
    pub next_hop: NextHop,
}

/// Why a table of routes is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Two routes for the same domains.
    #[error("two routes for '{pattern}', over '{one}' and over '{other}': remove one of them")]
    Tie {
        /// Which domains.
        pattern: Pattern,
        /// The channel of the one.
        one: String,
        /// The channel of the other.
        other: String,
    },
    /// A channel nobody made.
    #[error("the route for '{pattern}' names the channel '{channel}', which does not exist")]
    NoChannel {
        /// The route.
        pattern: Pattern,
        /// The channel it names.
        channel: String,
    },
}

/// All routes. Hosted domains are local and never looked up here; what no route matches goes
/// over the channel `smtp` by MX.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteTable {
    /// The most specific first.
    routes: Vec<Route>,
}

impl RouteTable {
    /// Checks the routes. `channels` are the configured channels; `smtp` is always there.
    pub fn new(mut routes: Vec<Route>, channels: &[String]) -> Result<Self, RouteError> {
        routes.sort_by_key(|route| std::cmp::Reverse(route.pattern.weight()));
        for (index, route) in routes.iter().enumerate() {
            let twin = routes[..index]
                .iter()
                .find(|earlier| earlier.pattern == route.pattern);
            if let Some(twin) = twin {
                return Err(RouteError::Tie {
                    pattern: route.pattern.clone(),
                    one: twin.channel.clone(),
                    other: route.channel.clone(),
                });
            }
            if route.channel != SMTP && !channels.contains(&route.channel) {
                let (pattern, channel) = (route.pattern.clone(), route.channel.clone());
                return Err(RouteError::NoChannel { pattern, channel });
            }
        }
        Ok(Self { routes })
    }

    /// Channel and next hop for mail to `domain`.
    pub fn choose(&self, domain: &Domain) -> (&str, NextHop) {
        let Some(route) = self
            .routes
            .iter()
            .find(|route| route.pattern.matches(domain))
        else {
            return (SMTP, NextHop::Mx { exchange: None });
        };
        (&route.channel, route.next_hop.clone())
    }
}
