//! Large mailboxes and long queues: does the cost of an operation hang on what is there already?
//!
//! ```text
//! cargo run --release -p store --example large -- mailbox [DIRECTORY]
//! cargo run --release -p store --example large -- queue ROWS [DIRECTORY]
//! ```
//!
//! Figures are medians in microseconds over single operations, each durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::{Access, Direction, Envelope, ModSeq, PersonId, ReversePath, Tenant, Timestamp, Uid};
use store::{
    Accept, Action, Config, Embedded, FlagChange, FlagOperation, Flags, NewMessage, Part, Piece,
    Place, Quota, Recipient, Settled, Settlement, Source, Store,
};

const ANN: PersonId = PersonId(1);
/// Who has many rows, and who has one.
const MANY: &str = "news@many.test";
const ONE: &str = "ann@one.test";
/// Single operations measured at each size.
const SAMPLES: usize = 200;
/// Set for the process that works on a queue that is there.
const AGAIN: &str = "POSTROOM_LARGE_AGAIN";
/// Messages or rows of one commit while filling.
const BATCH: usize = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["mailbox"] => in_temporary(mailbox),
        ["mailbox", path] => mailbox(Path::new(path)),
        ["queue", rows] => in_temporary(|path| queue(path, count(rows))),
        ["queue", rows, path] => queue(Path::new(path), count(rows)),
        _ => eprintln!("usage: large mailbox [DIRECTORY] | large queue ROWS [DIRECTORY]"),
    }
}

fn count(text: &str) -> usize {
    text.parse().expect("ROWS is a number")
}

fn in_temporary(run: impl FnOnce(&Path)) {
    let path: PathBuf = std::env::temp_dir().join(format!("postroom-large-{}", std::process::id()));
    run(&path);
    if let Err(error) = std::fs::remove_dir_all(&path) {
        eprintln!("{} stays: {error}", path.display());
    }
}

fn open(path: &Path) -> Arc<dyn Store> {
    let config = Config {
        disk_reserve_bytes: 0,
        disk_reserve_percent: 0,
        ..Config::default()
    };
    Arc::new(Embedded::open(path, config).expect("the store opens"))
}

/// All of it is the host's own; senders have domains.
fn access() -> Access {
    Access::system(Tenant::HOST)
}

fn body(store: &dyn Store, bytes: &[u8]) -> Piece {
    let mut writer = store.begin_body().expect("a body begins");
    writer.write(bytes).expect("it is written");
    writer.finish().expect("it is finished").piece()
}

/// The median of single operations.
fn median(mut operation: impl FnMut()) -> u128 {
    let mut times: Vec<Duration> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            operation();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[SAMPLES / 2].as_micros()
}

