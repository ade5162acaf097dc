//! Faults of the machine around a server: programs that run it ([`crate::ServerOptions::under`]).

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// One system call of the server fails or takes long, as `strace` says it: `error=EIO:when=40+`,
/// `delay_enter=200000`. With a path only for what is open there.
pub fn injected(call: &str, fault: &str, path: Option<&Path>) -> Vec<String> {
    let (traced, inject) = (format!("trace={call}"), format!("inject={call}:{fault}"));
    let words = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &traced,
        "-e",
        &inject,
    ];
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    if let Some(path) = path {
        words.extend(["-P".to_owned(), path.display().to_string()]);
    }
    words
}

/// The system's clock as one server sees it, set by the test while it runs. What it waits by
/// (CLOCK_MONOTONIC) goes on.
pub struct SystemClock {
    folder: TempDir,
}

impl SystemClock {
    /// A right one.
    ///
    /// # Panics
    /// libfaketime is not installed; the message has the command that installs it.
    #[track_caller]
    pub fn start() -> Self {
        let clock = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        clock.set("+0");
        clock
    }

    /// Sets it wrong by so much: `+365d`, `-1y`, `+0`.
    pub fn set(&self, offset: &str) {
        let aside = self.folder.path().join("new");
        std::fs::write(&aside, format!("{offset}\n")).expect("the folder is ours");
        std::fs::rename(aside, self.file()).expect("the folder is ours");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// Runs a server by this clock.
    #[track_caller]
    pub fn under(&self) -> Vec<String> {
        let library = library();
        [
            "env".to_owned(),
            format!("LD_PRELOAD={}", library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.file().display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "NO_FAKE_STAT=1".to_owned(),
        ]
        .into()
    }
}

/// The library behind `faketime`, for programs with threads.
#[track_caller]
fn library() -> PathBuf {
    let _ = crate::program("faketime");
    let folders = std::fs::read_dir("/usr/lib").expect("it is there");
    let inside = |folder: PathBuf| folder.join("faketime/libfaketimeMT.so.1");
    let found = folders
        .filter_map(|entry| Some(inside(entry.ok()?.path())))
        .chain([inside("/usr/lib".into())])
        .find(|path| path.exists());
    found.expect("faketime comes with its library")
}
