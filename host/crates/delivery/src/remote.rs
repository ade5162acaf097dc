//! Mail to the next server (SMTP or LMTP over TCP).
//!
//! ```text
//!   NextHop (host, addresses) ─┐
//!   smtp::client::Message ─────┼─> Remote::deliver ─> one Outcome a recipient
//!   message, byte for byte ────┘     │ net::connect, STARTTLS
//!                                    └ smtp::client::Client (pure)
//! ```
//!
//! The addresses of the host are tried in turn until one of them judges the message. Where TLS
//! is opportunistic and its handshake fails, the same address is tried once more without.
//!
//! How it fails: whatever keeps the message from being judged (no connection, TLS, a broken
//! connection, a reply that is none, silence) is `Deferred`; so is a connection lost between the
//! final dot and its reply, and then the message may arrive twice. The message is read once, and
//! only when the server has asked for it; if it cannot be read to its end the connection is
//! dropped, never ended.
//!
//! What it does not know: MX, the queue, when to try again.

mod drive;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use mail::{Domain, Outcome, words};
use net::ClientTls;
use smtp::client::{Config, Message, Protocol, Report, Stage, Timeouts, TlsPolicy};
use tokio::io::AsyncRead;

use self::drive::{Drive, Driven};

/// Addresses of one host that are tried in one attempt.
pub const ADDRESSES: usize = 8;

/// How long a TCP connection may take to be made (RFC 5321 §4.5.3.2 leaves it to us).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The next server on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextHop {
    /// Its name, for TLS, for texts and for the log.
    pub name: String,
    /// Its addresses, the preferred first.
    pub addresses: Vec<SocketAddr>,
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Whether to encrypt.
    pub tls: TlsPolicy,
}

impl NextHop {
    /// SMTP, encrypted where the server offers it.
    pub fn smtp(name: impl Into<String>, addresses: Vec<SocketAddr>) -> Self {
        Self {
            name: name.into(),
            addresses,
            protocol: Protocol::Smtp,
            tls: TlsPolicy::Opportunistic,
        }
    }
}

/// Delivers to other servers.
#[derive(Debug, Clone)]
pub struct Remote {
    hostname: Domain,
    tls: ClientTls,
    timeouts: Timeouts,
    connect_timeout: Duration,
}

impl Remote {
    /// Under the name `hostname`, with the time-outs of RFC 5321.
    pub fn new(hostname: Domain, tls: ClientTls) -> Self {
        Self {
            hostname,
            tls,
            timeouts: Timeouts::default(),
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// With other time-outs: for making the connection, and for the phases after.
    #[must_use]
    pub fn with_timeouts(mut self, connect: Duration, timeouts: Timeouts) -> Self {
        self.connect_timeout = connect;
        self.timeouts = timeouts;
        self
    }

    /// Delivers one message, whose bytes are `body`. One outcome for each recipient, in the
    /// order of the message.
    pub async fn deliver(
        &self,
        hop: &NextHop,
        message: Message,
        mut body: impl AsyncRead + Unpin + Send,
    ) -> Vec<Outcome> {
        let count = message.recipients.len();
        let nobody = words::CONNECT_FAILED
            .outcome_with(&[("host", &hop.name), ("detail", "it has no address")]);
        let mut outcomes = vec![nobody; count];
        for &address in hop.addresses.iter().take(ADDRESSES) {
            let report = self.try_address(hop, address, &message, &mut body).await;
            outcomes = report.outcomes;
            if report.stage == Stage::Transaction {
                break;
            }
        }
        // One for each recipient, whatever happened.
        outcomes.resize(
            count,
            words::REMOTE_GARBAGE.outcome_with(&[("host", &hop.name)]),
        );
        outcomes
    }

    /// One address, without TLS the second time where TLS is only a wish.
    async fn try_address(
        &self,
        hop: &NextHop,
        address: SocketAddr,
        message: &Message,
        body: &mut (impl AsyncRead + Unpin + Send),
    ) -> Report {
        let first = self
            .connect_and_drive(hop, address, hop.tls, message, body)
            .await;
        let may_try_plain =
            hop.tls == TlsPolicy::Opportunistic && first.report.stage == Stage::Connection;
        if !(first.tls_failed && may_try_plain) {
            return first.report;
        }
        tracing::info!(host = %hop.name, %address, "TLS failed, trying without");
        self.connect_and_drive(hop, address, TlsPolicy::Never, message, body)
            .await
            .report
    }

    async fn connect_and_drive(
        &self,
        hop: &NextHop,
        address: SocketAddr,
        tls: TlsPolicy,
        message: &Message,
        body: &mut (impl AsyncRead + Unpin + Send),
    ) -> Driven {
        let stream = match net::connect(address, self.connect_timeout).await {
            Ok((stream, _)) => stream,
            Err(error) => {
                let values = [("host", hop.name.as_str()), ("detail", &error.to_string())];
                let outcome = words::CONNECT_FAILED.outcome_with(&values);
                return Driven::connection(vec![outcome; message.recipients.len()]);
            }
        };
        let config = Config {
            peer: hop.name.clone(),
            protocol: hop.protocol,
            tls,
            timeouts: self.timeouts,
            ..Config::new(self.hostname.clone())
        };
        Drive::new(stream, config, &self.tls, &hop.name)
            .run(message.clone(), body)
            .await
    }
}
