//! What the person at the terminal sees: one line when a step starts, one when it ends.

use std::io::IsTerminal;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs one named step and says how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say("1;36", "==>", what);
    let start = Instant::now();
    let result = work();
    let (colour, word) = if result.is_ok() {
        ("32", "done")
    } else {
        ("31", "failed")
    };
    say(
        colour,
        "   ",
        &format!("{word}: {what} ({})", seconds(start.elapsed())),
    );
    result
}

/// A remark inside a step.
pub(crate) fn note(text: &str) {
    say("2", "   ", text);
}

/// The last line of a run that failed.
pub(crate) fn failure(text: &str) {
    say("1;31", "xtask:", text);
}

/// Runs a program with this terminal and takes anything but exit 0 as an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs a program and returns what it printed.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let output = command
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` ended with {}: {}", output.status, reason.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` did not print UTF-8"))
}

/// The command as one would type it.
pub(crate) fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

// On standard error, so that it keeps its place between the lines of cargo.
fn say(colour: &str, mark: &str, text: &str) {
    let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal();
    if plain {
        eprintln!("{mark} {text}");
    } else {
        eprintln!("\x1b[{colour}m{mark} {text}\x1b[0m");
    }
}

fn seconds(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.1} s", elapsed.as_secs_f64()),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}
