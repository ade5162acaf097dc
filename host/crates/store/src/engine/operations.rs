//! Operations are done once, whatever happens to their answers.

use mail::{DomainId, OperationId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Tx;
use crate::rows::{OperationRow, decode, encode};
use crate::view::{View, ViewExt};
use crate::{Result, keys};

/// Operations remembered.
pub(crate) const REMEMBERED: u64 = 65_536;
/// Records behind the window that are looked at with each operation.
const NEAR: u64 = 64;
/// All of them are looked at once in so many records.
const THOROUGH: u64 = 4096;

impl Tx<'_> {
    /// Runs `operation` unless it was done before in this domain; then gives the first answer.
    /// Id zero is never remembered.
    pub(crate) fn once<T: Serialize + DeserializeOwned>(
        &mut self,
        domain: DomainId,
        id: OperationId,
        operation: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        if id.0 == 0 {
            return operation(self);
        }
        let key = keys::operation(domain, id);
        if let Some(row) = self.row::<OperationRow>(&key)? {
            return decode(&row.answer);
        }
        let answer = operation(self)?;
        self.put(
            key.clone(),
            &OperationRow {
                answer: encode(&answer),
            },
        );
        self.put_raw(keys::operation_age(self.sequence), key);
        self.forget_old_operations()?;
        Ok(answer)
    }

    /// Two for each new one: the window holds, and no commit pays for many. Only the records that
    /// just left the window are looked at: before them are deleted rows that memory keeps until
    /// the next checkpoint. What falls out unseen, where many records remember nothing, is found
    /// by a look at all of them now and then.
    fn forget_old_operations(&mut self) -> Result<()> {
        let Some(oldest) = self.sequence.checked_sub(REMEMBERED) else {
            return Ok(());
        };
        let is_thorough = self.sequence.is_multiple_of(THOROUGH);
        let (from, most) = match is_thorough {
            true => (keys::operation_ages(), THOROUGH as usize),
            false => (keys::operation_age(oldest.saturating_sub(NEAR)), 2),
        };
        let end = keys::operation_age(oldest);
        let old = self.range(&from, &end, crate::view::Order::Ascending, most)?;
        for (age, operation) in old {
            self.delete(age);
            self.delete(operation);
        }
        Ok(())
    }
}
