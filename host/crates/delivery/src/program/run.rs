//! One run of a program.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use mail::words;
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Attempt, Exit, OUTPUT_BYTES, ProgramEnd, ProgramSpec, outcome, values};
use crate::exec_helper;

/// How long the pipes are read after the program has ended and its children are killed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Bytes moved at a time.
const PIECE: usize = 16 * 1024;

/// Starts programs, each through the helper process.
#[derive(Debug, Clone)]
pub struct Runner {
    helper: PathBuf,
    helper_arguments: Vec<OsString>,
}

impl Runner {
    /// With the helper as `helper helper_arguments…`; for the server its own executable and
    /// `exec-helper`.
    pub fn new(helper: impl Into<PathBuf>, helper_arguments: Vec<OsString>) -> Self {
        Self {
            helper: helper.into(),
            helper_arguments,
        }
    }

    /// Runs the program with `message` on standard input and waits for its end.
    ///
    /// Dropping the future kills the program and its children. A `message` that cannot be read
    /// to its end kills it too and defers: a program must not take half a message for a whole.
    pub async fn run(
        &self,
        spec: &ProgramSpec,
        attempt: &Attempt,
        message: impl AsyncRead + Unpin + Send,
    ) -> ProgramEnd {
        let begin = Instant::now();
        let (exit, output) = match self.spawn(spec, attempt) {
            Ok(running) => running.finish(message, begin + spec.timeout).await,
            Err(NotStarted::Refused(outcome)) => {
                let took = begin.elapsed();
                return ProgramEnd {
                    exit: Exit::NotStarted,
                    outcome,
                    output: Vec::new(),
                    took,
                };
            }
            Err(NotStarted::Trouble(error)) => (Exit::NotStarted, error.into_bytes()),
        };
        if exit == Exit::TimedOut {
            tracing::warn!(label = %spec.label, delivery = %attempt.delivery_id, "program killed at its deadline");
        }
        let outcome = outcome(spec, exit, &output);
        ProgramEnd {
            exit,
            outcome,
            output,
            took: begin.elapsed(),
        }
    }

    fn spawn(&self, spec: &ProgramSpec, attempt: &Attempt) -> Result<Running, NotStarted> {
        spec.check()
            .map_err(|error| NotStarted::Trouble(error.to_string()))?;
        let bad = |values::BadValue| {
            NotStarted::Refused(words::PROGRAM_BAD_VALUE.outcome_with(&[("label", &spec.label)]))
        };
        let arguments = values::arguments(spec, attempt).map_err(bad)?;
        let environment = values::environment(attempt).map_err(bad)?;
        let child = Command::new(&self.helper)
            .args(&self.helper_arguments)
            .args(spec.confinement.arguments())
            .arg(&spec.path)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let trouble = |error: io::Error| NotStarted::Trouble(error.to_string());
        Running::new(child.map_err(trouble)?).map_err(trouble)
    }
}

enum NotStarted {
    /// The message cannot be given to this program.
    Refused(mail::Outcome),
    /// Why it did not start.
    Trouble(String),
}

/// A program that has been started.
struct Running {
    child: Child,
    pid: Pid,
    /// Waits for the end of the program without reaping it: until then its number, and so the
    /// number of its session, belongs to nobody else.
    ended: JoinHandle<()>,
}

impl Running {
    fn new(child: Child) -> io::Result<Self> {
        let number = child.id().and_then(|number| i32::try_from(number).ok());
        let pid = number
            .and_then(Pid::from_raw)
            .ok_or(io::ErrorKind::NotFound)?;
        let ended = spawn_blocking(move || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
        });
        Ok(Self { child, pid, ended })
    }

    async fn finish(
        mut self,
        message: impl AsyncRead + Unpin + Send,
        deadline: Instant,
    ) -> (Exit, Vec<u8>) {
        let stdin = self.child.stdin.take();
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let mut output = Vec::new();
        let mut errors = Vec::new();
        let ended = {
            let talk = async {
                tokio::join!(collect(stdout, &mut output), collect(stderr, &mut errors));
            };
            tokio::pin!(talk);
            let feed = feed(stdin, message);
            tokio::pin!(feed);
            let guard = SessionGuard(self.pid);
            let mut fed = false;
            let mut heard = false;
            let ended = loop {
                tokio::select! {
                    read = &mut feed, if !fed => match read {
                        Ok(()) => fed = true,
                        Err(failed) => break Ended::SourceFailed(failed),
                    },
                    () = &mut talk, if !heard => heard = true,
                    _ = &mut self.ended => break Ended::ByItself,
                    () = tokio::time::sleep_until(deadline) => break Ended::TimedOut,
                }
            };
            // Also what it left running in its session, before its number can be given away.
            drop(guard);
            if !heard {
                // A process that left the session may hold the pipes open for ever.
                let _ = timeout(LAST_WORDS, talk).await;
            }
            ended
        };
        // It was killed, so this does not wait for its will.
        let status = timeout_at(Instant::now() + LAST_WORDS * 5, self.child.wait()).await;
        let exit = match (ended, status) {
            (Ended::TimedOut, _) => Exit::TimedOut,
            (Ended::SourceFailed(SourceFailed { error, .. }), _) => {
                return (
                    Exit::NotStarted,
                    format!("the message cannot be read: {error}").into_bytes(),
                );
            }
            (Ended::ByItself, Ok(Ok(status))) => exit_of(status, &errors),
            (Ended::ByItself, _) => Exit::Signal(0),
        };
        errors.extend_from_slice(&output);
        errors.truncate(OUTPUT_BYTES);
        (exit, errors)
    }
}

/// Kills the program and what it started when dropped: at the end of a run, and when nobody
/// waits for it any more. It must go before the pipe to standard input does, or the program
/// could take half a message for a whole.
struct SessionGuard(Pid);

impl Drop for SessionGuard {
    fn drop(&mut self) {
        exec_helper::kill_session(self.0);
    }
}

enum Ended {
    ByItself,
    TimedOut,
    SourceFailed(SourceFailed),
}

fn exit_of(status: ExitStatus, errors: &[u8]) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _)
            if code == i32::from(exec_helper::EXIT_NOT_STARTED)
                && errors.starts_with(exec_helper::PREFIX.as_bytes()) =>
        {
            Exit::NotStarted
        }
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    }
}

/// The message cannot be read to its end. The pipe stays open until the program is killed.
struct SourceFailed {
    error: io::Error,
    _stdin: ChildStdin,
}

/// Copies the message to the program. That it does not read to the end is its own affair.
async fn feed(
    stdin: Option<ChildStdin>,
    mut message: impl AsyncRead + Unpin + Send,
) -> Result<(), SourceFailed> {
    let Some(mut stdin) = stdin else {
        return Ok(());
    };
    let mut piece = vec![0; PIECE];
    loop {
        let length = match message.read(&mut piece).await {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) => {
                return Err(SourceFailed {
                    error,
                    _stdin: stdin,
                });
            }
        };
        if stdin.write_all(&piece[..length]).await.is_err() {
            return Ok(());
        }
    }
}

/// Reads to the end, keeps the first [`OUTPUT_BYTES`] and forgets the rest, so that a program
/// that says much is not held up.
async fn collect(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else {
        return;
    };
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = pipe.read(&mut piece).await {
        let room = OUTPUT_BYTES - kept.len();
        kept.extend_from_slice(&piece[..length.min(room)]);
    }
}
