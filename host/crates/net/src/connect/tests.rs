use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{ConnectError, connect, upgrade};
use crate::tls::tests::{Folder, server_tls};
use crate::{Alpn, ClientTls};

const LIMIT: Duration = Duration::from_millis(300);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

#[tokio::test]
async fn nobody_there_is_refused() {
    let (listener, address) = listener().await;
    drop(listener);
    assert!(matches!(
        connect(address, LIMIT).await,
        Err(ConnectError::Refused { .. })
    ));
}

#[tokio::test]
async fn tls_from_byte_one_with_a_server_of_ours() {
    let folder = Folder::new();
    let tls = server_tls(&folder, Alpn::Smtp);
    let (listener, address) = listener().await;
    let serving = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a connection");
        let (mut stream, name) = tls.accept(tcp).await.expect("a handshake");
        stream.write_all(b"220 hello\r\n").await.expect("sent");
        stream.shutdown().await.expect("closed");
        name
    });
    let (stream, transport) = connect(address, LIMIT).await.expect("accepted");
    assert_eq!(
        (transport.peer, transport.peer_port),
        (address.ip(), address.port())
    );
    let client = ClientTls::opportunistic().expect("the configuration is ours");
    let limit = Duration::from_secs(5);
    let mut stream = upgrade(stream, &client, "mail.abc.test", limit)
        .await
        .expect("a handshake");
    let mut all = String::new();
    stream.read_to_string(&mut all).await.expect("a clean end");
    assert_eq!(all, "220 hello\r\n");
    assert_eq!(
        serving.await.expect("no panic").as_deref(),
        Some("mail.abc.test")
    );
}

#[tokio::test]
async fn n09_a_server_that_never_shakes_hands_is_left_in_time() {
    let (listener, address) = listener().await;
    let (stream, _) = connect(address, LIMIT).await.expect("the kernel accepts");
    let client = ClientTls::opportunistic().expect("the configuration is ours");
    let error = upgrade(stream, &client, "mail.abc.test", LIMIT)
        .await
        .expect_err("nobody answers");
    assert!(matches!(error, ConnectError::Tls { .. }), "{error}");
    drop(listener);
}
