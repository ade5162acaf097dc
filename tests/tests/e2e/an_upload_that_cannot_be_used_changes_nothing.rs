//! P11: whatever is uploaded as a plugin, the server goes on serving, the version before stays, and
//! the administrator is told what is wrong.

use std::path::PathBuf;

use postroom_tests::{Line, Ran, Reply, Server, fixture};

/// Numbers of the binary format: a section, a function body (LEB128).
fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// A core module of one function with two parameters.
fn module(code: &[u8]) -> Vec<u8> {
    let body = [b"\0", code, b"\x0b"].concat();
    let body = [leb(1), leb(body.len()), body].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, b"\x01\x60\x02\x7f\x7f\0"),
        section(3, b"\x01\0"),
        section(10, &body),
    ]
    .concat()
}

/// A component of that module that says it is the plugin `swap` in a newer version.
fn component(code: &[u8]) -> Vec<u8> {
    let name = b"postroom:manifest";
    let manifest = b"name = \"swap\"\nversion = \"9.0.0\"\n";
    [
        b"\0asm\x0d\0\x01\0".to_vec(),
        section(1, &module(code)),
        section(0, &[&leb(name.len())[..], name, manifest].concat()),
    ]
    .concat()
}

/// Calls itself over and over, in a function of 7 MB: no compiler has room for that in 1 GiB.
fn compile_bomb() -> Vec<u8> {
    component(&b"\x20\0\x20\x01\x10\0".repeat(1_200_000))
}

fn send(server: &Server) -> Reply {
    Line::smtp(server.address("mx")).send(
        "joe@example.org",
        &["ann@abc.test"],
        "Subject: [refuse] hello\r\n\r\n",
    )
}

fn install(server: &Server, name: &str, bytes: &[u8]) -> Ran {
    let path: PathBuf = server.path(name);
    std::fs::write(&path, bytes).unwrap();
    server.postroom(&["plugin", "install", &path.display().to_string()])
}

/// The version before decides as before, and nothing newer is there to be bound.
#[track_caller]
fn assert_unchanged(server: &Server) {
    let reply = send(server);
    assert!(reply.text.contains("swap 1.0.0"), "{reply:?}");
    let installed = server.json(&["plugin", "list"]).to_string();
    assert!(!installed.contains("9.0.0"), "{installed}");
}

#[test]
fn p11_an_upload_that_cannot_be_used_changes_nothing() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server.ok(&["plugin", "install", &fixture("swap-v1")]);
    server.ok(&["plugin", "bind", "abc.test", "swap"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    assert_unchanged(&server);

    let good = std::fs::read(fixture("swap-v2")).unwrap();
    let mut corrupt = component(b"");
    let place = corrupt.len() / 3;
    corrupt[place] = 0xff;
    let not_code = component(b"\x42\0");
    for (name, bytes, expected) in [
        ("empty", &b""[..], "it is not a WebAssembly component"),
        (
            "text",
            b"name = \"swap\"",
            "it is not a WebAssembly component",
        ),
        (
            "truncated",
            &good[..good.len() / 2],
            "it is not a WebAssembly component",
        ),
        ("corrupt", &corrupt, "it "),
        (
            "core-module",
            &module(b""),
            "it is a core module and not a component; `postroom plugin build` makes components",
        ),
        ("not-code", &not_code, "it cannot be compiled"),
        (
            "oversize",
            &[component(b""), section(0, &vec![1; 9 << 20])].concat(),
            "the limit is 8388608",
        ),
        (
            "huge",
            &vec![0; 100 << 20],
            "no plugin may have more than 32 MiB",
        ),
    ] {
        let ran = install(&server, name, bytes);
        assert_eq!(ran.code, 1, "{name}: {ran:?}");
        assert!(ran.err.contains(expected), "{name}: {ran:?}");
        assert!(ran.err.len() < 1000, "{name}: {ran:?}");
        assert_unchanged(&server);
    }
}

#[test]
fn p11_a_compile_bomb_ends_its_helper_and_the_server_goes_on() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server.ok(&["plugin", "install", &fixture("swap-v1")]);
    server.ok(&["plugin", "bind", "abc.test", "swap"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    let bomb = compile_bomb();
    let ran = std::thread::scope(|scope| {
        let installing = scope.spawn(|| install(&server, "bomb", &bomb));
        // Mail goes on meanwhile.
        let mut sent = 0;
        while !installing.is_finished() {
            assert_unchanged(&server);
            sent += 1;
        }
        assert!(sent > 1, "it ended before anything could be sent");
        installing.join().unwrap()
    });
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err
            .contains("compiling it takes more than 1024 MiB of memory"),
        "{ran:?}"
    );
    // Nothing of it stays: a good one is installed as ever.
    server.ok(&["plugin", "install", &fixture("swap-v2")]);
    server.ok(&["plugin", "bind", "abc.test", "swap@2.0.0"]);
    server.ok(&["plugin", "deploy", "abc.test"]);
    let reply = send(&server);
    assert!(reply.text.contains("swap 2.0.0"), "{reply:?}");
}
