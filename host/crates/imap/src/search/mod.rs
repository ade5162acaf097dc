//! SEARCH.

mod key;

pub use self::key::TextKey;
