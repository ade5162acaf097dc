//! A line protocol with one command for each step a session can take.

use std::collections::VecDeque;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mail::{CloseReason, Session, Step, Transport};
use tokio::sync::mpsc;
/// The clock of these tests is stopped and simulated: nothing really waits.
pub(super) use tokio::time::sleep as time_passes;

use crate::{Handler, Outlet, SendError};

/// `echo X`, `ask X`, `slow X`, `send N`, `body N` (N bytes follow), `tls`, `quit`.
#[derive(Default)]
pub(super) struct Script {
    input: Vec<u8>,
    steps: VecDeque<Step<String, usize>>,
    body_left: Option<usize>,
    awaiting: bool,
    pub(super) deadline: Option<Instant>,
    pub(super) log: Vec<String>,
}

impl Script {
    /// One that speaks first.
    pub(super) fn client(commands: &str) -> Self {
        let mut script = Self::default();
        script
            .steps
            .push_back(Step::Write(commands.as_bytes().to_vec()));
        script
    }

    fn say(&mut self, line: &str) {
        self.steps
            .push_back(Step::Write(format!("{line}\r\n").into_bytes()));
    }

    /// One command or piece of body out of the input.
    fn advance(&mut self) -> bool {
        if let Some(left) = self.body_left {
            return self.advance_body(left);
        }
        let Some(end) = self.input.iter().position(|&byte| byte == b'\n') else {
            return false;
        };
        let line = String::from_utf8_lossy(&self.input[..end])
            .trim()
            .to_owned();
        self.input.drain(..=end);
        self.command(&line);
        true
    }

    fn advance_body(&mut self, left: usize) -> bool {
        let take = left.min(self.input.len());
        if take == 0 {
            return false;
        }
        let rest = self.input.split_off(take);
        let bytes = std::mem::replace(&mut self.input, rest);
        self.steps.push_back(Step::Body(bytes));
        self.body_left = (left > take).then_some(left - take);
        if self.body_left.is_none() {
            self.say("stored");
        }
        true
    }

    fn command(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = rest.parse().unwrap_or(0);
        match word {
            "echo" => self.say(rest),
            "ask" | "slow" => {
                self.awaiting = true;
                self.steps.push_back(Step::Ask(line.to_owned()));
            }
            "send" => self.steps.push_back(Step::Send(number)),
            "body" => self.body_left = Some(number),
            "tls" => {
                self.say("go");
                self.steps.push_back(Step::StartTls {
                    residue: !self.input.is_empty(),
                });
            }
            // The answer to `tls`, for a client.
            "go" => self.steps.push_back(Step::StartTls {
                residue: !self.input.is_empty(),
            }),
            "quit" => {
                self.say("bye");
                self.steps.push_back(Step::Close);
            }
            other => self.log.push(other.to_owned()),
        }
    }
}

impl Session for Script {
    type Ask = String;
    type Answer = String;
    type Event = String;
    type Send = usize;

    fn handle_input(&mut self, bytes: &[u8], _: Instant) {
        self.input.extend_from_slice(bytes);
    }

    fn handle_answer(&mut self, answer: String, _: Instant) {
        self.awaiting = false;
        self.say(&answer);
    }

    fn handle_event(&mut self, event: String, _: Instant) {
        self.say(&format!("* {event}"));
    }

    fn handle_timeout(&mut self, _: Instant) {
        self.deadline = None;
        self.say("too slow");
        self.steps.push_back(Step::Close);
    }

    fn handle_transport(&mut self, transport: Transport, _: Instant) {
        let name = transport.server_name.unwrap_or_default();
        self.log.push(format!("tls {name} {}", transport.encrypted));
    }

    fn handle_closed(&mut self, reason: CloseReason) {
        self.log.push(format!("{reason:?}"));
        self.steps.clear();
        self.input.clear();
        if self.body_left.is_some() {
            self.steps.push_back(Step::DiscardBody);
        }
        if reason == CloseReason::Shutdown {
            self.say("stopping");
            self.steps.push_back(Step::Close);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn poll_step(&mut self) -> Step<String, usize> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return step;
            }
            assert!(!self.awaiting, "polled while an answer is awaited");
            if !self.advance() {
                return Step::NeedInput;
            }
        }
    }
}

/// Answers with what was asked; sends letters; counts bodies.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) body: usize,
    pub(super) discarded: bool,
    pub(super) produced: Arc<Mutex<usize>>,
    pub(super) events: Option<mpsc::UnboundedReceiver<String>>,
    pub(super) transport: Option<Transport>,
    pub(super) broken_at: Option<usize>,
}

impl Handler<Script> for Desk {
    async fn answer(&mut self, ask: String) -> String {
        if ask.starts_with("slow") {
            time_passes(Duration::from_secs(10)).await;
        }
        format!("answer to {ask}")
    }

    async fn body(&mut self, bytes: Vec<u8>) {
        self.body += bytes.len();
    }

    async fn discard_body(&mut self) {
        self.discarded = true;
        self.body = 0;
    }

    async fn send(&mut self, send: usize, outlet: &mut Outlet<'_>) -> Result<(), SendError> {
        let mut left = send;
        while left > 0 {
            if self.broken_at.is_some_and(|at| send - left >= at) {
                return Err(SendError::Source("the disk is on fire".to_owned()));
            }
            let piece = left.min(1000);
            outlet.write(&vec![b'x'; piece]).await?;
            *self.produced.lock().expect("no test panics with it") += piece;
            left -= piece;
        }
        outlet.write(b"\r\n").await
    }

    async fn next_event(&mut self) -> String {
        match &mut self.events {
            Some(events) => match events.recv().await {
                Some(event) => event,
                None => pending().await,
            },
            None => pending().await,
        }
    }

    fn transport_changed(&mut self, transport: &Transport) {
        self.transport = Some(transport.clone());
    }
}

pub(super) fn transport() -> Transport {
    Transport {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        peer_port: 4711,
        encrypted: false,
        server_name: None,
    }
}
