//! Transcripts as data: see `tests/transcripts/smtp/README.md` for the format.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::{Body, CloseReason, EnhancedStatus, Reply, Session as _, Step, Transport};

use crate::server::{Answer, Ask, Config, Mode, Notify, Return, Server, Tls};

/// What a session did, with adjacent writes and bodies joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Write(String),
    Ask(String),
    Body(String),
    Discard,
    StartTls(bool),
    Close,
}

#[derive(Debug, Clone, Copy)]
enum Control {
    Encrypt,
    Wait(Duration),
    Close(CloseReason),
}

/// Bytes that go in, and what must come out of them.
#[derive(Debug, Default)]
struct Exchange {
    input: Vec<u8>,
    events: Vec<Event>,
}

/// Exchanges between two controls.
#[derive(Debug, Default)]
struct Span {
    control: Option<Control>,
    exchanges: Vec<Exchange>,
}

pub(super) struct Transcript {
    name: String,
    config: Config,
    answers: Vec<Answer>,
    spans: Vec<Span>,
}

pub(super) fn config() -> Config {
    Config::new(
        "mx.abc.test".parse().expect("a domain"),
        Mode::Mx,
        Tls::None,
    )
}

pub(super) fn transport(encrypted: bool) -> Transport {
    Transport {
        peer: "192.0.2.7".parse().expect("an address"),
        peer_port: 40_000,
        encrypted,
        server_name: None,
    }
}

impl Transcript {
    pub(super) fn parse(name: &str, text: &str) -> Self {
        let mut transcript = Self {
            name: name.to_owned(),
            config: config(),
            answers: Vec::new(),
            spans: vec![Span {
                control: None,
                exchanges: vec![Exchange::default()],
            }],
        };
        for (number, line) in text.lines().enumerate() {
            transcript
                .parse_line(line)
                .unwrap_or_else(|| panic!("{name}:{}: {line}", number + 1));
        }
        transcript
    }

