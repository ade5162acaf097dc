mod reuse;
mod sink;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mail::{Body, Domain, Mailbox, Outcome, ReversePath};
use net::ClientTls;
use proptest::prelude::*;
use smtp::client::{Message, Timeouts};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use self::sink::{Sink, Tls, messages_on_wire};
use super::{NextHop, Remote, Security, Terms};

fn mailbox(address: &str) -> Mailbox {
    Mailbox::parse(address).unwrap()
}

fn remote(patience: Duration) -> Remote {
    let timeouts = Timeouts {
        greeting: patience,
        command: patience,
        data: patience,
        block: patience,
        end: patience,
        quit: patience,
    };
    let tls = ClientTls::opportunistic().unwrap();
    Remote::new(Domain::parse("mail.abc.test").unwrap(), tls)
        .with_timeouts(patience, timeouts)
        .with_idle(Duration::ZERO)
}

/// STARTTLS or nothing.
fn encrypted() -> Arc<Terms> {
    Arc::new(Terms {
        security: Security::StartTls,
        ..Terms::new("smtp")
    })
}

/// Long, for a busy machine.
const PATIENT: Duration = Duration::from_secs(30);

fn message(recipients: &[&str]) -> Message {
    let recipients = recipients.iter().map(|address| mailbox(address)).collect();
    Message {
        body: Body::EightBitMime,
        ..Message::new(ReversePath::Null, recipients)
    }
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { text } => format!("done {text}"),
        Outcome::Deferred { status, text } => format!("deferred {status} {text}"),
        Outcome::Failed { status, text } => format!("failed {status} {text}"),
        Outcome::NotMine => "not mine".into(),
    }
}

async fn deliver(addresses: Vec<SocketAddr>, message: Message, body: &[u8]) -> Vec<String> {
    let hop = NextHop::smtp("mx.test", addresses);
    let delivered = remote(PATIENT).deliver(&hop, message, body).await;
    delivered.outcomes.iter().map(shown).collect()
}

/// The outcome of one message to one recipient at a sink that answers like this.
async fn outcome_at(sink: Sink) -> (String, Vec<String>, Vec<u8>) {
    let running = sink.start().await;
    let outcomes = deliver(
        vec![running.address],
        message(&["a@x.test"]),
        b"A: b\r\n\r\nx\r\n",
    )
    .await;
    let (commands, wire) = running.finish().await;
    assert_eq!(outcomes.len(), 1);
    (outcomes[0].clone(), commands, wire)
}

#[tokio::test]
async fn a_message_arrives_byte_for_byte() {
    let body = [
        b"A: b\r\n\r\n.\r\n..\r\n.x\r\n\xff\xfe\r\n",
        &b"line\r\n".repeat(50_000)[..],
    ]
    .concat();
    let running = Sink::default().start().await;
    let outcomes = deliver(
        vec![running.address],
        message(&["a@x.test", "b@x.test"]),
        &body,
    )
    .await;
    assert_eq!(outcomes, vec!["done mx.test said: 250 2.0.0 taken"; 2]);
    let (commands, wire) = running.finish().await;
    assert_eq!(
        commands,
        [
            "EHLO mail.abc.test",
            "MAIL FROM:<> BODY=8BITMIME",
            "RCPT TO:<a@x.test>",
            "RCPT TO:<b@x.test>",
            "DATA",
            "QUIT"
        ]
    );
    assert_eq!(messages_on_wire(&wire), [body]);
}

#[tokio::test]
async fn replies_become_outcomes() {
    for (command, reply, outcome) in [
        (
            "RCPT",
            "450 4.2.1 later",
            "deferred 4.2.1 mx.test said: 450 4.2.1 later",
        ),
        (
            "RCPT",
            "550 5.1.1 nobody",
            "failed 5.1.1 mx.test said: 550 5.1.1 nobody",
        ),
        (
            "RCPT",
            "550 nobody",
            "failed 5.0.0 mx.test said: 550 nobody",
        ),
        (
            "MAIL",
            "451 4.3.0 trouble",
            "deferred 4.3.0 mx.test said: 451 4.3.0 trouble",
        ),
        (
            "MAIL",
            "552 5.3.4 large",
            "failed 5.3.4 mx.test said: 552 5.3.4 large",
        ),
        (
            "DATA",
            "554 5.7.1 no",
            "failed 5.7.1 mx.test said: 554 5.7.1 no",
        ),
        (
            "DATA",
            "421 4.3.2 stopping",
            "deferred 4.3.2 mx.test said: 421 4.3.2 stopping",
        ),
        (
            ".",
            "452 4.3.1 full",
            "deferred 4.3.1 mx.test said: 452 4.3.1 full",
        ),
        (
            ".",
            "554-5.6.0 bad\r\n554 5.6.0 really",
            "failed 5.6.0 mx.test said: 554 5.6.0 bad / really",
        ),
    ] {
        let (got, _, _) = outcome_at(Sink::default().answer(command, reply)).await;
        assert_eq!(got, outcome, "{command} {reply}");
    }
}

