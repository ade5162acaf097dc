use std::time::Instant;

use mail::{Body, Secret};
use sasl::Credentials;

use super::script::{Letter, check, config, describe, letter};
use crate::client::{Client, Protocol, Step, TlsPolicy};

/// A server with everything, up to the first command of a message.
const OPENING: &str = "
    S: 220 mx.abc.test ESMTP
    C: EHLO out.test
    S: 250-mx.abc.test
    S: 250-PIPELINING
    S: 250-SIZE 1000
    S: 250-8BITMIME
    S: 250 SMTPUTF8
";

/// A server with nothing.
const OLD: &str = "
    S: 220 mx.abc.test
    C: EHLO out.test
    S: 500 what?
    C: HELO out.test
    S: 250 mx.abc.test
";

fn ann() -> Letter {
    letter(&["ann@abc.test"], b"A: b\r\n\r\ntext\r\n")
}

fn with(opening: &str, rest: &str) -> String {
    format!("{opening}{rest}")
}

#[test]
fn one_message_by_pipelining() {
    let mut sized = ann();
    sized.message.size = Some(14);
    sized.message.body = Body::EightBitMime;
    let script = with(
        OPENING,
        "
        C: MAIL FROM:<bob@xyz.test> SIZE=14 BODY=8BITMIME
        C: RCPT TO:<ann@abc.test>
        C: DATA
        S: 250 2.1.0 ok
        S: 250 2.1.5 ok
        S: 354 go
        C- A: b\\r\\n\\r\\n
        C: text
        C: .
        S: 250 2.0.0 stored
        DONE ok
        C: QUIT
        S: 221 bye
        CLOSE
    ",
    );
    check(&config(), &[sized], &script);
}

#[test]
fn one_message_step_by_step() {
    let mut unsized_letter = ann();
    unsized_letter.message.size = Some(14);
    let script = with(
        OLD,
        "
        C: MAIL FROM:<bob@xyz.test>
        S: 250 ok
        C: RCPT TO:<ann@abc.test>
        S: 251 will forward
        C: DATA
        S: 354 go
        C- A: b\\r\\n\\r\\ntext\\r\\n.\\r\\n
        S: 250 stored
        DONE ok
        C: QUIT
        LOST
        CLOSE
    ",
    );
    check(&config(), &[unsized_letter], &script);
}

#[test]
fn outcomes_are_each_recipients_own() {
    let many = letter(
        &[
            "a@abc.test",
            "b@abc.test",
            "c@abc.test",
            "d@abc.test",
            "e@abc.test",
        ],
        b"x",
    );
    let script = with(
        OPENING,
        "
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<a@abc.test>
        C: RCPT TO:<b@abc.test>
        C: RCPT TO:<c@abc.test>
        C: RCPT TO:<d@abc.test>
        C: RCPT TO:<e@abc.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 550-5.1.1 no
        S: 550 5.1.1 such user
        S: 450 later
        S: 552 5.2.2 full
        S: 552 too many
        S: 354 go
        C: x
        C: .
        S: 250 ok
        DONE ok 5.1.1 4.0.0 5.2.2 4.0.0
        C: QUIT
    ",
    );
    check(&config(), &[many], &script);
}

