//! A plugin that fails five times in a row is not called for a while: its failure policy applies, the
//! domain's administrator is told once, and it comes back by itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use postroom_tests::{Line, Reply, Server, eventually, eventually_some};

/// The frozen guest of the plugin crate: traps for `panic@…`, agrees for others.
fn contract() -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = tests.join("../host/crates/plugin/fixtures/contract-0.1.0.wasm");
    path.display().to_string()
}

fn send(server: &Server, to: &str) -> Reply {
    Line::smtp(server.address("mx")).send("joe@example.org", &[to], "Subject: hello\r\n\r\nhi\r\n")
}

fn circuit(server: &Server, domain: &str) -> Option<String> {
    let list = server.json(&["plugin", "list", domain]);
    let running = list["running"].as_array().expect("rows").clone();
    let row = running.iter().find(|row| {
        let plugin = row["plugin"].as_str().unwrap_or_default();
        plugin.starts_with("contract@")
    });
    let circuit = row.expect("it is bound")["circuit"].as_str();
    circuit.map(str::to_owned)
}

fn metric(server: &Server, line: &str) -> Option<String> {
    let mut stream = TcpStream::connect(server.address("metrics")).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let found = page.lines().find_map(|known| known.strip_prefix(line));
    found.map(|value| value.trim().to_owned())
}

fn server(policy: &str) -> Server {
    let server = Server::start();
    for domain in ["bad.test", "good.test"] {
        server.domain(domain);
    }
    for address in [
        "ann@bad.test",
        "panic@bad.test",
        "postmaster@bad.test",
        "bob@good.test",
    ] {
        server.user(address, &[]);
    }
    server.ok(&["plugin", "install", &contract()]);
    server.ok(&[
        "plugin",
        "bind",
        "bad.test",
        "contract",
        "--on-failure",
        policy,
    ]);
    server.ok(&["plugin", "deploy", "bad.test"]);
    assert_eq!(send(&server, "ann@bad.test").code, 250);
    server
}

#[test]
fn a_plugin_that_keeps_failing_is_left_alone_and_comes_back() {
    let server = server("tempfail");
    for _ in 0..5 {
        assert_eq!(circuit(&server, "bad.test"), None);
        assert_eq!(send(&server, "panic@bad.test").code, 451);
    }
    // Others of the domain wait now too, without a call; the neighbour does not.
    let reply = send(&server, "ann@bad.test");
    assert_eq!(reply.code, 451, "{reply:?}");
    assert_eq!(send(&server, "bob@good.test").code, 250);
    let shown = circuit(&server, "bad.test").expect("it is open");
    assert!(
        shown.starts_with("open: 5 failures, the last: rcpt: it trapped"),
        "{shown}"
    );
    let human = server.ok(&["plugin", "list", "bad.test"]);
    assert!(human.contains("CIRCUIT"), "{human}");
    let labels = r#"{domain="bad.test",plugin="contract"}"#;
    let counted = |name: &str| metric(&server, &format!("postroom_{name}{labels}"));
    assert_eq!(counted("hook_failures_total").as_deref(), Some("5"));
    assert_ne!(counted("hook_skips_total"), None);
    assert_eq!(
        counted("plugin_circuits_opened_total").as_deref(),
        Some("1")
    );

    // It comes back by itself.
    eventually("the plugin is called again", || {
        send(&server, "ann@bad.test").code == 250
    });
    assert_eq!(circuit(&server, "bad.test"), None);
    let back = "a plugin does well again";
    eventually("it is logged", || server.log().contains(back));
    let log = server.log();
    let opened = log
        .lines()
        .filter(|line| line.contains("left alone for a while"));
    assert_eq!(opened.count(), 1, "{log}");
}

#[test]
fn the_postmaster_is_told_once_and_the_policy_applies_meanwhile() {
    let server = server("proceed");
    for _ in 0..5 {
        assert_eq!(send(&server, "panic@bad.test").code, 250);
    }
    // As if the plugin were not there: also for whom it would trap, and nothing more is told.
    for _ in 0..5 {
        assert_eq!(send(&server, "panic@bad.test").code, 250);
    }
    let mail = eventually_some("the postmaster is told", || {
        let mut messages = server.messages("postmaster@bad.test", "INBOX");
        assert!(messages.len() <= 1, "{messages:?}");
        messages.pop()
    });
    let mail = String::from_utf8_lossy(&mail).into_owned();
    for expected in [
        "Subject: The plugin contract of bad.test is left alone for a while\r\n",
        "To: postmaster@bad.test\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Return-Path: <>\r\n",
        "postroom plugin list bad.test",
        "mail goes on as if the plugin were not there",
    ] {
        assert!(mail.contains(expected), "{expected}: {mail}");
    }
    server.delivered();
    assert_eq!(server.messages("postmaster@bad.test", "INBOX").len(), 1);

    // A deploy of another binding of it begins anew.
    server.ok(&[
        "plugin",
        "bind",
        "bad.test",
        "contract",
        "--on-failure",
        "tempfail",
    ]);
    server.ok(&["plugin", "deploy", "bad.test"]);
    assert_eq!(circuit(&server, "bad.test"), None);
    assert_eq!(send(&server, "ann@bad.test").code, 250);
}
