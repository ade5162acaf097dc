//! 100 kills under load, every fifth of them during the recovery from the one before. Senders
//! send again what was not answered, as mail servers do. An IMAP client then reads everything,
//! and hashes are compared: whatever got its 250 is there, byte for byte, and nothing is there
//! twice but what was in flight when the server was killed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use postroom_tests::{Line, Server, python};

const KILLS: usize = 100;
const SENDERS: usize = 4;

/// Writes every message to a file of its own, in the order of UIDs.
const READER: &str = r#"
import imaplib, ssl, sys
context = ssl._create_unverified_context()
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=context) as client:
    client.login("ann@abc.test", "secret")
    client.select("INBOX", readonly=True)
    uids = client.uid("SEARCH", "ALL")[1][0].split()
    assert [int(uid) for uid in uids] == sorted({int(uid) for uid in uids}), uids
    for start in range(0, len(uids), 50):
        some = b",".join(uids[start:start + 50]).decode()
        for part in client.uid("FETCH", some, "(BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                with open(f"{sys.argv[2]}/{part[0].split()[0].decode()}", "wb") as file:
                    file.write(part[1])
"#;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What became of one message.
#[derive(Debug, Default)]
struct Fate {
    hash: String,
    is_acknowledged: bool,
    /// Attempts whose reply never came.
    unanswered: usize,
}

/// What killer and senders share.
#[derive(Default)]
struct Shared {
    address: Mutex<Option<SocketAddr>>,
    ends: AtomicBool,
}

/// Begins the part of a message that is the sender's own.
const MARK: &str = "Message-ID: <";

fn message(id: &str, dice: &mut Dice) -> String {
    // Most are small; now and then one has a file of its own (beyond 256 KiB).
    let lines = match dice.below(60) {
        0 => 5000,
        _ => dice.below(200),
    };
    let mut text = format!("{MARK}{id}>\r\nSubject: {id}\r\n\r\n");
    for _ in 0..lines {
        text.push_str(&format!("{:064x}\r\n", u128::from(dice.below(u64::MAX))));
    }
    text
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Sends until told to end; every acknowledgement is also said on `acknowledged`.
fn send(shared: &Shared, sender: usize, acknowledged: &Sender<()>) -> HashMap<String, Fate> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 + sender as u64);
    let mut fates = HashMap::new();
    let mut line: Option<Line> = None;
    for number in 0.. {
        let id = format!("m{sender}-{number}");
        let text = message(&id, &mut dice);
        let mut fate = Fate {
            hash: hash(text.as_bytes()),
            ..Fate::default()
        };
        while !fate.is_acknowledged && !shared.ends.load(Ordering::Relaxed) {
            let Some(open) = line.take().or_else(|| connect(shared)) else {
                std::thread::park_timeout(Duration::from_millis(2));
                continue;
            };
            let open = line.insert(open);
            match open.send("joe@example.org", &["ann@abc.test"], &text).code {
                250 => {
                    fate.is_acknowledged = true;
                    let _ = acknowledged.send(());
                }
                0 => {
                    fate.unanswered += 1;
                    line = None;
                }
                _ => line = None,
            }
        }
        fates.insert(id, fate);
        if shared.ends.load(Ordering::Relaxed) {
            break;
        }
    }
    fates
}

fn connect(shared: &Shared) -> Option<Line> {
    let address = *shared
        .address
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let mut line = Line::try_connect(address?).ok()?;
    let is_open = line.reply().code == 220 && line.command("EHLO client.example").code == 250;
    is_open.then_some(line)
}

/// Kills the server again and again while the senders send.
fn kill_under_load(server: &mut Server) -> HashMap<String, Fate> {
    let shared = Shared::default();
    let set = |address| {
        *shared
            .address
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = address;
    };
    set(Some(server.address("mx")));
    let (acknowledged, acknowledgements) = channel();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (shared, acknowledged) = (&shared, acknowledged.clone());
                scope.spawn(move || send(shared, sender, &acknowledged))
            })
            .collect();
        let mut kills = 0;
        while kills < KILLS {
            // So many more, and then somewhere in the middle of the next ones.
            for _ in 0..dice.below(8) {
                acknowledgements
                    .recv_timeout(Duration::from_secs(30))
                    .expect("mail flows");
            }
            std::thread::park_timeout(Duration::from_micros(dice.below(4000)));
            set(None);
            server.kill();
            kills += 1;
            if kills % 5 == 0 && kills < KILLS {
                server.launch_and_kill(Duration::from_millis(dice.below(120)));
                kills += 1;
            }
            server.launch();
            while acknowledgements.try_recv().is_ok() {}
            set(Some(server.address("mx")));
        }
        shared.ends.store(true, Ordering::Relaxed);
        senders
            .into_iter()
            .flat_map(|sender| sender.join().expect("the sender did well"))
            .collect()
    })
}

/// What an IMAP client sees: hashes of the sender's own part, by id.
fn stored(server: &Server) -> HashMap<String, Vec<String>> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().display().to_string();
    python(READER, &[&server.port("imaps"), &path]).ok();
    let mut stored: HashMap<String, Vec<String>> = HashMap::new();
    for entry in std::fs::read_dir(folder.path()).expect("it is ours") {
        let bytes = std::fs::read(entry.expect("it is ours").path()).expect("it is ours");
        let text = String::from_utf8_lossy(&bytes);
        let start = text.find(MARK).expect("it is a message of this test");
        let own = &text[start..];
        let id = own[MARK.len()..]
            .split('>')
            .next()
            .unwrap_or_default()
            .to_owned();
        stored.entry(id).or_default().push(hash(own.as_bytes()));
    }
    stored
}

#[test]
fn nothing_acknowledged_is_lost_when_killed() {
    let mut server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let fates = kill_under_load(&mut server);
    let acknowledged = fates.values().filter(|fate| fate.is_acknowledged).count();
    let unanswered = fates.values().filter(|fate| fate.unanswered > 0).count();
    assert!(
        acknowledged > KILLS && unanswered > KILLS / 10,
        "there was load: {acknowledged} acknowledged, {unanswered} in flight at a kill"
    );

    let mut stored = stored(&server);
    for (id, fate) in &fates {
        let copies = stored.remove(id).unwrap_or_default();
        assert!(
            copies.iter().all(|copy| *copy == fate.hash),
            "{id} is not what was sent"
        );
        let least = usize::from(fate.is_acknowledged);
        assert!(
            (least..=least + fate.unanswered).contains(&copies.len()),
            "{id} is there {} times: {fate:?}",
            copies.len()
        );
    }
    assert!(stored.is_empty(), "nobody sent {:?}", stored.keys());
}
