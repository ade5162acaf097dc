//! Sentences of the steps as trace lines of the store.

use mail::{RecipientId, Timestamp};
use store::TraceLine;

use super::context::StepSentence;

/// Trace lines of one recipient, or of the whole message.
pub(super) fn lines(
    sentences: &[StepSentence],
    recipient: Option<RecipientId>,
    at: Timestamp,
) -> impl Iterator<Item = TraceLine> {
    sentences.iter().map(move |sentence| TraceLine {
        at,
        recipient,
        step: format!("intake.{}", sentence.step),
        text: sentence.text.clone(),
    })
}
