//! Connections that are used again, logins, and LMTP.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sasl::Credentials;
use smtp::client::Protocol;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::sink::{Running, Sink};
use super::{PATIENT, message, remote, shown};
use crate::remote::{Address, NextHop, Remote, Security, Terms};

/// Sends one message to each, one after the other; the outcomes.
async fn send_all(remote: &Remote, running: &Running, terms: Terms, to: &[&str]) -> Vec<String> {
    let hop = NextHop {
        terms: Arc::new(terms),
        ..NextHop::smtp("mx.test", vec![running.address])
    };
    let mut outcomes = Vec::new();
    for recipient in to {
        let delivered = remote.deliver(&hop, message(&[recipient]), &b"x\r\n"[..]);
        outcomes.push(shown(&delivered.await.outcomes[0]));
    }
    outcomes
}

fn verbs(commands: &[String]) -> Vec<&str> {
    let verb = |command: &'_ String| command.split(' ').next().unwrap_or_default().len();
    commands
        .iter()
        .map(|command| &command[..verb(command)])
        .collect()
}

const TAKEN: &str = "done mx.test said: 250 2.0.0 taken";

#[tokio::test]
async fn one_connection_takes_many_messages() {
    let running = Sink::default().start().await;
    let keeping = remote(PATIENT).with_idle(PATIENT);
    let to = ["a@x.test", "b@x.test", "c@x.test"];
    let outcomes = send_all(&keeping, &running, Terms::new("smtp"), &to).await;
    assert_eq!(outcomes, [TAKEN; 3]);
    assert_eq!(running.connections(), 1);
    // Another channel has terms of its own, and connections of its own.
    send_all(&keeping, &running, Terms::new("other"), &to).await;
    assert_eq!(running.connections(), 2);
}

#[tokio::test]
async fn a_connection_takes_so_many_messages_and_no_more() {
    let running = Sink::default().start().await;
    let keeping = remote(PATIENT).with_idle(PATIENT);
    let terms = Terms {
        messages: 2,
        ..Terms::new("smtp")
    };
    let to = ["a@x.test", "b@x.test", "c@x.test", "d@x.test"];
    assert_eq!(send_all(&keeping, &running, terms, &to).await, [TAKEN; 4]);
    assert_eq!(running.connections(), 2);
    let (commands, _) = running.finish().await;
    let quits = commands.iter().filter(|command| *command == "QUIT").count();
    assert_eq!(quits, 2, "both ended politely");
}

