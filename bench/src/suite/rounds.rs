//! Turns: A B A B A B, and the median.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::process::{output, program};
use crate::load::Outcome;

/// One server under load.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) smtp: SocketAddr,
    pub(super) imaps: SocketAddr,
    pub(super) pop3s: SocketAddr,
    /// Its processes; all below them count.
    pub(super) pids: Vec<u32>,
    /// The Postfix before it.
    pub(super) postfix: Option<Queues>,
}

/// Where a Postfix keeps what is not done, and what is held.
#[derive(Debug, Clone)]
pub(super) struct Queues {
    pub(super) spool: PathBuf,
    pub(super) configuration: PathBuf,
}

impl Target {
    /// Waits until nothing is left to do from the run before: that is not the next run's work. What
    /// is held is thrown away.
    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        let Some(Queues {
            spool,
            configuration,
        }) = &self.postfix
        else {
            return Ok(());
        };
        let end = Instant::now() + Duration::from_secs(300);
        while waiting(spool) > 0 {
            ensure!(
                Instant::now() < end,
                "{}: {} messages are stuck in {}",
                self.name,
                waiting(spool),
                spool.display()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if files(&spool.join("hold")) > 0 {
            let mut remove = Command::new(program("postsuper").context("no postsuper")?);
            remove
                .arg("-c")
                .arg(configuration)
                .args(["-d", "ALL", "hold"]);
            output(&mut remove)?;
        }
        Ok(())
    }
}

/// Files in the queues of a Postfix that are not done.
fn waiting(queue: &Path) -> usize {
    ["maildrop", "incoming", "active", "deferred"]
        .iter()
        .map(|name| files(&queue.join(name)))
        .sum()
}

fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files(&entry.path()),
            _ => 1,
        })
        .sum()
}

/// The runs of one row of a table.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    pub(super) label: String,
    outcomes: Vec<Outcome>,
    /// Why a run of it gave no figure.
    trouble: Option<String>,
}

impl Runs {
    pub(super) fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            outcomes: Vec::new(),
            trouble: None,
        }
    }

    /// Takes what a run gave. One that failed has no figure; the others of a long benchmark go on.
    pub(super) fn take(&mut self, outcome: anyhow::Result<Outcome>) {
        match outcome {
            Ok(outcome) => self.push(outcome),
            Err(error) => {
                eprintln!("   {}: failed: {error:#}", self.label);
                self.trouble.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    pub(super) fn push(&mut self, outcome: Outcome) {
        eprintln!("   {}: {outcome}", self.label);
        self.outcomes.push(outcome);
        self.outcomes.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    }

    /// The run in the middle; of an even number the slower one. `None` before the first run.
    pub(super) fn median(&self) -> Option<&Outcome> {
        self.outcomes.get(self.outcomes.len().saturating_sub(1) / 2)
    }

    /// Rates of the slowest and the fastest run.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        Some((self.outcomes.first()?.rate(), self.outcomes.last()?.rate()))
    }

    /// What went wrong: no figure, or errors in one.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().or_else(|| {
            self.outcomes
                .iter()
                .find_map(|outcome| outcome.first_error.as_deref())
        })
    }

    pub(super) fn messages(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.messages).sum()
    }

    pub(super) fn errors(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.errors).sum()
    }

    /// How many times as fast as another; `None` where one of them did not run.
    pub(super) fn ratio(&self, other: &Self) -> Option<f64> {
        let (own, other) = (self.median()?.rate(), other.median()?.rate());
        (other > 0.0).then(|| own / other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latencies;

    fn outcome(messages: usize) -> Outcome {
        Outcome {
            what: "test".to_owned(),
            messages,
            bytes: 0,
            errors: 1,
            first_error: None,
            elapsed: Duration::from_secs(1),
            latencies: Latencies::default(),
            generator_cpu: Duration::ZERO,
            server_cpu: None,
        }
    }

    fn runs(rates: &[usize]) -> Runs {
        let mut runs = Runs::new("runs");
        rates.iter().for_each(|rate| runs.push(outcome(*rate)));
        runs
    }

    #[test]
    fn the_median_counts() {
        let found = runs(&[30, 10, 20]);
        assert_eq!(found.median().map(|outcome| outcome.messages), Some(20));
        assert_eq!(found.range(), Some((10.0, 30.0)));
        assert_eq!(found.errors(), 3);
        assert_eq!(found.ratio(&runs(&[5])), Some(4.0));
    }

    #[test]
    fn what_did_not_run_has_no_ratio() {
        assert_eq!(runs(&[5]).ratio(&runs(&[])), None);
        assert_eq!(runs(&[]).ratio(&runs(&[5])), None);
        assert!(runs(&[]).median().is_none());
    }
}
