//! Postroom, started for the benchmark.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::people::{self, PASSWORD};
use super::process::{Process, output};
use super::rounds::Target;

/// The configuration: packaged, but for free loopback ports, the number of connections that one
/// address may have, since the whole load comes from one, and the share of the disk that must be
/// free: nothing here stays, so one GiB is enough.
const CONFIGURATION: &str = "\
hostname = \"postroom.bench.test\"
data = \"data\"
dns = [\"127.0.0.1:9\"]
drain_seconds = 1

[listen]
smtp = [\"127.0.0.1:0\"]
submission = []
submissions = []
imap = []
imaps = [\"127.0.0.1:0\"]
pop3 = []
pop3s = [\"127.0.0.1:0\"]
metrics = []

[limits]
connections_per_address = 1000
disk_reserve_percent = 0
";

pub(super) struct Postroom {
    process: Process,
    binary: PathBuf,
    folder: PathBuf,
    listeners: BTreeMap<String, SocketAddr>,
}

impl Postroom {
    /// Starts it on an empty folder with everybody in it.
    pub(super) async fn start(binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let configuration = folder.join("postroom.toml");
        fs::write(&configuration, CONFIGURATION)?;
        let mut command = Command::new(binary);
        command
            .current_dir(folder)
            .args(["serve", "--config"])
            .arg(&configuration);
        let mut process = Process::start(command, &folder.join("log"))?;
        let status = process
            .ready("postroom", || {
                let mut status = Command::new(binary);
                status.arg("--config").arg(&configuration);
                let text = output(status.args(["--json", "status"])).ok()?;
                serde_json::from_str::<Value>(&text).ok()
            })
            .await?;
        let listeners = status["listeners"].as_object().context("no listeners")?;
        let listeners = listeners
            .iter()
            .filter_map(|(name, address)| Some((name.clone(), address.as_str()?.parse().ok()?)))
            .collect();
        let postroom = Self {
            process,
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            listeners,
        };
        postroom.add(&people::everybody())?;
        Ok(postroom)
    }

    /// Adds people and their domains.
    pub(super) fn add(&self, people: &[String]) -> anyhow::Result<()> {
        for domain in people::domains(people) {
            self.command(&["domain", "add", &domain])?;
        }
        people.iter().try_for_each(|person| self.add_person(person))
    }

    fn add_person(&self, person: &str) -> anyhow::Result<()> {
        let mut child = self
            .postroom()
            .args(["user", "add", person, "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            writeln!(input, "{PASSWORD}")?;
        }
        ensure!(child.wait()?.success(), "cannot add {person}");
        Ok(())
    }

    /// Runs the command line against this server; what it printed.
    pub(super) fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        output(self.postroom().args(arguments))
    }

    /// The command line, for what is to run beside a load.
    pub(super) fn postroom(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg("--config")
            .arg(self.folder.join("postroom.toml"));
        command
    }

    /// Chain and key that it made, for peers that need one too.
    pub(super) fn certificate(&self) -> [PathBuf; 2] {
        ["certificate.pem", "key.pem"].map(|name| self.folder.join("data/tls").join(name))
    }

    pub(super) fn target(&self) -> anyhow::Result<Target> {
        let address = |service: &str| {
            let found = self.listeners.get(service).copied();
            found.with_context(|| format!("postroom has no listener '{service}'"))
        };
        Ok(Target {
            name: "Postroom",
            smtp: address("mx")?,
            imaps: address("imaps")?,
            pop3s: address("pop3s")?,
            pids: vec![self.process.pid()],
            queue: None,
        })
    }
}
