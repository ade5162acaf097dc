//! What administrators decide about queue rows, with a line for the trace in the same commit.

use mail::Access;

use crate::engine::Tx;
use crate::engine::queue::find;
use crate::{Decision, Error, QueueId, Result, TraceLine, Traced};

impl Tx<'_> {
    /// `by` is who decides, for people; nobody for decisions that leave no line.
    pub(crate) fn decide(
        &mut self,
        access: &Access,
        id: QueueId,
        decision: Decision,
        by: &str,
    ) -> Result<()> {
        let (domain, row) = find(self, access, id)?;
        match decision {
            Decision::Retry => self.retry_now(access, id)?,
            // Why it is kept aside already must not be forgotten.
            Decision::Hold if row.parked.is_some() => {
                return Err(Error::Invalid("the row is parked already".to_owned()));
            }
            Decision::Hold => self.hold(access, id)?,
            Decision::Release => self.release(access, id)?,
            Decision::Remove => self.remove(access, id)?,
        }
        if by.is_empty() {
            return Ok(());
        }
        let mut traced = Traced::new(row.envelope.id);
        traced.lines.push(TraceLine {
            at: self.now,
            recipient: Some(row.recipient),
            step: format!("queue.{}", decision.name()),
            text: format!("{id} by {by}"),
        });
        self.write_trace(domain, &traced);
        Ok(())
    }
}
