//! What the end of a program means, by the codes of `sysexits.h`.

/// What becomes of the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The program has the message.
    Done,
    /// Not now, with how it ended.
    TryAgain(String),
    /// Never.
    Refused {
        /// For the report (RFC 3463).
        status: &'static str,
        /// How it ended.
        how: String,
    },
}

/// Most characters of the program's output that go to the trace.
const LINE: usize = 200;

/// Reads the end: the exit code, or `None` for a signal.
pub(crate) fn meaning(exit_code: Option<i32>, timed_out: bool) -> Meaning {
    match exit_code {
        _ if timed_out => Meaning::TryAgain("was killed because its time was over".to_owned()),
        None => Meaning::TryAgain("was ended by a signal".to_owned()),
        Some(0) => Meaning::Done,
        Some(75) => Meaning::TryAgain("ended with 75 (try again)".to_owned()),
        Some(code) => Meaning::Refused {
            status: status(code),
            how: format!("ended with {code}"),
        },
    }
}

const fn status(code: i32) -> &'static str {
    match code {
        65 => "5.6.0",
        67 => "5.1.1",
        68 => "5.1.2",
        77 => "5.7.1",
        78 => "5.3.5",
        _ => "5.3.0",
    }
}

/// The first line with something on it, fit for a trace.
pub(crate) fn first_line(output: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(
        line.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(LINE)
            .collect(),
    )
}

#[cfg(test)]
mod tests;
