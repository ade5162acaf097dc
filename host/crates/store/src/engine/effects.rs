//! Effects that join a commit.

use mail::{Access, DomainId, OperationId};

use crate::engine::Tx;
use crate::engine::accept::PART_OF_ANOTHER;
use crate::engine::access::administer;
use crate::engine::messages::Which;
use crate::rows::TraceRow;
use crate::{Accepted, Effect, Result, Traced, keys};

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
    pub(crate) fn apply_effects<'e>(
        &mut self,
        access: &Access,
        source: DomainId,
        effects: impl IntoIterator<Item = &'e Effect>,
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
                Effect::Trace(traced) => self.write_trace(access.domain(), traced),
                Effect::Expunge { mailbox, uids } => {
                    self.expunge(access, PART_OF_ANOTHER, *mailbox, uids, Which::All)?;
                }
            }
        }
        Ok(())
    }

    /// One row for all lines of an operation, and short ones that it is found by. They end by
    /// themselves, together: the row that says when names them.
    pub(crate) fn write_trace(&mut self, domain: DomainId, traced: &Traced) {
        let mut keys: Vec<_> = traced
            .found_by
            .iter()
            .map(|by| keys::traced_as(domain, by, traced.envelope))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        if traced.is_sender {
            keys.push(keys::trace_of_sender(domain, traced.envelope));
        }
        for key in &keys {
            self.put_raw(key.clone(), Vec::new());
        }
        let key = if traced.lines.is_empty() {
            let Some(key) = keys.pop() else { return };
            key
        } else {
            let key = keys::trace(domain, traced.envelope, self.ids.next());
            let lines = traced.lines.clone();
            self.put(key.clone(), &TraceRow { lines });
            key
        };
        let end = self.now.plus_seconds(self.trace_seconds);
        self.put_raw(keys::expiry(end, &key), keys::pack(&keys));
    }
}
