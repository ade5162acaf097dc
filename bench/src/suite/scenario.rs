//! What is measured, each with its own table.

mod disk;
mod dot;
mod mailbox;
mod plugin;
mod read;
mod restart;
mod sending;
mod soak;
mod stored;
mod swap;

use std::path::Path;

use super::peers::Peers;
use super::postroom::{Certificate, Postroom};
use super::rounds::Target;
use crate::arguments::Suite;

/// One part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    Accept(Size),
    Dot,
    Deliver,
    Fetch,
    Drain,
    Plugin,
    Swap,
    Stored,
    Mailbox,
    Restart,
    Disk,
    Soak,
}

/// Of the messages that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Kib4,
    Kib10,
    Kib100,
    Mib5,
}

impl Size {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Kib4 => 4 * 1024,
            Self::Kib10 => 10 * 1024,
            Self::Kib100 => 100 * 1024,
            Self::Mib5 => 5 * 1024 * 1024,
        }
    }
}

/// What scenarios run on.
pub(super) struct Bench<'a> {
    pub(super) options: &'a Suite,
    /// Where servers keep their files.
    pub(super) folder: &'a Path,
    pub(super) certificate: &'a Certificate,
    /// Or why they are not there.
    pub(super) peers: Result<&'a Peers, &'a String>,
}

impl Bench<'_> {
    /// A new and empty one: no scenario finds what another left, and the disk does not fill up.
    async fn postroom(&self, people: &[String]) -> anyhow::Result<Postroom> {
        let server = &self.options.server;
        Postroom::start(server, self.folder, Some(self.certificate), people).await
    }

    /// How often each is measured.
    const fn rounds(&self) -> usize {
        if self.options.quick { 1 } else { 3 }
    }

    /// Seconds of one run under load.
    const fn seconds(&self) -> f64 {
        if self.options.quick { 1.0 } else { 3.0 }
    }

    /// Postroom first, then the peers, if they are there.
    fn targets(&self, postroom: &Postroom) -> anyhow::Result<Vec<Target>> {
        let mut targets = vec![postroom.target()];
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
    /// In the order of a full run: what takes longest last.
    pub(super) const ALL: [Self; 15] = [
        Self::Accept(Size::Kib10),
        Self::Dot,
        Self::Deliver,
        Self::Accept(Size::Kib4),
        Self::Accept(Size::Kib100),
        Self::Accept(Size::Mib5),
        Self::Fetch,
        Self::Drain,
        Self::Plugin,
        Self::Swap,
        Self::Stored,
        Self::Disk,
        Self::Mailbox,
        Self::Restart,
        Self::Soak,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accept(Size::Kib4) => "accept-4k",
            Self::Accept(Size::Kib10) => "accept",
            Self::Accept(Size::Kib100) => "accept-100k",
            Self::Accept(Size::Mib5) => "accept-5m",
            Self::Dot => "dot",
            Self::Deliver => "deliver",
            Self::Fetch => "fetch",
            Self::Drain => "drain",
            Self::Plugin => "plugin",
            Self::Swap => "swap",
            Self::Stored => "stored",
            Self::Mailbox => "mailbox",
            Self::Restart => "restart",
            Self::Disk => "disk",
            Self::Soak => "soak",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Accept(Size::Kib4) => "Accepting mail of 4 KiB",
            Self::Accept(Size::Kib10) => "Accepting mail: SMTP until 250",
            Self::Accept(Size::Kib100) => "Accepting mail of 100 KiB",
            Self::Accept(Size::Mib5) => "Accepting mail of 5 MiB",
            Self::Dot => "One connection: from the final dot until 250",
            Self::Deliver => "End to end: SMTP until it is seen by IMAP",
            Self::Fetch => "Reading by IMAP",
            Self::Drain => "Taking mail out by POP3",
            Self::Plugin => "Accepting with a policy plugin",
            Self::Swap => "Swapping a plugin under load",
            Self::Stored => "The same with mail in the store",
            Self::Mailbox => "Large mailboxes",
            Self::Restart => "Starting after kill -9",
            Self::Disk => "Room on the disk",
            Self::Soak => "Memory under constant load",
        }
    }

    /// Is it measured on other servers too?
    pub(super) const fn has_peers(self) -> bool {
        matches!(
            self,
            Self::Accept(_) | Self::Deliver | Self::Fetch | Self::Drain
        )
    }

    /// Runs it; its figures in Markdown.
    pub(super) async fn run(self, bench: &Bench<'_>) -> anyhow::Result<String> {
        eprintln!("==> {}", self.title());
        match self {
            Self::Accept(size) => sending::accept(bench, size).await,
            Self::Dot => dot::dot(bench).await,
            Self::Deliver => sending::deliver(bench).await,
            Self::Fetch => read::fetch(bench).await,
            Self::Drain => read::drain(bench).await,
            Self::Plugin => plugin::plugin(bench).await,
            Self::Swap => swap::swap(bench).await,
            Self::Stored => stored::stored(bench).await,
            Self::Mailbox => mailbox::mailbox(bench).await,
            Self::Restart => restart::restart(bench).await,
            Self::Disk => disk::disk(bench).await,
            Self::Soak => soak::soak(bench).await,
        }
    }
}
