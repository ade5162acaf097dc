use postroom_sdk::Settlement;
use postroom_sdk::fake::{Effect, Host};

use super::*;

fn host(sender: &str) -> Host {
    Host::new()
        .fact("sender", sender)
        .fact("recipient", "ann@abc.test")
        .setting("mailForwardingAddress", "bob@xyz.test")
        .setting("mailForwardingAddress", "carl@x.test")
        .message("Subject: hello\r\n\r\nHello.\r\n")
}

fn status(outcome: &Outcome) -> &str {
    match outcome.settlement() {
        Settlement::Failed { status, .. } | Settlement::Deferred { status, .. } => status,
        _ => "",
    }
}

#[test]
fn the_sender_is_kept_also_the_null_sender() {
    for sender in ["dora@else.test", ""] {
        let mut host = host(sender);
        assert!(host.deliver::<Forward>().is_done());
        let recipients = ["bob@xyz.test", "carl@x.test"].map(str::to_owned).to_vec();
        assert_eq!(
            host.effects(),
            [Effect::Forwarded {
                sender: sender.to_owned(),
                recipients
            }]
        );
    }
}

#[test]
fn nothing_set_defers() {
    let outcome = Host::new()
        .fact("recipient", "ann@abc.test")
        .deliver::<Forward>();
    assert_eq!(status(&outcome), "4.3.5");
}

#[test]
fn a_refusal_of_the_host_defers() {
    let mut host = host("dora@else.test").setting("mailForwardingAddress", "no address");
    assert_eq!(status(&host.deliver::<Forward>()), "4.3.0");
    assert_eq!(host.effects(), []);
}

/// A → B → A: the host puts its `Delivered-To` in front before it asks, and it goes on.
#[test]
fn l10_two_that_forward_to_each_other_stop() {
    let people = [
        ("ann@abc.test", "bob@xyz.test"),
        ("bob@xyz.test", "ann@abc.test"),
    ];
    let mut message = "Subject: round\r\n\r\n".to_owned();
    let mut hops = 0;
    let last = loop {
        let (recipient, target) = people[hops % 2];
        message = format!("Delivered-To: {recipient}\r\n{message}");
        let mut host = Host::new()
            .fact("sender", "dora@else.test")
            .fact("recipient", recipient)
            .setting("mailForwardingAddress", target)
            .message(&message);
        let outcome = host.deliver::<Forward>();
        if !outcome.is_done() {
            break outcome;
        }
        hops += 1;
        assert!(hops <= 10, "{message}");
    };
    assert_eq!((hops, status(&last)), (2, "5.4.6"));
}

#[test]
fn the_manifest_has_this_version() {
    let manifest = include_str!("../plugin.toml");
    assert!(manifest.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))));
}