#[tokio::test]
async fn each_recipient_has_its_own_outcome() {
    let running = Sink::default()
        .answer("RCPT TO:<b@", "550 5.1.1 nobody")
        .answer("RCPT TO:<c@", "450 4.2.2 full")
        .start()
        .await;
    let outcomes = deliver(
        vec![running.address],
        message(&["a@x.test", "b@x.test", "c@x.test"]),
        b"x\r\n",
    )
    .await;
    assert_eq!(
        outcomes,
        [
            "done mx.test said: 250 2.0.0 taken",
            "failed 5.1.1 mx.test said: 550 5.1.1 nobody",
            "deferred 4.2.2 mx.test said: 450 4.2.2 full"
        ]
    );
    running.finish().await;
}

/// Trouble on the way is never the end of a message.
#[tokio::test]
async fn broken_connections_are_tried_again() {
    for (command, phase) in [
        ("greeting", "4.4.2"),
        ("EHLO", "4.4.2"),
        ("MAIL", "4.4.2"),
        ("RCPT", "4.4.2"),
        ("DATA", "4.4.2"),
    ] {
        let (got, _, _) = outcome_at(Sink::default().hang_up(command)).await;
        assert!(
            got.starts_with(&format!("deferred {phase} The connection to mx.test broke")),
            "{command}: {got}"
        );
    }
    let (got, _, wire) = outcome_at(Sink::default().hang_up(".")).await;
    assert_eq!(
        got,
        "deferred 4.4.2 The connection to mx.test broke before it said whether it took the message"
    );
    assert_eq!(messages_on_wire(&wire).len(), 1);
}

#[tokio::test]
async fn silence_ends_at_the_timeout() {
    for command in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        let running = Sink::default().silent(command).start().await;
        let hop = NextHop::smtp("mx.test", vec![running.address]);
        let impatient = remote(Duration::from_millis(500));
        let outcomes = impatient
            .deliver(&hop, message(&["a@x.test"]), &b"x\r\n"[..])
            .await
            .outcomes;
        let got = shown(&outcomes[0]);
        assert!(
            got.starts_with("deferred 4.4.2 mx.test did not answer in time at "),
            "{command}: {got}"
        );
    }
}

/// N08: a reply without form or without end.
#[tokio::test]
async fn garbage_is_tried_again() {
    let endless = format!("250-{}\r\n", "x".repeat(70)).repeat(3000);
    let long = "250 ".to_owned() + &"x".repeat(200_000);
    for phase in ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        for reply in [
            "hello there",
            "25",
            "999 what",
            "354 go on",
            endless.as_str(),
            long.as_str(),
        ] {
            if phase == "DATA" && reply.starts_with("354") {
                continue;
            }
            let (got, _, _) = outcome_at(Sink::default().answer(phase, reply)).await;
            let shown = &reply[..2];
            assert!(got.starts_with("deferred 4."), "{phase} {shown}: {got}");
        }
    }
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let refuses = Sink::default()
        .answer("greeting", "554 5.3.2 not here")
        .start()
        .await;
    let takes = Sink::default().start().await;
    let outcomes = deliver(
        vec![closed, refuses.address, takes.address],
        message(&["a@x.test"]),
        b"x\r\n",
    )
    .await;
    assert_eq!(outcomes, ["done mx.test said: 250 2.0.0 taken"]);
    takes.finish().await;

    let outcomes = deliver(vec![closed], message(&["a@x.test"]), b"x\r\n").await;
    assert!(
        outcomes[0].starts_with("deferred 4.4.1 mx.test cannot be reached: "),
        "{outcomes:?}"
    );
    let outcomes = deliver(Vec::new(), message(&["a@x.test", "b@x.test"]), b"x\r\n").await;
    assert_eq!(
        outcomes,
        vec!["deferred 4.4.1 mx.test cannot be reached: it has no address"; 2]
    );

    // Once a server has judged the message no other is asked.
    let judges = Sink::default()
        .answer("RCPT", "550 5.1.1 nobody")
        .start()
        .await;
    let other = Sink::default().start().await;
    let outcomes = deliver(
        vec![judges.address, other.address],
        message(&["a@x.test"]),
        b"x\r\n",
    )
    .await;
    assert_eq!(outcomes, ["failed 5.1.1 mx.test said: 550 5.1.1 nobody"]);
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn starttls_is_used_where_offered() {
    let (got, commands, wire) = outcome_at(Sink::default().tls(Tls::Works)).await;
    assert_eq!(got, "done mx.test said: 250 2.0.0 taken");
    let first: Vec<_> = commands
        .iter()
        .map(|command| command.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        first,
        ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]
    );
    assert_eq!(messages_on_wire(&wire), [b"A: b\r\n\r\nx\r\n"]);
}

