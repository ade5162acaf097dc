use mail::Secret;

use crate::{Credentials, Exchange, Mechanism, Progress, SaslError, client, encode};

/// Runs an exchange the way a line protocol does: `lines[0]` is the initial response where
/// `initial` is set.
fn run(
    mechanism: Mechanism,
    initial: Option<&str>,
    lines: &[&str],
) -> Result<Credentials, SaslError> {
    let mut progress = Exchange::start(mechanism, initial.map(str::as_bytes))?;
    let mut lines = lines.iter();
    loop {
        match progress {
            Progress::Done(credentials) => {
                assert_eq!(lines.next(), None, "lines left over");
                return Ok(credentials);
            }
            Progress::Challenge { exchange, .. } => {
                let line = lines.next().expect("a line for each challenge");
                progress = exchange.handle_line(line.as_bytes())?;
            }
        }
    }
}

fn plain(message: &str) -> String {
    encode(message.as_bytes())
}

fn who(authorization: Option<&str>, login: &str, password: &str) -> Credentials {
    Credentials {
        authorization: authorization.map(str::to_owned),
        login: login.to_owned(),
        password: Secret::new(password.to_owned()),
    }
}

#[test]
fn plain_messages() {
    let long = "x".repeat(1025);
    let table: &[(&str, Result<Credentials, SaslError>)] = &[
        (
            "\0tim\0tanstaaftanstaaf",
            Ok(who(None, "tim", "tanstaaftanstaaf")),
        ),
        (
            "Ursel\0Kurt\0xipj3plmq",
            Ok(who(Some("Ursel"), "Kurt", "xipj3plmq")),
        ),
        ("ann\0ann\0pw", Ok(who(None, "ann", "pw"))),
        (
            "\0jörg@bücher.test\0pässwörd",
            Ok(who(None, "jörg@bücher.test", "pässwörd")),
        ),
        ("\0ann\0pass\tword\n", Ok(who(None, "ann", "pass\tword\n"))),
        ("", Err(SaslError::Malformed)),
        ("ann", Err(SaslError::Malformed)),
        ("ann\0pw", Err(SaslError::Malformed)),
        ("\0ann\0pw\0", Err(SaslError::Malformed)),
        ("\0ann\0p\0w", Err(SaslError::Malformed)),
        ("\0\0pw", Err(SaslError::Empty)),
        ("\0ann\0", Err(SaslError::Empty)),
        ("\0an\rn\0pw", Err(SaslError::Malformed)),
        ("e\nve\0ann\0pw", Err(SaslError::Malformed)),
        (&format!("\0{long}\0pw"), Err(SaslError::TooLong)),
        (&format!("\0ann\0{long}"), Err(SaslError::TooLong)),
        (&format!("{long}\0ann\0pw"), Err(SaslError::TooLong)),
    ];
    for (message, expected) in table {
        let encoded = plain(message);
        // An empty initial response is written "=".
        let initial = if encoded.is_empty() { "=" } else { &encoded };
        assert_eq!(
            &run(Mechanism::Plain, Some(initial), &[]),
            expected,
            "initial {message:?}"
        );
        assert_eq!(
            &run(Mechanism::Plain, None, &[&encoded]),
            expected,
            "challenged {message:?}"
        );
    }
}

#[test]
fn login_exchanges() {
    let [ann, pw, empty] = ["ann", "pw", ""].map(|text| encode(text.as_bytes()));
    let nul = encode(b"a\0b");
    let long = encode("x".repeat(1025).as_bytes());
    let login = Mechanism::Login;
    assert_eq!(run(login, None, &[&ann, &pw]), Ok(who(None, "ann", "pw")));
    assert_eq!(run(login, Some(&ann), &[&pw]), Ok(who(None, "ann", "pw")));
    assert_eq!(run(login, None, &[&ann, &empty]), Err(SaslError::Empty));
    assert_eq!(run(login, None, &[&empty, &pw]), Err(SaslError::Empty));
    assert_eq!(run(login, Some("="), &[&pw]), Err(SaslError::Empty));
    assert_eq!(run(login, None, &[&nul, &pw]), Err(SaslError::Malformed));
    assert_eq!(run(login, None, &[&ann, &nul]), Err(SaslError::Malformed));
    assert_eq!(run(login, None, &[&long]), Err(SaslError::TooLong));
    assert_eq!(run(login, None, &[&ann, &long]), Err(SaslError::TooLong));
    assert_eq!(run(login, None, &[&ann, "*"]), Err(SaslError::Cancelled));
    assert_eq!(run(login, None, &["*"]), Err(SaslError::Cancelled));
}

