use postroom_sdk::fake::{Effect, Host};

use super::*;

const MESSAGE: &str = "From: Bob <bob@xyz.test>\r\nTo: ann@abc.test\r\nSubject: Lunch\r\n\
    Message-ID: <1@xyz.test>\r\n\r\nToday?\r\n";

fn host() -> Host {
    Host::new()
        .fact("sender", "bob@xyz.test")
        .fact("recipient", "ann@abc.test")
        .setting("mail", "ann@abc.test")
        .setting("mailAutoReplyText", "Away until Monday.")
        .message(MESSAGE)
}

fn deliver(host: &mut Host) -> usize {
    let before = host.effects().len();
    assert!(host.deliver::<Autoreply>().is_done());
    host.effects().len() - before
}

#[test]
fn the_reply_has_the_null_sender_and_says_that_it_is_automatic() {
    let mut host = host();
    assert_eq!(deliver(&mut host), 1);
    let [
        Effect::Sent {
            sender,
            recipients,
            headers,
            text,
            attached,
        },
    ] = host.effects()
    else {
        panic!("one message: {:?}", host.effects());
    };
    assert_eq!(
        (sender.as_str(), recipients.as_slice()),
        ("", &["bob@xyz.test".to_owned()][..])
    );
    assert_eq!((text.as_str(), *attached), ("Away until Monday.\n", false));
    let field = |name: &str| {
        headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(field("Auto-Submitted"), Some("auto-replied"));
    assert_eq!(field("In-Reply-To"), Some("<1@xyz.test>"));
    assert_eq!(field("Subject"), Some("Auto: Lunch"));
}

#[test]
fn echo_mode_attaches_the_message() {
    let mut host = host().setting("mailAutoReplyMode", "echo");
    assert_eq!(deliver(&mut host), 1);
    assert!(matches!(
        host.effects(),
        [Effect::Sent { attached: true, .. }]
    ));
}

#[test]
fn a_sender_is_answered_once_a_week() {
    let mut host = host();
    assert_eq!(deliver(&mut host), 1);
    host.advance_seconds(168 * 3600 - 1);
    assert_eq!(deliver(&mut host), 0);
    host.advance_seconds(1);
    assert_eq!(deliver(&mut host), 1);
}

#[test]
fn people_of_one_domain_answer_each_for_themselves() {
    let mut first = host();
    assert_eq!(deliver(&mut first), 1);
    let mut second = first
        .clone()
        .fact("recipient", "carl@abc.test")
        .message(MESSAGE.replace("ann@", "carl@"));
    assert_eq!(
        deliver(&mut second),
        0,
        "the primary address is still Ann's"
    );
    let key = first
        .kv_value("to/ann@abc.test/bob@xyz.test")
        .expect("kept")
        .to_vec();
    let mut carl = Host::new()
        .kv("to/ann@abc.test/bob@xyz.test", &key)
        .fact("sender", "bob@xyz.test")
        .fact("recipient", "carl@abc.test")
        .setting("mailAutoReplyText", "Away.")
        .message(MESSAGE.replace("ann@", "carl@"));
    assert_eq!(deliver(&mut carl), 1);
}

#[test]
fn l03_lists_and_software_get_no_reply() {
    for line in [
        "List-Id: <l.xyz.test>",
        "Precedence: bulk",
        "Auto-Submitted: auto-generated",
    ] {
        let mut host = host().message(format!("{line}\r\n{MESSAGE}"));
        assert_eq!(deliver(&mut host), 0, "{line}");
    }
    for sender in [
        "",
        "mailer-daemon@xyz.test",
        "owner-l@xyz.test",
        "l-request@xyz.test",
        "ann@abc.test",
    ] {
        let mut host = host().fact("sender", sender);
        assert_eq!(deliver(&mut host), 0, "{sender}");
    }
}

/// Two people who are away and write to each other: what one sends is what the other gets.
#[test]
fn l04_two_autoresponders_end_after_one_reply() {
    let mut replies = 0;
    let mut sender = "bob@xyz.test".to_owned();
    let mut message = MESSAGE.to_owned();
    let (mut ann, mut bob) = (
        host(),
        Host::new()
            .fact("domain", "xyz.test")
            .setting("mailAutoReplyText", "Me too."),
    );
    for round in 0..1000 {
        let (mut host, recipient) = if round % 2 == 0 {
            (ann.clone(), "ann@abc.test")
        } else {
            (bob.clone(), "bob@xyz.test")
        };
        host = host
            .fact("sender", &sender)
            .fact("recipient", recipient)
            .message(&message);
        if deliver(&mut host) == 0 {
            break;
        }
        replies += 1;
        let Some(Effect::Sent {
            sender: next,
            headers,
            text,
            ..
        }) = host.effects().last()
        else {
            panic!("a reply")
        };
        sender.clone_from(next);
        message = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect::<String>()
            + "\r\n"
            + text;
        if round % 2 == 0 {
            ann = host;
        } else {
            bob = host;
        }
    }
    assert_eq!(replies, 1);
}

/// A responder that breaks the rules: a real sender and no mark. Only the memory stops it.
#[test]
fn l04_a_rude_responder_gets_one_reply_an_hour_at_most() {
    for (hours, expected) in [("168", 1), ("0", 7)] {
        let mut host = host().setting("mailAutoReplyTimeOut", hours);
        let mut replies = 0;
        for _ in 0..1000 {
            replies += deliver(&mut host);
            host.advance_seconds(24);
        }
        // 1,000 rounds of 24 s are 6 hours and 40 minutes.
        assert_eq!(replies, expected, "time-out {hours}");
    }
}

#[test]
fn l05_the_host_takes_the_header_of_every_reply() {
    for subject in [
        "=?utf-8?q?Hi=0D=0ABcc:_eve@evil.test?=",
        "=?utf-8?q?Hi=E2=80=A8x?=",
        "a\r\n b",
        "\u{1b}[2J",
    ] {
        let mut host = host().message(MESSAGE.replace("Lunch", subject));
        assert_eq!(deliver(&mut host), 1, "{subject}");
        assert!(
            host.log_lines().is_empty(),
            "{subject}: {:?}",
            host.log_lines()
        );
    }
}

#[test]
fn strangers_share_an_hourly_limit() {
    let mut host = host().config(r#"{"replies_per_hour": 5}"#);
    let mut replies = 0;
    for number in 0..20 {
        host = host.fact("sender", &format!("forged{number}@xyz.test"));
        replies += deliver(&mut host);
    }
    assert_eq!(replies, 5);
    let mut confirmed = host.auth_result("spf=pass").fact("sender", "carl@xyz.test");
    assert_eq!(deliver(&mut confirmed), 1);
}

#[test]
fn the_manifest_has_this_version() {
    let manifest = include_str!("../plugin.toml");
    assert!(manifest.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))));
}