#[test]
fn refusals_of_the_whole_message() {
    // MAIL refused: what was pipelined behind it is read and means nothing.
    let script = with(
        OPENING,
        "
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<ann@abc.test>
        C: DATA
        S: 553 5.7.1 not you
        S: 503 no MAIL
        S: 503 no MAIL
        DONE 5.7.1
        C: RSET
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<ann@abc.test>
        C: DATA
        S: 250 ok
        S: 451 4.3.0 later
        S: 503 no MAIL
        S: 503 no RCPT
        DONE 4.3.0
        C: QUIT
        S: 221 bye
        CLOSE
    ",
    );
    check(&config(), &[ann(), ann()], &script);
    // Nobody taken, and yet the server wants a text: an empty one.
    let script = with(
        OPENING,
        "
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<ann@abc.test>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 no
        S: 354 go
        C: .
        S: 554 no recipients
        DONE 5.1.1
        C: QUIT
    ",
    );
    check(&config(), &[ann()], &script);
    // Step by step, DATA is not even sent.
    let script = with(
        OLD,
        "
        C: MAIL FROM:<bob@xyz.test>
        S: 250 ok
        C: RCPT TO:<ann@abc.test>
        S: 550 5.1.1 no
        DONE 5.1.1
        C: RSET
        S: 250 ok
        C: MAIL FROM:<bob@xyz.test>
        S: 250 ok
        C: RCPT TO:<ann@abc.test>
        S: 250 ok
        C: DATA
        S: 452 4.3.1 full
        DONE 4.3.1
        C: QUIT
    ",
    );
    check(&config(), &[ann(), ann()], &script);
    // Refused at the end; the next message needs no RSET.
    let script = with(
        OPENING,
        "
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<ann@abc.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        C- A: b\\r\\n\\r\\ntext\\r\\n.\\r\\n
        S: 554 5.6.0 spam
        DONE 5.6.0
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<ann@abc.test>
        C: DATA
        S: 421 4.3.2 stopping
        DONE 4.3.2
        CLOSE
    ",
    );
    check(&config(), &[ann(), ann()], &script);
}

#[test]
fn refusals_of_the_connection() {
    let table = [
        (
            "S: 554 5.7.1 no mail here\nDONE connection 5.3.3\nCLOSE",
            "greeting",
        ),
        (
            "S: 421 4.7.0 busy\nDONE connection 4.7.0\nCLOSE",
            "greeting 421",
        ),
        (
            "S: 250 hello\nDONE connection 4.5.0\nCLOSE",
            "greeting of another kind",
        ),
        (
            "S: 220 mx\nC: EHLO out.test\nS: 450 later\nDONE connection 4.0.0\nCLOSE",
            "EHLO",
        ),
        (
            "S: 220 mx\nC: EHLO out.test\nS: 550 no\nC: HELO out.test\nS: 550 5.7.1 no\nDONE connection 4.7.1\nCLOSE",
            "HELO",
        ),
        ("LOST\nDONE connection 4.4.2\nCLOSE", "lost"),
        ("WAIT 299\nWAIT 1\nDONE connection 4.4.2\nCLOSE", "silent"),
    ];
    for (script, name) in table {
        println!("{name}");
        check(&config(), &[ann()], script);
    }
}

#[test]
fn timeouts_of_each_phase() {
    let envelope = "
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<ann@abc.test>
        C: DATA
    ";
    let text = "
        S: 354 go
        C- A: b\\r\\n\\r\\ntext\\r\\n.\\r\\n
    ";
    let table = [
        format!("{OPENING}{envelope} WAIT 300\nDONE 4.4.2\nCLOSE"),
        format!("{OPENING}{envelope} S: 250 ok\nS: 250 ok\nWAIT 120\nDONE 4.4.2\nCLOSE"),
        format!(
            "{OPENING}{envelope} S: 250 ok\nS: 250 ok\n{text} WAIT 599\nWAIT 1\nDONE 4.4.2\nCLOSE"
        ),
    ];
    for script in &table {
        check(&config(), &[ann()], script);
    }
    // A reply is in time as long as each comes in time.
    let script = with(
        OPENING,
        "
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<ann@abc.test>
        C: DATA
        WAIT 299
        S: 250 ok
        WAIT 299
        S: 250 ok
        WAIT 119
        S: 354 go
        C- A: b\\r\\n\\r\\ntext\\r\\n.\\r\\n
        WAIT 599
        S: 250 ok
        DONE ok
        C: QUIT
        WAIT 10
        CLOSE
    ",
    );
    check(&config(), &[ann()], &script);
}