fn once(operation: impl FnOnce()) -> u128 {
    let start = Instant::now();
    operation();
    start.elapsed().as_micros()
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn mailbox(path: &Path) {
    let store = open(path);
    let access = access();
    let inbox = store.inbox(&access, ANN).wait().expect("an INBOX");
    let text = b"From: joe@example.org\r\nSubject: hello\r\n\r\nHello Ann.\r\n";
    let piece = body(&*store, text);
    let place = || Place::Mailbox(inbox);
    let append = |messages: usize, piece: &Piece| {
        let messages = (0..messages).map(|_| NewMessage::new(vec![piece.clone()]));
        let appended = store.append(&access, store.operation_id(), place(), messages.collect());
        appended.wait().expect("appended")
    };
    println!("messages  append  +flag  expunge  status  changes  deleted  survey  rows-all");
    let mut next = 1_u32;
    // The first message keeps the body's bytes in the store: the others name its content.
    let mut there = append(1, &piece).len();
    let row = store.rows(&access, inbox, 1..=1).expect("rows").remove(0);
    let size = store
        .content(&access, Source::Message(inbox, Uid(1)))
        .expect("the content")
        .size();
    let copy = Piece::Content {
        content: row.content,
        offset: 0,
        length: size,
    };
    for target in [1_000, 10_000, 100_000, 1_000_000] {
        while there < target {
            there += append(BATCH.min(target - there), &copy).len();
        }
        let appended = median(|| {
            append(1, &piece);
        });
        let mut step = || {
            next += 1;
            vec![Uid(next)]
        };
        let flagged = median(|| {
            let change = FlagChange {
                operation: FlagOperation::Add,
                flags: Flags::SEEN,
                keywords: Vec::new(),
                unchanged_since: None,
            };
            let stored = store.store_flags(&access, store.operation_id(), inbox, step(), change);
            assert_eq!(stored.wait().expect("flags").len(), 1);
        });
        let expunged = median(|| {
            let gone = store.expunge(&access, store.operation_id(), inbox, step());
            assert_eq!(gone.wait().expect("expunged").len(), 1);
        });
        let status = median(|| drop(store.mailbox(&access, inbox).expect("a mailbox")));
        let modseq = store
            .mailbox(&access, inbox)
            .expect("a mailbox")
            .status
            .highest_modseq;
        let since = ModSeq(modseq.0 - 1);
        let changes = median(|| {
            drop(store.changes_since(&access, inbox, since).expect("changes"));
        });
        let deleted = median(|| drop(store.deleted(&access, inbox).expect("deleted")));
        let survey = median(|| drop(store.survey(&access, inbox).expect("a survey")));
        let all = once(|| drop(store.rows(&access, inbox, 1..=u32::MAX).expect("rows")));
        println!(
            "{target:>8} {appended:>7} {flagged:>6} {expunged:>8} {status:>7} {changes:>8} {deleted:>8} {survey:>7} {all:>9}"
        );
    }
    store.close().expect("closed");
    drop(store);
    let start = Instant::now();
    let store = open(path);
    println!(
        "reopened in {:?}, {} KiB resident",
        start.elapsed(),
        resident_kib()
    );
    store.close().expect("closed");
}

fn sender_of(address: &str) -> ReversePath {
    ReversePath::Mailbox(mail::Mailbox::parse(address).expect("an address"))
}

fn recipient(store: &dyn Store, number: usize) -> Recipient {
    let address = format!("user{number}@host{}.example.org", number % 1000);
    Recipient {
        id: store.recipient_id(),
        original: address.clone(),
        address: mail::Mailbox::parse(&address).expect("an address"),
        prefix: Vec::new(),
        actions: vec![Action::Remote {
            channel: "smtp".to_owned(),
            next_hop: None,
            due: Timestamp(1),
            expires: Timestamp(i64::MAX),
        }],
    }
}

fn fill(store: &dyn Store, sender: &str, rows: usize) {
    for first in (0..rows).step_by(BATCH) {
        let recipients = (first..rows.min(first + BATCH)).map(|number| recipient(store, number));
        let part = Part {
            access: access(),
            pieces: vec![body(store, b"Subject: hello\r\n\r\nHello.\r\n")],
            thread: None,
            trace: Vec::new(),
            recipients: recipients.collect(),
            effects: Vec::new(),
            domain_quota: Quota::NONE,
        };
        let accept = Accept {
            operation: store.operation_id(),
            envelope: Envelope {
                id: store.envelope_id(),
                reverse_path: sender_of(sender),
                direction: Direction::Inbound,
                authenticated: None,
                peer: None,
                helo: "large".to_owned(),
                encrypted: false,
                received: Timestamp(1),
                body: mail::Body::SevenBit,
                utf8: false,
                envid: None,
            },
            parts: vec![part],
        };
        store.accept(accept).wait().expect("accepted");
    }
}

fn queue(path: &Path, rows: usize) {
    if std::env::var_os(AGAIN).is_some() {
        return work(path);
    }
    let store = open(path);
    println!("empty: {} KiB resident", resident_kib());
    let start = Instant::now();
    fill(&*store, MANY, rows);
    println!(
        "{rows} rows of one domain in {:?}, {} KiB resident",
        start.elapsed(),
        resident_kib()
    );
    let start = Instant::now();
    store.close().expect("closed");
    drop(store);
    println!("closed in {:?}", start.elapsed());
    // A process of its own: memory as a start of the server has it.
    let status = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["queue", "0"])
        .arg(path)
        .env(AGAIN, "1")
        .status();
    assert!(status.expect("it runs").success());
}

fn work(path: &Path) {
    let before = resident_kib();
    let start = Instant::now();
    let store = open(path);
    println!(
        "opened in {:?}; resident {} KiB, before {before} KiB",
        start.elapsed(),
        resident_kib()
    );
    fill(&*store, ONE, 1);
    let now = Timestamp(i64::MAX / 2);
    let start = Instant::now();
    let leases = store
        .claim_within("large", now, 60, 64, 512)
        .expect("claimed");
    let is_there = leases
        .iter()
        .any(|lease| lease.row.envelope.reverse_path == sender_of(ONE));
    println!(
        "first claim of 64: {:?}; the other domain's row is {} it",
        start.elapsed(),
        if is_there { "in" } else { "not in" }
    );
    let mut claims = Vec::new();
    let mut held = leases;
    for _ in 0..SAMPLES {
        let pending: Vec<_> = held
            .iter()
            .map(|lease| {
                let done = Settlement::new(store.operation_id(), Settled::Done);
                store.complete(lease, done)
            })
            .collect();
        for answer in pending {
            answer.wait().expect("settled");
        }
        let start = Instant::now();
        held = store
            .claim_within("large", now, 60, 64, 512)
            .expect("claimed");
        claims.push(start.elapsed());
    }
    claims.sort_unstable();
    println!(
        "claim of 64 after settling 64: median {:?}, worst {:?}",
        claims[SAMPLES / 2],
        claims[SAMPLES - 1]
    );
    let next = median(|| {
        store.next_due();
    });
    let depth = once(|| drop(store.depth().expect("depth")));
    println!(
        "next_due: {next} us; depth: {depth} us; resident {} KiB",
        resident_kib()
    );
    store.close().expect("closed");
}
