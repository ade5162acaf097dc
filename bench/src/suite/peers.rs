//! Postfix and Dovecot, with instances of their own beside those of the system.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::people::{self, PASSWORD};
use super::postroom::Certificate;
use super::process::{Process, answers, free_address, output, program};
use super::rounds::{Queues, Target};

/// What brings them.
const PACKAGES: &str = "postfix dovecot-imapd dovecot-lmtpd dovecot-pop3d";
const PROGRAMS: [&str; 4] = ["postfix", "postconf", "postsuper", "dovecot"];
/// Debian has a package for each.
const PARTS: [&str; 3] = [
    "/usr/lib/dovecot/imap",
    "/usr/lib/dovecot/lmtp",
    "/usr/lib/dovecot/pop3",
];

/// Both, running.
pub(super) struct Peers {
    postfix: Postfix,
    dovecot: Dovecot,
}

impl Peers {
    /// Starts them on empty folders. The error says why they are not measured: that is no failure
    /// of the benchmark.
    pub(super) async fn start(
        home: &Path,
        folder: &Path,
        certificate: &Certificate,
    ) -> Result<Self, String> {
        let is_missing = |name: &&str| program(name).is_none();
        if PROGRAMS.iter().any(is_missing) || !PARTS.iter().all(|path| Path::new(path).exists()) {
            return Err(format!("not measured: apt install {PACKAGES}"));
        }
        if !rustix::process::geteuid().is_root() {
            return Err(
                "not measured: Postfix and Dovecot start as root only; run this as root".to_owned(),
            );
        }
        let started = Self::start_both(home, folder, certificate).await;
        started.map_err(|error| format!("not measured: {error:#}"))
    }

    async fn start_both(
        home: &Path,
        folder: &Path,
        certificate: &Certificate,
    ) -> anyhow::Result<Self> {
        // Their own users go through it.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        let dovecot = Dovecot::start(home, &folder.join("dovecot"), certificate).await?;
        let postfix = Postfix::start(home, &folder.join("postfix"), &dovecot.lmtp).await?;
        Ok(Self { postfix, dovecot })
    }

    /// Postfix hands every message on to Dovecot.
    pub(super) fn target(&self) -> anyhow::Result<Target> {
        Ok(Target {
            name: "Postfix + Dovecot",
            smtp: self.postfix.smtp,
            imaps: self.dovecot.imaps,
            pop3s: self.dovecot.pop3s,
            pids: vec![self.postfix.master()?, self.dovecot.process.pid()],
            postfix: Some(Queues {
                spool: self.postfix.folder.join("spool"),
                configuration: self.postfix.folder.join("etc"),
            }),
        })
    }

    /// Postfix keeps every message in its hold queue: what accepting alone costs.
    pub(super) fn holding(&self) -> anyhow::Result<Target> {
        Ok(Target {
            name: "Postfix, mail held",
            smtp: self.postfix.holding,
            pids: vec![self.postfix.master()?],
            ..self.target()?
        })
    }
}

struct Postfix {
    _process: Process,
    folder: PathBuf,
    smtp: SocketAddr,
    holding: SocketAddr,
}

impl Postfix {
    async fn start(home: &Path, folder: &Path, lmtp: &Path) -> anyhow::Result<Self> {
        let (smtp, holding) = (free_address()?, free_address()?);
        let configuration = folder.join("etc");
        for name in ["etc", "spool", "lib"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let values = [
            ("FOLDER", folder.display().to_string()),
            ("LMTP", lmtp.display().to_string()),
            // The longer name first: it ends as the other one begins.
            ("HELD_PORT", holding.port().to_string()),
            ("PORT", smtp.port().to_string()),
        ];
        for name in ["main.cf", "master.cf"] {
            let template = home.join("peers/postfix").join(name);
            fill(&template, &configuration.join(name), &values)?;
        }
        let people = people::everybody();
        fs::write(folder.join("domains"), texthash(&people::domains(&people)))?;
        fs::write(folder.join("people"), texthash(&people))?;
        let owner = output(Command::new("id").args(["-u", "postfix"]))?;
        chown(folder.join("lib"), Some(owner.trim().parse()?), None)?;
        let mut command = Command::new(program("postfix").context("postfix is not there")?);
        command.arg("-c").arg(&configuration).arg("start-fg");
        let mut process = Process::start(command, &folder.join("output"))?;
        process
            .ready("Postfix", || {
                (answers(smtp) && answers(holding)).then_some(())
            })
            .await?;
        Ok(Self {
            _process: process,
            folder: folder.to_owned(),
            smtp,
            holding,
        })
    }

    /// The process above all others of this instance.
    fn master(&self) -> anyhow::Result<u32> {
        let path = self.folder.join("spool/pid/master.pid");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        text.trim().parse().context("master.pid is not a number")
    }
}

/// The master ends at SIGTERM, but `postfix start-fg` may be its parent.
impl Drop for Postfix {
    fn drop(&mut self) {
        let mut command = Command::new(program("postfix").unwrap_or_else(|| "postfix".into()));
        command.arg("-c").arg(self.folder.join("etc")).arg("stop");
        let _ = output(&mut command);
    }
}

struct Dovecot {
    process: Process,
    imaps: SocketAddr,
    pop3s: SocketAddr,
    lmtp: PathBuf,
}

impl Dovecot {
    async fn start(home: &Path, folder: &Path, certificate: &Certificate) -> anyhow::Result<Self> {
        let (imaps, pop3s) = (free_address()?, free_address()?);
        let lmtp = folder.join("lmtp");
        for name in ["run", "state", "mail"] {
            fs::create_dir_all(folder.join(name))?;
        }
        fs::set_permissions(folder.join("mail"), fs::Permissions::from_mode(0o777))?;
        let Certificate { chain, key } = certificate;
        let values = [
            ("FOLDER", folder.display().to_string()),
            ("LMTP", lmtp.display().to_string()),
            ("CERTIFICATE", chain.display().to_string()),
            ("KEY", key.display().to_string()),
            ("PASSWORD", PASSWORD.to_owned()),
            ("IMAPS_PORT", imaps.port().to_string()),
            ("POP3S_PORT", pop3s.port().to_string()),
        ];
        let configuration = folder.join("dovecot.conf");
        fill(
            &home.join("peers/dovecot/dovecot.conf"),
            &configuration,
            &values,
        )?;
        let mut command = Command::new(program("dovecot").context("dovecot is not there")?);
        command.args(["-F", "-c"]).arg(&configuration);
        let mut process = Process::start(command, &folder.join("output"))?;
        process
            .ready("Dovecot", || {
                (answers(imaps) && answers(pop3s) && lmtp.exists()).then_some(())
            })
            .await?;
        Ok(Self {
            process,
            imaps,
            pop3s,
            lmtp,
        })
    }
}

/// Writes a configuration with every `@NAME@` filled in.
fn fill(template: &Path, target: &Path, values: &[(&str, String)]) -> anyhow::Result<()> {
    let text = fs::read_to_string(template)
        .with_context(|| format!("cannot read {}", template.display()))?;
    let text = values.iter().fold(text, |text, (name, value)| {
        text.replace(&format!("@{name}@"), value)
    });
    fs::write(target, text).with_context(|| format!("cannot write {}", target.display()))
}

fn texthash(keys: &[String]) -> String {
    keys.iter().map(|key| format!("{key} ok\n")).collect()
}
