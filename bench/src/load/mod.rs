//! Loads: each knows addresses and people, sends or reads, and says what it measured.

pub(crate) mod accept;
pub(crate) mod deliver;
pub(crate) mod dot;
pub(crate) mod drain;
pub(crate) mod fetch;
pub(crate) mod fill;
pub(crate) mod mailbox;

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cpu;
use crate::latency::{Latencies, milliseconds};

/// What one run of a load measured.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// What was done: `accept`, `fetch FLAGS`, …
    pub(crate) what: String,
    /// Messages that went well.
    pub(crate) messages: usize,
    /// Bytes of what was accepted; zero where a load does not count them.
    pub(crate) bytes: u64,
    /// Messages that did not.
    pub(crate) errors: usize,
    /// What the first error said.
    pub(crate) first_error: Option<String>,
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Latencies,
    /// Of the generator itself.
    pub(crate) generator_cpu: Duration,
    /// Of the server; `None` where its process was not named or is gone.
    pub(crate) server_cpu: Option<Duration>,
}

impl Outcome {
    /// Messages a second.
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Milliseconds of processor time of the server for one message.
    pub(crate) fn server_ms(&self) -> Option<f64> {
        Some(self.each(self.server_cpu?))
    }

    /// Milliseconds of processor time of the generator for one message.
    pub(crate) fn generator_ms(&self) -> f64 {
        self.each(self.generator_cpu)
    }

    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e3 / self.messages.max(1) as f64
    }

    pub(crate) fn json(&self) -> Value {
        let percentiles = self.latencies.percentiles();
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        json!({
            "what": self.what, "messages": self.messages, "bytes": self.bytes, "errors": self.errors,
            "first_error": self.first_error, "seconds": self.elapsed.as_secs_f64(), "rate": self.rate(),
            "p50_ms": ms(percentiles.p50), "p90_ms": ms(percentiles.p90), "p99_ms": ms(percentiles.p99),
            "max_ms": ms(percentiles.max), "server_cpu_ms": self.server_ms(),
            "generator_cpu_ms": self.generator_ms(),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {} messages in {:.2} s, {:.0}/s",
            self.what,
            self.messages,
            self.elapsed.as_secs_f64(),
            self.rate()
        )?;
        if self.latencies.count() > 0 {
            let of = self.latencies.percentiles();
            let [p50, p90, p99, max] = [of.p50, of.p90, of.p99, of.max].map(milliseconds);
            write!(formatter, "; ms p50 {p50} p90 {p90} p99 {p99} max {max}")?;
        }
        if let Some(cpu) = self.server_ms() {
            write!(formatter, "; server CPU {cpu:.3} ms a message")?;
        }
        write!(formatter, "; generator CPU {:.3} ms", self.generator_ms())?;
        write!(formatter, "; {} errors", self.errors)?;
        match &self.first_error {
            Some(error) => write!(formatter, " ({error})"),
            None => Ok(()),
        }
    }
}

/// What part of a load measured: one connection's.
#[derive(Debug, Default)]
struct Part {
    latencies: Latencies,
    messages: usize,
    bytes: u64,
    errors: usize,
    first_error: Option<String>,
}

impl Part {
    fn merge(&mut self, other: Self) {
        self.latencies.merge(other.latencies);
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// One message, begun then and done now.
    fn done(&mut self, start: Instant) {
        self.latencies.record(start.elapsed());
        self.messages += 1;
    }

    fn failed(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

/// Clock and processor time since the load began.
struct Meter {
    start: Instant,
    generator: Duration,
    server: Option<Duration>,
    pids: Vec<u32>,
}

impl Meter {
    fn start(pids: &[u32]) -> Self {
        Self {
            server: of_server(pids),
            generator: cpu::own(),
            start: Instant::now(),
            pids: pids.to_owned(),
        }
    }

    fn stop(self, what: &str, part: Part) -> Outcome {
        let elapsed = self.start.elapsed();
        let generator_cpu = cpu::own().saturating_sub(self.generator);
        let server = of_server(&self.pids).zip(self.server);
        Outcome {
            what: what.to_owned(),
            messages: part.messages,
            bytes: part.bytes,
            errors: part.errors,
            first_error: part.first_error,
            elapsed,
            latencies: part.latencies,
            generator_cpu,
            server_cpu: server.map(|(after, before)| after.saturating_sub(before)),
        }
    }
}

fn of_server(pids: &[u32]) -> Option<Duration> {
    if pids.is_empty() {
        return None;
    }
    cpu::of_trees(pids)
}
