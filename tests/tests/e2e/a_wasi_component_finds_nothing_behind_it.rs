//! A component of `wasm32-wasip2`, with the whole standard library in it, is installed, bound and asked
//! like any other; of the system it finds nothing, and what it prints is in the log.

use std::path::Path;
use std::process::Command;

use postroom_tests::{Line, Reply, Server, binary, eventually, run};

/// The frozen guest of the plugin crate: asks the system for what the recipient's name says.
fn inert() -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = tests.join("../host/crates/plugin/fixtures/inert-wasip2.wasm");
    path.display().to_string()
}

fn send(server: &Server, to: &str) -> Reply {
    Line::smtp(server.address("mx")).send("joe@example.org", &[to], "Subject: hello\r\n\r\n")
}

#[test]
fn a_wasi_component_finds_nothing_behind_it() {
    // Its author sees before what of it is inert.
    let mut command = Command::new(binary());
    command.args(["plugin", "test", &inert(), "--to", "file@abc.test"]);
    let tried = run(&mut command, b"").ok();
    assert!(
        tried.contains("inert (nothing is behind them): ") && tried.contains("wasi:sockets/tcp@"),
        "{tried}"
    );
    assert!(tried.contains("NotFound"), "it finds no file: {tried}");

    let server = Server::start();
    server.domain("abc.test");
    for address in ["output@abc.test", "exit@abc.test", "connect@abc.test"] {
        server.user(address, &[]);
    }
    server.ok(&["plugin", "install", &inert()]);
    let installed = server.json(&["plugin", "list"]).to_string();
    assert!(
        installed.contains(r#""asks":[]"#) && installed.contains("wasi:sockets"),
        "{installed}"
    );
    server.ok(&["plugin", "bind", "abc.test", "inert"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    assert_eq!(send(&server, "output@abc.test").code, 250);
    eventually("what it prints is logged", || {
        server.log().contains("half a line")
    });
    assert!(!server.log().contains('\u{1b}'), "escaped");
    assert_eq!(send(&server, "exit@abc.test").code, 451, "it has failed");
    assert_eq!(send(&server, "connect@abc.test").code, 250);
    let explained = server.ok(&["explain", "connect@abc.test"]);
    assert!(explained.contains("PermissionDenied"), "{explained}");
}
