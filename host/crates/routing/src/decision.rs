//! What comes out of the message way.

use std::fmt;
use std::sync::Arc;

use mail::{Domain, DomainId, GroupId, Mailbox, PersonId, Reply};
use serde::{Deserialize, Serialize};

use crate::{Delivery, DomainFacts, Host, Level};

/// The way so far: decided, or in need of something only others know. In need, the caller
/// finds it out, adds it to [`crate::Answers`] and calls [`crate::route`] again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Ask DNS about this domain: MX, then A and AAAA, five seconds at most.
    NeedsDns(Domain),
    /// Ask the domain's `resolve` hook what this address stands for.
    NeedsResolve(Mailbox),
    /// The end of the way.
    Decided(Routed),
}

/// A decided way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// What to do.
    pub decision: Decision,
    /// The hosted domain of the recipient: the one whose hooks run.
    pub domain: Option<Arc<DomainFacts>>,
    /// The recipient after domain aliases and subaddress, where it is one of ours.
    pub resolved: Option<Mailbox>,
    /// What each step did, in order.
    pub steps: Vec<StepTaken>,
}

/// What to do with mail for the recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Take it, for these targets; at least one, each with its own outcome.
    Accept {
        /// Where it goes.
        targets: Vec<Target>,
        /// A level in state `hold`: park the mail instead of delivering it.
        held: Option<Level>,
    },
    /// Answer so. 4xx: mail of this host stays queued; 5xx: it becomes a report.
    Refuse(Reply),
}

/// Whose delivery option it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// A person's.
    Person(PersonId),
    /// A group's.
    Group(GroupId),
}

/// One place that gets the mail.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "target")]
pub enum Target {
    /// The person's own mailbox.
    Mailbox {
        /// The domain of the person.
        domain: DomainId,
        /// The person.
        person: PersonId,
        /// The primary address.
        address: Mailbox,
        /// `mailMessageStore`
        store: String,
        /// What stood behind the `+` of the recipient.
        detail: Option<String>,
    },
    /// A delivery option that a plugin serves.
    Option {
        /// The domain of the owner, whose binding serves it.
        domain: DomainId,
        /// Whose option.
        owner: Owner,
        /// The owner's primary address.
        address: Mailbox,
        /// The option and its settings; never `Mailbox` or `Members`.
        delivery: Delivery,
    },
    /// Another host.
    Remote {
        /// The address to hand on.
        address: Mailbox,
        /// The channel that carries it.
        channel: String,
        /// The host to hand it to.
        next_hop: NextHop,
    },
    /// One of several addresses that cannot take mail. Transient: queue it for this address
    /// and take the way again at the attempt. Permanent: it failed.
    Refused {
        /// The address.
        address: Mailbox,
        /// Why.
        reply: StoredReply,
    },
}

/// A reply as a target keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredReply(pub Reply);

/// Which host gets remote mail.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NextHop {
    /// Whatever DNS says at the attempt.
    Mx {
        /// The exchange that DNS named when the mail was accepted.
        exchange: Option<Domain>,
    },
    /// This host, whatever DNS says.
    Host(Host),
    /// Where the channel leads by its own configuration.
    Channel,
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mx {
                exchange: Some(exchange),
            } => write!(f, "{exchange} (MX)"),
            Self::Mx { exchange: None } => f.write_str("by MX"),
            Self::Host(host) => write!(f, "{host}"),
            Self::Channel => f.write_str("the host of the channel"),
        }
    }
}

/// As `explain` shows it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox { address, .. } => write!(f, "mailbox {address}"),
            Self::Option {
                address, delivery, ..
            } => write!(f, "{} of {address}", delivery.option()),
            Self::Remote {
                address,
                channel,
                next_hop,
            } => {
                write!(f, "remote {address} over {channel} to {next_hop}")
            }
            Self::Refused { address, reply } => write!(f, "refused {address}: {}", reply.0),
        }
    }
}

/// The steps of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepName {
    /// 1: is the domain hosted here?
    Domain,
    /// 2: may this sender relay, and what does DNS say?
    Relay,
    /// 3: state of the domain and of its mail.
    DomainState,
    /// 4: what does the local part stand for?
    LocalPart,
    /// 4, for `postmaster`.
    Postmaster,
    /// 5: state of the person.
    Person,
    /// 5: state of the group.
    Group,
    /// Delivery options, members and alias targets become targets.
    Expand,
}

impl StepName {
    /// The name in traces and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Relay => "relay",
            Self::DomainState => "domain-state",
            Self::LocalPart => "local-part",
            Self::Postmaster => "postmaster",
            Self::Person => "person",
            Self::Group => "group",
            Self::Expand => "expand",
        }
    }
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTaken {
    /// Which step.
    pub step: StepName,
    /// 0 for the recipient itself, more for what it expands to.
    pub depth: usize,
    /// One sentence for people.
    pub sentence: String,
}
