//! From an empty folder to a verdict: an author makes a plugin with nothing but the program, and an
//! administrator puts it in force. The first plugin of the SDK's README goes the same way, so that
//! what stands there works as it stands.

use std::path::{Path, PathBuf};
use std::process::Command;

use postroom_tests::{Line, Ran, Reply, Server, binary, run};

const README: &str = include_str!("../../../guest-sdk/README.md");

/// A command in an author's folder: nothing of the test's own build shows in it.
fn in_folder(mut command: Command, folder: &Path, arguments: &[&str]) -> Ran {
    command
        .current_dir(folder)
        .args(arguments)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS");
    if std::env::var_os("POSTROOM_WASM_TARGET").is_none() {
        let target = binary().ancestors().nth(2).map(Path::to_owned);
        let note = target.unwrap_or_default().join("wasm-target.toml");
        assert!(
            note.exists(),
            "{} is not there: run `cargo xtask wasm-target`",
            note.display()
        );
        command.env("POSTROOM_WASM_TARGET", note);
    }
    run(&mut command, b"")
}

/// Runs the program as an author does, without a server.
fn author(folder: &Path, arguments: &[&str]) -> Ran {
    in_folder(Command::new(binary()), folder, arguments)
}

/// The first block of the README in a language.
fn block(language: &str) -> &'static str {
    let (_, rest) = README
        .split_once(&format!("```{language}\n"))
        .expect("the README has such a block");
    rest.split_once("```").expect("the block ends").0
}

/// Puts the README's plugin where the made one was.
fn take_from_readme(project: &Path) {
    let write = |name: &str, text: &str| std::fs::write(project.join(name), text).unwrap();
    let plugin = block("rust");
    assert!(
        plugin.lines().count() <= 30,
        "the first plugin is longer than 30 lines"
    );
    write("src/lib.rs", plugin);
    let manifest = block("toml");
    assert!(manifest.contains("name = \"closed\""), "{manifest}");
    write("plugin.toml", manifest);
}

fn component(project: &Path) -> String {
    let path: PathBuf = project.join("target/closed.wasm");
    path.display().to_string()
}

fn send(server: &Server, to: &str) -> Reply {
    let mut line = Line::smtp(server.address("mx"));
    line.send("joe@example.org", &[to], "Subject: hello\r\n\r\n")
}

/// Installs, binds and deploys a component, and asks for its verdict over SMTP.
fn put_in_force(server: &Server, component: &str) {
    server.domain("abc.test");
    server.user("all@abc.test", &[]);
    server.user("ann@abc.test", &[]);
    server.ok(&["plugin", "install", component]);
    let config = r#"{"closed": ["all@abc.test"]}"#;
    server.ok(&["plugin", "bind", "abc.test", "closed", "--config", config]);
    assert_eq!(
        send(server, "all@abc.test").code,
        250,
        "not before it is deployed"
    );
    server.ok(&["plugin", "deploy", "abc.test"]);
    assert_refuses(server);
}

fn assert_refuses(server: &Server) {
    let reply = send(server, "all@abc.test");
    assert_eq!(reply.code, 550, "{reply:?}");
    assert!(reply.text.contains("from inside only"), "{reply:?}");
    assert_eq!(send(server, "ann@abc.test").code, 250);
}

/// Runs the README's block of commands, from the tests to `deploy`; what it printed.
fn follow_readme(server: &Server, project: &Path) -> String {
    let script = format!(
        "set -e\npostroom() {{ '{}' --config '{}' \"$@\"; }}\n{}",
        binary().display(),
        server.path("postroom.toml").display(),
        block("sh")
    );
    in_folder(Command::new("sh"), project, &["-c", &script]).ok()
}

#[test]
fn an_author_makes_a_plugin() {
    let server = Server::start();
    let folder = server.path("");
    let made = author(&folder, &["plugin", "new", "closed"]).ok();
    assert!(made.contains("postroom plugin build"), "{made}");
    let again = author(&folder, &["plugin", "new", "closed"]);
    assert_eq!(again.code, 1, "it overwrites nothing: {again:?}");
    assert!(again.err.contains("already something called"), "{again:?}");

    // As it was made.
    let project = server.path("closed");
    let nowhere = author(&folder, &["plugin", "build"]);
    assert_eq!(nowhere.code, 1, "{nowhere:?}");
    assert!(nowhere.err.contains("no plugin.toml"), "{nowhere:?}");
    let built = author(&project, &["plugin", "build"]).ok();
    assert!(built.contains("postroom plugin install"), "{built}");
    let tried = author(&project, &["plugin", "test", "target/closed.wasm"]).ok();
    assert!(
        tried.contains("closed@0.1.0: hooks rcpt") && tried.contains("after rcpt: proceed"),
        "{tried}"
    );
    put_in_force(&server, &component(&project));

    // As the README has it, by the README's own commands.
    take_from_readme(&project);
    server.ok(&["plugin", "unbind", "abc.test", "closed"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    assert_eq!(send(&server, "all@abc.test").code, 250);
    let shown = follow_readme(&server, &project);
    assert!(
        shown.contains("1 passed"),
        "its test was run natively: {shown}"
    );
    assert_refuses(&server);

    // A plugin that does not compile is the author's to mend: the compiler's words and no component.
    std::fs::write(project.join("src/lib.rs"), "fn broken( {}").unwrap();
    let broken = author(&project, &["plugin", "build"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.err.contains("cargo build failed"), "{broken:?}");
}
