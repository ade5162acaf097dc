//! Capability `clock`: the time of day.

use crate::border;

/// Milliseconds since the Unix epoch, UTC. The same during one call.
pub fn now_ms() -> u64 {
    border::clock_now()
}
