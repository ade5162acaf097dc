//! One connection: lines and counted bytes in, bytes out.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tls;

/// A server that says nothing for so long has failed. Hundreds of connections with megabytes each
/// take a slow disk a minute and more.
const PATIENCE: Duration = Duration::from_secs(180);
/// Bytes asked for at once.
const READ: usize = 128 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(super) struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// Before it everything was taken.
    start: usize,
}

impl Wire {
    pub(super) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self::over(Box::new(tcp(address).await?)))
    }

    /// With TLS from byte one.
    pub(super) async fn connect_tls(address: SocketAddr) -> anyhow::Result<Self> {
        let name = ServerName::from(address.ip());
        let stream = tls::connector()?
            .connect(name, tcp(address).await?)
            .await
            .with_context(|| format!("no TLS with {address}"))?;
        Ok(Self::over(Box::new(stream)))
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            buffer: Vec::with_capacity(READ),
            start: 0,
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        timeout(PATIENCE, written)
            .await
            .context("the server takes nothing")?
            .context("the server closed")
    }

    /// One line with its end.
    pub(super) async fn line(&mut self) -> anyhow::Result<&[u8]> {
        let mut seen = self.start;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[seen..]) {
                let line = self.start..seen + end + 1;
                self.start = line.end;
                return Ok(&self.buffer[line]);
            }
            let length = self.buffer.len() - self.start;
            self.fill().await?;
            seen = self.start + length;
        }
    }

    /// Reads `count` bytes and forgets them.
    pub(super) async fn skip(&mut self, mut count: usize) -> anyhow::Result<()> {
        loop {
            let here = (self.buffer.len() - self.start).min(count);
            self.start += here;
            count -= here;
            if count == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.reserve(READ);
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer))
            .await
            .context("the server says nothing")??;
        if read == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

async fn tcp(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("nobody answers at {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
