//! Keeping what session hooks write, call by call.
//!
//! What a call of `connect` to `rcpt` writes into its table is kept with the reply it leads to,
//! also with a refusing one. So a compare-and-set that lost is known before the reply, and the
//! call is run again on the new state.

use mail::Tenant;

use crate::capabilities::{Unavailable, Waiting};
use crate::effect::KvWrite;

/// How often a call is run again because another was faster.
pub(crate) const RERUNS: usize = 3;

/// Keeps the writes of calls. A transaction without one hands them out with its reports, and
/// nothing is written: a dry run.
pub trait Keeper: Send + Sync + 'static {
    /// Writes all of them, or none.
    ///
    /// # Errors
    /// [`KeepError::Conflict`]: a value is not what the call saw.
    fn keep<'a>(
        &'a self,
        tenant: Tenant,
        writes: Vec<KvWrite>,
        pace: Pace,
    ) -> Waiting<'a, Result<(), KeepError>>;
}

/// Does the reply wait for the writes?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Yes: they are durable then.
    Durable,
    /// A refusal does not have to, unless it depends on a comparison.
    Behind,
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeepError {
    /// A compare-and-set found another value.
    Conflict,
    /// Something is wrong with the table for the moment.
    Unavailable(Unavailable),
}
