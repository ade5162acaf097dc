//! `postroom exec-helper`: a process that limits itself, then becomes the program.
//!
//! ```text
//!   server ── spawn, pipes on 0, 1, 2 ──> exec-helper ── execve ──> approved program
//!                                          own session
//!                                          limits, user, closed descriptors
//! ```
//! What a server would do between fork and exec needs unsafe code; a small process of our own
//! does the same in plain Rust. It is not for people: the server passes the arguments that
//! [`Confinement::arguments`] makes.
//!
//! It fails by a line on standard error that begins with [`PREFIX`], and exit code 75.

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Gid, Pid, Resource, Rlimit, Uid};

/// What a line on standard error begins with when the program was not started.
pub const PREFIX: &str = "postroom exec-helper: ";

/// The exit code when the program was not started: EX_TEMPFAIL of sysexits.h.
pub const EXIT_NOT_STARTED: u8 = 75;

/// The user and group that a program runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAs {
    /// User id, never 0.
    uid: u32,
    /// Group id, never 0.
    gid: u32,
}

/// Why no such user can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunAsError {
    /// Not in /etc/passwd.
    #[error("there is no user '{0}'")]
    Unknown(String),
    /// Programs never run as root or in its group.
    #[error("'{0}' is root or in the group of root")]
    Root(String),
    /// /etc/passwd cannot be read.
    #[error("cannot read /etc/passwd: {0}")]
    Unreadable(String),
}

impl RunAs {
    /// By number. `None` for root and its group.
    pub const fn new(uid: u32, gid: u32) -> Option<Self> {
        if uid == 0 || gid == 0 {
            None
        } else {
            Some(Self { uid, gid })
        }
    }

    /// By name, from /etc/passwd.
    ///
    /// # Errors
    /// The user is not there, or is root.
    pub fn lookup(name: &str) -> Result<Self, RunAsError> {
        let users = std::fs::read_to_string("/etc/passwd")
            .map_err(|error| RunAsError::Unreadable(error.to_string()))?;
        Self::find(name, &users)
    }

    fn find(name: &str, users: &str) -> Result<Self, RunAsError> {
        let entry = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.len() >= 4 && fields[0] == name)
            .ok_or_else(|| RunAsError::Unknown(name.to_owned()))?;
        let number = |text: &str| {
            text.parse()
                .map_err(|_| RunAsError::Unknown(name.to_owned()))
        };
        Self::new(number(entry[2])?, number(entry[3])?)
            .ok_or_else(|| RunAsError::Root(name.to_owned()))
    }

    /// The user id.
    pub const fn uid(self) -> u32 {
        self.uid
    }

    /// The group id.
    pub const fn gid(self) -> u32 {
        self.gid
    }
}

/// What a program may use. Each is the hard limit too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// User and group to become; `None` stays. Root never stays: see [`main`].
    pub run_as: Option<RunAs>,
    /// Address space of each process in bytes.
    pub memory_bytes: u64,
    /// CPU time of each process in seconds.
    pub cpu_seconds: u64,
    /// Open descriptors of each process.
    pub open_files: u64,
    /// Largest file it may write in bytes.
    pub file_bytes: u64,
    /// Processes of the user. Only set together with `run_as`: otherwise the server's own
    /// threads would count.
    pub processes: u64,
}

impl Default for Confinement {
    fn default() -> Self {
        Self {
            run_as: None,
            memory_bytes: 512 << 20,
            cpu_seconds: 60,
            open_files: 256,
            file_bytes: 256 << 20,
            processes: 128,
        }
    }
}

