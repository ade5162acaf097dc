//! Reads a transcript and runs it against the pure session.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::limits::Limits;
use mail::{CloseReason, Domain, Session as _, Step, Transport, Uid};

use super::house::{HOST, House, folder};
use crate::{Config, Extent, Pop3, Retrieve, Tls};

/// One block of a transcript.
#[derive(Debug)]
enum Block {
    Client(Vec<u8>),
    Server(Vec<u8>),
    Event(String),
}

pub(super) struct Transcript {
    encrypted: bool,
    host: String,
    blocks: Vec<Block>,
}

impl Transcript {
    pub(super) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(folder().join(name)).expect("a transcript");
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let mut transcript = Self {
            encrypted: false,
            host: String::new(),
            blocks: Vec::new(),
        };
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            match line.split_once(':').unwrap_or((line, "")) {
                ("plain", _) => transcript.encrypted = false,
                ("tls", _) => transcript.encrypted = true,
                ("host", rest) => transcript.host = rest.trim().to_owned(),
                ("C", rest) => transcript.add(rest, true),
                ("S", rest) => transcript.add(rest, false),
                _ => {
                    let event = line
                        .strip_prefix("! ")
                        .unwrap_or_else(|| panic!("what is '{line}'?"));
                    transcript.blocks.push(Block::Event(event.to_owned()));
                }
            }
        }
        transcript
    }

    fn add(&mut self, rest: &str, client: bool) {
        let text = rest.strip_prefix(' ').unwrap_or(rest);
        let line = format!("{}\r\n", fill(text));
        match (self.blocks.last_mut(), client) {
            (Some(Block::Client(bytes)), true) | (Some(Block::Server(bytes)), false) => {
                bytes.extend(line.into_bytes());
            }
            (_, true) => self.blocks.push(Block::Client(line.into_bytes())),
            (_, false) => self.blocks.push(Block::Server(line.into_bytes())),
        }
    }

    /// Runs it with the client's bytes in pieces of `piece`.
    pub(super) fn run(&self, piece: usize) {
        let mut run = Run::new(self.encrypted, &self.host);
        run.advance();
        for block in &self.blocks {
            match block {
                Block::Client(bytes) => {
                    assert_eq!(
                        text(&run.output),
                        "",
                        "pieces of {piece}: before the client spoke"
                    );
                    for piece in bytes.chunks(piece) {
                        run.session.handle_input(piece, run.now);
                        run.advance();
                    }
                }
                Block::Server(expected) => {
                    let output = std::mem::take(&mut run.output);
                    assert_eq!(text(&output), text(expected), "pieces of {piece}");
                }
                Block::Event(event) => run.event(event),
            }
        }
        assert_eq!(text(&run.output), "", "pieces of {piece}: at the end");
    }
}

/// A session under way.
pub(super) struct Run {
    pub(super) session: Pop3,
    pub(super) house: House,
    pub(super) output: Vec<u8>,
    pub(super) closed: bool,
    pub(super) now: Instant,
    signed_in: String,
    residue: Option<bool>,
}

impl Run {
    pub(super) fn new(encrypted: bool, host: &str) -> Self {
        let now = Instant::now();
        let tls = if encrypted {
            Tls::Implicit
        } else {
            Tls::Available
        };
        let domain = Domain::parse(HOST).expect("a domain");
        let config = Config::new(domain, tls, &Limits::default());
        Self {
            session: Pop3::new(Arc::new(config), transport(encrypted), now),
            house: House::new(host),
            output: Vec::new(),
            closed: false,
            now,
            signed_in: String::new(),
            residue: None,
        }
    }

    /// Does what the driver does, until there is nothing to do.
    pub(super) fn advance(&mut self) {
        while !self.closed && self.residue.is_none() {
            match self.session.poll_step() {
                Step::Write(bytes) => self.output.extend(bytes),
                Step::Send(retrieve) => {
                    let bytes = self.house.stream(retrieve, 7);
                    self.output.extend(bytes);
                }
                Step::Ask(ask) => {
                    let answer = self.house.answer_as(ask, &mut self.signed_in);
                    self.session.handle_answer(answer, self.now);
                }
                Step::StartTls { residue } => {
                    self.residue = Some(residue);
                    self.closed = residue;
                }
                Step::NeedInput => return,
                Step::Close => self.closed = true,
                Step::Body(_) | Step::DiscardBody => panic!("POP3 takes no messages"),
            }
        }
    }

    fn event(&mut self, event: &str) {
        let (word, rest) = event.split_once(' ').unwrap_or((event, ""));
        match word {
            "handshake" => {
                assert_eq!(self.residue.take(), Some(false));
                self.session.handle_transport(transport(true), self.now);
                self.advance();
            }
            "closed" => assert!(self.closed, "it is still open"),
            "lost" => {
                self.session.handle_closed(CloseReason::Broken);
                self.advance();
            }
            "idle" => {
                let due = self.session.poll_timeout().expect("there is always one");
                assert_eq!(due - self.now, Duration::from_secs(600));
                self.now = due;
                self.session.handle_timeout(due);
                self.advance();
            }
            "deleted" => {
                let numbers = rest
                    .split_whitespace()
                    .map(|number| number.parse::<u32>().expect("a number"));
                let expected: Vec<Uid> = numbers.map(|number| Uid(number * 10)).collect();
                assert_eq!(self.house.deleted, expected);
            }
            other => panic!("what is '{other}'?"),
        }
    }
}

pub(super) fn transport(encrypted: bool) -> Transport {
    Transport {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        peer_port: 4711,
        encrypted,
        server_name: None,
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Fills the places of a line.
fn fill(line: &str) -> String {
    if !line.contains('{') {
        return line.to_owned();
    }
    let house = House::new("");
    let rows = house.rows();
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
    for (number, row) in (1..).zip(&rows) {
        let stuffed = house.stream(
            Retrieve {
                uid: row.uid,
                extent: Extent::Whole,
            },
            1000,
        );
        let stuffed = text(&stuffed);
        let lines = stuffed.strip_suffix("\r\n.\r\n").expect("a whole response");
        line = line
            .replace(&format!("{{id{number}}}"), &row.email.to_string())
            .replace(&format!("{{size{number}}}"), &row.size.to_string())
            .replace(&format!("{{message{number}}}"), lines);
    }
    line
}
