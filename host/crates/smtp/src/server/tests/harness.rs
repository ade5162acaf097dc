//! A session whose host says yes, unless a test says otherwise.

use std::sync::Arc;
use std::time::Instant;

use mail::{Session as _, Step};

use super::transcript::{Event, config, describe, latin1, push, transport};
use crate::server::{Answer, Ask, Config, Server, Tls};

pub(super) struct Harness {
    pub(super) server: Server,
    pub(super) now: Instant,
    /// What the host answers.
    pub(super) answer: fn(&Ask) -> Answer,
    /// Most bytes a session held unused after all of its input was looked at.
    pub(super) buffered_max: usize,
}

impl Harness {
    pub(super) fn new(config: Config) -> Self {
        let now = Instant::now();
        let encrypted = config.tls == Tls::Implicit;
        let server = Server::new(Arc::new(config), transport(encrypted), now);
        let mut harness = Self {
            server,
            now,
            answer: |_| Answer::Accept,
            buffered_max: 0,
        };
        harness.drain();
        harness
    }

    /// A session that has said HELO.
    pub(super) fn greeted() -> Self {
        Self::greeted_with(config())
    }

    pub(super) fn greeted_with(config: Config) -> Self {
        let mut harness = Self::new(config);
        harness.input(b"HELO c.test\r\n");
        harness
    }

    /// A session that has a transaction with one recipient.
    pub(super) fn in_transaction(config: Config) -> Self {
        let mut harness = Self::greeted_with(config);
        harness.input(b"MAIL FROM:<bob@xyz.test>\r\nRCPT TO:<ann@abc.test>\r\n");
        harness
    }

    pub(super) fn input(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.server.handle_input(bytes, self.now);
        self.drain()
    }

    /// Every reply that `bytes` bring, as one text.
    pub(super) fn replies(&mut self, bytes: &[u8]) -> String {
        let events = self.input(bytes);
        events
            .iter()
            .filter_map(|event| {
                if let Event::Write(text) = event {
                    Some(text.as_str())
                } else {
                    None
                }
            })
            .collect()
    }

    pub(super) fn drain(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = match self.server.poll_step() {
                Step::NeedInput => break,
                Step::Write(bytes) => Event::Write(latin1(&bytes)),
                Step::Body(bytes) => {
                    assert!(bytes.len() <= mail::limits::SESSION_BUFFER);
                    Event::Body(latin1(&bytes))
                }
                Step::DiscardBody => Event::Discard,
                Step::StartTls { residue } => Event::StartTls(residue),
                Step::Close => {
                    push(&mut events, Event::Close);
                    break;
                }
                Step::Send(never) => match never {},
                Step::Ask(ask) => {
                    push(&mut events, Event::Ask(describe(&ask)));
                    self.server.handle_answer((self.answer)(&ask), self.now);
                    continue;
                }
            };
            push(&mut events, event);
        }
        self.buffered_max = self.buffered_max.max(self.server.buffered());
        events
    }
}

pub(super) fn asks(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| {
            if let Event::Ask(text) = event {
                Some(text.as_str())
            } else {
                None
            }
        })
        .collect()
}