#[tokio::test]
async fn an_idle_connection_is_ended_politely() {
    let running = Sink::default().start().await;
    let keeping = remote(PATIENT).with_idle(Duration::from_millis(50));
    send_all(&keeping, &running, Terms::new("smtp"), &["a@x.test"]).await;
    let (commands, _) = running.finish().await;
    assert_eq!(verbs(&commands), ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
}

#[tokio::test]
async fn a_transaction_that_was_not_ended_is_reset() {
    let running = Sink::default()
        .answer("RCPT TO:<a@", "550 5.1.1 nobody")
        .start()
        .await;
    let keeping = remote(PATIENT).with_idle(PATIENT);
    let to = ["a@x.test", "b@x.test"];
    let outcomes = send_all(&keeping, &running, Terms::new("smtp"), &to).await;
    assert_eq!(outcomes[1], TAKEN);
    drop(keeping);
    let (commands, _) = running.finish().await;
    let expected = ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"];
    assert_eq!(verbs(&commands), expected);
}

/// A server may end an idle connection at any time: that is no reason to defer the message.
#[tokio::test]
async fn a_kept_connection_that_is_over_is_replaced() {
    for sink in [
        Sink::default().hang_up_once("RCPT TO:<b@"),
        Sink::default().answer_once("RCPT TO:<b@", "421 4.3.2 too long idle"),
    ] {
        let running = sink.start().await;
        let keeping = remote(PATIENT).with_idle(PATIENT);
        let to = ["a@x.test", "b@x.test"];
        let outcomes = send_all(&keeping, &running, Terms::new("smtp"), &to).await;
        assert_eq!(outcomes, [TAKEN; 2]);
        assert_eq!(running.connections(), 2);
    }
}

/// Once the text was sent nobody knows: it is not sent again by itself.
#[tokio::test]
async fn n10_a_kept_connection_that_breaks_after_the_dot_is_not_replaced() {
    let running = Sink::default()
        .answer_once(".", "250 2.0.0 taken")
        .hang_up(".");
    let running = running.start().await;
    let keeping = remote(PATIENT).with_idle(PATIENT);
    let to = ["a@x.test", "b@x.test"];
    let outcomes = send_all(&keeping, &running, Terms::new("smtp"), &to).await;
    assert_eq!(outcomes[0], TAKEN);
    assert!(outcomes[1].starts_with("deferred 4.4.2 "), "{outcomes:?}");
    assert_eq!(running.connections(), 1);
}

fn login(plaintext_login: bool) -> Terms {
    let credentials = Credentials::new(None, "hub".to_owned(), "s3cret".to_owned());
    Terms {
        credentials: Some(credentials.expect("a login of the test")),
        security: Security::None,
        plaintext_login,
        ..Terms::new("hub")
    }
}

#[tokio::test]
async fn a_password_goes_in_plain_text_only_where_that_is_meant() {
    let offers = "250-mx.test\r\n250 AUTH LOGIN PLAIN";
    for (plaintext_login, expected) in [(false, "deferred 4.7.8 "), (true, "done ")] {
        let sink = Sink::default()
            .answer("EHLO", offers)
            .answer("AUTH PLAIN", "235 2.7.0 welcome");
        let running = sink.start().await;
        let mut plain = message(&["a@x.test"]);
        plain.body = mail::Body::SevenBit;
        let hop = NextHop {
            terms: Arc::new(login(plaintext_login)),
            ..NextHop::smtp("mx.test", vec![running.address])
        };
        let delivered = remote(PATIENT).deliver(&hop, plain, &b"x\r\n"[..]).await;
        let outcome = shown(&delivered.outcomes[0]);
        assert!(outcome.starts_with(expected), "{outcome}");
        let (commands, _) = running.finish().await;
        let was_shown = commands.iter().any(|command| command.starts_with("AUTH"));
        assert_eq!(was_shown, plaintext_login, "{commands:?}");
    }
}

/// RFC 2033 §4.2 over a Unix socket: a reply for each recipient that was taken.
#[tokio::test]
async fn lmtp_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("lmtp");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut peer = BufReader::new(stream);
        let dialogue = [
            ("", "220 box LMTP"),
            ("LHLO", "250-box\r\n250-PIPELINING\r\n250 8BITMIME"),
            ("MAIL", "250 2.1.0 ok"),
            ("RCPT", "250 2.1.5 ok"),
            ("RCPT", "550 5.1.1 nobody"),
            ("RCPT", "250 2.1.5 ok"),
            ("DATA", "354 go"),
        ];
        for (command, reply) in dialogue {
            let mut line = String::new();
            if !command.is_empty() {
                peer.read_line(&mut line).await.unwrap();
            }
            assert!(line.starts_with(command), "{line}");
            let reply = format!("{reply}\r\n");
            peer.get_mut().write_all(reply.as_bytes()).await.unwrap();
        }
        let mut line = String::new();
        while line != ".\r\n" {
            line.clear();
            assert!(peer.read_line(&mut line).await.unwrap() > 0);
        }
        let replies = b"250 2.0.0 kept\r\n452 4.2.2 full\r\n";
        peer.get_mut().write_all(replies).await.unwrap();
    });
    let hop = NextHop {
        name: "boxes".to_owned(),
        addresses: vec![Address::Unix(path)],
        terms: Arc::new(Terms {
            protocol: Protocol::Lmtp,
            security: Security::None,
            ..Terms::new("boxes")
        }),
    };
    let recipients = message(&["a@x.test", "b@x.test", "c@x.test"]);
    let delivered = remote(PATIENT)
        .deliver(&hop, recipients, &b"x\r\n"[..])
        .await;
    let outcomes: Vec<_> = delivered.outcomes.iter().map(shown).collect();
    assert_eq!(
        outcomes,
        [
            "done boxes said: 250 2.0.0 kept",
            "failed 5.1.1 boxes said: 550 5.1.1 nobody",
            "deferred 4.2.2 boxes said: 452 4.2.2 full"
        ]
    );
    serving.await.unwrap();
}
