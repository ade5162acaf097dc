//! What one call may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bounds of one call. The values of [`CallLimits::default`] are the ceiling of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallLimits {
    /// CPU of a call of `connect`, `ehlo`, `mail`, `rcpt` and the lifecycle hooks, in ms.
    pub session_cpu_ms: u64,
    /// CPU of a call of `data` and `deliver`, in ms.
    pub message_cpu_ms: u64,
    /// Time of a call with all its waiting, but for programs, in ms.
    pub wall_ms: u64,
    /// Time that one program may take, in ms. Not counted in `wall_ms`.
    pub program_wall_ms: u64,
    /// Linear memory of an instance, in bytes.
    pub memory_bytes: usize,
    /// Handles an instance may hold at once.
    pub handles: usize,
    /// Calls to the host in one call.
    pub host_calls: u64,
    /// Bytes that one call to the host may bring, and that the effects of one call may have.
    pub transfer_bytes: usize,
    /// Lines a call may log.
    pub log_lines: usize,
    /// Bytes a call may log.
    pub log_bytes: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            session_cpu_ms: 50,
            message_cpu_ms: 1000,
            wall_ms: 2000,
            program_wall_ms: 60_000,
            memory_bytes: 32 * 1024 * 1024,
            handles: 1000,
            host_calls: 20_000,
            transfer_bytes: 8 * 1024 * 1024,
            log_lines: 64,
            log_bytes: 16 * 1024,
        }
    }
}

impl CallLimits {
    /// These limits, lowered where a wish is lower. A higher wish changes nothing.
    #[must_use]
    pub fn lowered_by(&self, wishes: &LimitWishes) -> Self {
        let cpu_ms = wishes.cpu_ms.unwrap_or(u64::MAX);
        Self {
            session_cpu_ms: self.session_cpu_ms.min(cpu_ms),
            message_cpu_ms: self.message_cpu_ms.min(cpu_ms),
            wall_ms: self.wall_ms.min(wishes.wall_ms.unwrap_or(u64::MAX)),
            program_wall_ms: self
                .program_wall_ms
                .min(wishes.program_wall_ms.unwrap_or(u64::MAX)),
            memory_bytes: self
                .memory_bytes
                .min(wishes.memory_bytes.unwrap_or(usize::MAX)),
            ..self.clone()
        }
    }

    pub(crate) const fn wall(&self) -> Duration {
        Duration::from_millis(self.wall_ms)
    }

    pub(crate) const fn program_wall(&self) -> Duration {
        Duration::from_millis(self.program_wall_ms)
    }
}

/// Limits that a manifest or a binding asks for. They can only lower.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitWishes {
    /// CPU of any call, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Time of a call, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    /// Time of one program, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_wall_ms: Option<u64>,
    /// Linear memory, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<usize>,
}
