//! `postroom queue export` and `import`: a message leaves one server as a file and goes on at
//! another one, byte for byte, once.

use std::path::PathBuf;

use postroom_tests::{Line, Server, ServerOptions, Sink, eventually};
use serde_json::Value;

/// Bytes that a text tool would change: 8-bit, CTRL/A lines, long and empty lines.
const BODY: &[u8] = b"Subject: gr\xc3\xbcn \xff\xfe\r\n\r\n\x01\x01\r\n\r\n.dot\r\n\x02ctl\x7f\r\n\t \r\n..\r\nend\r\n";

fn server(sink: &Sink) -> Server {
    let limits = "[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\nretry_seconds = [3600]\n";
    let server = Server::start_with(ServerOptions {
        keys: "trusted_networks = [\"127.0.0.1\"]\n".to_owned(),
        tables: format!("{limits}{}", sink.route("*")),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user(
        "bob@abc.test",
        &["options=autoreply", "autoreply-text=away"],
    );
    server
}

fn recipients() -> Vec<String> {
    (0..40)
        .map(|number| format!("r{number}@far.test"))
        .collect()
}

/// One message without a sender for many, as far as the first attempt.
fn send(server: &Server) {
    let mut line = Line::smtp(server.address("mx"));
    assert_eq!(
        line.command("MAIL FROM:<> BODY=8BITMIME ENVID=my+2Bid")
            .code,
        250
    );
    for recipient in recipients() {
        assert_eq!(line.command(&format!("RCPT TO:<{recipient}>")).code, 250);
    }
    assert_eq!(line.command("DATA").code, 354);
    for text in BODY.split_inclusive(|&byte| byte == b'\n') {
        if text.starts_with(b".") {
            line.write(b".");
        }
        line.write(text);
    }
    assert_eq!(line.command(".").code, 250);
    eventually("it was tried", || {
        let rows = rows(server);
        rows.len() == 40 && rows.iter().all(|row| row["last"].is_string())
    });
}

fn rows(server: &Server) -> Vec<Value> {
    let rows = server.json(&["queue", "list"]);
    rows.as_array().cloned().expect("it is a list")
}

fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_message_goes_on_at_another_server_byte_for_byte_and_once() {
    let hop = Sink::start();
    hop.answer("RCPT", "451 4.3.0 Busy");
    let old = server(&hop);
    send(&old);
    let folder = old.path("files");
    std::fs::create_dir(&folder).expect("the folder is ours");
    let to = ["--folder", folder.to_str().expect("UTF-8")];
    let dry = old.json(&["queue", "export", "--to", "far.test", "--dry-run"]);
    assert_eq!(dry["message"], "40 would be exported");
    assert!(files(&folder).is_empty());

    // A copy: nothing leaves the queue, and nothing comes in twice.
    old.ok(&[&["queue", "export", "--to", "far.test"], &to[..]].concat());
    let [file] = &*files(&folder) else {
        panic!("one message, one file: {:?}", files(&folder));
    };
    assert_eq!(rows(&old).len(), 40);
    let bytes = std::fs::read(file).expect("it was written");
    let divider = bytes
        .windows(4)
        .position(|at| at == b"\n\x01\x01\n")
        .expect("a line of two CTRL/A");
    let message = &bytes[divider + 4..];
    assert!(
        message.ends_with(BODY),
        "{}",
        String::from_utf8_lossy(message)
    );
    let head = String::from_utf8_lossy(&bytes[..divider]).into_owned();
    let next_hop = format!("Next-Hop: [127.0.0.1]:{}", hop.port());
    for line in [
        &*next_hop,
        "From: <>",
        "Envid: my+id",
        "Body: 8bitmime",
        "To: <r39@far.test>",
        "Domain: -",
    ] {
        assert!(head.lines().any(|found| found == line), "{line}: {head}");
    }
    let path = file.to_str().expect("UTF-8");
    let again = old.json(&["queue", "import", path]);
    assert!(again["entries"].is_null(), "{again}");
    assert_eq!(rows(&old).len(), 40);
    let there = old.postroom(&[&["queue", "export", "--to", "far.test"], &to[..]].concat());
    assert_eq!(there.code, 1, "a file is never replaced: {there:?}");

    // It moves.
    std::fs::remove_file(file).expect("it is ours");
    old.ok(&[
        &["queue", "export", "--to", "far.test", "--remove"],
        &to[..],
    ]
    .concat());
    assert_eq!(rows(&old).len(), 0);
    let [file] = &*files(&folder) else {
        panic!("one message, one file: {:?}", files(&folder));
    };
    let path = file.to_str().expect("UTF-8");
    // The new server's route is another one: what was queued keeps the host that it was to go to.
    let other = Sink::start();
    let new = server(&other);
    let answer = new.json(&["queue", "import", path]);
    assert_eq!(
        answer["entries"].as_array().map(Vec::len),
        Some(40),
        "{answer}"
    );
    for _ in 0..2 {
        let again = new.json(&["queue", "import", path]);
        assert!(again["entries"].is_null(), "{again}");
    }
    eventually("it is tried there", || {
        let rows = rows(&new);
        rows.len() == 40 && rows.iter().all(|row| row["attempts"] == 2)
    });
    hop.answer_well();
    new.ok(&["queue", "retry", "all"]);
    new.delivered();
    let letters = hop.letters();
    let delivered: usize = letters.iter().map(|letter| letter.rcpt.len()).sum();
    assert_eq!(delivered, 40);
    for letter in &letters {
        assert!(letter.mail.starts_with("MAIL FROM:<>"), "{}", letter.mail);
        assert_eq!(letter.bytes, message);
    }
    let again = new.json(&["queue", "import", path]);
    assert!(
        again["entries"].is_null(),
        "also when it is delivered: {again}"
    );
    let id = answer["id"].as_str().expect("it has an id");
    assert!(new.ok(&["trace", id]).contains("queue.import"));
    assert!(other.letters().is_empty());
}

#[test]
fn an_owner_is_found_by_address_and_a_wrong_file_is_refused() {
    let sink = Sink::start();
    let old = server(&sink);
    old.ok(&["plugin", "unbind", "abc.test", "autoreply"]);
    old.ok(&["plugin", "deploy", "abc.test"]);
    let message = "From: joe@example.org\r\nTo: bob@abc.test\r\nSubject: hi\r\n\r\nx\r\n";
    let reply = Line::smtp(old.address("mx")).send("joe@example.org", &["bob@abc.test"], message);
    assert_eq!(reply.code, 250, "{reply:?}");
    let option = ["--channel", "deliver:autoreply"];
    eventually("it waits for its plugin", || {
        let rows = old.json(&[&["queue", "list"], &option[..]].concat());
        rows[0]["last"].is_string()
    });
    let folder = old.path("files");
    std::fs::create_dir(&folder).expect("the folder is ours");
    let to = ["--remove", "--folder", folder.to_str().expect("UTF-8")];
    old.ok(&[&["queue", "export"], &option[..], &to[..]].concat());
    let file = files(&folder).remove(0);
    let path = file.to_str().expect("UTF-8");

    // Where ids are others, and the plugin is there.
    let new = server(&sink);
    for person in ["ann@abc.test", "carl@abc.test"] {
        new.user(person, &[]);
    }
    let other = new.path("other.mail");
    let text = std::fs::read_to_string(&file).expect("it is ASCII");
    for (from, to, code, part) in [
        ("Size: ", "Size: 1", 1, "line 13: "),
        (
            "Domain: abc.test",
            "Domain: foreign.test",
            3,
            "foreign.test",
        ),
        ("Person: bob@", "Person: nobody@", 3, "nobody@abc.test"),
        ("Due: ", "Until: ", 1, "'Due: "),
    ] {
        std::fs::write(&other, text.replace(from, to)).expect("the folder is ours");
        let ran = new.postroom(&["queue", "import", other.to_str().expect("UTF-8")]);
        assert_eq!(ran.code, code, "{from}: {ran:?}");
        assert!(ran.err.contains(part), "{from}: {ran:?}");
    }
    assert_eq!(rows(&new).len(), 0);
    new.ok(&["queue", "import", path]);
    new.ok(&["queue", "retry", "all"]);
    let reply = sink.letter_for("joe@example.org");
    assert!(reply.text().contains("away"), "{reply:?}");
    new.delivered();
    assert_eq!(sink.letters().len(), 1);
}
