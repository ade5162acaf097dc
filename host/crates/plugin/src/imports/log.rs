//! `log`: lines for the administrator of the domain.

use wasmtime::Result;

use super::interfaces::log::{Host, Level};
use crate::capabilities::{LogLevel, LogLine};
use crate::state::State;
use crate::verdict::escaped;

/// Longest line in bytes.
const LINE_BYTES: usize = 2000;

impl Host for State {
    fn write(&mut self, level: Level, text: String) -> Result<()> {
        self.enter()?;
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.log(level, &text);
        Ok(())
    }
}

impl State {
    /// One line, where the call may still log one.
    fn log(&mut self, level: LogLevel, text: &str) {
        let (lines, bytes) = (self.limits.log_lines, self.limits.log_bytes);
        let call = &mut self.call;
        let line = escaped(text, LINE_BYTES);
        if call.log_lines >= lines || call.log_bytes + line.len() > bytes {
            call.log_dropped += 1;
            return;
        }
        call.log_lines += 1;
        call.log_bytes += line.len();
        let hook = call.hook.name();
        let stamp = &self.owner.stamp;
        let line = LogLine {
            plugin: &stamp.plugin,
            version: &stamp.version,
            binding: &stamp.binding,
            hook,
            level,
            text: &line,
        };
        self.owner.capabilities.log(self.owner.tenant, line);
    }

    /// What a plugin prints: a line of the log for each line, when it is whole.
    pub(super) fn print(&mut self, level: LogLevel, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let line = self.call.printed.entry(level).or_default();
            // What is beyond the longest line is not shown and need not be kept.
            let room = LINE_BYTES.saturating_sub(line.len());
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            line.extend(&text[..text.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line(level);
            }
        }
    }

    /// The call has returned: what was printed without an end of line is a line too.
    pub(crate) fn end_printing(&mut self) {
        for level in [LogLevel::Info, LogLevel::Warn] {
            let has_more = |line: &Vec<u8>| !line.is_empty();
            if self.call.printed.get(&level).is_some_and(has_more) {
                self.end_line(level);
            }
        }
    }

    fn end_line(&mut self, level: LogLevel) {
        let line = self.call.printed.remove(&level).unwrap_or_default();
        self.log(level, &String::from_utf8_lossy(&line));
    }
}
