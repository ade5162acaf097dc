//! Drives the pure client over one connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Instant;

use mail::{Outcome, words};
use net::{ClientTls, Stream};
use smtp::client::{Client, Config, Message, Report, Stage, Step};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout_at;

use super::HANDSHAKE_TIMEOUT;

/// Bytes moved at a time.
const PIECE: usize = 16 * 1024;

/// A transport: TCP or a Unix socket.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// A connection, with or without TLS.
pub(super) type Wire = Stream<Box<dyn Duplex>>;

/// How one message went over one connection.
pub(super) struct Sent {
    pub(super) report: Report,
    /// The TLS handshake failed.
    pub(super) tls_failed: bool,
    /// The server asked for the text.
    pub(super) text_begun: bool,
}

impl Sent {
    /// The message was never offered.
    pub(super) const fn connection(outcomes: Vec<Outcome>) -> Self {
        Self {
            report: Report {
                outcomes,
                stage: Stage::Connection,
            },
            tls_failed: false,
            text_begun: false,
        }
    }
}

/// One connection with its session.
pub(super) struct Session {
    /// `None` after a handshake that failed.
    stream: Option<Wire>,
    client: Client,
    tls: ClientTls,
    name: String,
    tls_failed: bool,
    text_begun: bool,
    /// May another message follow?
    is_ready: bool,
    messages: usize,
}

impl Session {
    pub(super) fn new(stream: Wire, config: Config, tls: ClientTls, name: String) -> Self {
        Self {
            stream: Some(stream),
            client: Client::new(config, now()),
            tls,
            name,
            tls_failed: false,
            text_begun: false,
            is_ready: false,
            messages: 0,
        }
    }

    /// May another message follow?
    pub(super) const fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Messages that went over it.
    pub(super) const fn messages(&self) -> usize {
        self.messages
    }

    /// Is nothing to be read, not even the end?
    pub(super) fn is_quiet(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        let mut byte = [0; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(stream)
            .poll_read(&mut context, &mut buffer)
            .is_pending()
    }

    /// Sends one message and tells how it went.
    pub(super) async fn send(
        &mut self,
        message: Message,
        body: &mut (impl AsyncRead + Unpin),
    ) -> Sent {
        let count = message.recipients.len();
        self.messages += 1;
        self.text_begun = false;
        self.client.send(message, now());
        let mut report = None;
        let mut piece = vec![0; PIECE];
        self.is_ready = loop {
            match self.client.poll_step() {
                Step::Write(bytes) => self.write(&bytes).await,
                Step::NeedInput => self.read(&mut piece).await,
                Step::NeedBody => {
                    self.text_begun = true;
                    match body.read(&mut piece).await {
                        Ok(0) => self.client.handle_body_end(now()),
                        Ok(length) => self.client.handle_body(&piece[..length], now()),
                        Err(error) => return self.unreadable(&error, count),
                    }
                }
                Step::StartTls => self.start_tls().await,
                Step::Done(done) => report = Some(done),
                Step::Ready => break true,
                Step::Close => break false,
            }
        };
        let garbage = || {
            let garbage = words::REMOTE_GARBAGE.outcome_with(&[("host", &self.name)]);
            Report {
                outcomes: vec![garbage; count],
                stage: Stage::Connection,
            }
        };
        Sent {
            report: report.unwrap_or_else(garbage),
            tls_failed: self.tls_failed,
            text_begun: self.text_begun,
        }
    }

    /// The text cannot be read. The connection is dropped: no final dot follows half a message.
    fn unreadable(&mut self, error: &io::Error, count: usize) -> Sent {
        tracing::error!(host = %self.name, %error, "a message could not be read while it was sent");
        self.stream = None;
        self.is_ready = false;
        let outcome = words::MESSAGE_READ_FAILED.outcome_with(&[]);
        Sent {
            report: Report {
                outcomes: vec![outcome; count],
                stage: Stage::Transaction,
            },
            tls_failed: false,
            text_begun: true,
        }
    }

    /// Says QUIT and closes.
    pub(super) async fn quit(mut self) {
        self.client.quit(now());
        let mut piece = vec![0; 512];
        while self.stream.is_some() {
            match self.client.poll_step() {
                Step::Write(bytes) => self.write(&bytes).await,
                Step::NeedInput => self.read(&mut piece).await,
                _ => break,
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        let deadline = self.client.poll_timeout();
        let Some(stream) = &mut self.stream else {
            return self.client.handle_closed();
        };
        let write = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        match until(deadline, write).await {
            Some(Ok(())) => {}
            Some(Err(_)) => self.client.handle_closed(),
            None => self.client.handle_timeout(now()),
        }
    }

    async fn read(&mut self, piece: &mut [u8]) {
        let deadline = self.client.poll_timeout();
        let Some(stream) = &mut self.stream else {
            return self.client.handle_closed();
        };
        match until(deadline, stream.read(piece)).await {
            Some(Ok(0) | Err(_)) => self.client.handle_closed(),
            Some(Ok(length)) => self.client.handle_input(&piece[..length], now()),
            None => self.client.handle_timeout(now()),
        }
    }

    async fn start_tls(&mut self) {
        let Some(stream) = self.stream.take() else {
            return self.client.handle_closed();
        };
        match net::upgrade(stream, &self.tls, &self.name, HANDSHAKE_TIMEOUT).await {
            Ok(stream) => {
                self.stream = Some(stream);
                self.client.handle_encrypted(now());
            }
            Err(error) => {
                self.tls_failed = true;
                self.client.handle_tls_failed(&error.to_string());
            }
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session with {}", self.name)
    }
}

/// `None` when the deadline came first.
async fn until<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = io::Result<T>>,
) -> Option<io::Result<T>> {
    match deadline {
        Some(deadline) => timeout_at(deadline.into(), work).await.ok(),
        None => Some(work.await),
    }
}

/// The runtime's clock, which tests may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
