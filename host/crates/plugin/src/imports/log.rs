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
        let (lines, bytes) = (self.limits.log_lines, self.limits.log_bytes);
        let call = self.enter()?;
        let line = escaped(&text, LINE_BYTES);
        if call.log_lines >= lines || call.log_bytes + line.len() > bytes {
            call.log_dropped += 1;
            return Ok(());
        }
        call.log_lines += 1;
        call.log_bytes += line.len();
        let hook = call.hook.name();
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
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
        Ok(())
    }
}
