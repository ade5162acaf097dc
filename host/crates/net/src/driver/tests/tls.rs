//! STARTTLS, and the ends that TLS can have.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::script::{Desk, Script, transport};
use crate::tls::tests::{Folder, server_tls};
use crate::{Alpn, ClientTls, DriveOptions, Ended, Shutdown, StartTls, Stream, drive};

type Task = JoinHandle<(Ended, Script, Desk)>;

fn run(mut script: Script, stream: Stream<DuplexStream>, starttls: StartTls) -> Task {
    let options = DriveOptions {
        starttls,
        ..DriveOptions::default()
    };
    tokio::spawn(async move {
        let mut desk = Desk::default();
        let ended = drive(
            stream,
            transport(),
            &mut script,
            &mut desk,
            &options,
            Shutdown::never(),
        )
        .await;
        (ended, script, desk)
    })
}

fn server(folder: &Folder) -> (DuplexStream, Task) {
    let (peer, ours) = duplex(1 << 16);
    let tls = server_tls(folder, Alpn::Smtp);
    (
        peer,
        run(
            Script::default(),
            Stream::Plain(ours),
            StartTls::Server(tls),
        ),
    )
}

fn client_tls() -> ClientTls {
    ClientTls::opportunistic().expect("the configuration is ours")
}

async fn line(io: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line.push(char::from(io.read_u8().await.expect("a line")));
    }
    line
}

/// A client with TLS on, after `tls`.
async fn encrypted(folder: &Folder) -> (Stream<DuplexStream>, Task) {
    let (mut peer, serving) = server(folder);
    peer.write_all(b"tls\r\n").await.expect("in memory");
    assert_eq!(line(&mut peer).await, "go\r\n");
    let mut peer = client_tls()
        .connect("mail.abc.test", peer)
        .await
        .expect("a handshake");
    // The client is through before the server is; one round trip shows that both are.
    peer.write_all(b"echo up\r\n").await.expect("in memory");
    assert_eq!(line(&mut peer).await, "up\r\n");
    (peer, serving)
}

#[tokio::test]
async fn our_client_and_our_server_agree_on_starttls() {
    let folder = Folder::new();
    let (peer, serving) = server(&folder);
    let starttls = StartTls::Client(client_tls(), "mail.abc.test".to_owned());
    let mut script = Script::client("tls\r\n");
    script.deadline = Some((Instant::now() + std::time::Duration::from_millis(500)).into_std());
    // At its time-out the client says "too slow", which the server logs, and closes.
    let calling = run(script, Stream::Plain(peer), starttls);
    let (ended, script, _) = calling.await.expect("no panic");
    assert_eq!(ended, Ended::Closed);
    assert_eq!(script.log, ["tls mail.abc.test true"]);
    let (ended, script, desk) = serving.await.expect("no panic");
    assert_eq!(script.log, ["tls mail.abc.test true", "too", "PeerClosed"]);
    assert!(desk.transport.is_some_and(|transport| transport.encrypted));
    assert_eq!(ended, Ended::PeerClosed);
}

#[tokio::test]
async fn s04_plaintext_behind_starttls_closes_and_nothing_is_executed() {
    let folder = Folder::new();
    let (mut peer, serving) = server(&folder);
    peer.write_all(b"tls\r\necho injected\r\n")
        .await
        .expect("in memory");
    let mut all = String::new();
    peer.read_to_string(&mut all).await.expect("in memory");
    assert_eq!(all, "go\r\n");
    assert_eq!(serving.await.expect("no panic").0, Ended::RefusedTls);
}

#[tokio::test]
async fn s05_a_server_that_speaks_behind_its_go_ahead_is_left() {
    let (mut peer, ours) = duplex(1 << 16);
    let starttls = StartTls::Client(client_tls(), "mail.abc.test".to_owned());
    let calling = run(Script::client("tls\r\n"), Stream::Plain(ours), starttls);
    assert_eq!(line(&mut peer).await, "tls\r\n");
    peer.write_all(b"go\r\nforged\r\n")
        .await
        .expect("in memory");
    let (ended, script, _) = calling.await.expect("no panic");
    assert_eq!(ended, Ended::RefusedTls);
    assert!(!script.log.contains(&"forged".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn s20_a_handshake_that_does_not_come_ends_in_30_seconds() {
    let folder = Folder::new();
    let (mut peer, serving) = server(&folder);
    peer.write_all(b"tls\r\n").await.expect("in memory");
    assert_eq!(line(&mut peer).await, "go\r\n");
    let before = Instant::now();
    let (ended, script, _) = serving.await.expect("no panic");
    assert_eq!(
        (ended, before.elapsed().as_secs()),
        (Ended::HandshakeFailed, 30)
    );
    assert_eq!(script.log, ["Broken"]);
}

#[tokio::test]
async fn s07_tls_that_ends_without_close_notify_is_broken() {
    let folder = Folder::new();
    let (mut peer, serving) = encrypted(&folder).await;
    peer.write_all(b"body 100\r\nabc").await.expect("in memory");
    peer.flush().await.expect("in memory");
    drop(peer);
    let (ended, script, desk) = serving.await.expect("no panic");
    assert_eq!(ended, Ended::Broken);
    assert_eq!(script.log.last().map(String::as_str), Some("Broken"));
    assert_eq!((desk.discarded, desk.body), (true, 0));
}

#[tokio::test]
async fn s07_plaintext_behind_close_notify_is_never_read() {
    let folder = Folder::new();
    let (mut peer, serving) = encrypted(&folder).await;
    peer.write_all(b"body 10\r\nabc").await.expect("in memory");
    peer.flush().await.expect("in memory");
    let Stream::Tls(tls) = peer else {
        panic!("TLS was on")
    };
    let tokio_rustls::TlsStream::Client(tls) = *tls else {
        panic!("we are the client")
    };
    let (mut plain, mut state) = tls.into_inner();
    let mut wire = Vec::new();
    state.send_close_notify();
    state.write_tls(&mut wire).expect("in memory");
    wire.extend_from_slice(b"0123456\r\necho again\r\n");
    plain.write_all(&wire).await.expect("in memory");
    let (ended, script, desk) = serving.await.expect("no panic");
    assert_eq!(ended, Ended::PeerClosed);
    assert_eq!(script.log.last().map(String::as_str), Some("PeerClosed"));
    assert_eq!((desk.discarded, desk.body), (true, 0));
}

#[tokio::test]
async fn a_session_works_over_tls_and_ends_with_close_notify() {
    let folder = Folder::new();
    let (mut peer, serving) = encrypted(&folder).await;
    peer.write_all(b"send 200000\r\nquit\r\n")
        .await
        .expect("in memory");
    let mut all = Vec::new();
    // Without close_notify this read would fail.
    peer.read_to_end(&mut all).await.expect("a clean end");
    assert_eq!(all.len(), 200_000 + "\r\nbye\r\n".len());
    assert_eq!(serving.await.expect("no panic").0, Ended::Closed);
}
