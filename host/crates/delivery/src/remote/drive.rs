//! Drives the pure client over one connection.

use std::io;
use std::time::Instant;

use mail::{Outcome, words};
use net::{ClientTls, Stream};
use smtp::client::{Client, Config, Message, Report, Stage, Step};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;

use super::HANDSHAKE_TIMEOUT;

/// Bytes moved at a time.
const PIECE: usize = 16 * 1024;

/// How one connection went.
pub(super) struct Driven {
    pub(super) report: Report,
    /// The TLS handshake failed.
    pub(super) tls_failed: bool,
}

impl Driven {
    /// The message was never offered.
    pub(super) const fn connection(outcomes: Vec<Outcome>) -> Self {
        let report = Report {
            outcomes,
            stage: Stage::Connection,
        };
        Self {
            report,
            tls_failed: false,
        }
    }
}

/// One connection with its session.
pub(super) struct Drive<'a> {
    /// `None` after a handshake that failed.
    stream: Option<Stream>,
    client: Client,
    tls: &'a ClientTls,
    name: &'a str,
    tls_failed: bool,
}

impl<'a> Drive<'a> {
    pub(super) fn new(stream: Stream, config: Config, tls: &'a ClientTls, name: &'a str) -> Self {
        Self {
            stream: Some(stream),
            client: Client::new(config, now()),
            tls,
            name,
            tls_failed: false,
        }
    }

    /// Sends one message, says QUIT, and tells how it went.
    pub(super) async fn run(
        mut self,
        message: Message,
        body: &mut (impl AsyncRead + Unpin),
    ) -> Driven {
        let count = message.recipients.len();
        self.client.send(message, now());
        let mut report = None;
        let mut piece = vec![0; PIECE];
        loop {
            match self.client.poll_step() {
                Step::Write(bytes) => self.write(&bytes).await,
                Step::NeedInput => self.read(&mut piece).await,
                Step::NeedBody => match body.read(&mut piece).await {
                    Ok(0) => self.client.handle_body_end(now()),
                    Ok(length) => self.client.handle_body(&piece[..length], now()),
                    Err(error) => {
                        tracing::error!(host = %self.name, %error, "a message could not be read while it was sent");
                        let outcome = words::MESSAGE_READ_FAILED.outcome_with(&[]);
                        let report = Report {
                            outcomes: vec![outcome; count],
                            stage: Stage::Transaction,
                        };
                        // Dropped here: no final dot follows half a message.
                        return Driven {
                            report,
                            tls_failed: false,
                        };
                    }
                },
                Step::StartTls => self.start_tls().await,
                Step::Done(done) => {
                    report = Some(done);
                    self.client.quit(now());
                }
                Step::Ready => self.client.quit(now()),
                Step::Close => break,
            }
        }
        let tls_failed = self.tls_failed;
        report.map_or_else(
            || {
                let garbage = words::REMOTE_GARBAGE.outcome_with(&[("host", self.name)]);
                Driven::connection(vec![garbage; count])
            },
            |report| Driven { report, tls_failed },
        )
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
        match net::upgrade(stream, self.tls, self.name, HANDSHAKE_TIMEOUT).await {
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
