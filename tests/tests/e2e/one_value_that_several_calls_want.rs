//! A compare-and-set of a plugin is decided before the reply: of several connections that want
//! the same value at once exactly one gets it, and the others are asked again on what it wrote. So
//! are deliveries, without waiting for their next turn.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Barrier};

use postroom_tests::{Line, Server, ServerOptions, Sink};

/// A component that has every hook; at `greylist@` it defers whoever is first.
fn contract() -> String {
    let folder = env!("CARGO_MANIFEST_DIR");
    format!("{folder}/../host/crates/plugin/fixtures/contract-0.1.0.wasm")
}

#[test]
fn one_of_many_connections_wins_a_value() {
    let server = Server::start_with(ServerOptions {
        tables: "[[program]]\nlabel = \"count\"\npath = \"/bin/true\"\n\
                 [[file]]\nlabel = \"archive\"\npath = \"archive\"\n"
            .to_owned(),
        ..ServerOptions::default()
    });
    server.ok(&["plugin", "install", &contract()]);
    for round in 0..5 {
        let domain = format!("round{round}.test");
        server.domain(&domain);
        server.user(&format!("greylist@{domain}"), &[]);
        server.ok(&["plugin", "bind", &domain, "contract"]);
        server.ok(&["plugin", "deploy", &domain]);
        let address = server.address("mx");
        let start = Arc::new(Barrier::new(8));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (start, domain) = (Arc::clone(&start), domain.clone());
                std::thread::spawn(move || {
                    let mut line = Line::smtp(address);
                    assert_eq!(line.command("MAIL FROM:<joe@example.org>").code, 250);
                    start.wait();
                    line.command(&format!("RCPT TO:<greylist@{domain}>"))
                })
            })
            .collect();
        let replies: Vec<_> = clients
            .into_iter()
            .map(|client| client.join().expect("no client panics"))
            .collect();
        let first: Vec<_> = replies.iter().filter(|reply| reply.code != 250).collect();
        let [first] = first.as_slice() else {
            panic!("{replies:?}")
        };
        assert_eq!((first.code, &*first.text), (451, "4.7.1 Come again"));
    }
}

/// How many attempts ended so that nothing of them could be written down.
fn unsettled(server: &Server) -> usize {
    let mut stream = std::net::TcpStream::connect(server.address("metrics")).expect("it listens");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it is open");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it is text");
    assert!(text.contains("attempts_total"), "{text}");
    text.lines()
        .filter(|line| line.contains("\"unsettled\""))
        .count()
}

#[test]
fn a_delivery_that_lost_runs_again_at_once() {
    let sink = Sink::start();
    let server = Server::start_with(ServerOptions {
        tables: sink.route("*"),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    let away = ["options=mailbox,autoreply", "autoreply-text=Away."];
    server.user("ann@abc.test", &away);
    let address = server.address("mx");
    for round in 1..=3 {
        let from = format!("joe{round}@example.org");
        let start = Arc::new(Barrier::new(8));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (start, from) = (Arc::clone(&start), from.clone());
                std::thread::spawn(move || {
                    let mut line = Line::smtp(address);
                    start.wait();
                    let message =
                        format!("From: {from}\r\nTo: ann@abc.test\r\nSubject: x\r\n\r\nx\r\n");
                    line.send(&from, &["ann@abc.test"], &message).code
                })
            })
            .collect();
        for client in clients {
            assert_eq!(client.join().expect("no client panics"), 250);
        }
        server.delivered();
        // All of them wanted to be the one that answers this sender.
        assert_eq!(sink.letters().len(), round);
    }
    assert_eq!(unsettled(&server), 0);
    assert_eq!(server.messages("ann@abc.test", "INBOX").len(), 24);
}
