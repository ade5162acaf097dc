//! A plugin is swapped again and again while mail flows through it. Nothing fails, every message
//! is seen by one version only, what was accepted is stored, and once `deploy` has returned the
//! new version decides.
//!
//! 20,000 messages over 16 connections and 50 swaps take about 40 s on two cores.
//! `POSTROOM_SWAP_MESSAGES` makes it fewer for a try.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use postroom_tests::{Line, Reply, Server, fixture, until};

const CONNECTIONS: usize = 16;
const MESSAGES: usize = 20_000;
const SWAPS: usize = 50;

/// Which version runs: the plugin of swap number `n`.
fn version(swap: usize) -> &'static str {
    ["1.0.0", "2.0.0"][swap % 2]
}

/// How far the swaps are.
#[derive(Default)]
struct Progress {
    /// The last swap that was asked for.
    asked: AtomicUsize,
    /// The last one whose `deploy` has returned.
    done: AtomicUsize,
    /// Messages sent so far.
    sent: AtomicUsize,
}

/// What the plugin is to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Accept,
    RefuseRecipient,
    RefuseMessage,
    Slow,
}

fn kind(number: usize) -> Kind {
    match number % 200 {
        7 => Kind::Slow,
        n if n % 20 == 3 => Kind::RefuseRecipient,
        n if n % 5 == 1 => Kind::RefuseMessage,
        _ => Kind::Accept,
    }
}

fn body(number: usize) -> String {
    format!("This is number {number}.\r\n").repeat(1 + number % 40)
}

fn message(number: usize, mark: &str) -> String {
    format!(
        "From: joe@example.org\r\nSubject: {mark} {number}\r\n\r\n{}",
        body(number)
    )
}

/// The version that a reply names, which must be one version.
#[track_caller]
fn named(reply: &Reply) -> &'static str {
    let is = |version: &str| match reply.text.split_once("Refused by swap ") {
        Some((_, rest)) => rest == version || rest == format!("{version} (rcpt {version})"),
        None => false,
    };
    let found = ["1.0.0", "2.0.0"].into_iter().find(|version| is(version));
    assert!(
        reply.code == 550 && found.is_some(),
        "not the plugin's own: {reply:?}"
    );
    found.unwrap_or_default()
}

/// What was accepted: number and hash of the body.
type Accepted = HashMap<usize, blake3::Hash>;

/// Sends every message of one connection.
fn send_all(address: SocketAddr, numbers: Vec<usize>, progress: &Progress) -> Accepted {
    let mut accepted = Accepted::new();
    let mut line = Line::smtp(address);
    for (count, number) in numbers.into_iter().enumerate() {
        // A session with many refused recipients is closed, and rightly.
        if count % 50 == 49 {
            line.command("QUIT");
            line = Line::smtp(address);
        }
        let (to, mark) = match kind(number) {
            Kind::RefuseRecipient => ("refuse@abc.test", ""),
            Kind::RefuseMessage => ("ann@abc.test", "[refuse]"),
            Kind::Slow => ("ann@abc.test", "[slow]"),
            Kind::Accept => ("ann@abc.test", ""),
        };
        let before = progress.done.load(Ordering::SeqCst);
        let reply = line.send("joe@example.org", &[to], &message(number, mark));
        let after = progress.asked.load(Ordering::SeqCst);
        match kind(number) {
            Kind::Accept | Kind::Slow => {
                assert_eq!(reply.code, 250, "{number}: {reply:?}");
                accepted.insert(number, blake3::hash(body(number).as_bytes()));
            }
            Kind::RefuseRecipient | Kind::RefuseMessage => {
                let found = named(&reply);
                if before == after {
                    assert_eq!(found, version(before), "{number}: no swap was under way");
                }
            }
        }
        progress.sent.fetch_add(1, Ordering::SeqCst);
    }
    accepted
}

/// An open transaction, in the middle of its data, that the swap goes over.
struct Open {
    line: Line,
    number: usize,
    version: &'static str,
}

impl Open {
    fn begin(address: SocketAddr, number: usize, swap: usize, mark: &str) -> Self {
        let mut line = Line::smtp(address);
        assert_eq!(line.command("MAIL FROM:<joe@example.org>").code, 250);
        assert_eq!(line.command("RCPT TO:<ann@abc.test>").code, 250);
        assert_eq!(line.command("DATA").code, 354);
        line.write(message(number, mark).as_bytes());
        Self {
            line,
            number,
            version: version(swap),
        }
    }

