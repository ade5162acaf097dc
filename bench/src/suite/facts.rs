//! The machine, as far as it matters for figures.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use time::OffsetDateTime;

use super::process::{output, program};
use crate::arguments::Suite;
use crate::latency::{Latencies, milliseconds};

/// Syncs measured to know the disk.
const SYNCS: usize = 300;
/// Bytes appended before each.
const RECORD: usize = 10 * 1024;

pub(super) struct Facts {
    processor: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    file_system: String,
    sync: Latencies,
    peers: String,
    revision: String,
    date: String,
    is_quick: bool,
}

impl Facts {
    /// Asks the kernel, and the disk under `folder`.
    pub(super) fn gather(folder: &Path, options: &Suite) -> anyhow::Result<Self> {
        let date = OffsetDateTime::now_utc().date();
        Ok(Self {
            processor: line_of("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: line_of("/proc/meminfo", "MemTotal")
                .split_whitespace()
                .next()
                .and_then(|kib| kib.parse::<f64>().ok())
                .map_or(0.0, |kib| kib / 1024.0 / 1024.0),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
            file_system: file_system(folder)?,
            sync: syncs(folder)?,
            peers: peers(),
            revision: options.revision.clone(),
            date: date.to_string(),
            is_quick: options.quick,
        })
    }

    /// The same in one paragraph, below a table.
    pub(super) fn line(&self) -> String {
        format!("Measured: {self}.")
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sync = self.sync.percentiles();
        write!(
            formatter,
            "{} cores of {}, {:.0} GiB, Linux {}, {}, append of {} KiB with fdatasync p50 {} ms p99 {} ms; {}; Postroom {}, {}",
            self.cores,
            self.processor,
            self.memory_gib,
            self.kernel,
            self.file_system,
            RECORD / 1024,
            milliseconds(sync.p50),
            milliseconds(sync.p99),
            self.peers,
            self.revision,
            self.date
        )?;
        if self.is_quick {
            formatter.write_str("; a quick run, once each: not to be quoted")?;
        }
        Ok(())
    }
}

/// The value of the first line that starts so, in the files of `/proc`.
fn line_of(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .find(|line| line.starts_with(key))
        .and_then(|line| line.split_once(':'))
        .map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
}

/// The kind of the file system that a folder is on: the longest mount point above it.
fn file_system(folder: &Path) -> anyhow::Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/mounts")?;
    let above = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        folder
            .starts_with(point)
            .then(|| (point.len(), kind.to_owned()))
    });
    let (_, kind) = above.max().context("the folder is on no file system")?;
    Ok(kind)
}

fn syncs(folder: &Path) -> anyhow::Result<Latencies> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let record = vec![b'x'; RECORD];
    let mut latencies = Latencies::default();
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&record)?;
        file.sync_data()?;
        latencies.record(start.elapsed());
    }
    fs::remove_file(path)?;
    Ok(latencies)
}

fn peers() -> String {
    let ask = |name: &str, arguments: &[&str]| {
        let text = output(Command::new(program(name)?).args(arguments)).ok()?;
        text.split_whitespace().next().map(str::to_owned)
    };
    let postfix = ask("postconf", &["-dh", "mail_version"]);
    let dovecot = ask("dovecot", &["--version"]);
    match (postfix, dovecot) {
        (Some(postfix), Some(dovecot)) => format!("Postfix {postfix}, Dovecot {dovecot}"),
        _ => "no peers installed".to_owned(),
    }
}
