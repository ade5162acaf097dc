//! The option `file`: deliveries at the same time, and a kill among them, leave an mbox that
//! another program reads, with whole messages only.

use std::path::PathBuf;
use std::thread;

use postroom_tests::{Line, Server, ServerOptions, python};

/// Prints the BLAKE2 hash of each body, with mbox quoting undone.
const READ: &str = r#"
import hashlib, mailbox, re, sys
for message in mailbox.mbox(sys.argv[1], create=False):
    body = message.get_payload(decode=False).encode("ascii", "surrogateescape")
    body = re.sub(rb"(?m)^>(>*From )", rb"\1", body).rstrip(b"\n")
    print(message["Subject"], hashlib.sha256(body).hexdigest())
"#;

const HASH: &str = r#"
import hashlib, sys
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    line = f"message {number}\nFrom the start\n>From a quote\n"
    print(number, hashlib.sha256((line * int(sys.argv[3])).rstrip("\n").encode()).hexdigest())
"#;

fn server() -> Server {
    let server = Server::start_with(ServerOptions {
        tables: "[[file]]\nlabel = \"archive\"\npath = \"mail/archive.mbox\"\n".to_owned(),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.ok(&["domain", "set", "abc.test", "people-may-file=true"]);
    server.user("ann@abc.test", &["options=file", "file=archive"]);
    server
}

fn body(number: usize, repeat: usize) -> String {
    format!("message {number}\r\nFrom the start\r\n>From a quote\r\n").repeat(repeat)
}

/// Sends one message; was it accepted?
fn send(address: std::net::SocketAddr, number: usize, repeat: usize) -> bool {
    let message = format!("Subject: {number}\r\n\r\n{}", body(number, repeat));
    let mut line = Line::connect(address);
    line.reply();
    line.command("EHLO client.example");
    line.send("joe@example.org", &["ann@abc.test"], &message)
        .code
        == 250
}

/// The one mbox below the folders of the domains.
fn mbox(server: &Server) -> PathBuf {
    let folders = std::fs::read_dir(server.path("data/files")).expect("a delivery made it");
    folders
        .filter_map(Result::ok)
        .map(|folder| folder.path().join("mail/archive.mbox"))
        .find(|path| path.exists())
        .expect("it lies below the domain's own folder")
}

fn read(server: &Server) -> Vec<String> {
    let text = python(READ, &[&mbox(server).display().to_string()]).ok();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn hashes(from: usize, to: usize, repeat: usize) -> Vec<String> {
    let numbers = [from, to, repeat].map(|number| number.to_string());
    let text = python(HASH, &numbers.each_ref().map(String::as_str)).ok();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn file_takes_parallel_deliveries_whole() {
    let server = server();
    let address = server.address("mx");
    let senders: Vec<_> = (0..8)
        .map(|number| thread::spawn(move || send(address, number, 3000)))
        .collect();
    for sender in senders {
        assert!(sender.join().expect("it does not panic"), "it is accepted");
    }
    server.delivered();
    assert_eq!(read(&server), hashes(0, 8, 3000));
}

#[test]
fn file_has_no_half_message_after_a_kill() {
    const REPEAT: usize = 20_000;
    let mut server = server();
    // Something is in it before, and must be after.
    assert!(send(server.address("mx"), 0, REPEAT));
    server.delivered();
    let mut accepted = vec![0];
    for round in 0..3 {
        let address = server.address("mx");
        let first = 1 + round * 4;
        let senders: Vec<_> = (first..first + 4)
            .map(|number| thread::spawn(move || (number, send(address, number, REPEAT))))
            .collect();
        // One of them is accepted: others, and its delivery, are under way.
        let mut senders = senders.into_iter();
        let (number, taken) = senders
            .next()
            .expect("there are four")
            .join()
            .expect("it ends");
        assert!(taken, "{number}");
        accepted.push(number);
        server.kill();
        for sender in senders {
            let (number, taken) = sender.join().expect("it does not panic");
            accepted.extend(taken.then_some(number));
        }
        server.launch();
    }
    server.delivered();
    let found = read(&server);
    let sent = hashes(0, 13, REPEAT);
    for line in &found {
        assert!(sent.contains(line), "a message that nobody sent: {line}");
    }
    let parked = server.json(&["queue", "list"]);
    for number in accepted {
        let whole = found
            .iter()
            .filter(|line| line.starts_with(&format!("{number} ")))
            .count();
        assert!(whole >= 1, "{number} is not there; parked: {parked}");
    }
}
