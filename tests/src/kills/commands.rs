//! A command that is killed in the middle, at either end of it, and run again until it did well.

use std::process::Stdio;
use std::time::Duration;

use super::Report;
use super::load::Dice;
use super::shared::{Shared, Task};
use crate::Ran;

/// How long a command may work before it is killed, where it is: most have not ended then.
const BEFORE_KILL: u64 = 200;

/// Runs one kind of command.
pub(super) struct Commands<'a> {
    pub(super) shared: &'a Shared,
    pub(super) report: Report,
    task: Task,
    dice: Dice,
}

/// How one run ended.
enum End {
    Well(Ran),
    /// By a kill of one side.
    Interrupted,
    /// By itself.
    Failed(Ran),
}

impl<'a> Commands<'a> {
    pub(super) fn new(shared: &'a Shared, task: Task) -> Self {
        Self {
            shared,
            report: Report::default(),
            task,
            dice: Dice::new(shared.seed, 200 + task as u64),
        }
    }

    /// Runs it to its end; what it said, and whether it had been interrupted. `None`: it failed
    /// without having been killed, which is in the report, or the server is gone for good.
    ///
    /// `is_done`: an answer of a later run which says that an earlier one did all.
    pub(super) fn run(
        &mut self,
        arguments: &[&str],
        is_done: impl Fn(&Ran) -> bool,
    ) -> Option<(Ran, bool)> {
        let mut was_interrupted = false;
        loop {
            match self.once(arguments)? {
                End::Well(ran) => {
                    self.count(match was_interrupted {
                        true => "finished after kills",
                        false => "finished at once",
                    });
                    return Some((ran, was_interrupted));
                }
                End::Failed(ran) if was_interrupted && is_done(&ran) => {
                    self.count("finished without an answer");
                    return Some((ran, true));
                }
                // The server has not noticed yet that the other side is gone.
                End::Failed(ran) if was_interrupted && ran.err.contains("is under way") => {
                    std::thread::park_timeout(Duration::from_millis(5));
                }
                End::Failed(ran) => {
                    self.fail(format!("{ran:?}"));
                    return None;
                }
                End::Interrupted => was_interrupted = true,
            }
        }
    }

    pub(super) fn fail(&mut self, what: impl std::fmt::Display) {
        self.report
            .failures
            .push(format!("{}: {what}", self.task.name()));
    }

    pub(super) fn count(&mut self, what: &str) {
        self.report.add(&format!("{} {what}", self.task.name()), 1);
    }

    fn once(&mut self, arguments: &[&str]) -> Option<End> {
        let kills = self.shared.kills();
        self.shared.ports()?;
        let under_way = self.shared.begins(self.task);
        let mut child = self
            .shared
            .line()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be run");
        let mut is_killed = false;
        if self.dice.below(3) == 0 && !self.shared.ends() {
            std::thread::park_timeout(Duration::from_millis(self.dice.below(BEFORE_KILL)));
            is_killed = child.try_wait().expect("the child is ours").is_none();
            let _ = child.kill();
        }
        let output = child.wait_with_output().expect("the child is ours");
        drop(under_way);
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        if ran.code == 0 {
            return Some(End::Well(ran));
        }
        if is_killed && ran.code == -1 {
            self.count("killed");
            return Some(End::Interrupted);
        }
        if self.shared.kills() != kills {
            self.count("broken off by a kill of the server");
            return Some(End::Interrupted);
        }
        Some(End::Failed(ran))
    }
}
