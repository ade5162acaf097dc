//! Every text that people see, in one table.
//!
//! A row has the text as sent, its codes, what causes it and what helps. `docs/replies.md` is
//! printed from this table (`postroom docs replies`), and a test holds the two together.
