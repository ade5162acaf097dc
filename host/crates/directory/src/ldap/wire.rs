//! A connection that carries no more than it is allowed to.
//!
//! The LDAP library reads whatever arrives into memory, and a message says its own length: an
//! entry of 100 MB (attack A10) would be held whole before anybody could refuse it. So the bytes
//! come through a pair of sockets, and the pump between them stops when one operation brought
//! more than its share, encrypted or not.

use std::io;
use std::net::TcpStream as StdTcpStream;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;

/// Bytes moved at a time.
const PIECE: usize = 32 * 1024;

/// The pump of one connection; dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Wire {
    left: Arc<AtomicUsize>,
    pump: AbortHandle,
}

impl Wire {
    /// Connects, and returns the end that the library gets.
    pub(super) async fn connect(host_and_port: &str) -> io::Result<(StdTcpStream, Self)> {
        let server = TcpStream::connect(host_and_port).await?;
        server.set_nodelay(true)?;
        let (near, far) = UnixStream::pair()?;
        // The library takes a TCP stream; that is a socket like any other to whoever only reads,
        // writes and closes it.
        let far = StdTcpStream::from(OwnedFd::from(far.into_std()?));
        let left = Arc::new(AtomicUsize::new(0));
        let pump = tokio::spawn(pump(server, near, Arc::clone(&left)));
        let wire = Self {
            left,
            pump: pump.abort_handle(),
        };
        Ok((far, wire))
    }

    /// From now on at most so many bytes come in.
    pub(super) fn allow(&self, bytes: usize) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Did the last operation use up its share?
    pub(super) fn is_used_up(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

async fn pump(server: TcpStream, near: UnixStream, left: Arc<AtomicUsize>) {
    let (mut from_server, mut to_server) = server.into_split();
    let (mut from_us, mut to_us) = near.into_split();
    let down = async move {
        let mut piece = vec![0; PIECE];
        loop {
            let Ok(read) = from_server.read(&mut piece).await else {
                return;
            };
            let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                Some(left.saturating_sub(read))
            });
            if read == 0 || before.is_ok_and(|before| before <= read) {
                return;
            }
            if to_us.write_all(&piece[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = down => {}
        _ = tokio::io::copy(&mut from_us, &mut to_server) => {}
    }
}
