//! Our client against our server, in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mail::{Mailbox, Secret, Session as _, Step as ServerStep, Transport};
use proptest::prelude::*;
use sasl::Credentials;

use super::script::{Letter, config as client_config, describe, letter};
use crate::client::{Client, Config, Step};
use crate::server::{self, Answer, Ask, Mode, Server, Tls};

/// Both ends, the bytes between them, and what the server's host has got.
struct Pair {
    client: Client,
    server: Server,
    now: Instant,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// Bytes that move at a time.
    segment: usize,
    letters: VecDeque<Letter>,
    body: Vec<u8>,
    stored: Vec<(Vec<String>, Vec<u8>)>,
    recipients: Vec<String>,
    arriving: Vec<u8>,
    reports: Vec<String>,
    handshakes: usize,
    logins: usize,
    client_wants_tls: bool,
    server_wants_tls: bool,
    is_closed: bool,
}

impl Pair {
    fn new(client: Config, server: server::Config, letters: &[Letter], segment: usize) -> Self {
        let now = Instant::now();
        let transport = transport(server.tls == Tls::Implicit);
        Self {
            client: Client::new(client, now),
            server: Server::new(Arc::new(server), transport, now),
            now,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            segment,
            letters: letters.iter().cloned().collect(),
            body: Vec::new(),
            stored: Vec::new(),
            recipients: Vec::new(),
            arriving: Vec::new(),
            reports: Vec::new(),
            handshakes: 0,
            logins: 0,
            client_wants_tls: false,
            server_wants_tls: false,
            is_closed: false,
        }
    }

    /// Until both are idle or closed.
    fn run(mut self) -> Self {
        for _ in 0..100_000 {
            self.now += Duration::from_millis(10);
            self.poll_server();
            self.poll_client();
            if self.client_wants_tls && self.server_wants_tls {
                assert!(
                    self.to_server.is_empty() && self.to_client.is_empty(),
                    "bytes in the handshake"
                );
                self.handshakes += 1;
                self.client_wants_tls = false;
                self.server_wants_tls = false;
                self.server.handle_transport(transport(true), self.now);
                self.client.handle_encrypted(self.now);
                continue;
            }
            if self.is_closed && self.to_server.is_empty() {
                return self;
            }
            let count = self.segment.min(self.to_server.len());
            let bytes: Vec<u8> = self.to_server.drain(..count).collect();
            if !bytes.is_empty() {
                self.server.handle_input(&bytes, self.now);
            }
            let count = self.segment.min(self.to_client.len());
            let bytes: Vec<u8> = self.to_client.drain(..count).collect();
            if !bytes.is_empty() {
                self.client.handle_input(&bytes, self.now);
            }
        }
        panic!("they talk for ever");
    }

    fn poll_server(&mut self) {
        loop {
            match self.server.poll_step() {
                ServerStep::Write(bytes) => self.to_client.extend(bytes),
                ServerStep::Body(bytes) => self.arriving.extend(bytes),
                ServerStep::DiscardBody => self.arriving.clear(),
                ServerStep::StartTls { residue } => {
                    assert!(!residue, "our client sends nothing behind STARTTLS");
                    self.server_wants_tls = true;
                }
                ServerStep::Ask(ask) => {
                    let answer = self.answer(ask);
                    self.server.handle_answer(answer, self.now);
                }
                ServerStep::Send(never) => match never {},
                ServerStep::NeedInput | ServerStep::Close => return,
            }
        }
    }

    fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Authenticate { credentials, .. } => {
                assert_eq!(credentials.password.expose_secret(), "secret");
                self.logins += 1;
            }
            Ask::Mail { .. } => self.recipients.clear(),
            Ask::Recipient { forward_path, .. } => {
                let path = forward_path.to_string();
                if path.starts_with("<nobody") {
                    return Answer::Reply(
                        mail::words::UNKNOWN_USER.reply_with(&[("address", &path)]),
                    );
                }
                self.recipients.push(path);
            }
            Ask::EndOfData { size, .. } => {
                assert_eq!(size, self.arriving.len() as u64);
                let body = std::mem::take(&mut self.arriving);
                self.stored
                    .push((std::mem::take(&mut self.recipients), body));
            }
            _ => {}
        }
        Answer::Accept
    }

    fn poll_client(&mut self) {
        loop {
            match self.client.poll_step() {
                Step::Write(bytes) => self.to_server.extend(bytes),
                Step::NeedBody if self.body.is_empty() => self.client.handle_body_end(self.now),
                Step::NeedBody => {
                    let rest = self.body.split_off(self.segment.min(self.body.len()));
                    let piece = std::mem::replace(&mut self.body, rest);
                    self.client.handle_body(&piece, self.now);
                }
                Step::StartTls => self.client_wants_tls = true,
                Step::Done(report) => self.reports.push(describe(&report)),
                Step::Ready => match self.letters.pop_front() {
                    Some(letter) => {
                        self.body = letter.body;
                        self.client.send(letter.message, self.now);
                    }
                    None => self.client.quit(self.now),
                },
                Step::NeedInput => return,
                Step::Close => {
                    self.is_closed = true;
                    return;
                }
            }
        }
    }
}

fn transport(encrypted: bool) -> Transport {
    Transport {
        peer: "192.0.2.7".parse().expect("an address"),
        peer_port: 40_000,
        encrypted,
        server_name: None,
    }
}

