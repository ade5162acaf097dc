//! Raw bytes over real sockets on loopback; what resources do is played by a fake.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{Accept, Connection, ListenOptions, bind, listen};
use crate::tls::tests::{Folder, server_tls};
use crate::{Alpn, ClientTls, Gate, GateLimits, Refusal, ShutdownTrigger, shutdown};

const SOON: Duration = Duration::from_secs(5);

struct Server {
    address: SocketAddr,
    gate: Gate,
    stop: ShutdownTrigger,
    task: JoinHandle<()>,
}

fn refusal(refusal: Refusal) -> Vec<u8> {
    match refusal {
        Refusal::Full => b"421 full\r\n".to_vec(),
        Refusal::TooManyFromPeer => b"421 too many\r\n".to_vec(),
    }
}

/// Greets, then echoes until the peer closes or the server stops.
async fn echo(mut connection: Connection) {
    let _ = connection.stream.write_all(b"hello\r\n").await;
    let _ = connection.stream.flush().await;
    let mut piece = [0; 100];
    loop {
        let length = tokio::select! {
            () = connection.shutdown.requested() => break,
            length = connection.stream.read(&mut piece) => length.unwrap_or(0),
        };
        if length == 0 || piece.starts_with(b"panic") {
            assert!(length == 0, "as the peer wished");
            return;
        }
        let _ = connection.stream.write_all(&piece[..length]).await;
    }
    let _ = connection.stream.write_all(b"bye\r\n").await;
}

fn start(limits: GateLimits, change: impl FnOnce(ListenOptions) -> ListenOptions) -> Server {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let gate = Gate::new(limits);
    let (stop, signal) = shutdown();
    let options = change(ListenOptions::new("test", refusal));
    let task = tokio::spawn(listen(listener, options, gate.clone(), signal, echo));
    Server {
        address,
        gate,
        stop,
        task,
    }
}

/// Connects from one of loopback's many addresses.
async fn connect_from(source: [u8; 4], server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(SocketAddr::from((source, 0)))
        .expect("loopback has the whole /8");
    timeout(SOON, socket.connect(server.address))
        .await
        .expect("in time")
        .expect("accepted")
}

async fn first_line(stream: &mut TcpStream) -> String {
    let mut piece = [0; 100];
    let length = timeout(SOON, stream.read(&mut piece))
        .await
        .expect("in time")
        .unwrap_or(0);
    String::from_utf8_lossy(&piece[..length]).into_owned()
}

#[tokio::test]
async fn s19_a_flood_from_one_address_is_refused_and_others_are_served_at_once() {
    let server = start(
        GateLimits {
            connections: 100,
            per_address: 3,
            per_network: 100,
        },
        |options| options,
    );
    let mut held = Vec::new();
    for number in 0..30 {
        let mut stream = connect_from([127, 0, 0, 9], &server).await;
        let expected = if number < 3 {
            "hello\r\n"
        } else {
            "421 too many\r\n"
        };
        assert_eq!(
            first_line(&mut stream).await,
            expected,
            "connection {number}"
        );
        held.push(stream);
    }
    // The flood goes on while others come.
    let mut slowest = Duration::ZERO;
    for number in 1..=20 {
        for _ in 0..5 {
            held.push(connect_from([127, 0, 0, 9], &server).await);
        }
        let before = Instant::now();
        let mut other = connect_from([127, 0, 1, number], &server).await;
        assert_eq!(first_line(&mut other).await, "hello\r\n");
        slowest = slowest.max(before.elapsed());
    }
    assert!(
        slowest < Duration::from_millis(500),
        "{slowest:?} for one connection"
    );
}

