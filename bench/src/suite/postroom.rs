//! Postroom, started for the benchmark.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::people::{self, PASSWORD};
use super::process::{Process, answers, free_address, output};
use super::rounds::Target;

/// The configuration: packaged, but for loopback ports that were free, the number of connections that one
/// address may have, since the whole load comes from one, and the share of the disk that must be
/// free: nothing here stays, so one GiB is enough.
const CONFIGURATION: &str = "\
hostname = \"postroom.bench.test\"
data = \"data\"
dns = [\"127.0.0.1:9\"]
drain_seconds = 1

[listen]
smtp = [\"SMTP\"]
submission = []
submissions = []
imap = []
imaps = [\"IMAPS\"]
pop3 = []
pop3s = [\"POP3S\"]
https = []
metrics = []

[limits]
connections_per_address = 1000
disk_reserve_percent = 0
";

/// A server on a folder of its own, which is removed with it.
pub(super) struct Postroom {
    process: Process,
    binary: PathBuf,
    addresses: Addresses,
    folder: TempDir,
}

/// Chosen before the start, so that they are the same at the next one.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    smtp: SocketAddr,
    imaps: SocketAddr,
    pop3s: SocketAddr,
}

/// Chain and key, the same for every server of a run.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

impl Certificate {
    /// Takes the one that Postroom makes for itself.
    pub(super) async fn make(binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        let postroom = Postroom::start(binary, folder, None, &[]).await?;
        let copied = |name: &str| {
            let made = postroom.data().join("tls").join(name);
            let copy = folder.join(name);
            fs::copy(&made, &copy).with_context(|| format!("no {}", made.display()))?;
            anyhow::Ok(copy)
        };
        Ok(Self {
            chain: copied("certificate.pem")?,
            key: copied("key.pem")?,
        })
    }
}

impl Postroom {
    /// Starts it on an empty folder below `parent` with some people in it.
    pub(super) async fn start(
        binary: &Path,
        parent: &Path,
        certificate: Option<&Certificate>,
        people: &[String],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("postroom-")
            .tempdir_in(parent)?;
        let addresses = Addresses {
            smtp: free_address()?,
            imaps: free_address()?,
            pop3s: free_address()?,
        };
        let text = configuration(addresses, certificate);
        fs::write(folder.path().join("postroom.toml"), text)?;
        let mut postroom = Self {
            process: serve(binary, folder.path())?,
            binary: binary.to_owned(),
            addresses,
            folder,
        };
        postroom.ready().await?;
        postroom.add(people)?;
        Ok(postroom)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let (mut status, smtp) = (self.postroom(), self.addresses.smtp);
        status.arg("status");
        self.process
            .ready("postroom", || {
                (output(&mut status).is_ok() && answers(smtp)).then_some(())
            })
            .await
    }

    /// Kills it as `kill -9` does.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Starts it again where it was; returns as soon as the process is there.
    pub(super) fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = serve(&self.binary, self.folder.path())?;
        Ok(())
    }

    /// An error with its log, if it ended.
    pub(super) fn is_running(&mut self) -> anyhow::Result<()> {
        self.process.is_running("postroom")
    }

    /// Where it keeps mail.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
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
            .arg(self.folder.path().join("postroom.toml"));
        command
    }

    /// Its process, without those below it.
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(super) fn target(&self) -> Target {
        let Addresses { smtp, imaps, pop3s } = self.addresses;
        Target {
            name: "Postroom",
            smtp,
            imaps,
            pop3s,
            pids: vec![self.process.pid()],
            postfix: None,
        }
    }
}

fn configuration(addresses: Addresses, certificate: Option<&Certificate>) -> String {
    let Addresses { smtp, imaps, pop3s } = addresses;
    let tls = certificate.map_or_else(String::new, |Certificate { chain, key }| {
        format!("[tls]\ncertificate = {chain:?}\nkey = {key:?}\n")
    });
    CONFIGURATION
        .replace("SMTP", &smtp.to_string())
        .replace("IMAPS", &imaps.to_string())
        .replace("POP3S", &pop3s.to_string())
        + &tls
}

fn serve(binary: &Path, folder: &Path) -> anyhow::Result<Process> {
    let mut command = Command::new(binary);
    command
        .current_dir(folder)
        .args(["serve", "--config", "postroom.toml"]);
    Process::start(command, &folder.join("log"))
}
