//! `postroom plugin remove`: what was installed goes, unless a domain runs it, waits for it or would
//! go back to it; and it stays away after a restart.

use postroom_tests::{Line, Server, fixture};

/// The versions of the plugin `swap` that the server has, with where each is from.
fn versions(server: &Server) -> Vec<String> {
    let all = server.ok(&["plugin", "list"]);
    let of_swap = all.lines().filter(|line| line.contains("swap"));
    of_swap.map(str::to_owned).collect()
}

#[track_caller]
fn refused(server: &Server, plugin: &str, code: i32, part: &str) {
    let ran = server.postroom(&["plugin", "remove", plugin]);
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.err.contains(part), "{ran:?}");
}

#[track_caller]
fn decides(server: &Server, version: &str) {
    let message = "Subject: [refuse] hello\r\n\r\n";
    let reply =
        Line::smtp(server.address("mx")).send("joe@example.org", &["ann@abc.test"], message);
    assert!(reply.text.contains(version), "{reply:?}");
}

#[test]
fn a_component_goes_once_no_domain_needs_it() {
    let mut server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    for name in ["swap-v1", "swap-v2"] {
        server.ok(&["plugin", "install", &fixture(name)]);
    }
    assert_eq!(versions(&server).len(), 2);
    refused(&server, "autoreply", 4, "comes with the server");
    refused(&server, "nothing", 3, "nothing");
    refused(&server, "swap@7.0.0", 3, "swap@7.0.0");

    server.ok(&["plugin", "bind", "abc.test", "swap@1.0.0"]);
    refused(&server, "swap@1.0.0", 4, "waits for a deploy");
    server.ok(&["plugin", "deploy", "abc.test"]);
    refused(&server, "swap@1.0.0", 4, "runs: ");
    server.ok(&["plugin", "bind", "abc.test", "swap@2.0.0"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    refused(&server, "swap@1.0.0", 4, "a rollback goes back to");
    server.ok(&["plugin", "rollback", "abc.test"]);
    decides(&server, "swap 1.0.0");
    refused(&server, "swap@2.0.0", 4, "abc.test");
    assert_eq!(versions(&server).len(), 2, "nothing was taken away so far");

    // Off the domain, and off the chain before it.
    server.ok(&["plugin", "unbind", "abc.test", "swap"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    refused(&server, "swap@1.0.0", 4, "a rollback goes back to");
    server.ok(&["plugin", "remove", "swap@2.0.0"]);
    assert_eq!(versions(&server).len(), 1);
    refused(&server, "swap@2.0.0", 3, "swap@2.0.0");
    server.ok(&["plugin", "deploy", "abc.test"]);
    server.ok(&["plugin", "remove", "swap"]);
    assert!(versions(&server).is_empty());
    assert_eq!(server.terminate(), Some(0));
    server.launch();
    assert!(versions(&server).is_empty(), "not after a restart either");

    // It can come again.
    server.ok(&["plugin", "install", &fixture("swap-v1")]);
    server.ok(&["plugin", "bind", "abc.test", "swap"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    decides(&server, "swap 1.0.0");
}

/// Two owners of the same bytes: each takes away its own.
#[test]
fn what_a_domain_brought_stays_when_the_operator_takes_the_same_away() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let file = fixture("swap-v1");
    server.ok(&["plugin", "install", &file]);
    server.ok(&["plugin", "install", &file, "--domain", "abc.test"]);
    server.ok(&["plugin", "bind", "abc.test", "swap"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    server.ok(&["plugin", "remove", "swap"]);
    refused(&server, "swap", 3, "swap");
    decides(&server, "swap 1.0.0");
    let own = ["plugin", "remove", "swap", "--domain", "abc.test"];
    let ran = server.postroom(&own);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("runs: "), "{ran:?}");
    server.ok(&["plugin", "unbind", "abc.test", "swap"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    server.ok(&own);
    assert!(versions(&server).is_empty());
}