#[tokio::test]
async fn s19_a_full_server_says_so_and_a_place_that_is_left_is_given_again() {
    let server = start(
        GateLimits {
            connections: 2,
            per_address: 9,
            per_network: 9,
        },
        |options| options,
    );
    let mut first = connect_from([127, 0, 0, 1], &server).await;
    let mut second = connect_from([127, 0, 0, 2], &server).await;
    assert_eq!(first_line(&mut first).await, "hello\r\n");
    assert_eq!(first_line(&mut second).await, "hello\r\n");
    let mut third = connect_from([127, 0, 0, 3], &server).await;
    assert_eq!(first_line(&mut third).await, "421 full\r\n");
    drop(first);
    eventually(|| server.gate.open() == 1).await;
    let mut fourth = connect_from([127, 0, 0, 4], &server).await;
    assert_eq!(first_line(&mut fourth).await, "hello\r\n");
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_and_gives_its_place_back() {
    let server = start(GateLimits::new(1, 1), |options| options);
    let mut stream = connect_from([127, 0, 0, 1], &server).await;
    assert_eq!(first_line(&mut stream).await, "hello\r\n");
    stream.write_all(b"panic").await.expect("sent");
    assert_eq!(first_line(&mut stream).await, "");
    eventually(|| server.gate.open() == 0).await;
    let mut next = connect_from([127, 0, 0, 1], &server).await;
    assert_eq!(first_line(&mut next).await, "hello\r\n");
}

#[tokio::test]
async fn drain_waits_for_open_connections_and_takes_no_new_ones() {
    let server = start(GateLimits::new(9, 9), |options| options);
    let mut stream = connect_from([127, 0, 0, 1], &server).await;
    assert_eq!(first_line(&mut stream).await, "hello\r\n");
    server.stop.stop();
    assert_eq!(first_line(&mut stream).await, "bye\r\n");
    timeout(SOON, server.task)
        .await
        .expect("drained")
        .expect("no panic");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn drain_ends_with_the_grace_period() {
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (stop, signal) = shutdown();
    let options = ListenOptions {
        grace: Duration::from_millis(100),
        ..ListenOptions::new("test", refusal)
    };
    let gate = Gate::new(GateLimits::new(9, 9));
    let deaf = |connection: Connection| async move {
        sleep(Duration::from_secs(3600)).await;
        drop(connection);
    };
    let task = tokio::spawn(listen(listener, options, gate.clone(), signal, deaf));
    let mut stream = TcpStream::connect(address).await.expect("accepted");
    eventually(|| gate.open() == 1).await;
    stop.stop();
    timeout(SOON, task)
        .await
        .expect("drained")
        .expect("no panic");
    assert_eq!(first_line(&mut stream).await, "");
    assert_eq!(gate.open(), 0);
}

#[tokio::test]
async fn tls_from_byte_one() {
    let folder = Folder::new();
    let tls = server_tls(&folder, Alpn::Imap);
    let server = start(GateLimits::new(1, 1), |options| {
        options.with_implicit_tls(tls)
    });
    let stream = connect_from([127, 0, 0, 1], &server).await;
    let client = ClientTls::opportunistic().expect("the configuration is ours");
    let mut stream = client
        .connect("mail.abc.test", stream)
        .await
        .expect("a handshake");
    let mut greeting = [0; 7];
    stream
        .read_exact(&mut greeting)
        .await
        .expect("the greeting");
    assert_eq!(&greeting, b"hello\r\n");
    // One over the limit gets no plaintext line where TLS is expected.
    let mut refused = connect_from([127, 0, 0, 1], &server).await;
    assert_eq!(first_line(&mut refused).await, "");
}

#[tokio::test]
async fn s20_a_client_that_does_not_shake_hands_is_closed() {
    let folder = Folder::new();
    let tls = server_tls(&folder, Alpn::Imap);
    let server = start(GateLimits::new(9, 9), |options| ListenOptions {
        handshake_timeout: Duration::from_millis(100),
        ..options.with_implicit_tls(tls)
    });
    let mut silent = connect_from([127, 0, 0, 1], &server).await;
    let mut plain = connect_from([127, 0, 0, 1], &server).await;
    plain
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("sent");
    let answer = first_line(&mut plain).await;
    assert!(!answer.contains("hello"), "{answer:?}");
    assert_eq!(first_line(&mut silent).await, "");
    eventually(|| server.gate.open() == 0).await;
}

/// Fails as told, then gives one connection, then nothing.
struct Scarce {
    errors: Mutex<VecDeque<io::Error>>,
    tries: Arc<AtomicUsize>,
    inner: TcpListener,
}

impl Accept for Scarce {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        let error = self.errors.lock().expect("no panic").pop_front();
        match error {
            Some(error) => Err(error),
            None => TcpListener::accept(&self.inner).await,
        }
    }
}

#[tokio::test]
async fn f06_no_file_descriptors_slow_the_loop_down_and_it_recovers() {
    const EMFILE: i32 = 24;
    let inner = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let address = inner.local_addr().expect("bound");
    let tries = Arc::new(AtomicUsize::new(0));
    let errors = (0..5)
        .map(|_| io::Error::from_raw_os_error(EMFILE))
        .collect();
    let scarce = Scarce {
        errors: Mutex::new(errors),
        tries: tries.clone(),
        inner,
    };
    let (_stop, signal) = shutdown();
    let gate = Gate::new(GateLimits::new(9, 9));
    let before = Instant::now();
    let task = tokio::spawn(listen(
        scarce,
        ListenOptions::new("test", refusal),
        gate,
        signal,
        echo,
    ));
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the kernel takes it");
    assert_eq!(first_line(&mut stream).await, "hello\r\n");
    // 10 + 20 + 40 + 80 + 160 ms
    assert!(
        before.elapsed() >= Duration::from_millis(300),
        "{:?}",
        before.elapsed()
    );
    assert!(tries.load(Ordering::SeqCst) <= 7, "it spins");
    task.abort();
}

#[tokio::test]
async fn a_peer_s_address_is_as_it_is() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (_stop, signal) = shutdown();
    let gate = Gate::new(GateLimits::new(9, 9));
    let tell = move |connection: Connection| {
        if let Some(sender) = sender.lock().expect("no panic").take() {
            let _ = sender.send(connection.transport);
        }
        std::future::ready(())
    };
    tokio::spawn(listen(
        listener,
        ListenOptions::new("test", refusal),
        gate,
        signal,
        tell,
    ));
    let stream = TcpStream::connect(address).await.expect("accepted");
    let transport = timeout(SOON, receiver)
        .await
        .expect("in time")
        .expect("told");
    assert_eq!(transport.peer, IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(
        transport.peer_port,
        stream.local_addr().expect("connected").port()
    );
    assert!(!transport.encrypted);
}

async fn eventually(condition: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < end, "it never came to that");
        sleep(Duration::from_millis(5)).await;
    }
}
