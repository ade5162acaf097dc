//! Conversations as data.
//!
//! `S:` the server says a line, `S-` bytes; `C:` the client must have written a line, `C-`
//! bytes; `STARTTLS` it wants the handshake; `DONE [connection] …` a report, one word a
//! recipient: `ok`, or the status; `CLOSE`. `TLS`, `TLSFAIL`, `WAIT seconds`, `LOST` happen.
//! Messages are sent one after the other, then QUIT.

use std::time::{Duration, Instant};

use mail::{Mailbox, Outcome, ReversePath};

use crate::client::{Client, Config, Message, Report, Stage, Step};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Write(String),
    StartTls,
    Done(String),
    Close,
}

#[derive(Debug)]
enum Input {
    Bytes(Vec<u8>),
    Tls,
    TlsFail,
    Wait(Duration),
    Lost,
}

/// A message and its body.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) message: Message,
    pub(super) body: Vec<u8>,
}

pub(super) fn letter(recipients: &[&str], body: &[u8]) -> Letter {
    let sender: Mailbox = "bob@xyz.test".parse().expect("an address");
    let recipients = recipients
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect();
    Letter {
        message: Message::new(ReversePath::Mailbox(sender), recipients),
        body: body.to_vec(),
    }
}

pub(super) fn config() -> Config {
    let mut config = Config::new("out.test".parse().expect("a domain"));
    config.peer = "mx.abc.test".to_owned();
    config
}

/// Plays the script with the server's bytes whole and cut, and the body whole and cut.
pub(super) fn check(config: &Config, letters: &[Letter], script: &str) {
    for input_size in [usize::MAX, 1, 2, 3, 7] {
        for body_size in [usize::MAX, 1, 2, 3] {
            play(config, letters, script, input_size, body_size);
        }
    }
}

fn play(config: &Config, letters: &[Letter], script: &str, input_size: usize, body_size: usize) {
    let mut run = Run::new(config.clone(), letters, body_size);
    for (inputs, expected) in parse(script) {
        for input in inputs {
            match input {
                Input::Bytes(bytes) => {
                    for chunk in bytes.chunks(input_size) {
                        run.client.handle_input(chunk, run.now);
                        run.drain();
                    }
                }
                Input::Tls => run.client.handle_encrypted(run.now),
                Input::TlsFail => run
                    .client
                    .handle_tls_failed("the certificate is of another name"),
                Input::Wait(time) => {
                    run.now += time;
                    if run.client.poll_timeout().is_some_and(|due| due <= run.now) {
                        run.client.handle_timeout(run.now);
                    }
                }
                Input::Lost => run.client.handle_closed(),
            }
            run.drain();
        }
        let events = std::mem::take(&mut run.events);
        assert_eq!(
            events, expected,
            "input by {input_size}, body by {body_size}\n{script}"
        );
    }
    assert!(run.letters.is_empty(), "messages left over\n{script}");
}

pub(super) struct Run {
    pub(super) client: Client,
    pub(super) now: Instant,
    pub(super) events: Vec<Event>,
    letters: Vec<Letter>,
    body: Vec<u8>,
    body_size: usize,
    is_closed: bool,
}

impl Run {
    /// The first message waits from the start; the next ones follow.
    pub(super) fn new(config: Config, letters: &[Letter], body_size: usize) -> Self {
        let now = Instant::now();
        let mut run = Self {
            client: Client::new(config, now),
            now,
            events: Vec::new(),
            letters: letters.iter().rev().cloned().collect(),
            body: Vec::new(),
            body_size,
            is_closed: false,
        };
        run.send_next();
        run.drain();
        run
    }

    fn send_next(&mut self) -> bool {
        let Some(letter) = self.letters.pop() else {
            return false;
        };
        self.body = letter.body;
        self.client.send(letter.message, self.now);
        true
    }

    pub(super) fn drain(&mut self) {
        loop {
            match self.client.poll_step() {
                Step::NeedInput => return,
                Step::Write(bytes) => {
                    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
                    match self.events.last_mut() {
                        Some(Event::Write(before)) => before.push_str(&text),
                        _ => self.events.push(Event::Write(text)),
                    }
                }
                Step::NeedBody if self.body.is_empty() => self.client.handle_body_end(self.now),
                Step::NeedBody => {
                    let rest = self.body.split_off(self.body_size.min(self.body.len()));
                    let piece = std::mem::replace(&mut self.body, rest);
                    self.client.handle_body(&piece, self.now);
                }
                Step::StartTls => {
                    self.events.push(Event::StartTls);
                    return;
                }
                Step::Done(report) => self.events.push(Event::Done(describe(&report))),
                Step::Ready => {
                    if !self.send_next() {
                        self.client.quit(self.now);
                    }
                }
                Step::Close => {
                    if !std::mem::replace(&mut self.is_closed, true) {
                        self.events.push(Event::Close);
                    }
                    return;
                }
            }
        }
    }
}

pub(super) fn describe(report: &Report) -> String {
    let mut words = Vec::new();
    if report.stage == Stage::Connection {
        words.push("connection".to_owned());
    }
    words.extend(report.outcomes.iter().map(|outcome| match outcome {
        Outcome::Done { .. } => "ok".to_owned(),
        Outcome::Deferred { status, .. } | Outcome::Failed { status, .. } => status.to_string(),
        Outcome::NotMine => "not mine".to_owned(),
    }));
    words.join(" ")
}

/// Groups of inputs, each with the events that must follow it.
fn parse(script: &str) -> Vec<(Vec<Input>, Vec<Event>)> {
    let mut groups: Vec<(Vec<Input>, Vec<Event>)> = vec![(Vec::new(), Vec::new())];
    for line in script
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty())
    {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let input = match word {
            "S:" => Some(Input::Bytes([unescape(rest), b"\r\n".to_vec()].concat())),
            "S-" => Some(Input::Bytes(unescape(rest))),
            "TLS" => Some(Input::Tls),
            "TLSFAIL" => Some(Input::TlsFail),
            "WAIT" => Some(Input::Wait(Duration::from_secs(
                rest.parse().expect("seconds"),
            ))),
            "LOST" => Some(Input::Lost),
            _ => None,
        };
        let last = groups.last_mut().expect("there is always one");
        if let Some(input) = input {
            if !last.1.is_empty() {
                groups.push((Vec::new(), Vec::new()));
            }
            let last = groups.last_mut().expect("there is always one");
            // Replies that arrive together: cut as one.
            match (last.0.last_mut(), input) {
                (Some(Input::Bytes(before)), Input::Bytes(more)) => before.extend(more),
                (_, input) => last.0.push(input),
            }
            continue;
        }
        let event = match word {
            "C:" => Event::Write(latin1(&unescape(rest)) + "\r\n"),
            "C-" => Event::Write(latin1(&unescape(rest))),
            "STARTTLS" => Event::StartTls,
            "DONE" => Event::Done(rest.to_owned()),
            "CLOSE" => Event::Close,
            _ => panic!("{line}"),
        };
        match (last.1.last_mut(), event) {
            (Some(Event::Write(before)), Event::Write(more)) => before.push_str(&more),
            (_, event) => last.1.push(event),
        }
    }
    groups
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next().expect("a character after the backslash") {
                b'r' => out.push(b'\r'),
                b'n' => out.push(b'\n'),
                other => out.push(other),
            },
            byte => out.push(byte),
        }
    }
    out
}
