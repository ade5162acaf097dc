use postroom_sdk::Settlement;
use postroom_sdk::fake::{Effect, Host};

use super::*;

fn deliver(name: &str) -> (String, Vec<Effect>) {
    let mut host = Host::new()
        .mailbox("Shared Folders/team")
        .mailbox("INBOX")
        .message("a: b\r\n\r\n");
    if !name.is_empty() {
        host = host.setting(SETTING, name);
    }
    let outcome = host.deliver::<Shared>();
    let status = match outcome.settlement() {
        Settlement::Failed { status, .. } | Settlement::Deferred { status, .. } => status.clone(),
        _ => "done".to_owned(),
    };
    (status, host.effects().to_vec())
}

#[test]
fn the_message_is_filed_once() {
    let filed = Effect::Filed {
        mailbox: "Shared Folders/team".to_owned(),
        flags: vec![],
    };
    assert_eq!(deliver("team"), ("done".to_owned(), vec![filed]));
}

#[test]
fn a_missing_mailbox_waits() {
    assert_eq!(deliver("nobody"), ("4.2.0".to_owned(), vec![]));
    assert_eq!(deliver(""), ("4.3.5".to_owned(), vec![]));
}

#[test]
fn no_other_mailbox_is_reached() {
    assert_eq!(deliver("INBOX"), ("4.2.0".to_owned(), vec![]));
    assert_eq!(deliver("../INBOX"), ("5.3.5".to_owned(), vec![]));
}

#[test]
fn the_manifest_has_this_version() {
    let manifest = include_str!("../plugin.toml");
    assert!(manifest.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))));
}
