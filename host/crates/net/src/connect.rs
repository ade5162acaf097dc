//! Connections we make.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mail::Transport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::{ClientTls, Stream};

/// Why there is no connection. All of it is temporary trouble in the eyes of the queue.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No answer in time.
    #[error("no answer from {0} in time")]
    Timeout(String),
    /// Refused or unreachable.
    #[error("cannot connect to {address}: {cause}")]
    Refused {
        /// Whom we tried.
        address: String,
        /// What the network said.
        cause: io::Error,
    },
    /// The TLS handshake failed, took too long, or the certificate was refused.
    #[error("no TLS with {name}: {cause}")]
    Tls {
        /// The host's name.
        name: String,
        /// Why.
        cause: String,
    },
}

/// Connects to `address`. The transport is as the client's session sees it.
///
/// # Errors
/// No connection in `limit`.
pub async fn connect(
    address: SocketAddr,
    limit: Duration,
) -> Result<(Stream, Transport), ConnectError> {
    let tcp = connect_tcp(address, limit).await?;
    let transport = Transport {
        peer: address.ip(),
        peer_port: address.port(),
        encrypted: false,
        server_name: None,
    };
    Ok((Stream::Plain(tcp), transport))
}

/// As [`connect`], as it is.
///
/// # Errors
/// No connection in `limit`.
pub async fn connect_tcp(address: SocketAddr, limit: Duration) -> Result<TcpStream, ConnectError> {
    let shown = || address.to_string();
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(tcp)) => {
            let _ = tcp.set_nodelay(true);
            Ok(tcp)
        }
        Ok(Err(cause)) => Err(ConnectError::Refused {
            address: shown(),
            cause,
        }),
        Err(_) => Err(ConnectError::Timeout(shown())),
    }
}

/// Connects to a Unix socket.
///
/// # Errors
/// No connection in `limit`.
pub async fn connect_unix(path: &Path, limit: Duration) -> Result<UnixStream, ConnectError> {
    let shown = || path.display().to_string();
    match timeout(limit, UnixStream::connect(path)).await {
        Ok(Ok(unix)) => Ok(unix),
        Ok(Err(cause)) => Err(ConnectError::Refused {
            address: shown(),
            cause,
        }),
        Err(_) => Err(ConnectError::Timeout(shown())),
    }
}

/// Puts TLS on a fresh connection (TLS from byte one; STARTTLS is [`crate::StartTls::Client`]).
///
/// # Errors
/// The handshake with the host `name` failed or took longer than `limit`.
pub async fn upgrade<T>(
    stream: Stream<T>,
    tls: &ClientTls,
    name: &str,
    limit: Duration,
) -> Result<Stream<T>, ConnectError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let error = |cause: String| ConnectError::Tls {
        name: name.to_owned(),
        cause,
    };
    let Stream::Plain(tcp) = stream else {
        return Err(error("TLS is on already".to_owned()));
    };
    match timeout(limit, tls.connect(name, tcp)).await {
        Ok(done) => done.map_err(|cause| error(cause.to_string())),
        Err(_) => Err(error("the handshake took too long".to_owned())),
    }
}

#[cfg(test)]
mod tests;