#[test]
fn connection_lost_in_each_phase() {
    let script = with(
        OPENING,
        "
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<a@abc.test>
        C: RCPT TO:<b@abc.test>
        C: DATA
        S: 250 ok
        S: 550 5.1.1 no
        LOST
        DONE 5.1.1 4.4.2
        CLOSE
    ",
    );
    let two = letter(&["a@abc.test", "b@abc.test"], b"x");
    check(&config(), std::slice::from_ref(&two), &script);
    let script = with(
        OPENING,
        "
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<a@abc.test>
        C: RCPT TO:<b@abc.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 354 go
        C: x
        C: .
        LOST
        DONE 4.4.2 4.4.2
        CLOSE
    ",
    );
    check(&config(), &[two], &script);
}

#[test]
fn starttls_where_it_is_offered() {
    let script = "
        S: 220 mx.abc.test
        C: EHLO out.test
        S: 250-mx.abc.test
        S: 250-PIPELINING
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go
        STARTTLS
        TLS
        C: EHLO out.test
        S: 250 mx.abc.test
        C: MAIL FROM:<bob@xyz.test>
        S: 250 ok
        C: RCPT TO:<ann@abc.test>
        S: 250 ok
        C: DATA
        S: 354 go
        C- A: b\\r\\n\\r\\ntext\\r\\n.\\r\\n
        S: 250 ok
        DONE ok
        C: QUIT
    ";
    check(&config(), &[ann()], script);
    // Refused: opportunistic goes on, required does not.
    let refused = "
        S: 220 mx.abc.test
        C: EHLO out.test
        S: 250-mx.abc.test
        S: 250 STARTTLS
        C: STARTTLS
        S: 454 no
    ";
    check(&config(), &[], &with(refused, "C: QUIT"));
    let mut required = config();
    required.tls = TlsPolicy::Required;
    check(
        &required,
        &[ann()],
        &with(refused, "DONE connection 4.7.5\nCLOSE"),
    );
    check(
        &required,
        &[ann()],
        &with(OLD, "DONE connection 4.7.5\nCLOSE"),
    );
    // The handshake fails.
    let failed = "
        S: 220 mx.abc.test
        C: EHLO out.test
        S: 250-mx.abc.test
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go
        STARTTLS
        TLSFAIL
        DONE connection 4.7.5
        CLOSE
    ";
    check(&config(), &[ann()], failed);
    check(&required, &[ann()], failed);
    // Never.
    let mut never = config();
    never.tls = TlsPolicy::Never;
    let script = "
        S: 220 mx.abc.test
        C: EHLO out.test
        S: 250-mx.abc.test
        S: 250 STARTTLS
        C: QUIT
    ";
    check(&never, &[], script);
}

#[test]
fn login_at_a_smart_host() {
    let mut settings = config();
    settings.encrypted = true;
    settings.credentials = Some(Credentials {
        authorization: None,
        login: "ann".to_owned(),
        password: Secret::new("secret".to_owned()),
    });
    let opening = |mechanisms: &str| {
        format!(
            "
        S: 220 mx.abc.test
        C: EHLO out.test
        S: 250-mx.abc.test
        S: 250 AUTH {mechanisms}
    "
        )
    };
    check(
        &settings,
        &[],
        &with(
            &opening("XOAUTH2 LOGIN PLAIN"),
            "
        C: AUTH PLAIN AGFubgBzZWNyZXQ=
        S: 235 2.7.0 ok
        C: QUIT
    ",
        ),
    );
    check(
        &settings,
        &[],
        &with(
            &opening("login"),
            "
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: YW5u
        S: 334 UGFzc3dvcmQ6
        C: c2VjcmV0
        S: 235 2.7.0 ok
        C: QUIT
    ",
        ),
    );
    check(
        &settings,
        &[ann()],
        &with(
            &opening("PLAIN"),
            "
        C: AUTH PLAIN AGFubgBzZWNyZXQ=
        S: 334 more
        DONE connection 4.7.8
        CLOSE
    ",
        ),
    );
    check(
        &settings,
        &[ann()],
        &with(
            &opening("PLAIN"),
            "
        C: AUTH PLAIN AGFubgBzZWNyZXQ=
        S: 535 5.7.8 no
        DONE connection 4.7.8
        CLOSE
    ",
        ),
    );
    check(
        &settings,
        &[ann()],
        &with(&opening("CRAM-MD5"), "DONE connection 4.7.8\nCLOSE"),
    );
    // The password never crosses in the clear.
    settings.encrypted = false;
    check(
        &settings,
        &[ann()],
        &with(&opening("PLAIN"), "DONE connection 4.7.8\nCLOSE"),
    );
}