    fn end(mut self, accepted: &mut Vec<(usize, &'static str)>) {
        let reply = self.line.command(".");
        self.answered(&reply, accepted);
    }

    fn answered(&self, reply: &Reply, accepted: &mut Vec<(usize, &'static str)>) {
        assert_eq!(reply.code, 250, "{}: {reply:?}", self.number);
        accepted.push((self.number, self.version));
    }
}

fn deploy(server: &Server, progress: &Progress, swap: usize) {
    progress.asked.store(swap, Ordering::SeqCst);
    let plugin = format!("swap@{}", version(swap));
    server.ok(&["plugin", "deploy", "abc.test", &plugin]);
    progress.done.store(swap, Ordering::SeqCst);
}

/// The version that decides about a new transaction.
fn asked_now(address: SocketAddr) -> &'static str {
    let mut line = Line::smtp(address);
    let message = message(0, "[refuse]");
    named(&line.send("joe@example.org", &["ann@abc.test"], &message))
}

/// Number, hash of the body and mark of the plugin of a stored message.
fn stored(message: &[u8]) -> (usize, blake3::Hash, String) {
    let text = String::from_utf8_lossy(message);
    let (head, body) = text.split_once("\r\n\r\n").expect("it has a header");
    let value = |name: &str| {
        let mut values = head.lines().filter_map(|line| line.strip_prefix(name));
        let value = values.next().expect("the field is there").trim().to_owned();
        assert_eq!(values.next(), None, "{name} is there twice");
        value
    };
    let number = value("Subject:").split_whitespace().last().map(str::parse);
    (
        number.expect("it has a number").expect("it is a number"),
        blake3::hash(body.as_bytes()),
        value("X-Swap:"),
    )
}

#[test]
fn a_swap_is_atomic_under_load() {
    let messages = std::env::var("POSTROOM_SWAP_MESSAGES")
        .map_or(MESSAGES, |text| text.parse().expect("it is a number"));
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server.user("refuse@abc.test", &[]);
    for guest in ["swap-v1", "swap-v2"] {
        server.ok(&["plugin", "install", &fixture(guest)]);
    }
    let progress = Arc::new(Progress::default());
    deploy(&server, &progress, 0);
    let address = server.address("mx");

    let start = Arc::new(Barrier::new(CONNECTIONS + 1));
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let numbers = (1..=messages).filter(|number| number % CONNECTIONS == connection);
            let numbers: Vec<_> = numbers.collect();
            let (progress, start) = (Arc::clone(&progress), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                send_all(address, numbers, &progress)
            })
        })
        .collect();
    start.wait();

    let mut spanning = Vec::new();
    for swap in 1..=SWAPS {
        // Spread over the whole load: the next swap waits until its share of it is sent.
        let share = messages * swap / (SWAPS + 1);
        until("mail flows", Duration::from_secs(600), || {
            let failed = senders.iter().any(thread::JoinHandle::is_finished);
            (failed || progress.sent.load(Ordering::SeqCst) >= share).then_some(())
        });
        let number = messages + swap * 2;
        let open = Open::begin(address, number, swap - 1, "");
        let mut running = Open::begin(address, number + 1, swap - 1, "[slow]");
        // Its `data` burns CPU while the swap is made.
        running.line.write(b".\r\n");
        deploy(&server, &progress, swap);
        assert_eq!(asked_now(address), version(swap), "after swap {swap}");
        let reply = running.line.reply();
        running.answered(&reply, &mut spanning);
        open.end(&mut spanning);
    }
    let mut accepted = Accepted::new();
    for sender in senders {
        accepted.extend(sender.join().expect("a sender saw only what it expects"));
    }
    server.ok(&["plugin", "rollback", "abc.test"]);
    assert_eq!(asked_now(address), version(SWAPS - 1), "the version before");
    server.delivered();

    let spanning: HashMap<_, _> = spanning.into_iter().collect();
    for number in spanning.keys() {
        accepted.insert(*number, blake3::hash(body(*number).as_bytes()));
    }
    let mut found = Accepted::new();
    for message in server.messages("ann@abc.test", "INBOX") {
        let (number, hash, mark) = stored(&message);
        let by = |version: &str| mark == format!("rcpt={version} data={version}");
        assert!(by("1.0.0") || by("2.0.0"), "{number}: two versions: {mark}");
        if let Some(version) = spanning.get(&number) {
            assert!(by(version), "{number} began with {version}: {mark}");
        }
        assert_eq!(found.insert(number, hash), None, "{number} is there twice");
    }
    assert_eq!(found, accepted);
    println!(
        "{CONNECTIONS} connections, {messages} messages, {SWAPS} swaps: {} stored, {} open over a swap",
        found.len(),
        spanning.len()
    );
}
