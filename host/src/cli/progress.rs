//! How far a long command is, on a terminal.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often the line changes.
const PACE: Duration = Duration::from_millis(200);

/// One line on the terminal of standard error that is written over and over. Silent where that
/// is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    is_terminal: bool,
    next: Cell<Instant>,
    is_shown: Cell<bool>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
            next: Cell::new(Instant::now()),
            is_shown: Cell::new(false),
        }
    }

    /// Shows a line, where it is time.
    pub(crate) fn show(&self, line: &dyn Fn() -> String) {
        if !self.is_terminal || Instant::now() < self.next.get() {
            return;
        }
        self.next.set(Instant::now() + PACE);
        self.is_shown.set(true);
        // A terminal that is gone needs no progress.
        let _ = write!(std::io::stderr(), "\r\x1b[K{}", line());
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        if self.is_shown.take() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
