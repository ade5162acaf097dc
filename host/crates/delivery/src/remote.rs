//! Mail to the next server: SMTP or LMTP, over TCP or a Unix socket.
//!
//! ```text
//!   NextHop (host, addresses, terms) ─┐
//!   smtp::client::Message ────────────┼─> Remote::deliver ─> one Outcome a recipient
//!   message, byte for byte ───────────┘     │ pool: a connection from before
//!                                           │ net::connect, TLS
//!                                           └ smtp::client::Client (pure)
//! ```
//!
//! The addresses of the host are tried in turn until one of them judges the message. Where TLS
//! is opportunistic and its handshake fails, the same address is tried once more without. A
//! connection on which everything went well is kept for a while for the next message.
//!
//! How it fails: whatever keeps the message from being judged (no connection, TLS, a broken
//! connection, a reply that is none, silence) is `Deferred`; so is a connection lost between the
//! final dot and its reply, and then the message may arrive twice. A connection from before that
//! breaks before the text was asked for is replaced by a fresh one. The message is read once, and
//! only when the server has asked for it; if it cannot be read to its end the connection is
//! dropped, never ended.
//!
//! What it does not know: MX, the queue, when to try again.

mod hop;
mod pool;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use mail::{Domain, Outcome, words};
use net::ClientTls;
use smtp::client::{Config, Message, Stage, Timeouts};
use tokio::io::AsyncRead;

pub use self::hop::{Address, MESSAGES, NextHop, Security, Terms};
use self::pool::Pool;
use self::session::{Sent, Session, Wire};

/// Addresses of one host that are tried in one attempt.
pub const ADDRESSES: usize = 8;

/// How long a TCP connection may take to be made (RFC 5321 §4.5.3.2 leaves it to us).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection is kept without a message.
const IDLE: Duration = Duration::from_secs(30);

/// How one message went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// One for each recipient, in the order of the message.
    pub outcomes: Vec<Outcome>,
    /// Was any server reached that judged the message?
    pub is_judged: bool,
    /// Was the text of the message asked for? Then no other host may be tried for those that are
    /// deferred: this one may have it.
    pub text_begun: bool,
}

/// Delivers to other servers. Clones share their idle connections.
#[derive(Debug, Clone)]
pub struct Remote {
    hostname: Domain,
    tls: ClientTls,
    timeouts: Timeouts,
    connect_timeout: Duration,
    pool: Arc<Pool>,
}

impl Remote {
    /// Under the name `hostname`, with the time-outs of RFC 5321.
    pub fn new(hostname: Domain, tls: ClientTls) -> Self {
        Self {
            hostname,
            tls,
            timeouts: Timeouts::default(),
            connect_timeout: CONNECT_TIMEOUT,
            pool: Arc::new(Pool::new(IDLE)),
        }
    }

    /// With other time-outs: for making the connection, and for the phases after.
    #[must_use]
    pub fn with_timeouts(mut self, connect: Duration, timeouts: Timeouts) -> Self {
        self.connect_timeout = connect;
        self.timeouts = timeouts;
        self
    }