    fn parse_line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" | "#" => {}
            // Says where else it is not run.
            "@world" if rest == "scripted" => {}
            "@mode" => {
                self.config.mode = if rest == "submission" {
                    Mode::Submission
                } else {
                    Mode::Mx
                }
            }
            "@tls" => {
                self.config.tls = match rest {
                    "none" => Tls::None,
                    "available" => Tls::Available,
                    "implicit" => Tls::Implicit,
                    _ => return None,
                }
            }
            "@limit" => self.set_limit(rest)?,
            "C:" => self.input([unescape(rest), b"\r\n".to_vec()].concat()),
            "C-" => self.input(unescape(rest)),
            "S:" => self.event(Event::Write(latin1(&unescape(rest)) + "\r\n")),
            "ASK" => {
                self.answers.push(Answer::Accept);
                self.event(Event::Ask(String::from_utf8(unescape(rest)).ok()?));
            }
            ">" => *self.answers.last_mut()? = parse_answer(rest)?,
            "BODY:" => self.event(Event::Body(latin1(&unescape(rest)) + "\r\n")),
            "BODY-" => self.event(Event::Body(latin1(&unescape(rest)))),
            "DISCARD" => self.event(Event::Discard),
            "STARTTLS" => self.event(Event::StartTls(rest == "residue")),
            "CLOSE" => self.event(Event::Close),
            "TLS" => self.control(Control::Encrypt),
            "WAIT" => self.control(Control::Wait(Duration::from_secs(rest.parse().ok()?))),
            "SHUTDOWN" => self.control(Control::Close(CloseReason::Shutdown)),
            "BROKEN" => self.control(Control::Close(CloseReason::Broken)),
            _ => return None,
        }
        Some(())
    }

    fn set_limit(&mut self, text: &str) -> Option<()> {
        let (name, number) = text.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match name {
            "message_bytes" => self.config.limits.message_bytes = number,
            "recipients" => self.config.limits.recipients = number as usize,
            "smtp_idle_seconds" => self.config.limits.smtp_idle_seconds = number,
            "text_line" => self.config.text_line = number as usize,
            "minimum_rate" => self.config.minimum_rate = number as u32,
            "session_seconds" => self.config.session_life = Duration::from_secs(number),
            _ => return None,
        }
        Some(())
    }

    fn exchanges(&mut self) -> &mut Vec<Exchange> {
        &mut self
            .spans
            .last_mut()
            .expect("there is always one")
            .exchanges
    }

    fn input(&mut self, bytes: Vec<u8>) {
        let exchanges = self.exchanges();
        if exchanges
            .last()
            .is_none_or(|exchange| !exchange.events.is_empty())
        {
            exchanges.push(Exchange::default());
        }
        exchanges
            .last_mut()
            .expect("just pushed")
            .input
            .extend(bytes);
    }

    fn event(&mut self, event: Event) {
        push(
            &mut self
                .exchanges()
                .last_mut()
                .expect("there is always one")
                .events,
            event,
        );
    }

    fn control(&mut self, control: Control) {
        self.spans.push(Span {
            control: Some(control),
            exchanges: vec![Exchange::default()],
        });
    }

    pub(super) fn longest_span(&self) -> usize {
        let length = |span: &Span| {
            span.exchanges
                .iter()
                .map(|exchange| exchange.input.len())
                .sum()
        };
        self.spans.iter().map(length).max().unwrap_or(0)
    }

    /// Each group of client lines brings exactly what stands below it.
    pub(super) fn check_by_line(&self) {
        let mut run = Run::new(self);
        for span in &self.spans {
            let mut events = run.control(span.control);
            for exchange in &span.exchanges {
                if !exchange.input.is_empty() {
                    run.input(&exchange.input, &mut events);
                }
                self.compare(&events, &exchange.events, "by line");
                events.clear();
            }
        }
        run.finish();
    }

    /// The same bytes cut into chunks bring the same.
    pub(super) fn check_in_chunks(&self, size: usize) {
        self.check_chunked(&format!("in chunks of {size}"), |bytes| {
            bytes.chunks(size).collect()
        });
    }

    /// The same bytes cut in two bring the same.
    pub(super) fn check_cut_at(&self, at: usize) {
        self.check_chunked(&format!("cut at {at}"), |bytes| {
            let (before, after) = bytes.split_at(at.min(bytes.len()));
            vec![before, after]
        });
    }

    fn check_chunked(&self, how: &str, cut: impl Fn(&[u8]) -> Vec<&[u8]>) {
        let mut run = Run::new(self);
        for span in &self.spans {
            let mut events = run.control(span.control);
            let input: Vec<u8> = span
                .exchanges
                .iter()
                .flat_map(|exchange| exchange.input.clone())
                .collect();
            for chunk in cut(&input) {
                run.input(chunk, &mut events);
            }
            let mut expected = Vec::new();
            for event in span.exchanges.iter().flat_map(|exchange| &exchange.events) {
                push(&mut expected, event.clone());
            }
            // Where plaintext follows STARTTLS it may arrive before or behind the step; then it is
            // the handshake that fails on it. Nothing of it is executed in either case.
            if let Some(at) = expected
                .iter()
                .position(|event| *event == Event::StartTls(true))
            {
                let behind = events.split_off(at.min(events.len()));
                expected.truncate(at);
                let is_inert = |event: &Event| matches!(event, Event::StartTls(_) | Event::Close);
                assert!(
                    behind.iter().all(is_inert),
                    "{}, {how}: {behind:?}",
                    self.name
                );
            }
            self.compare(&events, &expected, how);
        }
        run.finish();
    }

    fn compare(&self, actual: &[Event], expected: &[Event], how: &str) {
        assert_eq!(actual, expected, "{}, {how}", self.name);
    }
}

/// A session, its clock, and the answers it still gets.
struct Run<'a> {
    transcript: &'a Transcript,
    server: Server,
    answers: std::slice::Iter<'a, Answer>,
    now: Instant,
    is_closed: bool,
}

