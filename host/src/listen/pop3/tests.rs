//! The transcripts of `tests/transcripts/pop3` over real sockets, against a whole server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use directory::{Change, NewDomain, NewPerson};
use mail::{Access, Domain, Mailbox, PersonId, Principal, Secret, Tenant};
use net::{ClientTls, Stream};
use pop3::{Extent, Row, Stuffer};
use store::{NewMessage, Piece, Place};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Maildrop;
use crate::config::{Config, Listeners};
use crate::server::Server;
use crate::site::Site;

const HOST: &str = "mail.abc.test";
const PASSWORD: &str = "correct horse";
const SOON: Duration = Duration::from_secs(20);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts/pop3")
}

/// A server with Anna and Otto.
struct House {
    server: Server,
    tenant: Tenant,
    anna: PersonId,
    messages: Vec<Vec<u8>>,
    _data: tempfile::TempDir,
}

impl House {
    async fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let any = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        let listen = Listeners {
            smtp: Vec::new(),
            submission: Vec::new(),
            submissions: Vec::new(),
            imap: Vec::new(),
            imaps: Vec::new(),
            pop3: any.clone(),
            pop3s: any,
            https: Vec::new(),
            metrics: Vec::new(),
            port_offset: 0,
        };
        let mut config = Config {
            hostname: HOST.to_owned(),
            data: data.path().join("data"),
            listen,
            ..Config::default()
        };
        config.limits.disk_reserve_bytes = 0;
        config.limits.disk_reserve_percent = 0;
        let server = Server::start(config).await.expect("a server");
        let site = server.site();
        let change = |change| site.directory.apply(Principal::Site, change);
        let domain = Domain::parse("abc.test").expect("a domain");
        change(Change::AddDomain(NewDomain::named(domain.clone())))
            .await
            .expect("added");
        for name in ["anna@abc.test", "otto@abc.test"] {
            let mail: Mailbox = name.parse().expect("an address");
            let password = Some(Secret::new(PASSWORD.to_owned()));
            let person = NewPerson {
                mail,
                password,
                attributes: directory::PersonChanges::default(),
            };
            change(Change::AddPerson(person)).await.expect("added");
        }
        let tenant = site
            .directory
            .domain(&domain)
            .await
            .expect("added")
            .tenant();
        let anna = person(site, tenant, "anna@abc.test").await;
        let messages = (1..=3).map(|number| {
            let text = fs::read_to_string(folder().join(format!("messages/{number}.eml")))
                .expect("a message");
            text.replace('\n', "\r\n").into_bytes()
        });
        let messages = messages.collect();
        Self {
            server,
            tenant,
            anna,
            messages,
            _data: data,
        }
    }

    fn site(&self) -> &Arc<Site> {
        self.server.site()
    }

    fn address(&self, service: &str) -> SocketAddr {
        let bound = self.server.bound().iter().find(|(name, _)| name == service);
        bound.expect("a listener").1
    }

    /// Anna's INBOX as it was in the beginning.
    async fn reset(&self) -> Vec<Row> {
        let access = Access::system(self.tenant);
        let store = &self.site().store;
        let inbox = store.inbox(&access, self.anna).await.expect("an INBOX");
        let old = self.rows().await.iter().map(|row| row.uid).collect();
        store
            .expunge(&access, store.operation_id(), inbox, old)
            .await
            .expect("expunged");
        let new = |bytes: &Vec<u8>| NewMessage::new(vec![Piece::Private(bytes.clone())]);
        let messages = self.messages.iter().map(new).collect();
        store
            .append(
                &access,
                store.operation_id(),
                Place::Mailbox(inbox),
                messages,
            )
            .await
            .expect("appended");
        self.rows().await
    }

    async fn rows(&self) -> Vec<Row> {
        let access = Access::system(self.tenant);
        let store = &self.site().store;
        let inbox = store.inbox(&access, self.anna).await.expect("an INBOX");
        let rows = store.rows(&access, inbox, 1..=u32::MAX).expect("rows");
        rows.iter()
            .map(|row| Row {
                uid: row.uid,
                email: row.email,
                size: row.size,
            })
            .collect()
    }

    /// Waits until no session has Anna's maildrop.
    async fn alone(&self) {
        for _ in 0..1000 {
            let site = self.site();
            let open = Maildrop::open(
                &site.maildrops,
                Arc::clone(&site.store),
                self.tenant,
                self.anna,
            )
            .await;
            if open.is_ok() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("a session never gave the maildrop back");
    }
}

async fn person(site: &Site, tenant: Tenant, name: &str) -> PersonId {
    let mail: Mailbox = name.parse().expect("an address");
    site.directory
        .person_by_address(tenant, &mail)
        .await
        .expect("added")
        .id
}

