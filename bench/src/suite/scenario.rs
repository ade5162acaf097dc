//! What is measured, each with its own table.

mod read;
mod sending;
mod swap;

use super::peers::Peers;
use super::postroom::Postroom;
use super::rounds::Target;
use crate::arguments::Suite;

/// One part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    Accept,
    Deliver,
    Fetch,
    Drain,
    Plugin,
    Swap,
}

/// What scenarios run on.
pub(super) struct Bench<'a> {
    pub(super) options: &'a Suite,
    pub(super) postroom: &'a Postroom,
    /// Or why they are not there.
    pub(super) peers: Result<&'a Peers, &'a String>,
}

impl Bench<'_> {
    /// How often each is measured.
    const fn rounds(&self) -> usize {
        if self.options.quick { 1 } else { 3 }
    }

    /// Seconds of one run under load.
    const fn seconds(&self) -> f64 {
        if self.options.quick { 1.5 } else { 4.0 }
    }

    /// Postroom first, then the peers, if they are there.
    fn targets(&self) -> anyhow::Result<Vec<Target>> {
        let mut targets = vec![self.postroom.target()?];
        if let Ok(peers) = self.peers {
            targets.push(peers.target()?);
        }
        Ok(targets)
    }

    fn why_no_peers(&self) -> Option<&str> {
        self.peers.err().map(String::as_str)
    }
}

impl Scenario {
    pub(super) const ALL: [Self; 6] = [
        Self::Accept,
        Self::Deliver,
        Self::Fetch,
        Self::Drain,
        Self::Plugin,
        Self::Swap,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Deliver => "deliver",
            Self::Fetch => "fetch",
            Self::Drain => "drain",
            Self::Plugin => "plugin",
            Self::Swap => "swap",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Accept => "Accepting mail: SMTP until 250",
            Self::Deliver => "End to end: SMTP until it is seen by IMAP",
            Self::Fetch => "Reading by IMAP",
            Self::Drain => "Taking mail out by POP3",
            Self::Plugin => "Accepting with a policy plugin",
            Self::Swap => "Swapping a plugin under load",
        }
    }

    /// Is it measured on other servers too?
    pub(super) const fn has_peers(self) -> bool {
        !matches!(self, Self::Plugin | Self::Swap)
    }

    /// Runs it; its figures in Markdown.
    pub(super) async fn run(self, bench: &Bench<'_>) -> anyhow::Result<String> {
        eprintln!("==> {}", self.title());
        match self {
            Self::Accept => sending::accept(bench).await,
            Self::Deliver => sending::deliver(bench).await,
            Self::Plugin => sending::plugin(bench).await,
            Self::Fetch => read::fetch(bench).await,
            Self::Drain => read::drain(bench).await,
            Self::Swap => swap::swap(bench).await,
        }
    }
}
