//! What one recipient's trouble means for the others of the same message: nothing. Who was here
//! before is left out, who is gone is left out, and nobody is told whose address nobody vouches
//! for (no backscatter); a person that signed in is told.

use postroom_tests::{Line, Server, ServerOptions, Sink, python};

const SUBMIT: &str = r#"
import smtplib, ssl, sys
with smtplib.SMTP_SSL("127.0.0.1", int(sys.argv[1]), context=ssl._create_unverified_context()) as client:
    client.login("eve@abc.test", "secret")
    assert client.sendmail("eve@abc.test", sys.argv[3:], sys.argv[2].encode()) == {}
"#;

/// `abc.test` with ann, bob, eve and the alias `half`, half of which is gone.
fn server(sink: &Sink) -> Server {
    let server = Server::start_with(ServerOptions {
        tables: sink.route("*"),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    for person in ["ann@abc.test", "bob@abc.test", "eve@abc.test"] {
        server.user(person, &[]);
    }
    server.ok(&[
        "alias",
        "add",
        "half@abc.test",
        "bob@abc.test",
        "gone@abc.test",
    ]);
    server
}

fn text(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
}

const BEEN_TO_ANN: &str =
    "Delivered-To: ann@abc.test\r\nFrom: joe@example.org\r\nSubject: again\r\n\r\nHello\r\n";

#[test]
fn l02_who_has_it_already_is_left_out_alone() {
    let sink = Sink::start();
    let server = server(&sink);
    let mut line = Line::smtp(server.address("mx"));
    let both = ["ann@abc.test", "bob@abc.test"];
    assert_eq!(line.send("joe@example.org", &both, BEEN_TO_ANN).code, 250);
    let alone = line.send("joe@example.org", &["ann@abc.test"], BEEN_TO_ANN);
    assert_eq!(alone.code, 554, "{alone:?}");
    assert!(alone.text.starts_with("5.4.6 "), "{alone:?}");
    server.delivered();
    assert_eq!(server.messages("bob@abc.test", "INBOX").len(), 1);
    assert_eq!(server.messages("ann@abc.test", "INBOX").len(), 0);
    assert_eq!(sink.letters(), []);

    // A person that signed in is told.
    python(
        SUBMIT,
        &[&server.port("smtps"), BEEN_TO_ANN, both[0], both[1]],
    )
    .ok();
    server.delivered();
    assert_eq!(server.messages("bob@abc.test", "INBOX").len(), 2);
    let told = server.messages("eve@abc.test", "INBOX");
    let [report] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(text(report).contains("Status: 5.4.6"), "{}", text(report));
    assert!(text(report).contains("ann@abc.test"), "{}", text(report));
}

#[test]
fn l06_forged_senders_get_nothing() {
    let sink = Sink::start();
    let server = server(&sink);
    server.domain("strict.test");
    server.user("sue@strict.test", &[]);
    let config = r#"{"refused_words": ["casino"], "denied_recipients": ["nobody@"]}"#;
    server.ok(&[
        "plugin",
        "bind",
        "strict.test",
        "domain-policy",
        "--config",
        config,
    ]);
    server.ok(&["plugin", "deploy", "strict.test"]);

    let message = "Subject: casino\r\n\r\nHello\r\n";
    for number in 0..60 {
        let from = format!("victim{number}@example.org");
        let mut line = Line::smtp(server.address("mx"));
        // Unknown people, what a policy refuses, and an alias of which half is gone.
        for (recipient, code) in [
            ("nosuch@abc.test", 550),
            ("sue@strict.test", 550),
            ("half@abc.test", 250),
        ] {
            let reply = line.send(&from, &[recipient], message);
            assert_eq!(reply.code, code, "{recipient}: {reply:?}");
        }
    }
    server.delivered();
    assert_eq!(server.messages("bob@abc.test", "INBOX").len(), 60);
    assert_eq!(sink.letters(), [], "nobody is told");
    assert_eq!(
        server.json(&["queue", "list"]).as_array().map(Vec::len),
        Some(0)
    );

    // The same from a person that signed in: that one is told of the half that is gone.
    python(
        SUBMIT,
        &[
            &server.port("smtps"),
            "Subject: half\r\n\r\nHello\r\n",
            "half@abc.test",
        ],
    )
    .ok();
    server.delivered();
    assert_eq!(server.messages("bob@abc.test", "INBOX").len(), 61);
    let told = server.messages("eve@abc.test", "INBOX");
    assert_eq!(told.len(), 1);
    assert!(
        text(&told[0]).contains("Status: 5.1.1"),
        "{}",
        text(&told[0])
    );
}

/// RFC 3848: the protocol of `Received` is the one that was spoken.
#[test]
fn received_names_the_protocol_that_was_spoken() {
    let sink = Sink::start();
    let server = server(&sink);
    for (hello, protocol) in [("HELO", "with SMTP id "), ("EHLO", "with ESMTP id ")] {
        let mut line = Line::connect(server.address("mx"));
        assert_eq!(line.reply().code, 220);
        assert_eq!(line.command(&format!("{hello} client.example")).code, 250);
        let reply = line.send(
            "joe@example.org",
            &["ann@abc.test"],
            "Subject: x\r\n\r\nHello\r\n",
        );
        assert_eq!(reply.code, 250, "{reply:?}");
        let newest = server.messages("ann@abc.test", "INBOX").pop();
        let newest = text(&newest.expect("it is there")).replace("\r\n ", " ");
        assert!(newest.contains(protocol), "{newest}");
    }
    python(
        SUBMIT,
        &[
            &server.port("smtps"),
            "Subject: x\r\n\r\nHello\r\n",
            "bob@abc.test",
        ],
    )
    .ok();
    let newest = server.messages("bob@abc.test", "INBOX").pop();
    let newest = text(&newest.expect("it is there")).replace("\r\n ", " ");
    assert!(newest.contains("with ESMTPSA id "), "{newest}");
}
