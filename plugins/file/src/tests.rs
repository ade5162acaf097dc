use postroom_sdk::Settlement;
use postroom_sdk::fake::{Effect, Host};

use super::*;

fn deliver(value: &str) -> (String, Vec<Effect>) {
    let mut host = Host::new()
        .setting("mailDeliveryFileURL", value)
        .file("archive")
        .message("a: b\r\n\r\nc\r\n");
    let outcome = host.deliver::<File>();
    let status = match outcome.settlement() {
        Settlement::Failed { status, .. } | Settlement::Deferred { status, .. } => status.clone(),
        _ => "done".to_owned(),
    };
    (status, host.effects().to_vec())
}

#[test]
fn the_message_is_appended_once() {
    let appended = Effect::AppendedMbox {
        label: "archive".to_owned(),
    };
    assert_eq!(
        deliver("archive"),
        ("done".to_owned(), vec![appended.clone()])
    );
    assert_eq!(deliver("file:archive"), ("done".to_owned(), vec![appended]));
}

#[test]
fn an_unknown_or_missing_label_waits_for_the_operator() {
    assert_eq!(deliver("stranger"), ("4.3.5".to_owned(), vec![]));
    assert_eq!(deliver(""), ("4.3.5".to_owned(), vec![]));
}

#[test]
fn d01_a_path_fails() {
    for value in [
        "/etc/passwd",
        "../archive",
        "file:///archive",
        "a/../archive",
    ] {
        assert_eq!(deliver(value), ("5.3.5".to_owned(), vec![]), "{value}");
    }
}

#[test]
fn the_manifest_has_this_version() {
    let manifest = include_str!("../plugin.toml");
    assert!(manifest.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))));
}
