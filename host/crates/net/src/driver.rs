//! The one loop that drives a pure session over a stream.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use mail::{CloseReason, Session, Step, Transport};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{sleep_until, timeout};

use crate::outlet::FLUSH_AT;
use crate::{ClientTls, Handler, Outlet, SendError, ServerTls, Shutdown, Stream};

/// Bytes taken from the peer at a time.
const READ_PIECE: usize = 16 * 1024;

/// How long the good-bye of TLS and TCP may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What `Step::StartTls` turns the stream into.
#[derive(Debug, Clone, Default)]
pub enum StartTls {
    /// Not offered; the step closes the connection.
    #[default]
    Never,
    /// We are the server.
    Server(ServerTls),
    /// We are the client of the host with this name.
    Client(ClientTls, String),
}

/// How a connection is driven.
#[derive(Debug, Clone)]
pub struct DriveOptions {
    /// What STARTTLS does.
    pub starttls: StartTls,
    /// How long the TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long the peer may take for 64 KiB of output.
    pub write_timeout: Duration,
    /// How long the whole connection may last, where there is a bound.
    pub session_cap: Option<Duration>,
}

impl Default for DriveOptions {
    fn default() -> Self {
        Self {
            starttls: StartTls::Never,
            handshake_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(5 * 60),
            session_cap: None,
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The session closed it.
    Closed,
    /// The peer closed it cleanly.
    PeerClosed,
    /// It broke, or TLS ended without `close_notify`.
    Broken,
    /// The server stops, or the connection lasted too long.
    Stopped,
    /// The peer did not read.
    TooSlow,
    /// What the session promised to send could not be read.
    SourceFailed,
    /// Plaintext followed STARTTLS, or STARTTLS is not offered.
    RefusedTls,
    /// The TLS handshake failed or took too long.
    HandshakeFailed,
}

/// Drives `session` over `stream` until the connection ends, and closes the stream.
///
/// The rules it keeps are written at `mail::Session`. On `shutdown` the session is told once by
/// `handle_closed(Shutdown)`; it may go on (to finish a transaction) until it says `Close`. The
/// listener's drain bounds that.
pub async fn drive<T, S, H>(
    stream: Stream<T>,
    transport: Transport,
    session: &mut S,
    handler: &mut H,
    options: &DriveOptions,
    shutdown: Shutdown,
) -> Ended
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
    S: Session,
    H: Handler<S>,
{
    let cap = options.session_cap.map(|cap| now() + cap);
    let mut talk = Talk {
        stream,
        out: Vec::new(),
        session,
        handler,
        write_timeout: options.write_timeout,
        shutdown,
        cap,
        told_to_stop: false,
        clock: IdleClock::default(),
    };
    let mut transport = transport;
    loop {
        match talk.run().await {
            Pause::Ended(ended) => return talk.end(ended).await,
            Pause::StartTls => {}
        }
        let Talk {
            stream,
            out,
            session,
            handler,
            shutdown,
            told_to_stop,
            ..
        } = talk;
        let upgraded = match stream {
            Stream::Plain(io) => upgrade(io, options).await,
            Stream::Tls(_) => Err(Ended::RefusedTls),
        };
        let (tls, server_name) = match upgraded {
            Ok(upgraded) => upgraded,
            Err(ended) => {
                session.handle_closed(CloseReason::Broken);
                settle(session, handler).await;
                return ended;
            }
        };
        transport.encrypted = true;
        transport.server_name = server_name;
        handler.transport_changed(&transport);
        session.handle_transport(transport.clone(), now());
        talk = Talk {
            stream: tls,
            out,
            session,
            handler,
            write_timeout: options.write_timeout,
            shutdown,
            cap,
            told_to_stop,
            clock: IdleClock::default(),
        };
    }
}

/// Why the loop stopped for a moment or for good.
enum Pause {
    Ended(Ended),
    StartTls,
}

/// What woke an idle connection up.
enum Woken<Event> {
    Input,
    PeerClosed,
    Broken,
    Event(Event),
    Timeout,
    Stop,
}

struct Talk<'a, T, S, H> {
    stream: Stream<T>,
    out: Vec<u8>,
    session: &'a mut S,
    handler: &'a mut H,
    write_timeout: Duration,
    shutdown: Shutdown,
    cap: Option<Instant>,
    told_to_stop: bool,
    clock: IdleClock,
}

/// A peer that is being served is not idle: the time that output takes does not count against
/// the session's time-out, which was set before.
#[derive(Clone, Copy, Default)]
struct IdleClock {
    set: Option<Instant>,
    busy: Duration,
}

impl IdleClock {
    /// When the time-out that the session set is really due.
    fn due(&mut self, set: Option<Instant>) -> Option<Instant> {
        if self.set != set {
            *self = Self {
                set,
                busy: Duration::ZERO,
            };
        }
        set.map(|deadline| deadline + self.busy)
    }
}

impl<T, S, H> Talk<'_, T, S, H>
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
    S: Session,
    H: Handler<S>,
{
    async fn run(&mut self) -> Pause {
        loop {
            match self.step().await {
                Ok(()) => {}
                Err(pause) => return pause,
            }
        }
    }

    async fn step(&mut self) -> Result<(), Pause> {
        match self.session.poll_step() {
            Step::Write(bytes) => {
                append(&mut self.out, bytes);
                if self.out.len() >= FLUSH_AT {
                    self.flush().await?;
                }
            }
            Step::Send(send) => self.send(send).await?,
            Step::Ask(ask) => self.ask(ask).await?,
            Step::Body(bytes) => Box::pin(self.handler.body(bytes)).await,
            Step::DiscardBody => Box::pin(self.handler.discard_body()).await,
            Step::StartTls { residue } => {
                self.flush().await?;
                // CVE-2011-0411: what followed in plaintext is never executed.
                return Err(if residue {
                    Pause::Ended(Ended::RefusedTls)
                } else {
                    Pause::StartTls
                });
            }
            Step::NeedInput => self.wait().await?,
            Step::Close => {
                return Err(Pause::Ended(if self.told_to_stop {
                    Ended::Stopped
                } else {
                    Ended::Closed
                }));
            }
        }
        Ok(())
    }

    /// Answers at once keep the output together (one segment for pipelined commands); while a
    /// slow answer is awaited the peer gets what is there.
    async fn ask(&mut self, ask: S::Ask) -> Result<(), Pause> {
        let mut outlet = Outlet::new(&mut self.stream, &mut self.out, self.write_timeout);
        let mut answer = Box::pin(self.handler.answer(ask));
        let at_once = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
        let answer = match at_once {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                let (answer, written) = tokio::join!(answer, outlet.flush());
                if let Err(error) = written {
                    self.session.handle_answer(answer, now());
                    return Err(failed(error));
                }
                answer
            }
        };
        self.session.handle_answer(answer, now());
        Ok(())
    }

