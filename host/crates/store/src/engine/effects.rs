//! Effects that join a commit.

use mail::{Access, DomainId, EnvelopeId, OperationId};

use crate::accept::TraceLine;
use crate::engine::Tx;
use crate::engine::accept::PART_OF_ANOTHER;
use crate::engine::access::administer;
use crate::rows::TraceRow;
use crate::{Accepted, Effect, Result, keys};

impl Tx<'_> {
    pub(crate) fn commit(
        &mut self,
        access: &Access,
        operation: OperationId,
        effects: &[Effect],
    ) -> Result<()> {
        self.once(access.domain(), operation, |tx| {
            administer(access)?;
            tx.apply_effects(access, access.domain(), effects, &mut Vec::new())
        })
    }

    /// Contents among the pieces of appended and follow-up mail are those of `source`.
    pub(crate) fn apply_effects(
        &mut self,
        access: &Access,
        source: DomainId,
        effects: &[Effect],
        accepted: &mut Vec<Accepted>,
    ) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::KvPut {
                    plugin,
                    key,
                    value,
                    expires,
                } => {
                    self.put_kv(access.domain(), plugin, key, Some(value), *expires)?;
                }
                Effect::KvDelete { plugin, key } => {
                    self.put_kv(access.domain(), plugin, key, None, None)?;
                }
                Effect::KvCompareAndSet {
                    plugin,
                    key,
                    expected,
                    value,
                    expires,
                } => {
                    self.compare_kv(access.domain(), plugin, key, expected.as_deref())?;
                    self.put_kv(access.domain(), plugin, key, value.as_deref(), *expires)?;
                }
                Effect::Append { place, message } => {
                    self.append_one(access, source, place, message)?;
                }
                Effect::Accept(accept) => accepted.push(self.accept_from(accept, Some(source))?),
                Effect::Expunge { mailbox, uids } => {
                    self.expunge(access, PART_OF_ANOTHER, *mailbox, uids)?;
                }
            }
        }
        Ok(())
    }

    /// One row for all lines of an operation; it ends by itself.
    pub(crate) fn write_trace(
        &mut self,
        domain: DomainId,
        envelope: EnvelopeId,
        lines: &[TraceLine],
    ) {
        if lines.is_empty() {
            return;
        }
        let key = keys::trace(domain, envelope, self.ids.next());
        self.put(
            key.clone(),
            &TraceRow {
                lines: lines.to_vec(),
            },
        );
        self.put_raw(
            keys::expiry(self.now.plus_seconds(self.trace_seconds), &key),
            Vec::new(),
        );
    }
}