impl<'a> Run<'a> {
    fn new(transcript: &'a Transcript) -> Self {
        let now = Instant::now();
        let config = Arc::new(transcript.config.clone());
        let encrypted = config.tls == Tls::Implicit;
        let server = Server::new(config, transport(encrypted), now);
        Self {
            transcript,
            server,
            answers: transcript.answers.iter(),
            now,
            is_closed: false,
        }
    }

    fn control(&mut self, control: Option<Control>) -> Vec<Event> {
        let mut events = Vec::new();
        match control {
            None => {}
            Some(Control::Encrypt) => self.server.handle_transport(transport(true), self.now),
            Some(Control::Close(reason)) => self.server.handle_closed(reason),
            Some(Control::Wait(time)) => {
                self.now += time;
                if self
                    .server
                    .poll_timeout()
                    .is_some_and(|due| due <= self.now)
                {
                    self.server.handle_timeout(self.now);
                }
            }
        }
        self.drain(&mut events);
        events
    }

    fn input(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        self.server.handle_input(bytes, self.now);
        self.drain(events);
    }

    fn drain(&mut self, events: &mut Vec<Event>) {
        loop {
            let event = match self.server.poll_step() {
                Step::NeedInput => return,
                Step::Write(bytes) => Event::Write(latin1(&bytes)),
                Step::Body(bytes) => Event::Body(latin1(&bytes)),
                Step::DiscardBody => Event::Discard,
                Step::StartTls { residue } => Event::StartTls(residue),
                Step::Close => {
                    // A closed session says so each time it is asked; a transcript once.
                    if !std::mem::replace(&mut self.is_closed, true) {
                        events.push(Event::Close);
                    }
                    return;
                }
                Step::Send(never) => match never {},
                Step::Ask(ask) => {
                    let name = &self.transcript.name;
                    let text = describe(&ask);
                    let answer = self.answers.next();
                    let answer = answer.unwrap_or_else(|| panic!("{name}: no answer to {text}"));
                    push(events, Event::Ask(text));
                    self.server.handle_answer(answer.clone(), self.now);
                    continue;
                }
            };
            push(events, event);
        }
    }

    fn finish(mut self) {
        assert_eq!(
            self.answers.next(),
            None,
            "{}: answers left over",
            self.transcript.name
        );
    }
}

/// Appends, joining writes and bodies.
pub(super) fn push(events: &mut Vec<Event>, event: Event) {
    match (events.last_mut(), event) {
        (Some(Event::Write(before)), Event::Write(more))
        | (Some(Event::Body(before)), Event::Body(more)) => before.push_str(&more),
        (_, event) => events.push(event),
    }
}

/// Bytes as text, one character each, so that failures can be read.
pub(super) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn parse_answer(text: &str) -> Option<Answer> {
    if text == "accept" {
        return Some(Answer::Accept);
    }
    if let Some(replies) = text.strip_prefix("each ") {
        return replies
            .split(" | ")
            .map(parse_reply)
            .collect::<Option<_>>()
            .map(Answer::Replies);
    }
    parse_reply(text).map(Answer::Reply)
}

pub(super) fn parse_reply(text: &str) -> Option<Reply> {
    let (code, rest) = text.split_once(' ')?;
    let code = code.parse().ok()?;
    let (status, words) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match status.parse::<EnhancedStatus>() {
        Ok(status) => Reply::new(code, status, words),
        Err(_) => Reply::plain(code, rest),
    })
}

