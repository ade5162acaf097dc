//! Programs of the operator's approved list (plugin capability `program`).
//!
//! ```text
//!   label ─ ApprovedPrograms ─> ProgramSpec ─┐
//!   Attempt (who, which attempt) ────────────┼─> Runner::run ─> ProgramEnd { outcome, output, … }
//!   message, byte for byte ─ stdin ──────────┘
//! ```
//!
//! A program is run by `execve` with an argument vector; there is no shell and no command line.
//! It sees the message on standard input, a clean environment and nothing else of the server:
//! see [`crate::exec_helper`] for its limits. At the deadline its whole session is killed, and
//! what its children left running when it ended is killed too.
//!
//! | Ended by | Outcome |
//! |---|---|
//! | exit 0 | done |
//! | exit 75 (EX_TEMPFAIL) | deferred 4.3.0 |
//! | exit 67 (EX_NOUSER), 77 (EX_NOPERM), other | failed 5.1.1, 5.7.1, 5.3.0 |
//! | signal, deadline, not started | deferred 4.3.0, 4.3.5 |

mod run;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use mail::{Class, EnhancedStatus, Mailbox, Outcome, ReversePath, words};

pub use run::Runner;

use crate::exec_helper::Confinement;

/// Bytes of output that are kept, standard output and standard error together.
pub const OUTPUT_BYTES: usize = 64 * 1024;

/// Characters of output that stand in an outcome.
const DETAIL_CHARS: usize = 200;

/// What to do with an attempt that was open when the server died: the program may have run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterCrash {
    /// Run it again, with the same delivery id and the next attempt number.
    #[default]
    Retry,
    /// Keep the message until somebody looks.
    Park,
    /// Tell the sender.
    Fail,
}

/// A program of the approved list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramSpec {
    /// What domains call it: letters, digits, `-` and `_`.
    pub label: String,
    /// Absolute path.
    pub path: PathBuf,
    /// Arguments, one each; `{sender}`, `{recipient}`, `{domain}`, `{extension}` are filled in.
    /// One that begins with a place must stand behind an argument `--`, so that no value can be
    /// taken for an option.
    pub arguments: Vec<String>,
    /// How long it may run, start to end.
    pub timeout: Duration,
    /// After a crash of the server.
    pub after_crash: AfterCrash,
    /// User and limits.
    pub confinement: Confinement,
}

/// Why a program cannot be on the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The label.
    #[error("the label '{0}' has more than letters, digits, '-' and '_'")]
    Label(String),
    /// Two with the same label.
    #[error("the label '{0}' is there twice")]
    Twice(String),
    /// The path.
    #[error("the program '{label}' needs an absolute path, not '{}'", path.display())]
    Path {
        /// Whose.
        label: String,
        /// The path.
        path: PathBuf,
    },
    /// An argument that a value could turn into an option.
    #[error(
        "the program '{label}': the argument '{argument}' begins with a place, so it must stand behind an argument '--'"
    )]
    OptionLike {
        /// Whose.
        label: String,
        /// The argument.
        argument: String,
    },
    /// A place that is not known, or an argument with NUL.
    #[error("the program '{label}': the argument '{argument}' cannot be used")]
    Argument {
        /// Whose.
        label: String,
        /// The argument.
        argument: String,
    },
    /// A time-out of nothing.
    #[error("the program '{0}' has no time to run")]
    Timeout(String),
}

impl ProgramSpec {
    /// With default limits and a minute to run.
    pub fn new(label: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            label: label.into(),
            path: path.into(),
            arguments: Vec::new(),
            timeout: Duration::from_secs(60),
            after_crash: AfterCrash::default(),
            confinement: Confinement::default(),
        }
    }

    /// Can it be used as it is? Checked when the configuration is read, and again at each run.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), SpecError> {
        if !is_label(&self.label) {
            return Err(SpecError::Label(self.label.clone()));
        }
        if !self.path.is_absolute() {
            return Err(SpecError::Path {
                label: self.label.clone(),
                path: self.path.clone(),
            });
        }
        if self.timeout.is_zero() {
            return Err(SpecError::Timeout(self.label.clone()));
        }
        values::check(&self.label, &self.arguments)
    }
}

