//! Capability `kv`: a small durable table of this plugin in this domain.
//!
//! Keys have 1 to 256 bytes, values at most 64 KiB, and a call may write 256 times; breaking that
//! ends the call. Reads see the writes of the same call.

use crate::border;

/// The value under a key, unless its time is over.
pub fn get(key: &str) -> Option<Vec<u8>> {
    border::kv_get(key)
}

/// Writes a value; with `ttl_seconds` it is gone after that time.
pub fn set(key: &str, value: &[u8], ttl_seconds: Option<u64>) {
    border::kv_set(key, value, ttl_seconds);
}

/// Writes a value only if the key holds `expected` (`None`: nothing), and says whether it does. If
/// another call turns out to have been faster, this call is run again on the new state.
pub fn compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl_seconds: Option<u64>,
) -> bool {
    border::kv_compare_and_set(key, expected, value, ttl_seconds)
}

/// Removes a key.
pub fn remove(key: &str) {
    border::kv_remove(key);
}
