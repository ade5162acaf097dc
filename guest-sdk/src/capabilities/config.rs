//! Capability `config`: the configuration of this binding. Always granted.

use crate::border;

/// The value under a top-level key as text: a string as it is, anything else as JSON.
pub fn get(key: &str) -> Option<String> {
    border::config_get(key)
}

/// The items of the array under a top-level key; a single value is one item, a missing key none.
pub fn all(key: &str) -> Vec<String> {
    border::config_all(key)
}

/// The value under a top-level key as a number; `None` where it is missing or not one.
pub fn number(key: &str) -> Option<u64> {
    get(key)?.parse().ok()
}

/// Is the value under a top-level key `true`?
pub fn is_set(key: &str) -> bool {
    get(key).as_deref() == Some("true")
}

/// The whole configuration as a JSON object.
pub fn json() -> String {
    border::config_json()
}