impl Confinement {
    /// The arguments for [`main`], up to and with `--`. Program and its arguments follow.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::with_capacity(16);
        let mut option = |name: &str, value: u64| {
            arguments.push(name.into());
            arguments.push(value.to_string().into());
        };
        if let Some(run_as) = self.run_as {
            option("--uid", run_as.uid.into());
            option("--gid", run_as.gid.into());
        }
        option("--memory", self.memory_bytes);
        option("--cpu", self.cpu_seconds);
        option("--open-files", self.open_files);
        option("--file-size", self.file_bytes);
        option("--processes", self.processes);
        arguments.push("--".into());
        arguments
    }

    fn parse(arguments: &mut impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut confinement = Self::default();
        let (mut uid, mut gid) = (None, None);
        while let Some(name) = arguments.next() {
            if name == "--" {
                break;
            }
            let value = arguments
                .next()
                .as_deref()
                .and_then(OsStr::to_str)
                .and_then(|text| text.parse().ok());
            let (Some(name), Some(value)) = (name.to_str(), value) else {
                return Err("an option without its number".to_owned());
            };
            match name {
                "--uid" => uid = u32::try_from(value).ok(),
                "--gid" => gid = u32::try_from(value).ok(),
                "--memory" => confinement.memory_bytes = value,
                "--cpu" => confinement.cpu_seconds = value,
                "--open-files" => confinement.open_files = value,
                "--file-size" => confinement.file_bytes = value,
                "--processes" => confinement.processes = value,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        confinement.run_as = match (uid, gid) {
            (None, None) => None,
            (Some(uid), Some(gid)) => {
                Some(RunAs::new(uid, gid).ok_or("will not run a program as root")?)
            }
            _ => return Err("--uid and --gid go together".to_owned()),
        };
        Ok(confinement)
    }

    /// Puts the limits on this process, for good.
    fn apply(&self) -> Result<(), String> {
        let limit = |resource, value: u64, name: &str| {
            let limit = Rlimit {
                current: Some(value),
                maximum: Some(value),
            };
            rustix::process::setrlimit(resource, limit)
                .map_err(|error| format!("limit {name}: {error}"))
        };
        limit(Resource::Core, 0, "core")?;
        limit(Resource::As, self.memory_bytes, "memory")?;
        limit(Resource::Cpu, self.cpu_seconds, "cpu")?;
        limit(Resource::Nofile, self.open_files, "open files")?;
        limit(Resource::Fsize, self.file_bytes, "file size")?;
        if let Some(run_as) = self.run_as {
            limit(Resource::Nproc, self.processes, "processes")?;
            become_user(run_as).map_err(|error| format!("user {}: {error}", run_as.uid))?;
        } else if rustix::process::geteuid().is_root() {
            return Err("will not run a program as root".to_owned());
        }
        rustix::thread::set_no_new_privs(true).map_err(|error| format!("no_new_privs: {error}"))
    }
}

/// Runs `options -- PROGRAM ARGUMENT…` in this process. Only returns when that failed.
///
/// Root never runs a program as root: without `--uid` it refuses.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments;
    let reason = match start(&mut arguments) {
        Ok(never) => match never {},
        Err(reason) => reason,
    };
    eprintln!("{PREFIX}{reason}");
    ExitCode::from(EXIT_NOT_STARTED)
}

fn start(
    arguments: &mut impl Iterator<Item = OsString>,
) -> Result<std::convert::Infallible, String> {
    let confinement = Confinement::parse(arguments)?;
    let program = arguments.next().ok_or("no program named")?;
    // A session of its own: no terminal, and one group to kill at the deadline.
    if rustix::process::getpgid(None) != Ok(rustix::process::getpid()) {
        rustix::process::setsid().map_err(|error| format!("setsid: {error}"))?;
    }
    close_inherited().map_err(|error| format!("descriptors: {error}"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    confinement.apply()?;
    let error = Command::new(&program).args(arguments).exec();
    Err(format!("{}: {error}", program.to_string_lossy()))
}

/// Leaves the program standard input, output and error, and nothing else the server's parent
/// may have left open.
fn close_inherited() -> io::Result<()> {
    let numbers: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&number| number > 2)
        .collect();
    for number in numbers {
        // The descriptor that listed the directory is closed by now; that one error is expected.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

fn become_user(run_as: RunAs) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(run_as.uid), Gid::from_raw(run_as.gid));
    // Already that user: nothing to give up, and no right to.
    if rustix::process::geteuid() == uid && rustix::process::getegid() == gid {
        return Ok(());
    }
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

/// Kills every process of the session that the helper with this process id began.
pub(crate) fn kill_session(helper: Pid) {
    use rustix::process::{Signal, kill_process, kill_process_group};
    // Before the helper has its own session there is no such group, and only itself to kill.
    let _ = kill_process_group(helper, Signal::KILL);
    let _ = kill_process(helper, Signal::KILL);
}
