//! A real server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Ran, eventually_some, run};

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Lines at the top of `postroom.toml`: keys outside of tables.
    pub keys: String,
    /// Tables of `postroom.toml`, beside `[listen]`.
    pub tables: String,
    /// A program, with arguments, that runs the server: `strace -f …`.
    pub under: Vec<String>,
}

/// A running server with its folder. Dropping it kills the process and removes the folder.
pub struct Server {
    options: ServerOptions,
    folder: TempDir,
    child: Option<Child>,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Server {
    /// With the default configuration on free loopback ports.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(ServerOptions::default())
    }

    /// With more configuration.
    ///
    /// # Panics
    /// It does not start; its log is in the message.
    #[track_caller]
    pub fn start_with(options: ServerOptions) -> Self {
        let mut server = Self::prepared(options);
        server.launch();
        server
    }

    /// One with what a backup has. Its keys are a copy of those in `keys`.
    ///
    /// # Panics
    /// It cannot be restored, or does not start.
    #[track_caller]
    pub fn restored(options: ServerOptions, backup: &Path, keys: &Path) -> Self {
        let mut server = Self::prepared(options);
        copy_folder(keys, &server.path("data.keys"));
        server.ok(&["restore", &backup.display().to_string()]);
        server.launch();
        server
    }

    /// With a folder and its configuration.
    #[track_caller]
    fn prepared(options: ServerOptions) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("postroom-e2e-")
            .tempdir()
            .expect("a temporary folder");
        let any = "[\"127.0.0.1:0\"]";
        let listeners: String = [
            "smtp",
            "submission",
            "submissions",
            "imap",
            "imaps",
            "pop3",
            "pop3s",
            "https",
            "metrics",
        ]
        .iter()
        .map(|name| format!("{name} = {any}\n"))
        .collect();
        let hostname = if options.keys.contains("hostname") {
            ""
        } else {
            "hostname = \"mail.site.test\"\n"
        };
        let dns = if options.keys.contains("dns") {
            ""
        } else {
            "dns = [\"127.0.0.1:9\"]\n"
        };
        let limits = if options.tables.contains("[limits]") {
            String::new()
        } else {
            "[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\n".to_owned()
        };
        let text = format!(
            "{hostname}{dns}data = \"data\"\ndrain_seconds = 5\n{}\n[listen]\n{listeners}\n{limits}\n{}\n",
            options.keys, options.tables
        );
        std::fs::write(folder.path().join("postroom.toml"), text).expect("the folder is ours");
        Self {
            options,
            folder,
            child: None,
            addresses: BTreeMap::new(),
        }
    }

    /// Starts the process again on the same folder, after [`Server::kill`] or [`Server::terminate`].
    #[track_caller]
    pub fn launch(&mut self) {
        self.spawn();
        let status = eventually_some("the server answers", || {
            let ended = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().ok().flatten());
            assert!(
                ended.is_none(),
                "the server ended ({ended:?}):\n{}",
                self.log()
            );
            let ran = self.postroom(&["status", "--json"]);
            (ran.code == 0).then(|| serde_json::from_str::<Value>(&ran.out).expect("it is JSON"))
        });
        let listeners = status["listeners"]
            .as_object()
            .expect("it names its listeners");
        self.addresses = listeners
            .iter()
            .filter_map(|(name, address)| Some((name.clone(), address.as_str()?.parse().ok()?)))
            .collect();
    }

    /// Starts the process again and kills it after `pause`, most likely before it serves: a crash
    /// during recovery.
    #[track_caller]
    pub fn launch_and_kill(&mut self, pause: std::time::Duration) {
        self.spawn();
        let end = std::time::Instant::now() + pause;
        while let Some(rest) = end.checked_duration_since(std::time::Instant::now()) {
            std::thread::park_timeout(rest);
        }
        self.kill();
    }

    #[track_caller]
    fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("the folder is ours");
        let mut command = match self.options.under.split_first() {
            Some((under, arguments)) => {
                let mut command = Command::new(crate::program(under));
                command.args(arguments).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        let child = command
            .args(["serve", "--config"])
            .arg(self.path("postroom.toml"))
            .env("POSTROOM_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary can be run");
        self.child = Some(child);
    }

    /// Where a service listens: `mx`, `smtp`, `smtps`, `imap`, `imaps`, `pop3`, `pop3s`, `http`, `metrics`.
    #[track_caller]
    pub fn address(&self, service: &str) -> SocketAddr {
        *self
            .addresses
            .get(service)
            .unwrap_or_else(|| panic!("no listener '{service}'"))
    }

    /// The port of a service, as text.
    #[track_caller]
    pub fn port(&self, service: &str) -> String {
        self.address(service).port().to_string()
    }

    /// A path in the server's folder; its data directory is `data`.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// The process id. Under a tracer that of the tracer.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Runs the command line against this server.
    #[track_caller]
    pub fn postroom(&self, arguments: &[&str]) -> Ran {
        self.postroom_with(arguments, b"")
    }

    /// As [`Server::postroom`], with standard input.
    #[track_caller]
    pub fn postroom_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut command = Command::new(binary());
        command
            .arg("--config")
            .arg(self.path("postroom.toml"))
            .args(arguments);
        run(&mut command, input)
    }

    /// A command that must succeed; its output.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.postroom(arguments);
        assert_eq!(
            ran.code,
            0,
            "postroom {}: {}{}\n{}",
            arguments.join(" "),
            ran.out,
            ran.err,
            self.log()
        );
        ran.out
    }

    /// A command with `--json` that must succeed; its answer.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[&["--json"], arguments].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Adds a domain.
    #[track_caller]
    pub fn domain(&self, name: &str) {
        self.ok(&["domain", "add", name]);
    }

    /// Adds a person whose password is `secret`, with `ATTRIBUTE=VALUE` arguments.
    #[track_caller]
    pub fn user(&self, address: &str, attributes: &[&str]) {
        let mut arguments = vec!["user", "add", address, "--password-stdin"];
        for attribute in attributes {
            arguments.extend(["--attribute", attribute]);
        }
        let ran = self.postroom_with(&arguments, b"secret\n");
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    /// What the server logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Kills the process at once, as a power failure of the process would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            if !self.options.under.is_empty() {
                kill_children(child.id());
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The program that runs the server from the next [`Server::launch`] on.
    pub fn set_under(&mut self, under: &[String]) {
        self.options.under = under.to_vec();
    }

    /// Waits until the process has ended by itself; its exit code, -1 after a signal.
    #[track_caller]
    pub fn exit_code(&mut self) -> i32 {
        let mut child = self.child.take().expect("it runs");
        let status = eventually_some("the server ends", || {
            child.try_wait().expect("the child is ours")
        });
        status.code().unwrap_or(-1)
    }

    /// Asks the process to stop and waits for its end; its exit code.
    #[track_caller]
    pub fn terminate(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("it runs");
        let pid = child.id().to_string();
        run(Command::new("kill").args(["-TERM", &pid]), b"");
        let status = eventually_some("the server stops", || {
            child.try_wait().expect("the child is ours")
        });
        status.code()
    }

    fn log_path(&self) -> PathBuf {
        self.path("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

/// A tracer that is killed lets go of the server; so the server goes first.
fn kill_children(parent: u32) {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        run(Command::new("kill").args(["-KILL", child]), b"");
    }
}

/// Copies the files of a folder, with who may read them.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("the folder is ours");
    let permissions = std::fs::metadata(from).expect("it is there").permissions();
    std::fs::set_permissions(to, permissions).expect("the folder is ours");
    for entry in std::fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("it is there");
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("the folder is ours");
        }
    }
}

/// The server's binary, beside the folder of the test's own.
///
/// # Panics
/// It was not built.
#[track_caller]
pub fn binary() -> PathBuf {
    let path = profile_folder().join("postroom");
    assert!(
        path.exists(),
        "{} is not there: run the tests by `cargo xtask test`",
        path.display()
    );
    path
}

fn profile_folder() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    own.ancestors()
        .nth(2)
        .map(Path::to_owned)
        .unwrap_or_default()
}

pub(crate) fn target_folder() -> PathBuf {
    let folder = profile_folder();
    folder.parent().map(Path::to_owned).unwrap_or_default()
}

fn built(folder: &str, name: &str) -> PathBuf {
    let path = target_folder().join(folder).join(format!("{name}.wasm"));
    assert!(
        path.exists(),
        "{} is not there: run `cargo xtask plugins`",
        path.display()
    );
    path
}

/// A guest made for tests: `spin`, `trap`, `swap-v1`, …
#[track_caller]
pub fn fixture(name: &str) -> String {
    built("fixtures", name).display().to_string()
}

/// A plugin that comes with the server, as a file.
#[track_caller]
pub fn plugin_file(name: &str) -> String {
    built("plugins", name).display().to_string()
}
