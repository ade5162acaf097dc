use postroom_sdk::Decision;
use postroom_sdk::fake::Host;

use super::*;

const MESSAGE: &str = "Subject: =?utf-8?q?Holiday_pictures?=\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nc2VjcmV0IHBsYW4=\r\n\
    --b\r\nContent-Type: application/octet-stream\r\n\
    Content-Disposition: attachment; filename*=utf-8''run%2Eexe\r\n\r\nMZ\r\n--b--\r\n";

fn host(config: &str) -> Host {
    Host::new()
        .fact("sender", "bob@xyz.test")
        .config(config)
        .message(MESSAGE)
}

#[track_caller]
fn refused(verdict: &Verdict, expected: &str) {
    let Decision::Reject { text, .. } = verdict.decision() else {
        panic!("{verdict:?}")
    };
    assert!(text.starts_with(&format!("Refused by {SELF}: ")), "{text}");
    assert!(text.contains(expected), "{text}");
}

#[test]
fn without_a_configuration_everything_passes() {
    let mut host = host("{}");
    assert_eq!(host.mail::<DomainPolicy>(), Verdict::proceed());
    assert_eq!(
        host.rcpt::<DomainPolicy>("ann@abc.test"),
        Verdict::proceed()
    );
    assert_eq!(host.data::<DomainPolicy>(), Verdict::proceed());
}

#[test]
fn a_sender_is_refused_with_the_reason() {
    let mut host =
        host(r#"{"denied_senders": ["@xyz.test"], "reason": "Write to post@abc.test."}"#);
    refused(
        &host.mail::<DomainPolicy>(),
        "not accepted. Write to post@abc.test.",
    );
}

#[test]
fn a_declared_size_is_refused_before_the_message_comes() {
    let mut host = host(r#"{"max_size": 1000}"#).fact("declared-size", "1001");
    refused(&host.mail::<DomainPolicy>(), "1001 bytes");
}

#[test]
fn the_real_size_counts_whatever_was_declared() {
    let mut host = host(r#"{"max_size": 100}"#).fact("declared-size", "10");
    assert_eq!(host.mail::<DomainPolicy>(), Verdict::proceed());
    refused(&host.data::<DomainPolicy>(), "the limit is 100");
}

#[test]
fn an_inside_address_is_for_people_who_logged_in() {
    let config = r#"{"internal_recipients": ["all@abc.test"]}"#;
    refused(
        &host(config).rcpt::<DomainPolicy>("all@abc.test"),
        "inside only",
    );
    for (fact, value) in [
        ("authenticated", "carl@abc.test"),
        ("direction", "internal"),
    ] {
        assert_eq!(
            host(config)
                .fact(fact, value)
                .rcpt::<DomainPolicy>("all@abc.test"),
            Verdict::proceed()
        );
    }
}

#[test]
fn an_attachment_is_refused_however_its_name_is_written() {
    refused(
        &host(r#"{"refused_extensions": ["exe"]}"#).data::<DomainPolicy>(),
        ".exe",
    );
}

#[test]
fn words_are_found_behind_their_encoding() {
    refused(
        &host(r#"{"refused_words": ["SECRET PLAN"]}"#).data::<DomainPolicy>(),
        "SECRET PLAN",
    );
    refused(
        &host(r#"{"refused_words": ["pictures"]}"#).data::<DomainPolicy>(),
        "pictures",
    );
    refused(
        &host(r#"{"required_words": ["invoice"]}"#).data::<DomainPolicy>(),
        "invoice",
    );
    assert_eq!(
        host(r#"{"required_words": ["HOLIDAY"]}"#).data::<DomainPolicy>(),
        Verdict::proceed()
    );
}

#[test]
fn the_manifest_has_this_version() {
    let manifest = include_str!("../plugin.toml");
    assert!(manifest.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))));
}
