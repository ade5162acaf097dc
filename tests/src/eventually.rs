//! Waiting for something that must come true, without guessing how long it takes.

use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is `true`.
///
/// # Panics
/// It never was, with `what` in the message.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    until(what, PATIENCE, || is_so().then_some(()));
}

/// Asks until there is a value.
///
/// # Panics
/// There never was one, with `what` in the message.
#[track_caller]
pub fn eventually_some<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until(what, PATIENCE, ask)
}

/// As [`eventually_some`], with a patience of its own.
///
/// # Panics
/// There was no value in that time.
#[track_caller]
pub fn until<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = ask() {
            return value;
        }
        assert!(
            begin.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
