//! Transcripts: what clients send, what they get.
//!
//! ```text
//! ! plaintext              before the first line: the connection is not encrypted
//! ! signed-in              before the first line: clients begin behind LOGIN
//! ! selected INBOX         before the first line: clients begin behind SELECT INBOX
//! C: a NOOP                a line of the client; `C2:` of the second one. CRLF is added
//! C> a NOOP                the same without CRLF
//! S: a OK NOOP done        a line it gets; one that ends in `...` needs only begin like this
//! S: [closed]              the connection is closed; also [tls] and [tls residue]
//! ! deliver INBOX          something happens beside: see `Run::happen`
//! ```
//!
//! All lines of a client up to the next `S:` or `!` are sent together, split in every way that
//! the test tries. All it gets must be in the transcript.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::limits::{self, Limits};
use mail::{CloseReason, Session, Step, Transport};

use super::host::Host;
use super::world::{PLAIN, World};
use crate::ask::{Event, LoginOutcome, Refusal};
use crate::{Config, ImapSession, StartTls};

/// How a client's bytes arrive.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chunks {
    Together,
    Of(usize),
    /// Two pieces, cut here.
    CutAt(usize),
}

/// A session, its host, and all it wrote.
pub(super) struct Client {
    pub(super) session: ImapSession,
    pub(super) host: Host,
    pub(super) received: Vec<u8>,
    pub(super) now: Instant,
    pub(super) closed: bool,
    pub(super) largest_write: usize,
}

pub(super) fn transport(encrypted: bool) -> Transport {
    Transport {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        peer_port: 1,
        encrypted,
        server_name: None,
    }
}

pub(super) fn config(starttls: StartTls) -> Arc<Config> {
    let limits = Limits {
        message_bytes: 100_000,
        ..Limits::default()
    };
    Arc::new(Config {
        host: "mail.abc.test".to_owned(),
        starttls,
        limits,
    })
}

impl Client {
    pub(super) fn new(world: &Rc<RefCell<World>>, encrypted: bool, starttls: StartTls) -> Self {
        let now = Instant::now();
        let session = ImapSession::new(config(starttls), &transport(encrypted), now);
        let host = Host::new(world);
        let mut client = Self {
            session,
            host,
            received: Vec::new(),
            now,
            closed: false,
            largest_write: 0,
        };
        client.pump();
        client
    }

    /// One that has signed in.
    pub(super) fn signed_in(world: &Rc<RefCell<World>>) -> Self {
        let mut client = Self::new(world, true, StartTls::Offered);
        client.send(b"l LOGIN ann secret\r\n", Chunks::Together);
        client.received.clear();
        client
    }

    pub(super) fn send(&mut self, bytes: &[u8], chunks: Chunks) {
        match chunks {
            Chunks::Together => self.input(bytes),
            Chunks::Of(size) => bytes.chunks(size).for_each(|chunk| self.input(chunk)),
            Chunks::CutAt(at) => {
                let (first, second) = bytes.split_at(at.min(bytes.len()));
                self.input(first);
                self.input(second);
            }
        }
    }

    fn input(&mut self, bytes: &[u8]) {
        if !self.closed && !bytes.is_empty() {
            self.session.handle_input(bytes, self.now);
            self.pump();
        }
    }

    /// Does what the driver does until the session waits.
    pub(super) fn pump(&mut self) {
        while !self.closed {
            match self.session.poll_step() {
                Step::Write(bytes) => {
                    assert!(
                        bytes.len() <= limits::OUTPUT_BUFFER,
                        "one write is too large"
                    );
                    self.largest_write = self.largest_write.max(bytes.len());
                    self.received.extend_from_slice(&bytes);
                }
                Step::Send(send) => {
                    let bytes = self.host.send(&send);
                    self.received.extend_from_slice(&bytes);
                }
                Step::Ask(ask) => {
                    let answer = self.host.answer(ask);
                    self.session.handle_answer(answer, self.now);
                }
                Step::Body(bytes) => self.host.body(&bytes),
                Step::DiscardBody => self.host.discard_body(),
                Step::StartTls { residue: true } => {
                    self.received.extend_from_slice(b"[tls residue]\r\n");
                    self.closed = true;
                }
                Step::StartTls { residue: false } => {
                    self.received.extend_from_slice(b"[tls]\r\n");
                    self.session.handle_transport(transport(true), self.now);
                }
                Step::NeedInput => return,
                Step::Close => {
                    self.received.extend_from_slice(b"[closed]\r\n");
                    self.closed = true;
                }
            }
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        if !self.closed {
            self.session.handle_event(event, self.now);
            self.pump();
        }
    }

    pub(super) fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }
}