fn is_label(label: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=64).contains(&label.len()) && label.bytes().all(legal) && !label.starts_with('-')
}

/// The list. A domain names a program by its label; nothing else finds one.
#[derive(Debug, Clone, Default)]
pub struct ApprovedPrograms(Vec<ProgramSpec>);

impl ApprovedPrograms {
    /// Checks each of them.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn new(specs: Vec<ProgramSpec>) -> Result<Self, SpecError> {
        for (index, spec) in specs.iter().enumerate() {
            spec.check()?;
            if specs[..index].iter().any(|other| other.label == spec.label) {
                return Err(SpecError::Twice(spec.label.clone()));
            }
        }
        Ok(Self(specs))
    }

    /// The program of that label.
    ///
    /// # Errors
    /// The outcome of a delivery that names another.
    pub fn find(&self, label: &str) -> Result<&ProgramSpec, Outcome> {
        self.0
            .iter()
            .find(|spec| spec.label == label)
            .ok_or_else(|| words::PROGRAM_NOT_APPROVED.outcome_with(&[("label", label)]))
    }

    /// All labels.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|spec| spec.label.as_str())
    }
}

/// What a program is told of the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The same for every attempt of one delivery, so that a program can recognise a repeat.
    pub delivery_id: String,
    /// Counts from 1.
    pub number: u32,
    /// Reverse path.
    pub sender: ReversePath,
    /// For whom.
    pub recipient: Mailbox,
    /// What stands behind the `+` of the local part.
    pub extension: Option<String>,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was killed at the deadline.
    TimedOut,
    /// It was not started.
    NotStarted,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramEnd {
    /// How it ended.
    pub exit: Exit,
    /// What that means for the message.
    pub outcome: Outcome,
    /// The first [`OUTPUT_BYTES`] of what it wrote.
    pub output: Vec<u8>,
    /// How long it ran.
    pub took: Duration,
}

impl ProgramEnd {
    /// The exit code, unless a signal or the deadline ended it.
    pub const fn exit_code(&self) -> Option<i32> {
        match self.exit {
            Exit::Code(code) => Some(code),
            _ => None,
        }
    }
}

/// sysexits.h, as far as mail gives it a meaning.
fn outcome(spec: &ProgramSpec, exit: Exit, output: &[u8]) -> Outcome {
    let detail = detail(output);
    let seconds = spec.timeout.as_secs().to_string();
    let values = |signal: &str| {
        [
            ("label", spec.label.clone()),
            ("detail", detail.clone()),
            ("seconds", seconds.clone()),
            ("signal", signal.to_owned()),
        ]
    };
    let with = |word: &words::Word, signal: &str| {
        let values = values(signal);
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        word.outcome_with(&values)
    };
    match exit {
        Exit::Code(0) => with(&words::PROGRAM_DONE, ""),
        Exit::Code(75) => with(&words::PROGRAM_DEFERRED, ""),
        Exit::Code(code) => match with(&words::PROGRAM_FAILED, "") {
            Outcome::Failed { status, text } => Outcome::Failed {
                status: status_of(code, status),
                text,
            },
            other => other,
        },
        Exit::Signal(signal) => with(&words::PROGRAM_SIGNALLED, &signal.to_string()),
        Exit::TimedOut => with(&words::PROGRAM_TIMEOUT, ""),
        Exit::NotStarted => with(&words::PROGRAM_NOT_STARTED, ""),
    }
}

const fn status_of(code: i32, other: EnhancedStatus) -> EnhancedStatus {
    match code {
        67 => EnhancedStatus::new(Class::Permanent, 1, 1),
        77 => EnhancedStatus::new(Class::Permanent, 7, 1),
        _ => other,
    }
}

/// The first line of the output that says something.
fn detail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or("no output")
        .chars()
        .filter(|c| !c.is_control())
        .take(DETAIL_CHARS)
        .collect()
}