fn server_config(mode: Mode, tls: Tls) -> server::Config {
    server::Config::new("mx.abc.test".parse().expect("a domain"), mode, tls)
}

#[test]
fn two_messages_to_an_mx() {
    let letters = [
        letter(
            &["ann@abc.test", "nobody@abc.test", "\"a b\"@abc.test"],
            b"A: b\r\n\r\n.\r\n..\r\nend\r\n",
        ),
        letter(&["nobody@abc.test"], b"never"),
        letter(&["ann@abc.test"], b"A: c\r\n\r\nlast"),
    ];
    for segment in [1, 3, 17, 4096] {
        for tls in [Tls::None, Tls::Available] {
            let pair = Pair::new(
                client_config(),
                server_config(Mode::Mx, tls),
                &letters,
                segment,
            )
            .run();
            assert_eq!(pair.reports, ["ok 5.1.1 ok", "5.1.1", "ok"]);
            let expected = [
                (
                    vec!["<ann@abc.test>".to_owned(), "<\"a b\"@abc.test>".to_owned()],
                    b"A: b\r\n\r\n.\r\n..\r\nend\r\n".to_vec(),
                ),
                (
                    vec!["<ann@abc.test>".to_owned()],
                    b"A: c\r\n\r\nlast\r\n".to_vec(),
                ),
            ];
            assert_eq!(pair.stored, expected);
            assert_eq!(pair.handshakes, usize::from(tls == Tls::Available));
        }
    }
}

#[test]
fn a_submission_with_login() {
    let mut settings = client_config();
    settings.credentials = Some(Credentials {
        authorization: None,
        login: "ann".to_owned(),
        password: Secret::new("secret".to_owned()),
    });
    for tls in [Tls::Available, Tls::Implicit] {
        settings.encrypted = tls == Tls::Implicit;
        let letters = [letter(&["bob@xyz.test"], b"A: b\r\n\r\ntext\r\n")];
        let pair = Pair::new(
            settings.clone(),
            server_config(Mode::Submission, tls),
            &letters,
            5,
        )
        .run();
        assert_eq!((pair.reports, pair.logins), (vec!["ok".to_owned()], 1));
    }
}

/// A message over the limit is not even begun.
#[test]
fn size_is_agreed_on() {
    let mut server = server_config(Mode::Mx, Tls::None);
    server.limits.message_bytes = 1000;
    let mut large = letter(&["ann@abc.test"], &[b'x'; 1001]);
    large.message.size = Some(1001);
    let unknown = letter(&["ann@abc.test"], &[b'x'; 1001]);
    let pair = Pair::new(client_config(), server, &[large, unknown], 100).run();
    assert_eq!(pair.reports, ["5.3.4", "5.3.4"]);
    assert!(pair.stored.is_empty());
}

/// More recipients than are pipelined at once, more than the server takes.
#[test]
fn many_recipients() {
    let names: Vec<String> = (0..350)
        .map(|number| format!("u{number}@abc.test"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut server = server_config(Mode::Mx, Tls::None);
    server.limits.recipients = 300;
    let pair = Pair::new(client_config(), server, &[letter(&names, b"x")], 1000).run();
    assert_eq!(
        pair.reports,
        [[vec!["ok"; 300], vec!["4.5.3"; 50]].concat().join(" ")]
    );
    assert_eq!(pair.stored[0].0.len(), 300);
}

#[test]
fn utf8_addresses_arrive() {
    let mut utf8 = letter(&["jörg@abc.test"], "Betreff: ä\r\n\r\nö\r\n".as_bytes());
    utf8.message.utf8 = true;
    utf8.message.body = mail::Body::EightBitMime;
    utf8.message.reverse_path =
        mail::ReversePath::Mailbox(Mailbox::parse("bärbel@bücher.test").expect("an address"));
    let pair = Pair::new(
        client_config(),
        server_config(Mode::Mx, Tls::None),
        &[utf8.clone()],
        7,
    )
    .run();
    assert_eq!(pair.reports, ["ok"]);
    assert_eq!(
        pair.stored,
        [(vec!["<jörg@abc.test>".to_owned()], utf8.body)]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// S02: whatever was stored, one message arrives, with its line endings made CRLF.
    #[test]
    fn s02_any_body_arrives_as_one_message(
        body in prop::collection::vec(prop::sample::select(b"ab:. \r\n".to_vec()), 0..200),
        segment in 1..50usize,
    ) {
        let pair = Pair::new(
            client_config(),
            server_config(Mode::Mx, Tls::None),
            &[letter(&["ann@abc.test"], &body)],
            segment,
        ).run();
        prop_assert_eq!(&pair.reports[..], ["ok"]);
        let mut expected = Vec::new();
        let mut rest = &body[..];
        while let Some((&byte, tail)) = rest.split_first() {
            rest = match byte {
                b'\r' => tail.strip_prefix(b"\n").unwrap_or(tail),
                _ => tail,
            };
            match byte {
                b'\r' | b'\n' => expected.extend(b"\r\n"),
                byte => expected.push(byte),
            }
        }
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend(b"\r\n");
        }
        prop_assert_eq!(&pair.stored[0].1, &expected);
    }
}
