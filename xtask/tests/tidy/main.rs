//! The rules of the house that a machine can check.
//!
//! ```text
//! direction   who may import whom, and which crate may use which library (ARCHITECTURE.md)
//! licences    what dependencies may be licensed under, and where they may come from
//! sources     marks, paths and constructs that must not be in the tree
//! ledger      every RFC that is cited stands in docs/rfc.tsv
//! ```
//!
//! Each rule is a function from facts to complaints, with a test that shows it complaining.

mod direction;
mod ledger;
mod licences;
mod sources;
mod tree;

/// Fails with all complaints at once, one a line.
#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