    async fn send(&mut self, send: S::Send) -> Result<(), Pause> {
        self.clock.due(self.session.poll_timeout());
        let since = now();
        let mut outlet = Outlet::new(&mut self.stream, &mut self.out, self.write_timeout);
        // Boxed, as every long future here: an idle connection shall not carry its size.
        let sent = Box::pin(self.handler.send(send, &mut outlet)).await;
        self.clock.busy += now() - since;
        sent.map_err(failed)
    }

    async fn flush(&mut self) -> Result<(), Pause> {
        self.clock.due(self.session.poll_timeout());
        let since = now();
        self.outlet().flush().await.map_err(failed)?;
        self.clock.busy += now() - since;
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), Pause> {
        self.flush().await?;
        match self.woken().await {
            Woken::Input => {}
            Woken::PeerClosed => return Err(Pause::Ended(Ended::PeerClosed)),
            Woken::Broken => return Err(Pause::Ended(Ended::Broken)),
            Woken::Event(event) => self.session.handle_event(event, now()),
            Woken::Timeout => self.session.handle_timeout(now()),
            Woken::Stop if self.told_to_stop => return Err(Pause::Ended(Ended::Stopped)),
            Woken::Stop => {
                self.told_to_stop = true;
                self.session.handle_closed(CloseReason::Shutdown);
            }
        }
        Ok(())
    }

    async fn woken(&mut self) -> Woken<S::Event> {
        let deadline = self.clock.due(self.session.poll_timeout());
        let cap = self.cap;
        let told = self.told_to_stop;
        let read = pin!(read(&mut self.stream, self.session));
        tokio::select! {
            biased;
            () = self.shutdown.requested(), if !told => Woken::Stop,
            () = at(cap) => Woken::Stop,
            () = at(deadline) => Woken::Timeout,
            event = self.handler.next_event() => Woken::Event(event),
            woken = read => woken,
        }
    }