#[test]
fn login_prompts() {
    let Ok(Progress::Challenge { line, exchange }) = Exchange::start(Mechanism::Login, None) else {
        panic!("LOGIN asks for the name first");
    };
    assert_eq!(line, "VXNlcm5hbWU6");
    let Ok(Progress::Challenge { line, .. }) = exchange.handle_line(b"YW5u") else {
        panic!("LOGIN asks for the password second");
    };
    assert_eq!(line, "UGFzc3dvcmQ6");
}

#[test]
fn a05_hostile_responses_fail_cleanly() {
    let table: &[(&str, SaslError)] = &[
        ("*", SaslError::Cancelled),
        ("!!!!", SaslError::Base64),
        ("AGFubgBwdw", SaslError::Base64),    // no padding
        ("AGFubgBwdw=", SaslError::Base64),   // half of it
        ("AGFubgBwdx==", SaslError::Base64),  // bits after the end
        ("AGFu bgBwdw==", SaslError::Base64), // white space
        ("=", SaslError::Base64),             // "=" is for the initial response only
        ("AGFubgD/", SaslError::NotUtf8),
        (&"A".repeat(12_288), SaslError::Malformed),
        (&"A".repeat(12_292), SaslError::TooLong),
        (&"A".repeat(1 << 20), SaslError::TooLong),
    ];
    for (line, expected) in table {
        assert_eq!(
            run(Mechanism::Plain, None, &[line]),
            Err(*expected),
            "{line:.20}"
        );
    }
}

#[test]
fn client_and_server_agree() {
    for (authorization, mechanism) in [
        (None, Mechanism::Plain),
        (Some("list"), Mechanism::Plain),
        (None, Mechanism::Login),
    ] {
        let sent = who(authorization, "ann@abc.test", "pâss word");
        for has_initial in [true, false] {
            let (mut exchange, initial) = client::Exchange::start(mechanism, &sent);
            let initial = initial.expose_secret().clone();
            let mut held = Some(initial.clone()).filter(|_| !has_initial);
            let mut progress =
                Exchange::start(mechanism, has_initial.then_some(initial.as_bytes()))
                    .expect("starts");
            let received = loop {
                match progress {
                    Progress::Done(credentials) => break credentials,
                    Progress::Challenge {
                        exchange: server, ..
                    } => {
                        let line = held.take().unwrap_or_else(|| {
                            exchange
                                .handle_challenge()
                                .expect("has one")
                                .expose_secret()
                                .clone()
                        });
                        progress = server.handle_line(line.as_bytes()).expect("goes on");
                    }
                }
            };
            assert_eq!(received, sent);
            assert_eq!(
                exchange.handle_challenge(),
                Err(SaslError::UnexpectedChallenge)
            );
        }
    }
}

#[test]
fn mechanism_names() {
    assert_eq!(Mechanism::parse("plain"), Some(Mechanism::Plain));
    assert_eq!(Mechanism::parse("LOGIN"), Some(Mechanism::Login));
    assert_eq!(Mechanism::parse("CRAM-MD5"), None);
    assert_eq!(Mechanism::parse(""), None);
}

#[test]
fn t05_debug_output_keeps_the_password() {
    let credentials = run(Mechanism::Plain, Some(&plain("\0ann\0hunter2")), &[]).expect("valid");
    assert!(!format!("{credentials:?}").contains("hunter2"));
    let (exchange, initial) = client::Exchange::start(Mechanism::Login, &credentials);
    assert!(!format!("{exchange:?}{initial:?}").contains(&encode(b"hunter2")));
}

proptest::proptest! {
    #[test]
    fn any_responses_end_without_panic(
        responses in proptest::collection::vec(proptest::collection::vec(0u8..=255, 0..40), 1..4),
        is_encoded: bool,
    ) {
        for mechanism in Mechanism::ALL {
            let mut progress = Exchange::start(mechanism, None);
            for response in &responses {
                let Ok(Progress::Challenge { exchange, .. }) = progress else { break };
                progress = if is_encoded {
                    exchange.handle_line(encode(response).as_bytes())
                } else {
                    exchange.handle_line(response)
                };
            }
        }
    }
}
