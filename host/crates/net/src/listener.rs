//! The accept loop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mail::Transport;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{Gate, Permit, Refusal, ServerTls, Shutdown, Stream};

/// Connections the kernel keeps until they are accepted.
const BACKLOG: u32 = 1024;

/// First and longest pause after an accept that failed for want of resources.
const BACKOFF_FIRST: Duration = Duration::from_millis(10);
const BACKOFF_LONGEST: Duration = Duration::from_secs(1);

/// Where connections come from. A trait, so that a test can run out of file descriptors.
pub trait Accept: Send + Sync {
    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        Self::accept(self)
    }
}

/// How a listener treats its connections.
#[derive(Clone)]
pub struct ListenOptions {
    /// For logs: `smtp`, `imaps`.
    pub name: String,
    /// TLS from byte one, where it is so.
    pub implicit_tls: Option<ServerTls>,
    /// The line for a connection that is not taken: a 421, `* BYE` or `-ERR`, with CRLF.
    /// Never sent where TLS is from byte one.
    pub refusal: Arc<dyn Fn(Refusal) -> Vec<u8> + Send + Sync>,
    /// How long the TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long open connections may go on after the signal to stop.
    pub grace: Duration,
}

impl ListenOptions {
    /// A plaintext listener, 30 s for handshakes and 30 s of grace.
    pub fn new(
        name: impl Into<String>,
        refusal: impl Fn(Refusal) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            implicit_tls: None,
            refusal: Arc::new(refusal),
            handshake_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(30),
        }
    }

    /// The same with TLS from byte one.
    #[must_use]
    pub fn with_implicit_tls(self, tls: ServerTls) -> Self {
        Self {
            implicit_tls: Some(tls),
            ..self
        }
    }
}

/// One connection, admitted, and under TLS where that is from byte one.
#[derive(Debug)]
pub struct Connection {
    /// Its bytes.
    pub stream: Stream,
    /// Its ends, as sessions see them.
    pub transport: Transport,
    /// Comes when the connection should end.
    pub shutdown: Shutdown,
}

/// Binds a listening socket; port 0 takes a free one.
///
/// # Errors
/// The address is in use, or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until `shutdown`, each in a task of its own that runs `serve`; then
/// waits for them, at most the grace period, and ends the rest.
pub async fn listen<A, F, Fut>(
    listener: A,
    options: ListenOptions,
    gate: Gate,
    shutdown: Shutdown,
    serve: F,
) where
    A: Accept,
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let serve = Arc::new(serve);
    let mut stop = shutdown.clone();
    let mut tasks = JoinSet::new();
    let mut pause = BACKOFF_FIRST;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.requested() => break,
            Some(ended) = tasks.join_next() => { report(&options.name, ended); continue }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                pause = BACKOFF_FIRST;
                match gate.admit(peer.ip()) {
                    Ok(permit) => {
                        tasks.spawn(attend(
                            tcp,
                            peer,
                            permit,
                            options.clone(),
                            shutdown.clone(),
                            Arc::clone(&serve),
                        ));
                    }
                    Err(refusal) => refuse(&tcp, peer, refusal, &options),
                }
            }
            // The connection was gone before it was accepted; the next one may be fine.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(listener = options.name, %error, ?pause, "accept failed; waiting");
                sleep(pause).await;
                pause = (pause * 2).min(BACKOFF_LONGEST);
            }
        }
    }
    drop(listener);
    drain(&options, tasks).await;
}

async fn attend<F, Fut>(
    tcp: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    options: ListenOptions,
    shutdown: Shutdown,
    serve: Arc<F>,
) where
    F: Fn(Connection) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    // Replies are coalesced here, so the kernel need not wait for more.
    let _ = tcp.set_nodelay(true);
    let mut transport = Transport {
        peer: peer.ip().to_canonical(),
        peer_port: peer.port(),
        encrypted: false,
        server_name: None,
    };
    let stream = match options.implicit_tls {
        None => Stream::Plain(tcp),
        Some(tls) => {
            let mut stop = shutdown.clone();
            let handshake = Box::pin(timeout(options.handshake_timeout, tls.accept(tcp)));
            let shaken = tokio::select! {
                biased;
                () = stop.requested() => return,
                shaken = handshake => shaken,
            };
            match shaken {
                Ok(Ok((stream, server_name))) => {
                    transport.encrypted = true;
                    transport.server_name = server_name;
                    stream
                }
                Ok(Err(error)) => {
                    tracing::debug!(listener = options.name, %peer, %error, "TLS handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::debug!(listener = options.name, %peer, "TLS handshake took too long");
                    return;
                }
            }
        }
    };
    serve(Connection {
        stream,
        transport,
        shutdown,
    })
    .await;
    drop(permit);
}

/// One line without waiting: the send buffer of a new connection is empty, and the accept loop
/// must not wait for anybody.
fn refuse(tcp: &TcpStream, peer: SocketAddr, refusal: Refusal, options: &ListenOptions) {
    tracing::debug!(listener = options.name, %peer, ?refusal, "connection refused");
    if options.implicit_tls.is_none() {
        let _ = tcp.try_write(&(options.refusal)(refusal));
    }
}

async fn drain(options: &ListenOptions, mut tasks: JoinSet<()>) {
    let end = Instant::now() + options.grace;
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => report(&options.name, ended),
                None => return,
            },
            () = sleep_until(end) => {
                tracing::warn!(listener = options.name, open = tasks.len(), "grace is over; closing what is open");
                tasks.shutdown().await;
                return;
            }
        }
    }
}

fn report(name: &str, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(listener = name, %error, "a connection's task panicked");
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

#[cfg(test)]
mod tests;