/// Fills the places of a line.
fn fill(line: &str, house: &House, rows: &[Row]) -> String {
    let total = |from: usize| {
        rows[from..]
            .iter()
            .map(|row| row.size)
            .sum::<u64>()
            .to_string()
    };
    let mut line = line
        .replace("{host}", HOST)
        .replace("{size}", &total(0))
        .replace("{size23}", &total(1));
    for (number, (row, message)) in (1..).zip(rows.iter().zip(&house.messages)) {
        let (mut stuffer, mut stuffed) = (Stuffer::new(Extent::Whole), Vec::new());
        stuffer.push(message, &mut stuffed);
        let stuffed = String::from_utf8_lossy(&stuffed).into_owned();
        line = line
            .replace(&format!("{{id{number}}}"), &row.email.to_string())
            .replace(&format!("{{size{number}}}"), &row.size.to_string())
            .replace(
                &format!("{{message{number}}}"),
                stuffed.trim_end_matches("\r\n"),
            );
    }
    line
}

/// The last empty line of a message without a body must stay.
fn fill_line(line: &str, house: &House, rows: &[Row]) -> String {
    let filled = fill(line, house, rows);
    if line == "{message3}" {
        format!("{filled}\r\n\r\n")
    } else {
        format!("{filled}\r\n")
    }
}

async fn dial(house: &House, encrypted: bool) -> Stream {
    let address = house.address(if encrypted { "pop3s" } else { "pop3" });
    let tcp = TcpStream::connect(address).await.expect("accepted");
    if encrypted {
        shake(tcp).await
    } else {
        Stream::Plain(tcp)
    }
}

async fn shake(tcp: TcpStream) -> Stream {
    let client = ClientTls::opportunistic().expect("the configuration is ours");
    client.connect(HOST, tcp).await.expect("a handshake")
}

async fn run(house: &House, transcript: &str) {
    let rows = house.reset().await;
    let mut stream = None;
    // Lines in a row are sent at once.
    let mut unsent = String::new();
    for line in transcript.lines().filter(|line| !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "C:" {
            unsent.push_str(&fill_line(rest, house, &rows));
            continue;
        }
        if let Some(open) = &mut stream {
            say(open, &std::mem::take(&mut unsent)).await;
        }
        match (word, stream.take()) {
            ("plain", None) => stream = Some(dial(house, false).await),
            ("tls", None) => stream = Some(dial(house, true).await),
            ("S:", Some(mut open)) => {
                hear(&mut open, &fill_line(rest, house, &rows)).await;
                stream = Some(open);
            }
            ("!", open) => stream = event(house, rest, open, &rows).await,
            (other, _) => panic!("what is '{other}'?"),
        }
    }
}

async fn say(stream: &mut Stream, lines: &str) {
    stream.write_all(lines.as_bytes()).await.expect("sent");
    stream.flush().await.expect("sent");
}

async fn hear(stream: &mut Stream, expected: &str) {
    let mut said = vec![0; expected.len()];
    let read = timeout(SOON, stream.read_exact(&mut said)).await;
    read.expect("in time")
        .unwrap_or_else(|error| panic!("instead of '{expected}': {error}"));
    assert_eq!(String::from_utf8_lossy(&said), expected);
}

async fn event(house: &House, event: &str, stream: Option<Stream>, rows: &[Row]) -> Option<Stream> {
    let (word, rest) = event.split_once(' ').unwrap_or((event, ""));
    match (word, stream) {
        ("handshake", Some(Stream::Plain(tcp))) => Some(shake(tcp).await),
        ("closed", Some(mut open)) => {
            let mut more = Vec::new();
            timeout(SOON, open.read_to_end(&mut more))
                .await
                .expect("in time")
                .expect("a clean end");
            assert_eq!(String::from_utf8_lossy(&more), "");
            drop(open);
            house.alone().await;
            None
        }
        ("lost", Some(open)) => {
            drop(open);
            house.alone().await;
            None
        }
        ("deleted", stream) => {
            let gone: Vec<usize> = rest
                .split_whitespace()
                .map(|number| number.parse().expect("a number"))
                .collect();
            let left = (1..)
                .zip(rows)
                .filter(|(number, _)| !gone.contains(number))
                .map(|(_, row)| *row);
            assert_eq!(house.rows().await, left.collect::<Vec<_>>());
            stream
        }
        (other, _) => panic!("what is '{other}'?"),
    }
}

/// What only the pure session can play: a host with a part, silence of ten minutes, a directory
/// that is away.
fn is_for_sockets(transcript: &str) -> bool {
    !["\nhost: ", "\n! idle", "una@abc.test"]
        .iter()
        .any(|part| transcript.contains(part))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transcript_over_a_real_socket() {
    let house = House::start().await;
    let site = house.site();
    let otto = person(site, house.tenant, "otto@abc.test").await;
    let busy = Maildrop::open(&site.maildrops, Arc::clone(&site.store), house.tenant, otto).await;
    let (_busy, _) = busy.expect("nobody has it");
    let mut run_now = Vec::new();
    for file in fs::read_dir(folder()).expect("the folder of the transcripts") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let transcript = fs::read_to_string(&path).expect("a transcript");
            if is_for_sockets(&transcript) {
                println!("{}", path.display());
                run(&house, &transcript).await;
                run_now.push(path);
            }
        }
    }
    assert!(run_now.len() >= 14, "only {run_now:?}");
    house.server.stop();
    timeout(SOON, house.server.stopped())
        .await
        .expect("in time")
        .expect("stopped");
}