struct Run {
    world: Rc<RefCell<World>>,
    clients: BTreeMap<char, Client>,
    encrypted: bool,
    starttls: StartTls,
    chunks: Chunks,
    /// What clients do before the transcript begins.
    prelude: String,
}

impl Run {
    fn new(chunks: Chunks) -> Self {
        let (encrypted, starttls) = (true, StartTls::Offered);
        let (world, clients, prelude) = (World::new(), BTreeMap::new(), String::new());
        Self {
            world,
            clients,
            encrypted,
            starttls,
            chunks,
            prelude,
        }
    }

    fn client(&mut self, number: char) -> &mut Client {
        let (world, encrypted, starttls) = (&self.world, self.encrypted, self.starttls);
        let prelude = &self.prelude;
        self.clients.entry(number).or_insert_with(|| {
            let mut client = Client::new(world, encrypted, starttls);
            if !prelude.is_empty() {
                client.send(prelude.as_bytes(), Chunks::Together);
                client.received.clear();
            }
            client
        })
    }

    fn send(&mut self, number: char, bytes: &[u8]) {
        let chunks = self.chunks;
        self.client(number).send(bytes, chunks);
        self.tell_changes();
    }

    /// The watch of the store: whoever has a changed mailbox selected hears of it.
    fn tell_changes(&mut self) {
        let touched = std::mem::take(&mut self.world.borrow_mut().touched);
        for client in self.clients.values_mut() {
            if client
                .host
                .selected
                .is_some_and(|selected| touched.contains(&selected))
            {
                client.event(Event::Changed);
            }
        }
    }

    fn happen(&mut self, what: &str) {
        let mut words = what.split(' ');
        match (words.next().unwrap_or_default(), words.next()) {
            ("signed-in", None) => self.prelude = "l LOGIN ann secret\r\n".to_owned(),
            ("selected", Some(mailbox)) => {
                self.prelude = format!("l LOGIN ann secret\r\ns SELECT \"{mailbox}\"\r\n");
                self.client('1');
                self.client('2');
            }
            ("plaintext", None) => self.encrypted = false,
            ("no-certificate", None) => self.starttls = StartTls::Absent,
            ("deliver", Some(mailbox)) => self.world.borrow_mut().deliver(mailbox, PLAIN),
            ("directory-down", None) => self.world.borrow_mut().login = LoginOutcome::Unavailable,
            ("refuse", Some(refusal)) => {
                let refusal = match refusal {
                    "unavailable" => Refusal::Unavailable,
                    "serverbug" => Refusal::ServerBug,
                    "overquota" => Refusal::OverQuota,
                    "limit" => Refusal::Limit,
                    "cannot" => Refusal::Cannot,
                    "notselectable" => Refusal::NotSelectable,
                    other => panic!("no such refusal: {other}"),
                };
                self.world.borrow_mut().refusals.push_back(refusal);
            }
            ("seconds", Some(seconds)) => {
                let seconds = Duration::from_secs(seconds.parse().unwrap());
                for client in self.clients.values_mut() {
                    client.now += seconds;
                    if client
                        .session
                        .poll_timeout()
                        .is_some_and(|at| at <= client.now)
                    {
                        client.session.handle_timeout(client.now);
                        client.pump();
                    }
                }
            }
            ("revoke", None) => self
                .clients
                .values_mut()
                .for_each(|client| client.event(Event::Revoked)),
            ("shutdown", None) => self.clients.values_mut().for_each(|client| {
                client.session.handle_closed(CloseReason::Shutdown);
                client.pump();
            }),
            ("hang-up", None) => self.clients.values_mut().for_each(|client| {
                client.session.handle_closed(CloseReason::PeerClosed);
                client.pump();
            }),
            (what, _) => panic!("nothing is called {what}"),
        }
        self.tell_changes();
    }

