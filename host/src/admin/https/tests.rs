//! Clients that are slow or say too much, on a connection as `net` hands it over.

use std::net::Ipv4Addr;
use std::time::Duration;

use mail::{Transport, limits};
use net::{Connection, ShutdownTrigger, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::super::tests::World;
use super::super::tokens::Lifetime;
use super::{Front, Pace, attend};

/// Nobody is slow.
const PATIENT: Pace = Pace {
    head: Duration::from_secs(600),
    body_pause: Duration::from_secs(600),
    connection: Duration::from_secs(600),
};
/// As short as a time can be.
const SHORT: Duration = Duration::from_millis(50);

/// A client and the task that serves it.
struct Client {
    stream: TcpStream,
    served: JoinHandle<()>,
    /// Dropped, it would stop the connection.
    _stop: ShutdownTrigger,
}

impl Client {
    async fn connect(world: &World, pace: Pace) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (ours, peer) = listener.accept().await.expect("it connects");
        let (stop, shutdown) = net::shutdown();
        let connection = Connection {
            stream: Stream::Plain(ours),
            transport: Transport {
                peer: peer.ip(),
                peer_port: peer.port(),
                encrypted: true,
                server_name: None,
            },
            shutdown,
        };
        let front = Front::with_pace(world.api.clone(), pace);
        let served = tokio::spawn(attend(front, connection));
        Self {
            stream,
            served,
            _stop: stop,
        }
    }

    async fn say(&mut self, text: &str) {
        self.stream
            .write_all(text.as_bytes())
            .await
            .expect("written");
    }

    /// All that comes until the server closes.
    async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A server that has refused a body closes although more of it comes.
        let _ = self.stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[tokio::test]
async fn s18_a_slow_client_is_let_go_in_every_phase() {
    let world = World::start().await;
    let head = Pace {
        head: SHORT,
        ..PATIENT
    };
    for begin in ["", "POST /v1/log", "POST /v1/login HTTP/1.1\r\nHost: x\r\n"] {
        let mut client = Client::connect(&world, head).await;
        client.say(begin).await;
        let rest = client.rest().await;
        assert!(!rest.contains("200"), "{begin}: {rest}");
        client.served.await.expect("no panic");
    }
    let body = Pace {
        body_pause: SHORT,
        ..PATIENT
    };
    let mut client = Client::connect(&world, body).await;
    client
        .say("POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{")
        .await;
    let rest = client.rest().await;
    assert!(rest.starts_with("HTTP/1.1 408"), "{rest}");
    assert!(rest.contains("did not come in time"), "{rest}");
    let connection = Pace {
        connection: SHORT,
        ..PATIENT
    };
    let mut client = Client::connect(&world, connection).await;
    client
        .say("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    let rest = client.rest().await;
    assert!(rest.starts_with("HTTP/1.1 401"), "{rest}");
    client.served.await.expect("no panic");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_kept() {
    let world = World::start().await;
    let long = "x".repeat(limits::HTTP_HEAD + 1);
    let many = "a: b\r\n".repeat(limits::HTTP_FIELDS + 1);
    for fields in [format!("Long: {long}\r\n"), many] {
        let mut client = Client::connect(&world, PATIENT).await;
        client.say("GET /v1/status HTTP/1.1\r\n").await;
        client.say(&format!("{fields}\r\n")).await;
        let rest = client.rest().await;
        assert!(rest.starts_with("HTTP/1.1 431"), "{rest}");
    }
    let token = token(&world).await;
    for (path, token, most) in [
        ("/v1/login", None, limits::HTTP_LOGIN_BODY),
        ("/v1/users", Some(&token), limits::HTTP_BODY),
        ("/v1/plugins", Some(&token), limits::HTTP_UPLOAD),
    ] {
        let mut client = Client::connect(&world, PATIENT).await;
        let field = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            field.unwrap_or_default(),
            most + 1
        );
        client.say(&head).await;
        let (mut reader, mut writer) = client.stream.split();
        let piece = vec![b' '; 64 * 1024];
        let write = async {
            let mut left = most + 1;
            while left > 0 {
                let size = left.min(piece.len());
                if writer.write_all(&piece[..size]).await.is_err() {
                    break;
                }
                left -= size;
            }
        };
        let read = async {
            let mut answer = vec![0; 1024];
            let size = reader.read(&mut answer).await.expect("it answers");
            String::from_utf8_lossy(&answer[..size]).into_owned()
        };
        let ((), answer) = tokio::join!(write, read);
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
    }
    // Without a token nothing of a body is read.
    let mut client = Client::connect(&world, PATIENT).await;
    client
        .say("POST /v1/plugins HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n")
        .await;
    let rest = client.rest().await;
    assert!(rest.starts_with("HTTP/1.1 401"), "{rest}");
}

/// Ann's, by the way that a login takes.
async fn token(world: &World) -> String {
    let mut client = Client::connect(world, PATIENT).await;
    let body = r#"{"login": "ann@abc.test", "password": "the secret of ann"}"#;
    let head = format!(
        "POST /v1/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client.say(&head).await;
    let rest = client.rest().await;
    let (_, body) = rest.split_once("\r\n\r\n").expect("a body");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let token = body["token"].as_str().expect("a token").to_owned();
    let lifetime = Lifetime {
        seconds: 10,
        idle_seconds: 10,
    };
    let row = world.api.tokens.find(&token, lifetime, crate::site::now());
    assert!(row.is_some(), "it is in force");
    token
}
