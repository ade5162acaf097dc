//! Compiling a component that somebody sent: in a process of its own, which may fail.
//!
//! ```text
//!  server ── the component, on standard input ──> compile-helper: limits itself, compiles
//!         <─ the code, on standard output ───────    or a sentence on standard error
//! ```
//!
//! A compiler is a large program and its input is not trusted: one that takes all memory, all
//! time or the whole stack ends its own process and nothing else. One works at a time, so that
//! many uploads cost no more than one. The code that comes back is put into the cache by the
//! server, which has the key; the helper never sees it.
//!
//! What comes with the server was compiled by who built it, and is trusted: it needs no helper.

pub mod helper;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::LoadError;
use crate::verdict::escaped;

/// Most bytes of code taken from the helper: what fits into its memory beside everything else.
const CODE_BYTES: u64 = 512 * 1024 * 1024;
/// Most bytes taken of what it says went wrong.
const WORDS_BYTES: u64 = 64 * 1024;
/// Longest sentence about it in bytes.
const SENTENCE_BYTES: usize = 600;

/// Signals that end a process, by number (signal(7)); the same on all Linux machines we build for.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;
/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// What compiling one component may cost.
///
/// 1 GiB is address space, of which the program itself takes some 100 MB. Measured: a bundled
/// plugin of 110 kB takes 20 MB and 0.3 s, eight megabytes of code in ordinary functions take 100
/// to 300 MB and some 10 s. What does not fit are single functions of several megabytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space of the helper, in bytes.
    pub memory_bytes: u64,
    /// CPU time of the helper, in seconds.
    pub cpu_seconds: u64,
    /// Time with all waiting.
    pub wall: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            cpu_seconds: 60,
            wall: Duration::from_secs(60),
        }
    }
}

/// How the helper is started, and what it may use.
#[derive(Debug, Clone)]
pub struct CompileHelper {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments; the limits follow.
    pub arguments: Vec<OsString>,
    /// Its environment: this, and nothing of the server's own.
    pub environment: Vec<(OsString, OsString)>,
    /// Its limits.
    pub limits: CompileLimits,
}

/// The helper, one at a time.
pub(crate) struct Compiler {
    helper: CompileHelper,
    working: Mutex<()>,
}

/// What came back from a helper that ended by itself.
struct Ended {
    status: ExitStatus,
    code: Vec<u8>,
    words: String,
}

impl Compiler {
    pub(crate) const fn new(helper: CompileHelper) -> Self {
        Self {
            helper,
            working: Mutex::new(()),
        }
    }

    /// The compiled code of a component. Waits until earlier ones are compiled.
    pub(crate) fn compile(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        // Nothing is behind the lock, so a panic leaves nothing half done.
        let _working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        let child = self.spawn().map_err(|error| {
            LoadError::Compiler(format!(
                "{} cannot be run: {error}",
                self.helper.program.display()
            ))
        })?;
        let ended = feed(child, component, self.helper.limits.wall)?;
        self.judge(ended)
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let limits = &self.helper.limits;
        Command::new(&self.helper.program)
            .args(&self.helper.arguments)
            .args([
                limits.memory_bytes.to_string(),
                limits.cpu_seconds.to_string(),
            ])
            .env_clear()
            .envs(
                self.helper
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .current_dir("/")
            // Ctrl-C in the server's terminal is for the server.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    /// What the end of the helper means.
    fn judge(&self, ended: Ended) -> Result<Vec<u8>, LoadError> {
        let Ended {
            status,
            code,
            words,
        } = ended;
        let limits = &self.helper.limits;
        let words = escaped(words.trim(), SENTENCE_BYTES);
        if status.success() {
            return Ok(code);
        }
        if status.code() == Some(i32::from(helper::EXIT_REFUSED)) {
            return Err(LoadError::Compile(words));
        }
        // The last words of the allocator and of the compiler: Rust has no other sign of it.
        let no_memory = ["memory allocation of", "out of memory"]
            .iter()
            .any(|sign| words.contains(sign));
        Err(match (status.signal(), status.code()) {
            (Some(SIGXCPU | SIGKILL), _) => too_long(limits.cpu_seconds),
            (Some(SIGABRT), _) | (_, Some(PANICKED)) if no_memory => LoadError::TooCostly(format!(
                "more than {} MiB of memory",
                limits.memory_bytes >> 20
            )),
            _ => LoadError::Compiler(format!("{status}: {words}")),
        })
    }
}

fn too_long(seconds: u64) -> LoadError {
    LoadError::TooCostly(format!("more than {seconds} s"))
}

/// Gives the helper the component and takes what it says, for as long as it may.
fn feed(mut child: Child, component: &[u8], wall: Duration) -> Result<Ended, LoadError> {
    let trouble = |error: std::io::Error| LoadError::Compiler(error.to_string());
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(LoadError::Compiler("it has no pipes".to_owned()));
    };
    let (sender, spoken) = channel();
    thread::scope(|scope| {
        // A helper that stops reading ends the pipe; how it ended says why.
        scope.spawn(move || drop(input.write_all(component)));
        let words = scope.spawn(move || read(errors, WORDS_BYTES));
        scope.spawn(move || drop(sender.send(read(output, CODE_BYTES))));
        let code = spoken.recv_timeout(wall);
        if code.is_err() {
            // Its pipes end with it, and with them the threads. It may have ended just now.
            let _ = child.kill();
        }
        let status = child.wait().map_err(trouble)?;
        let words = words.join().unwrap_or_else(|_| Ok(Vec::new()));
        match code {
            Ok(code) => Ok(Ended {
                status,
                code: code.map_err(trouble)?,
                words: String::from_utf8_lossy(&words.unwrap_or_default()).into_owned(),
            }),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(too_long(wall.as_secs()))
            }
        }
    })
}

fn read(source: impl Read, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