/// An ask as transcripts write it.
pub(super) fn describe(ask: &Ask) -> String {
    let mut text = String::new();
    let result = match ask {
        Ask::Connect { transport } => write!(text, "connect {}", transport.peer),
        Ask::Hello {
            name,
            extended,
            transport,
        } => {
            let kind = if *extended { "extended" } else { "plain" };
            let encrypted = if transport.encrypted {
                " encrypted"
            } else {
                ""
            };
            write!(text, "hello {name} {kind}{encrypted}")
        }
        Ask::Authenticate {
            credentials,
            mechanism,
        } => {
            let password = credentials.password.expose_secret();
            write!(
                text,
                "auth {mechanism} login={} password={password}",
                credentials.login
            )
            .and_then(|()| match &credentials.authorization {
                Some(identity) => write!(text, " authorization={identity}"),
                None => Ok(()),
            })
        }
        Ask::Mail {
            reverse_path,
            parameters,
        } => {
            let size = parameters.size.map(|size| format!(" size={size}"));
            let body = (parameters.body == Body::EightBitMime).then(|| " body=8bit".to_owned());
            let utf8 = parameters.utf8.then(|| " utf8".to_owned());
            let auth = parameters.auth.as_ref().map(|path| format!(" auth={path}"));
            let ret = parameters.ret.map(|ret| match ret {
                Return::Full => " ret=full".to_owned(),
                Return::Headers => " ret=hdrs".to_owned(),
            });
            let envid = parameters
                .envid
                .as_ref()
                .map(|envid| format!(" envid={envid}"));
            let all: String = [size, body, utf8, auth, ret, envid]
                .into_iter()
                .flatten()
                .collect();
            write!(text, "mail {reverse_path}{all}")
        }
        Ask::Recipient {
            forward_path,
            parameters,
        } => {
            let notify = parameters.notify.map(|notify| match notify {
                Notify::Never => " notify=never".to_owned(),
                Notify::On {
                    success,
                    failure,
                    delay,
                } => {
                    let all = [(success, "success"), (failure, "failure"), (delay, "delay")];
                    let names: Vec<&str> = all
                        .iter()
                        .filter(|(is_on, _)| *is_on)
                        .map(|(_, name)| *name)
                        .collect();
                    format!(" notify={}", names.join(","))
                }
            });
            let orcpt = parameters.orcpt.as_ref();
            let orcpt =
                orcpt.map(|orcpt| format!(" orcpt={};{}", orcpt.address_type, orcpt.address));
            let all: String = [notify, orcpt].into_iter().flatten().collect();
            write!(text, "rcpt {forward_path}{all}")
        }
        Ask::Data {
            declared_size: None,
        } => write!(text, "data"),
        Ask::Data {
            declared_size: Some(size),
        } => write!(text, "data {size}"),
        Ask::EndOfData {
            size,
            head_size,
            is_eight_bit,
        } => {
            let eight_bit = if *is_eight_bit { " 8bit" } else { "" };
            write!(text, "end size={size} head={head_size}{eight_bit}")
        }
        Ask::Reset => write!(text, "reset"),
        Ask::Quit => write!(text, "quit"),
    };
    result.expect("writing to a String does not fail");
    text
}

/// `\r`, `\xHH` and so on, and `{12*ab}`.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (bytes, length) = match c {
            '\\' => escaped(rest),
            '{' => repeated(rest).unwrap_or_else(|| (b"{".to_vec(), 1)),
            c => (c.to_string().into_bytes(), c.len_utf8()),
        };
        out.extend(bytes);
        rest = &rest[length..];
    }
    out
}

fn escaped(rest: &str) -> (Vec<u8>, usize) {
    match rest.as_bytes()[1] {
        b'r' => (vec![b'\r'], 2),
        b'n' => (vec![b'\n'], 2),
        b't' => (vec![b'\t'], 2),
        b'0' => (vec![0], 2),
        b'x' => (
            vec![u8::from_str_radix(&rest[2..4], 16).expect("two hex digits")],
            4,
        ),
        other => (vec![other], 2),
    }
}

fn repeated(rest: &str) -> Option<(Vec<u8>, usize)> {
    let end = rest.find('}')?;
    let (count, text) = rest[1..end].split_once('*')?;
    let count: usize = count.parse().ok()?;
    Some((unescape(text).repeat(count), end + 1))
}
