//! The transcripts of the pure session, over real sockets and a real store.
//!
//! Those that make the host fail, or move its clock, are the pure session's alone. How they are
//! written stands in `host/crates/imap/src/session/tests/script.rs`. UIDVALIDITY is 7 there; here
//! it is what the store gives, and is shown as 7. The ids of mailboxes are shown as one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mail::{Access, GroupId, MailboxId, PersonId, Timestamp, Uid};
use store::{
    Flags, NewMailbox, NewMessage, Owner, Piece, Place, Rights, SpecialUse, Store, Watched,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::tests::{ANNA, serve, tenant};

const MESSAGES: [(&str, Flags, &str); 9] = [
    (
        include_str!("../../../../../tests/transcripts/imap/messages/plain.eml"),
        Flags::SEEN,
        "",
    ),
    (
        include_str!("../../../../../tests/transcripts/imap/messages/mixed.eml"),
        Flags::NONE,
        "$Forwarded",
    ),
    ("", Flags::NONE, ""),
    ("", Flags::NONE, ""),
    (
        include_str!("../../../../../tests/transcripts/imap/messages/nested.eml"),
        Flags::ANSWERED.union(Flags::SEEN),
        "",
    ),
    ("", Flags::NONE, ""),
    ("", Flags::NONE, ""),
    ("", Flags::NONE, ""),
    (
        include_str!("../../../../../tests/transcripts/imap/messages/german.eml"),
        Flags::FLAGGED,
        "",
    ),
];
const PLAIN: &str = MESSAGES[0].0;
/// What the pure session's host gives too.
const QUOTA: u64 = 1024 * 1024;
const BYSTANDER: PersonId = PersonId(99);

/// What clients see in the store of the transcripts.
struct World {
    store: Arc<dyn Store>,
    /// Told when everything before has been told.
    told: Arc<Notify>,
    _watch: store::Watch,
}

impl World {
    async fn new() -> Self {
        let store: Arc<dyn Store> =
            Arc::new(store::Memory::new(store::Config::default()).expect("in memory"));
        let access = Access::system(tenant(1));
        store.inbox(&access, ANNA).await.expect("made");
        for (name, special_use) in [
            ("Drafts", Some(SpecialUse::Drafts)),
            ("Sent", Some(SpecialUse::Sent)),
            ("Work/Plans", None),
            ("Café", None),
        ] {
            make(&store, Owner::Person(ANNA), name, special_use).await;
        }
        let (team, secret) = (Owner::Group(GroupId(1)), Owner::Group(GroupId(2)));
        make(&store, team, "Team", None).await;
        make(&store, secret, "Secret", None).await;
        let readers = Rights::parse("lr").expect("rights");
        store
            .set_members(&access, team, vec![(ANNA, readers)])
            .await
            .expect("set");
        for name in ["INBOX", "Work/Plans", "Old/Gone"] {
            store
                .subscribe(&access, ANNA, name.to_owned(), true)
                .await
                .expect("subscribed");
        }
        for (day, (raw, flags, keyword)) in (1..).zip(MESSAGES) {
            put(&store, Place::Inbox(ANNA), raw, flags, keyword, day).await;
        }
        let inbox = store.inbox(&access, ANNA).await.expect("there");
        let gone = [3, 4, 6, 7, 8].map(Uid).to_vec();
        store
            .expunge(&access, store.operation_id(), inbox, gone)
            .await
            .expect("gone");
        put(
            &store,
            Place::Named(team, "Team".to_owned()),
            PLAIN,
            Flags::NONE,
            "",
            1,
        )
        .await;
        let bystander: MailboxId = store.inbox(&access, BYSTANDER).await.expect("made");
        let told = Arc::<Notify>::default();
        let notify = Arc::clone(&told);
        let callback = Box::new(move |_| notify.notify_one());
        let watch = store
            .watch(&access, Watched::Mailbox(bystander), callback)
            .expect("watched");
        Self {
            store,
            told,
            _watch: watch,
        }
    }

    /// Waits until the watches of all changes so far were told: they are told in order.
    async fn settle(&self) {
        put(
            &self.store,
            Place::Inbox(BYSTANDER),
            "x",
            Flags::NONE,
            "",
            1,
        )
        .await;
        tokio::time::timeout(Duration::from_secs(10), self.told.notified())
            .await
            .expect("told");
    }
}

async fn make(store: &Arc<dyn Store>, owner: Owner, name: &str, special_use: Option<SpecialUse>) {
    let new = NewMailbox {
        owner,
        name: name.to_owned(),
        special_use,
    };
    let access = Access::system(tenant(1));
    store
        .create_mailbox(&access, store.operation_id(), new)
        .await
        .expect("made");
}

async fn put(
    store: &Arc<dyn Store>,
    place: Place,
    raw: &str,
    flags: Flags,
    keyword: &str,
    day: i64,
) {
    let mut message = NewMessage::new(vec![Piece::Private(raw.as_bytes().to_vec())]);
    message.flags = flags;
    message.keywords = Some(keyword.to_owned())
        .filter(|keyword| !keyword.is_empty())
        .into_iter()
        .collect();
    // 1 February 2026, 10:00 UTC, and days from there.
    let at = Timestamp::from_seconds(1_769_940_000 + 86_400 * (day - 1));
    message.internal_date = Some((at, 60));
    let access = Access::system(tenant(1));
    store
        .append(&access, store.operation_id(), place, vec![message])
        .await
        .expect("put");
}

struct Client {
    stream: TcpStream,
    revoked: Arc<Notify>,
    received: Vec<u8>,
}

impl Client {
    /// Behind what the transcript wants to have happened before.
    async fn new(world: &World, prelude: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).await.expect("connected");
        let (served, _) = listener.accept().await.expect("accepted");
        let revoked = serve(&world.store, 1, ANNA, Some(QUOTA), served);
        let mut client = Self {
            stream,
            revoked,
            received: Vec::new(),
        };
        if !prelude.is_empty() {
            client
                .stream
                .write_all(prelude.as_bytes())
                .await
                .expect("sent");
            let last = if prelude.contains("SELECT") {
                "s OK"
            } else {
                "l OK"
            };
            while !client.line().await.starts_with(last) {}
        }
        client
    }

    /// The next line, or `[closed]`.
    async fn line(&mut self) -> String {
        let line = async {
            loop {
                if let Some(end) = self.received.windows(2).position(|two| two == b"\r\n") {
                    let line = self.received.drain(..end + 2).collect::<Vec<u8>>();
                    let line = String::from_utf8_lossy(&line[..end]).into_owned();
                    return same_id(same_epoch(line));
                }
                let mut bytes = [0; 4096];
                match self.stream.read(&mut bytes).await {
                    Ok(0) | Err(_) => return "[closed]".to_owned(),
                    Ok(count) => self.received.extend_from_slice(&bytes[..count]),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), line)
            .await
            .unwrap_or_else(|_| "[nothing]".to_owned())
    }
}

/// UIDVALIDITY as the transcripts have it.
fn same_epoch(line: String) -> String {
    ["UIDVALIDITY ", "APPENDUID ", "COPYUID "]
        .iter()
        .fold(line, |line, code| {
            let Some(start) = line.find(code).map(|at| at + code.len()) else {
                return line;
            };
            let digits = line[start..].bytes().take_while(u8::is_ascii_digit).count();
            format!("{}7{}", &line[..start], &line[start + digits..])
        })
}

/// MAILBOXID without which.
fn same_id(line: String) -> String {
    let Some((before, id)) = line.split_once("MAILBOXID (b") else {
        return line;
    };
    let behind = id.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
    format!("{before}MAILBOXID (b{behind}")
}

/// Is it a transcript that a real store and a real socket can play?
fn playable(transcript: &str) -> bool {
    let known = ["! signed-in", "! selected ", "! deliver ", "! revoke"];
    let mut directives = transcript.lines().filter(|line| line.starts_with('!'));
    directives.all(|line| known.iter().any(|known| line.starts_with(known)))
}

async fn check(place: &str, transcript: &str) {
    let world = World::new().await;
    let mut prelude = String::new();
    let mut clients: BTreeMap<char, Client> = BTreeMap::new();
    for (index, line) in transcript.lines().enumerate() {
        let place = format!("{place}:{}", index + 1);
        let (head, text) = line.split_at(line.find([':', '>', ' ']).unwrap_or(line.len()));
        let number = head.chars().nth(1).unwrap_or('1');
        if matches!(head.chars().next(), Some('C' | 'S')) && !clients.contains_key(&number) {
            clients.insert(number, Client::new(&world, &prelude).await);
        }
        match head.chars().next() {
            Some('C') => {
                world.settle().await;
                let end = if text.starts_with(':') { "\r\n" } else { "" };
                let text = format!("{}{end}", text.get(2..).unwrap_or_default());
                let client = clients.get_mut(&number).expect("made above");
                client
                    .stream
                    .write_all(text.as_bytes())
                    .await
                    .expect("sent");
            }
            Some('S') => {
                let expected = same_id(text.get(2..).unwrap_or_default().to_owned());
                let got = clients.get_mut(&number).expect("made above").line().await;
                let same = match expected.strip_suffix("...") {
                    Some(start) => got.starts_with(start),
                    None => got == expected,
                };
                assert!(same, "{place}\n--- expected\n{expected}\n--- got\n{got}");
            }
            Some('!') if text.trim() == "revoke" => {
                clients
                    .values()
                    .for_each(|client| client.revoked.notify_one());
            }
            Some('!') => match text.trim().split_once(' ') {
                None => "l LOGIN ann secret\r\n".clone_into(&mut prelude),
                Some(("selected", name)) => {
                    prelude = format!("l LOGIN ann secret\r\ns SELECT \"{name}\"\r\n");
                    for number in ['1', '2'] {
                        clients.insert(number, Client::new(&world, &prelude).await);
                    }
                }
                Some(("deliver", "INBOX")) => {
                    put(&world.store, Place::Inbox(ANNA), PLAIN, Flags::NONE, "", 20).await;
                    world.settle().await;
                }
                Some(other) => panic!("{place}: {other:?} cannot be played"),
            },
            _ => {}
        }
    }
}

#[tokio::test]
async fn transcripts_hold_over_sockets_and_a_store() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts/imap");
    let mut played = Vec::new();
    for entry in
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let transcript = fs::read_to_string(&path).expect("read");
        if playable(&transcript) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.into_owned();
            let task = tokio::spawn({
                let name = name.clone();
                async move { check(&name, &transcript).await }
            });
            played.push((name, task));
        }
    }
    let count = played.len();
    assert!(count > 30, "only {count} transcripts were played");
    let mut failed = Vec::new();
    for (name, task) in played {
        if task.await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "these do not hold: {failed:?}");
}