    /// With connections kept for so long; zero: a connection for each message.
    #[must_use]
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.pool = Arc::new(Pool::new(idle));
        self
    }

    /// Delivers one message, whose bytes are `body`.
    pub async fn deliver(
        &self,
        hop: &NextHop,
        message: Message,
        mut body: impl AsyncRead + Unpin + Send,
    ) -> Delivered {
        let count = message.recipients.len();
        let nobody = words::CONNECT_FAILED
            .outcome_with(&[("host", &hop.name), ("detail", "it has no address")]);
        let mut sent = Sent::connection(vec![nobody; count]);
        let kept = self.over_kept(hop, &message, &mut body).await;
        let is_done = kept.is_some();
        sent = kept.unwrap_or(sent);
        let addresses = if is_done { &[] } else { &hop.addresses[..] };
        for address in addresses.iter().take(ADDRESSES) {
            sent = self.try_address(hop, address, &message, &mut body).await;
            if sent.report.stage == Stage::Transaction {
                break;
            }
        }
        let mut outcomes = sent.report.outcomes;
        // One for each recipient, whatever happened.
        outcomes.resize(
            count,
            words::REMOTE_GARBAGE.outcome_with(&[("host", &hop.name)]),
        );
        Delivered {
            outcomes,
            is_judged: sent.report.stage == Stage::Transaction,
            text_begun: sent.text_begun,
        }
    }

    /// Over a connection from before, if there is one. `None` as well where it turned out to be
    /// of no use any more: nothing was judged and nothing was read.
    async fn over_kept(
        &self,
        hop: &NextHop,
        message: &Message,
        body: &mut (impl AsyncRead + Unpin + Send),
    ) -> Option<Sent> {
        for address in hop.addresses.iter().take(ADDRESSES) {
            let Some(mut session) = self.pool.take(&key(hop, address)) else {
                continue;
            };
            let sent = session.send(message.clone(), body).await;
            let nothing_said = sent
                .report
                .outcomes
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Deferred { .. }));
            if !session.is_ready() && !sent.text_begun && nothing_said {
                tracing::debug!(host = %hop.name, %address, "a kept connection was over");
                continue;
            }
            self.keep(hop, address, session);
            return Some(sent);
        }
        None
    }

    /// One address, without TLS the second time where TLS is only a wish.
    async fn try_address(
        &self,
        hop: &NextHop,
        address: &Address,
        message: &Message,
        body: &mut (impl AsyncRead + Unpin + Send),
    ) -> Sent {
        let security = hop.terms.security;
        let first = self
            .connect_and_send(hop, address, security, message, body)
            .await;
        let may_try_plain =
            security == Security::Opportunistic && first.report.stage == Stage::Connection;
        if !(first.tls_failed && may_try_plain) {
            return first;
        }
        tracing::info!(host = %hop.name, %address, "TLS failed, trying without");
        self.connect_and_send(hop, address, Security::None, message, body)
            .await
    }

    async fn connect_and_send(
        &self,
        hop: &NextHop,
        address: &Address,
        security: Security,
        message: &Message,
        body: &mut (impl AsyncRead + Unpin + Send),
    ) -> Sent {
        let stream = match self.connect(hop, address, security).await {
            Ok(stream) => stream,
            Err(error) => {
                let values = [("host", hop.name.as_str()), ("detail", &error.to_string())];
                let outcome = words::CONNECT_FAILED.outcome_with(&values);
                return Sent::connection(vec![outcome; message.recipients.len()]);
            }
        };
        let terms = &hop.terms;
        let config = Config {
            peer: hop.name.clone(),
            protocol: terms.protocol,
            tls: security.policy(),
            encrypted: security == Security::Tls,
            credentials: terms.credentials.clone(),
            plaintext_login: terms.plaintext_login,
            timeouts: self.timeouts,
            ..Config::new(self.hostname.clone())
        };
        let mut session = Session::new(stream, config, self.tls(hop), hop.name.clone());
        let sent = session.send(message.clone(), body).await;
        // Without TLS only because it failed: the next message tries it again.
        if security == terms.security {
            self.keep(hop, address, session);
        } else if session.is_ready() {
            tokio::spawn(session.quit());
        }
        sent
    }

    async fn connect(
        &self,
        hop: &NextHop,
        address: &Address,
        security: Security,
    ) -> Result<Wire, net::ConnectError> {
        let stream: Wire = match address {
            Address::Tcp(address) => {
                let tcp = net::connect_tcp(*address, self.connect_timeout).await?;
                net::Stream::Plain(Box::new(tcp))
            }
            Address::Unix(path) => {
                let unix = net::connect_unix(path, self.connect_timeout).await?;
                net::Stream::Plain(Box::new(unix))
            }
        };
        if security == Security::Tls {
            return net::upgrade(stream, &self.tls(hop), &hop.name, HANDSHAKE_TIMEOUT).await;
        }
        Ok(stream)
    }

    fn tls(&self, hop: &NextHop) -> ClientTls {
        hop.terms.tls.as_ref().unwrap_or(&self.tls).clone()
    }

    /// Keeps a connection that may take another message; ends it politely where it may not.
    fn keep(&self, hop: &NextHop, address: &Address, session: Session) {
        if !session.is_ready() {
            return;
        }
        if session.messages() >= hop.terms.messages {
            tokio::spawn(session.quit());
            return;
        }
        self.pool.put(key(hop, address), session);
    }
}

fn key(hop: &NextHop, address: &Address) -> pool::Key {
    (hop.terms.channel.clone(), hop.name.clone(), address.clone())
}