    /// Tells the session why, lets it say its last words, and closes the stream.
    async fn end(mut self, ended: Ended) -> Ended {
        let reason = match ended {
            Ended::Closed => None,
            Ended::Stopped if self.told_to_stop => None,
            Ended::PeerClosed => Some(CloseReason::PeerClosed),
            _ => Some(CloseReason::Broken),
        };
        if let Some(reason) = reason {
            self.session.handle_closed(reason);
            let words = settle(self.session, self.handler).await;
            if ended == Ended::PeerClosed {
                // The peer may have closed its half only.
                self.out.extend_from_slice(&words);
            }
        }
        let polite = matches!(ended, Ended::Closed | Ended::Stopped | Ended::PeerClosed);
        if polite && self.outlet().flush().await.is_ok() {
            let _ = timeout(CLOSE_TIMEOUT, self.stream.shutdown()).await;
        }
        ended
    }

    fn outlet(&mut self) -> Outlet<'_> {
        Outlet::new(&mut self.stream, &mut self.out, self.write_timeout)
    }
}

/// Carries out what a session still wants done after its connection is gone; returns what it
/// would have written.
async fn settle<S: Session, H: Handler<S>>(session: &mut S, handler: &mut H) -> Vec<u8> {
    let mut words = Vec::new();
    loop {
        match session.poll_step() {
            Step::Write(bytes) => words.extend_from_slice(&bytes),
            Step::Send(_) => {}
            Step::Ask(ask) => {
                let answer = Box::pin(handler.answer(ask)).await;
                session.handle_answer(answer, now());
            }
            Step::Body(bytes) => Box::pin(handler.body(bytes)).await,
            Step::DiscardBody => Box::pin(handler.discard_body()).await,
            Step::StartTls { .. } | Step::NeedInput | Step::Close => return words,
        }
    }
}

/// Reads one piece and hands it to the session. The buffer is on the stack of the poll, so a
/// connection that waits holds none.
async fn read<T, S>(stream: &mut Stream<T>, session: &mut S) -> Woken<S::Event>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Session,
{
    poll_fn(|cx| {
        let mut space = [MaybeUninit::<u8>::uninit(); READ_PIECE];
        let mut piece = ReadBuf::uninit(&mut space);
        match Pin::new(&mut *stream).poll_read(cx, &mut piece) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(_)) => Poll::Ready(Woken::Broken),
            Poll::Ready(Ok(())) if piece.filled().is_empty() => Poll::Ready(Woken::PeerClosed),
            Poll::Ready(Ok(())) => {
                session.handle_input(piece.filled(), now());
                Poll::Ready(Woken::Input)
            }
        }
    })
    .await
}

async fn upgrade<T>(io: T, options: &DriveOptions) -> Result<(Stream<T>, Option<String>), Ended>
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    let handshake = async {
        match &options.starttls {
            StartTls::Never => Err(Ended::RefusedTls),
            StartTls::Server(tls) => tls
                .accept(io)
                .await
                .map_err(|_: io::Error| Ended::HandshakeFailed),
            StartTls::Client(tls, name) => {
                let stream = tls
                    .connect(name, io)
                    .await
                    .map_err(|_| Ended::HandshakeFailed)?;
                Ok((stream, Some(name.clone())))
            }
        }
    };
    timeout(options.handshake_timeout, Box::pin(handshake))
        .await
        .unwrap_or(Err(Ended::HandshakeFailed))
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// The runtime's clock, which tests may stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn append(out: &mut Vec<u8>, bytes: Vec<u8>) {
    if out.is_empty() {
        *out = bytes;
    } else {
        out.extend_from_slice(&bytes);
    }
}

fn failed(error: SendError) -> Pause {
    Pause::Ended(match error {
        SendError::Peer(_) => Ended::Broken,
        SendError::TooSlow => Ended::TooSlow,
        SendError::Source(cause) => {
            tracing::error!(%cause, "bytes promised to a peer could not be read");
            Ended::SourceFailed
        }
    })
}

#[cfg(test)]
mod tests;
