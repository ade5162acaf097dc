//! The option `autoreply`, on the wire: null sender, marked as automatic, once in its window even
//! over a restart, never to lists or reports; two of them that face each other stop.

use postroom_tests::{Line, Server, ServerOptions, Sink};

const AWAY: &[&str] = &[
    "options=mailbox,autoreply",
    "autoreply-text=I am away until Monday.",
    "autoreply-timeout-hours=24",
];

fn hello(to: &str, more: &str) -> String {
    format!(
        "From: joe@example.org\r\nTo: {to}\r\nSubject: lunch\r\nMessage-ID: <one@example.org>\r\n{more}\r\nHungry?\r\n"
    )
}

fn send(server: &Server, from: &str, to: &str, more: &str) {
    let reply = Line::smtp(server.address("mx")).send(from, &[to], &hello(to, more));
    assert_eq!(reply.code, 250, "{reply:?}");
    // The reply, if there is one, is queued in the commit that settles the delivery.
    server.delivered();
}

#[test]
fn autoreply_answers_once_and_never_a_machine() {
    let sink = Sink::start();
    let mut server = Server::start_with(ServerOptions {
        tables: sink.route("*"),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", AWAY);

    let machines = [
        ("joe@example.org", "List-Id: <talk.example.org>\r\n"),
        ("joe@example.org", "Precedence: bulk\r\n"),
        ("joe@example.org", "Auto-Submitted: auto-generated\r\n"),
        ("talk-request@example.org", ""),
        ("", ""),
    ];
    for (from, more) in machines {
        send(&server, from, "ann@abc.test", more);
    }
    assert_eq!(sink.letters(), []);

    send(&server, "joe@example.org", "ann@abc.test", "");
    let letter = sink.letter_for("joe@example.org");
    assert!(letter.mail.starts_with("MAIL FROM:<>"), "{letter:?}");
    assert_eq!(letter.rcpt.len(), 1);
    let text = letter.text();
    for line in [
        "\r\nAuto-Submitted: auto-replied\r\n",
        "\r\nIn-Reply-To: <one@example.org>\r\n",
        "\r\nTo: <joe@example.org>\r\n",
        "\r\nSubject: Auto: lunch\r\n",
        "I am away until Monday.",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }

    send(&server, "JOE@example.org", "ann@abc.test", "");
    assert_eq!(server.terminate(), Some(0));
    server.launch();
    send(&server, "joe@example.org", "ann@abc.test", "");
    assert_eq!(sink.letters().len(), 1, "once in a window");
    send(&server, "eve@example.org", "ann@abc.test", "");
    sink.letter_for("eve@example.org");
    assert_eq!(sink.letters().len(), 2, "another sender has another window");
    assert_eq!(
        server.messages("ann@abc.test", "INBOX").len(),
        machines.len() + 4
    );
}

#[test]
fn two_autoreplies_that_face_each_other_stop() {
    let server = Server::start();
    for domain in ["abc.test", "xyz.test"] {
        server.domain(domain);
    }
    server.user("ann@abc.test", AWAY);
    server.user("bob@xyz.test", AWAY);

    send(&server, "ann@abc.test", "bob@xyz.test", "");

    let asked = server.messages("bob@xyz.test", "INBOX");
    let answered = server.messages("ann@abc.test", "INBOX");
    assert_eq!((asked.len(), answered.len()), (1, 1));
    let answer = String::from_utf8_lossy(&answered[0]).into_owned();
    assert!(answer.starts_with("Return-Path: <>\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nAuto-Submitted: auto-replied\r\n"),
        "{answer}"
    );
}
