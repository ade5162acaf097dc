//! Real programs.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::server::target_folder;

/// The Debian package of each program.
const PACKAGES: &[(&str, &str)] = &[
    ("swaks", "swaks"),
    ("curl", "curl"),
    ("mbsync", "isync"),
    ("fetchmail", "fetchmail"),
    ("python3", "python3"),
    ("offlineimap", "offlineimap3"),
    ("mutt", "mutt"),
    ("node", "nodejs"),
    ("strace", "strace"),
    ("openssl", "openssl"),
    ("setsid", "util-linux"),
    ("postfix", "postfix"),
    ("faketime", "faketime"),
    ("doveadm", "dovecot-imapd"),
];

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output of a program that did well.
    ///
    /// # Panics
    /// It did not.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }
}

/// The path of a program.
///
/// # Panics
/// It is not installed; the message has the command that installs it.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        let package = PACKAGES
            .iter()
            .find(|(program, _)| *program == name)
            .map_or(name, |(_, package)| package);
        panic!("'{name}' is not installed: apt-get install --no-install-recommends {package}")
    })
}

/// Runs a program with `input` on standard input.
///
/// # Panics
/// It cannot be started.
#[track_caller]
pub fn run(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    // A program that does not read its input ends the pipe; that is its right.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the child is ours");
    let _ = writer.join();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a Python script with arguments.
#[track_caller]
pub fn python(script: &str, arguments: &[&str]) -> Ran {
    run(
        Command::new(program("python3"))
            .arg("-c")
            .arg(script)
            .args(arguments),
        b"",
    )
}

/// Runs a Python script that may import what `tests/clients/requirements.txt` names.
#[track_caller]
pub fn python_client(script: &str, arguments: &[&str]) -> Ran {
    run(
        Command::new(program("python3"))
            .env("PYTHONPATH", clients("python", "imapclient"))
            .arg("-c")
            .arg(script)
            .args(arguments),
        b"",
    )
}

/// Runs a script of Node.js that may require what `tests/clients/package.json` names.
#[track_caller]
pub fn node_client(script: &str, arguments: &[&str]) -> Ran {
    let folder = clients("node", "node_modules/imapflow");
    run(
        Command::new(program("node"))
            .current_dir(folder)
            // What stands behind `-` is the arguments' alone.
            .args(["-", "--"])
            .args(arguments),
        script.as_bytes(),
    )
}

/// The folder of installed client libraries, which has one of this name.
#[track_caller]
fn clients(kind: &str, library: &str) -> PathBuf {
    let folder = target_folder().join("clients").join(kind);
    assert!(
        folder.join(library).exists(),
        "{} is not there: run `cargo xtask clients`",
        folder.join(library).display()
    );
    folder
}
