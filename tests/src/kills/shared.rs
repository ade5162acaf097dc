//! What killer, load and the commands under way share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Ran, binary, run};

/// Commands that work for a while, and are there to be killed in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Backup,
    DomainImport,
    UserImport,
}

impl Task {
    pub(super) const ALL: [Self; 3] = [Self::Backup, Self::DomainImport, Self::UserImport];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::DomainImport => "domain import",
            Self::UserImport => "user import",
        }
    }
}

/// Where the server listens while it is up.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    pub(super) mx: SocketAddr,
    pub(super) imaps: String,
}

/// A message that was acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) id: String,
    pub(super) hash: String,
    pub(super) to: Vec<&'static str>,
}

/// How it is with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Idle,
    /// The killer waits for it.
    Wanted,
    UnderWay,
    /// There will be no more of it.
    Ended,
}

/// See the module.
pub(super) struct Shared {
    pub(super) ports: Mutex<Option<Ports>>,
    pub(super) ends: AtomicBool,
    pub(super) config: PathBuf,
    pub(super) seed: u64,
    /// Grows before each kill.
    kills: AtomicU64,
    taken: Mutex<Vec<Taken>>,
    tasks: Mutex<[State; 3]>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(config: PathBuf, seed: u64) -> Self {
        Self {
            ports: Mutex::new(None),
            ends: AtomicBool::new(false),
            config,
            seed,
            kills: AtomicU64::new(0),
            taken: Mutex::default(),
            tasks: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    /// Pauses until the server is up, or it is time to end.
    pub(super) fn is_up(&self) -> bool {
        while !self.ends() {
            if locked(&self.ports).is_some() {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(3));
        }
        false
    }

    /// Pauses until the server is up, also at the end, when it stays up. `None`: it never will be.
    pub(super) fn ports(&self) -> Option<Ports> {
        loop {
            let ends = self.ends();
            if let Some(ports) = locked(&self.ports).clone() {
                return Some(ports);
            }
            if ends {
                return None;
            }
            std::thread::park_timeout(Duration::from_millis(3));
        }
    }

    /// The server will be killed now.
    pub(super) fn goes_down(&self) {
        self.kills.fetch_add(1, Ordering::SeqCst);
        *locked(&self.ports) = None;
    }

    /// How often it was killed.
    pub(super) fn kills(&self) -> u64 {
        self.kills.load(Ordering::SeqCst)
    }

    pub(super) fn take(&self, taken: Taken) {
        locked(&self.taken).push(taken);
    }

    /// What was acknowledged so far.
    pub(super) fn taken(&self) -> Vec<Taken> {
        locked(&self.taken).clone()
    }

    fn set(&self, task: Task, state: State) {
        locked(&self.tasks)[task as usize] = state;
        self.changed.notify_all();
    }

    /// Waits until somebody wants it; `false`: it is time to end.
    pub(super) fn is_wanted(&self, task: Task) -> bool {
        let mut tasks = locked(&self.tasks);
        while tasks[task as usize] != State::Wanted {
            if self.ends() {
                return false;
            }
            let pause = Duration::from_millis(20);
            let waited = self.changed.wait_timeout(tasks, pause);
            tasks = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The task is under way until the value is dropped.
    pub(super) fn begins(&self, task: Task) -> UnderWay<'_> {
        self.set(task, State::UnderWay);
        UnderWay(self, task)
    }

    /// There will be no more of it.
    pub(super) fn has_ended(&self, task: Task) {
        self.set(task, State::Ended);
    }

    pub(super) fn is_under_way(&self, task: Task) -> bool {
        locked(&self.tasks)[task as usize] == State::UnderWay
    }

    /// Waits until it is under way; `false`: there is no more of it.
    ///
    /// # Panics
    /// It does not come to it.
    pub(super) fn want(&self, task: Task) -> bool {
        let patience = Duration::from_secs(60);
        let mut tasks = locked(&self.tasks);
        if tasks[task as usize] == State::Idle {
            tasks[task as usize] = State::Wanted;
            self.changed.notify_all();
        }
        let (tasks, waited) = self
            .changed
            .wait_timeout_while(tasks, patience, |tasks| {
                matches!(tasks[task as usize], State::Idle | State::Wanted)
            })
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "no {} for {patience:?}", task.name());
        tasks[task as usize] == State::UnderWay
    }

    pub(super) fn command(&self, arguments: &[&str], input: &[u8]) -> Ran {
        run(self.line().args(arguments), input)
    }

    /// The binary with this server's configuration.
    pub(super) fn line(&self) -> Command {
        let mut command = Command::new(binary());
        command.arg("--config").arg(&self.config);
        command
    }
}

/// See [`Shared::begins`].
pub(super) struct UnderWay<'a>(&'a Shared, Task);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.1, State::Idle);
    }
}

/// Tells the load to end when it is dropped.
pub(super) struct LoadEnds<'a>(pub(super) &'a AtomicBool);

impl Drop for LoadEnds<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