/// Opportunistic: without TLS rather than not at all, and never so where TLS is required.
#[tokio::test]
async fn a_failed_handshake_is_tried_without_tls() {
    let (got, commands, _) = outcome_at(Sink::default().tls(Tls::Garbage)).await;
    assert_eq!(got, "done mx.test said: 250 2.0.0 taken");
    assert_eq!(
        commands
            .iter()
            .filter(|command| command.starts_with("EHLO"))
            .count(),
        2
    );

    for tls in [None, Some(Tls::Garbage)] {
        let sink = tls.map_or_else(Sink::default, |tls| Sink::default().tls(tls));
        let running = sink.start().await;
        let hop = NextHop {
            terms: encrypted(),
            ..NextHop::smtp("mx.test", vec![running.address])
        };
        let outcomes = remote(PATIENT)
            .deliver(&hop, message(&["a@x.test"]), &b"x\r\n"[..])
            .await
            .outcomes;
        assert!(
            shown(&outcomes[0]).starts_with("deferred 4.7.5 TLS with mx.test failed: "),
            "{outcomes:?}"
        );
        assert!(running.finish().await.1.is_empty());
    }
}

/// Replies put in front of the handshake are not replies.
#[tokio::test]
async fn s05_replies_before_the_handshake_are_never_used() {
    let running = Sink::default().tls(Tls::Injected).start().await;
    let hop = NextHop {
        terms: encrypted(),
        ..NextHop::smtp("mx.test", vec![running.address])
    };
    let outcomes = remote(PATIENT)
        .deliver(&hop, message(&["a@x.test"]), &b"x\r\n"[..])
        .await
        .outcomes;
    assert!(
        shown(&outcomes[0]).starts_with("deferred 4.7.5 "),
        "{outcomes:?}"
    );
    let (commands, wire) = running.finish().await;
    assert_eq!((commands.len(), wire.len()), (2, 0), "{commands:?}");
}

struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("checksum")))
    }
}

/// Half a message is never followed by its final dot.
#[tokio::test]
async fn a_message_that_cannot_be_read_is_not_ended() {
    let running = Sink::default().start().await;
    let hop = NextHop::smtp("mx.test", vec![running.address]);
    let half = b"A: b\r\n\r\nhalf\r\n".chain(Broken);
    let outcomes = remote(PATIENT)
        .deliver(&hop, message(&["a@x.test"]), half)
        .await
        .outcomes;
    assert_eq!(
        shown(&outcomes[0]),
        "deferred 4.3.0 The message could not be read from the store"
    );
    let (_, wire) = running.finish().await;
    assert!(messages_on_wire(&wire).is_empty());
}

/// What goes out, read strictly again.
fn check_wire(body: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let running = Sink::default().start().await;
        let outcomes = deliver(vec![running.address], message(&["a@x.test"]), body).await;
        let (commands, wire) = running.finish().await;
        let smuggled = commands
            .iter()
            .filter(|command| command.starts_with("MAIL"))
            .count();
        assert!(smuggled <= 1, "{body:?}");
        if outcomes[0].starts_with("done") {
            let messages = messages_on_wire(&wire);
            assert_eq!(messages.len(), 1, "{body:?}");
            assert_eq!(normal(&messages[0]), normal(body), "{body:?}");
            let bare = messages[0].split_inclusive(|&b| b == b'\n').any(|line| {
                let inner = line.strip_suffix(b"\r\n").unwrap_or(line);
                inner.contains(&b'\r') || inner.contains(&b'\n')
            });
            assert!(!bare, "{body:?}");
        } else {
            assert!(outcomes[0].starts_with("failed 5.6.0"), "{outcomes:?}");
        }
    });
}

/// Without line ends: nothing else may change.
fn normal(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect()
}

#[test]
fn s02_the_wire_holds_exactly_one_message() {
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r\n.\n",
        "\r.\r\n",
        "\r\n\0.\r\n",
        "\r\n.\r\n",
        ".\r\n",
        "\r\n.",
        "\r\n.\r",
        "\n.\r",
    ] {
        check_wire(format!("A: b\r\n\r\nx{end}MAIL FROM:<evil@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nA: c\r\n\r\ny{end}").as_bytes());
        check_wire(end.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn s02_any_bytes_are_one_message(pieces in proptest::collection::vec(0..7_usize, 0..30)) {
        let piece = ["\r", "\n", ".", "\r\n", "x", "\r\n.\r\n", "MAIL FROM:<e@x.test>\r\n"];
        let body: String = pieces.into_iter().map(|index| piece[index]).collect();
        check_wire(body.as_bytes());
    }
}