/// S22: what the next server cannot take fails; it is never changed on the way.
#[test]
fn s22_what_the_server_cannot_take_fails() {
    let mut eight_bit = ann();
    eight_bit.message.body = Body::EightBitMime;
    check(&config(), &[eight_bit], &with(OLD, "DONE 5.6.3\nC: QUIT"));
    let mut utf8 = ann();
    utf8.message.utf8 = true;
    check(&config(), &[utf8], &with(OLD, "DONE 5.6.7\nC: QUIT"));
    let mixed = letter(&["jörg@abc.test", "ann@abc.test"], b"x");
    check(
        &config(),
        std::slice::from_ref(&mixed),
        &with(
            OLD,
            "
        C: MAIL FROM:<bob@xyz.test>
        S: 250 ok
        C: RCPT TO:<ann@abc.test>
        S: 250 ok
        C: DATA
        S: 354 go
        C: x
        C: .
        S: 250 ok
        DONE 5.6.7 ok
        C: QUIT
    ",
        ),
    );
    check(
        &config(),
        &[mixed],
        &with(
            OPENING,
            "
        C: MAIL FROM:<bob@xyz.test> SMTPUTF8
        C: RCPT TO:<jörg@abc.test>
        C: RCPT TO:<ann@abc.test>
        C: DATA
    ",
        ),
    );
    let mut large = ann();
    large.message.size = Some(1001);
    check(&config(), &[large], &with(OPENING, "DONE 5.3.4\nC: QUIT"));
}

#[test]
fn lmtp_answers_for_each() {
    let mut settings = config();
    settings.protocol = Protocol::Lmtp;
    let three = letter(&["a@abc.test", "b@abc.test", "c@abc.test"], b"x");
    let script = "
        S: 220 mx.abc.test LMTP
        C: LHLO out.test
        S: 250-mx.abc.test
        S: 250 PIPELINING
        C: MAIL FROM:<bob@xyz.test>
        C: RCPT TO:<a@abc.test>
        C: RCPT TO:<b@abc.test>
        C: RCPT TO:<c@abc.test>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 550 5.1.1 no
        S: 250 ok
        S: 354 go
        C: x
        C: .
        S: 250 ok
        S: 452 4.2.2 full
        DONE ok 5.1.1 4.2.2
        C: QUIT
    ";
    check(&settings, std::slice::from_ref(&three), script);
    let lost = script.replace(
        "S: 452 4.2.2 full\n        DONE ok 5.1.1 4.2.2\n        C: QUIT",
        "LOST\nDONE ok 5.1.1 4.4.2\nCLOSE",
    );
    check(&settings, &[three], &lost);
}

/// A connection that is kept may go away; the message that comes too late is told so.
#[test]
fn a_server_that_hangs_up_between_messages() {
    for farewell in [b"421 4.4.2 idle\r\n".as_slice(), b"250 what?\r\n", b""] {
        let now = Instant::now();
        let mut client = Client::new(config(), now);
        client.handle_input(b"220 mx\r\n", now);
        assert_eq!(
            client.poll_step(),
            Step::Write(b"EHLO out.test\r\n".to_vec())
        );
        client.handle_input(b"250 mx\r\n", now);
        assert_eq!(client.poll_step(), Step::Ready);
        assert_eq!(client.poll_timeout(), None);
        client.handle_input(farewell, now);
        if farewell.is_empty() {
            client.handle_closed();
        }
        assert_eq!(client.poll_step(), Step::Close);
        client.send(ann().message, now);
        let Step::Done(report) = client.poll_step() else {
            panic!("a report comes")
        };
        assert_eq!(describe(&report), "connection 4.4.2");
        assert_eq!(client.poll_step(), Step::Close);
    }
}
