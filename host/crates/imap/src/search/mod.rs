//! SEARCH: what is looked for, what the rows can answer by themselves, and what only the bytes
//! of a message can.
//!
//! ```text
//!   Query ── resolve(view) ──> Plan ── evaluate(row) ─┬─> yes / no
//!                                                     └─> unknown ─ Ask::SearchText ─> match_text
//! ```

mod key;
mod plan;
mod text;

pub use self::key::TextKey;
pub(crate) use self::key::{Key, Query, Return};
pub(crate) use self::plan::{At, Plan};
pub use self::text::{TextNeed, match_text};

#[cfg(test)]
mod tests;
