//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::message::Kind;

/// Load on mail servers, measured.
#[derive(Debug, Parser)]
#[command(
    name = "postroom-bench",
    version,
    after_help = "Examples:\n  postroom-bench accept --smtp 127.0.0.1:10025 --to ann@abc.test --connections 64 --messages 10000\n  postroom-bench fetch --imaps 127.0.0.1:10993 --user ann@abc.test --password secret\n\n`cargo xtask bench` builds what it needs and runs `suite`."
)]
pub(crate) struct Arguments {
    /// One JSON object for each figure.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send by SMTP, until the server has said 250 to everything.
    Accept(Accept),
    /// Send by SMTP, until everything is seen by IMAP.
    Deliver(Deliver),
    /// Fill a mailbox and fetch flags, envelopes, structures and bodies by IMAP.
    Fetch(Fetch),
    /// Fill mailboxes and take everything out by POP3.
    Drain(Drain),
    /// From the final dot until 250 on one connection, beside fdatasync on the same disk.
    Dot(Dot),
    /// Fill a mailbox and append, mark and expunge single messages by IMAP.
    Mailbox(Mailbox),
    /// The benchmark: Postroom and its peers in turn.
    Suite(Suite),
}

/// What is sent, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Sending {
    /// The server's SMTP address.
    #[arg(long)]
    pub(crate) smtp: SocketAddr,
    /// Recipients, as many domains as you like; may be given more than once.
    #[arg(long, required = true, value_name = "ADDRESS")]
    pub(crate) to: Vec<String>,
    /// Bytes of a message.
    #[arg(long, default_value_t = 10 * 1024)]
    pub(crate) size: usize,
    /// What messages are like.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Accept {
    #[command(flatten)]
    pub(crate) sending: Sending,
    /// Connections at once; each sends one message after the other.
    #[arg(long, default_value_t = 16)]
    pub(crate) connections: usize,
    /// Messages in all.
    #[arg(long, default_value_t = 1000)]
    pub(crate) messages: usize,
    /// Stop after so many seconds, however many messages were sent.
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// Messages a second over all connections, at most [default: as fast as it goes].
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Recipients of each message.
    #[arg(long, default_value_t = 1)]
    pub(crate) recipients: usize,
    /// The server's process: its processor time, with that of its children, is measured.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Deliver {
    #[command(flatten)]
    pub(crate) sending: Sending,
    /// The server's IMAP address with TLS from byte one.
    #[arg(long)]
    pub(crate) imaps: SocketAddr,
    /// The password of every recipient.
    #[arg(long)]
    pub(crate) password: String,
    /// Messages in all, spread over the recipients; each has one connection in and one out.
    #[arg(long, default_value_t = 1000)]
    pub(crate) messages: usize,
    /// As for `accept`.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Fetch {
    /// The server's IMAP address with TLS from byte one.
    #[arg(long)]
    pub(crate) imaps: SocketAddr,
    /// Whose INBOX.
    #[arg(long)]
    pub(crate) user: String,
    /// The password.
    #[arg(long)]
    pub(crate) password: String,
    /// The mailbox is filled to so many messages by APPEND first.
    #[arg(long, default_value_t = 2000)]
    pub(crate) messages: usize,
    /// Bytes of a message.
    #[arg(long, default_value_t = 10 * 1024)]
    pub(crate) size: usize,
    /// Seconds for each kind of FETCH.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// As for `accept`.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Drain {
    /// The server's IMAP address with TLS from byte one, to fill by.
    #[arg(long)]
    pub(crate) imaps: SocketAddr,
    /// The server's POP3 address with TLS from byte one.
    #[arg(long)]
    pub(crate) pop3s: SocketAddr,
    /// Whose mail, one connection each; may be given more than once.
    #[arg(long, required = true)]
    pub(crate) user: Vec<String>,
    /// The password of each.
    #[arg(long)]
    pub(crate) password: String,
    /// Messages for each person.
    #[arg(long, default_value_t = 200)]
    pub(crate) messages: usize,
    /// Bytes of a message.
    #[arg(long, default_value_t = 10 * 1024)]
    pub(crate) size: usize,
    /// As for `accept`.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Dot {
    #[command(flatten)]
    pub(crate) sending: Sending,
    /// Messages of each way to send the dot, and syncs.
    #[arg(long, default_value_t = 500)]
    pub(crate) messages: usize,
    /// Where the file of the probe is made: on the disk of the server's data.
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Mailbox {
    /// The server's SMTP address, to fill by.
    #[arg(long)]
    pub(crate) smtp: SocketAddr,
    /// The server's IMAP address with TLS from byte one.
    #[arg(long)]
    pub(crate) imaps: SocketAddr,
    /// Whose INBOX, empty at first.
    #[arg(long)]
    pub(crate) user: String,
    /// The password.
    #[arg(long)]
    pub(crate) password: String,
    /// Messages in the mailbox.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) messages: usize,
    /// How often each is done.
    #[arg(long, default_value_t = 200)]
    pub(crate) times: usize,
    /// Bytes of a message.
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
    /// As for `accept`.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Suite {
    /// Which scenarios, by name [default: all].
    pub(crate) scenario: Vec<String>,
    /// The release build of `postroom`.
    #[arg(long)]
    pub(crate) server: PathBuf,
    /// Where `swap-v1.wasm` and `swap-v2.wasm` are.
    #[arg(long)]
    pub(crate) fixtures: PathBuf,
    /// The folder `bench` of the checkout, with the configuration of the peers.
    #[arg(long)]
    pub(crate) home: PathBuf,
    /// Where servers keep their files; removed at the end. Both sides use one file system.
    #[arg(long, default_value = "/var/tmp")]
    pub(crate) folder: PathBuf,
    /// Shorter runs, once instead of three times: to see that it works, not to quote.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Gigabytes in the store that is killed and started again [default: 10; quick: 1].
    #[arg(long)]
    pub(crate) gigabytes: Option<f64>,
    /// Minutes of constant load while memory is watched [default: 5; quick: 0.2].
    #[arg(long)]
    pub(crate) minutes: Option<f64>,
    /// Messages in the largest mailbox [default: 1,000,000; quick: 10,000].
    #[arg(long, value_name = "MESSAGES")]
    pub(crate) mailbox: Option<usize>,
    /// Put the results into this page.
    #[arg(long, value_name = "FILE")]
    pub(crate) page: Option<PathBuf>,
    /// What was measured, for the page: a commit.
    #[arg(long, default_value = "")]
    pub(crate) revision: String,
}
