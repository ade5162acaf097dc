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

    /// Two for each new one: the window holds, and no commit pays for many.
    fn forget_old_operations(&mut self) -> Result<()> {
        let Some(oldest) = self.sequence.checked_sub(REMEMBERED) else {
            return Ok(());
        };
        let end = keys::operation_age(oldest);
        let old = self.range(
            &keys::operation_ages(),
            &end,
            crate::view::Order::Ascending,
            2,
        )?;
        for (age, operation) in old {
            self.delete(age);
            self.delete(operation);
        }
        Ok(())
    }
}
