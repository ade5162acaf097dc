//! How a delivery ended.

use serde::{Deserialize, Serialize};

use crate::EnhancedStatus;

/// The outcome of one delivery attempt for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is where it should be.
    Done {
        /// What the far side said, for the trace.
        text: String,
    },
    /// Not now; try again.
    Deferred {
        /// A 4.x.x status.
        status: EnhancedStatus,
        /// One line for the trace and the report.
        text: String,
    },
    /// Never; the sender gets a report.
    Failed {
        /// A 5.x.x status.
        status: EnhancedStatus,
        /// One line for the trace and the report.
        text: String,
    },
    /// This transport is not responsible for the recipient.
    NotMine,
}