    /// Everything a client got must be what stands in the transcript.
    fn expect(&mut self, number: char, expected: &[String], place: &str) {
        let got = self.client(number).take();
        let lines: Vec<&str> = got.split_terminator("\r\n").collect();
        let same = lines.len() == expected.len()
            && lines.iter().zip(expected).all(|(line, expected)| {
                match expected.strip_suffix("...") {
                    Some(start) => line.starts_with(start),
                    None => line == expected,
                }
            });
        assert!(
            same,
            "{place}, client {number}, {:?}\n--- expected\n{}\n--- got\n{}",
            self.chunks,
            expected.join("\n"),
            lines.join("\n")
        );
    }
}

/// Runs one transcript.
pub(super) fn check(place: &str, transcript: &str, chunks: Chunks) {
    let mut run = Run::new(chunks);
    let mut sent: Option<(char, Vec<u8>)> = None;
    let mut expected: BTreeMap<char, Vec<String>> = BTreeMap::new();
    for (index, line) in transcript.lines().enumerate() {
        let place = format!("{place}:{}", index + 1);
        let line = line.trim_end_matches('\r');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (head, text) = line.split_at(line.find([':', '>', ' ']).unwrap_or(line.len()));
        let number = head.chars().nth(1).unwrap_or('1');
        let text_of = |text: &str| text.get(2..).unwrap_or_default().to_owned();
        let is_client = head.starts_with('C');
        if !head.starts_with('S') {
            for (number, lines) in std::mem::take(&mut expected) {
                run.expect(number, &lines, &place);
            }
        }
        if !is_client && let Some((number, bytes)) = sent.take() {
            run.send(number, &bytes);
        }
        match head.chars().next() {
            Some('C') => {
                if let Some((other, bytes)) = sent.take_if(|(other, _)| *other != number) {
                    run.send(other, &bytes);
                }
                let (_, bytes) = sent.get_or_insert((number, Vec::new()));
                bytes.extend_from_slice(text_of(text).as_bytes());
                if text.starts_with(':') {
                    bytes.extend_from_slice(b"\r\n");
                }
            }
            Some('S') => expected.entry(number).or_default().push(text_of(text)),
            Some('!') => run.happen(text.trim()),
            _ => panic!("{place}: what is this? {line}"),
        }
    }
    if let Some((number, bytes)) = sent.take() {
        run.send(number, &bytes);
    }
    for (number, lines) in expected {
        run.expect(number, &lines, place);
    }
    for number in run.clients.keys().copied().collect::<Vec<_>>() {
        run.expect(number, &[], &format!("{place}, at the end"));
    }
}

pub(super) fn transcripts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/transcripts/imap");
    let mut transcripts: Vec<(String, String)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    transcripts.sort();
    assert!(
        transcripts.len() > 20,
        "the transcripts are not where they should be"
    );
    transcripts
}

/// All of them are run, so that one failure does not hide another.
#[test]
fn transcripts_hold() {
    let failed: Vec<String> = transcripts()
        .into_iter()
        .filter(|(name, text)| {
            std::panic::catch_unwind(|| check(name, text, Chunks::Together)).is_err()
        })
        .map(|(name, _)| name)
        .collect();
    assert!(failed.is_empty(), "these do not hold: {failed:?}");
}

#[test]
fn transcripts_hold_byte_by_byte() {
    for (name, transcript) in transcripts() {
        for size in [1, 2, 7] {
            check(&name, &transcript, Chunks::Of(size));
        }
    }
}

#[test]
fn transcripts_hold_cut_anywhere() {
    for (name, transcript) in transcripts() {
        let longest = transcript.lines().map(str::len).max().unwrap_or(0) + 2;
        for at in 1..longest {
            check(&name, &transcript, Chunks::CutAt(at));
        }
    }
}
