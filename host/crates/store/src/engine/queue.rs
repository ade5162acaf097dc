//! Queue rows, their indexes, and what settles them.

use mail::{Access, DomainId, Timestamp};

use crate::accept::Accepted;
use crate::engine::Tx;
use crate::engine::accept::{Addressee, check_work};
use crate::engine::access::administer;
use crate::engine::agenda::Turn;
use crate::queue::{Lease, Parked, ParkedReason, QueueId, Settled, Settlement, Started, is_site};
use crate::rows::{DepthRow, WorkRow};
use crate::view::{View, ViewExt};
use crate::{Error, Owner, Quota, Result, Traced, Usage, keys};

/// The row with this id, of the access's domain, or of any domain for the site.
pub(crate) fn find<V: View + ?Sized>(
    view: &V,
    access: &Access,
    id: QueueId,
) -> Result<(DomainId, WorkRow)> {
    administer(access)?;
    let domain = match is_site(access) {
        true => DomainId(view.row(&keys::queue_at(id))?.ok_or(Error::NotFound)?),
        false => access.domain(),
    };
    Ok((
        domain,
        view.row(&keys::queue(domain, id))?.ok_or(Error::NotFound)?,
    ))
}

impl Tx<'_> {
    pub(crate) fn enqueue(
        &mut self,
        domain: DomainId,
        row: &WorkRow,
        quota: &Quota,
    ) -> Result<QueueId> {
        let id = QueueId(self.ids.next());
        self.name_content(domain, Owner::Domain, row.content)?;
        self.put(keys::queue_at(id), &domain.0);
        self.change_work(domain, id, None, Some(row), quota, Turn::Kept)?;
        Ok(id)
    }

    fn dequeue(&mut self, domain: DomainId, id: QueueId, row: &WorkRow, turn: Turn) -> Result<()> {
        self.change_work(domain, id, Some(row), None, &Quota::NONE, turn)?;
        self.delete(keys::queue_at(id));
        self.drop_content(domain, Owner::Domain, row.content)
    }

    /// Replaces a row and everything that is derived from it: the one place that knows what.
    pub(super) fn change_work(
        &mut self,
        domain: DomainId,
        id: QueueId,
        old: Option<&WorkRow>,
        new: Option<&WorkRow>,
        quota: &Quota,
        turn: Turn,
    ) -> Result<()> {
        self.schedule(domain, id, old, new, turn)?;
        if let Some(old) = old {
            if old.started.is_some() {
                self.delete(keys::started(id));
            }
            self.delete(keys::by_channel(
                domain,
                old.work.channel(),
                old.created,
                id,
            ));
            self.count_depth(domain, old, -1)?;
            if old.parked.is_some() {
                self.refund(
                    domain,
                    Owner::Domain,
                    Usage {
                        bytes: old.size,
                        messages: 1,
                    },
                )?;
            }
        }
        let Some(new) = new else {
            self.delete(keys::queue(domain, id));
            return Ok(());
        };
        self.put(keys::queue(domain, id), new);
        if new.started.is_some() {
            self.put(keys::started(id), &domain.0);
        }
        self.put_raw(
            keys::by_channel(domain, new.work.channel(), new.created, id),
            Vec::new(),
        );
        self.count_depth(domain, new, 1)?;
        if new.parked.is_some() {
            let more = Usage {
                bytes: new.size,
                messages: 1,
            };
            self.charge(domain, Owner::Domain, more, &Quota::NONE, quota)?;
        }
        self.outcome.due = true;
        Ok(())
    }

    fn count_depth(&mut self, domain: DomainId, row: &WorkRow, by: i64) -> Result<()> {
        let key = keys::depth(domain, row.work.channel());
        let mut depth: DepthRow = self.row(&key)?.unwrap_or_default();
        let counter = if row.parked.is_some() {
            &mut depth.parked
        } else {
            &mut depth.rows
        };
        *counter = counter.saturating_add_signed(by);
        if depth == DepthRow::default() {
            self.delete(key);
        } else {
            self.put(key, &depth);
        }
        Ok(())
    }

    pub(crate) fn note_started(&mut self, lease: &Lease, started: &Started) -> Result<()> {
        self.leases.check(lease)?;
        let (domain, id) = (lease.row.domain, lease.row.id);
        let mut row: WorkRow = self.row(&keys::queue(domain, id))?.ok_or(Error::Stale)?;
        row.started = Some(started.clone());
        self.put(keys::queue(domain, id), &row);
        self.put(keys::started(id), &domain.0);
        Ok(())
    }

    pub(crate) fn complete(
        &mut self,
        lease: &Lease,
        settlement: &Settlement,
    ) -> Result<Vec<Accepted>> {
        let (domain, id) = (lease.row.domain, lease.row.id);
        self.once(domain, settlement.operation, |tx| {
            tx.leases.check(lease)?;
            let row: WorkRow = tx.row(&keys::queue(domain, id))?.ok_or(Error::Stale)?;
            let mut accepted = Vec::new();
            // Effects first: they may name the row's content, which may go with the row. The
            // row was written under its domain's proof, and the lease stands for that row.
            let access = Access::system(lease.tenant());
            tx.apply_effects(&access, domain, &settlement.effects, &mut accepted)?;
            let mut traced = Traced::new(lease.row.envelope.id);
            traced.lines.clone_from(&settlement.trace);
            tx.settle_row(
                &access,
                id,
                row,
                &settlement.settled,
                (&mut accepted, &mut traced),
            )?;
            tx.write_trace(domain, &traced);
            tx.end_lease(id);
            Ok(accepted)
        })
    }

    fn settle_row(
        &mut self,
        access: &Access,
        id: QueueId,
        row: WorkRow,
        settled: &Settled,
        (accepted, traced): (&mut Vec<Accepted>, &mut Traced),
    ) -> Result<()> {
        let domain = access.domain();
        let mut new = WorkRow {
            started: None,
            attempts: row.attempts.saturating_add(1),
            ..row.clone()
        };
        match settled {
            Settled::Done | Settled::Failed => {
                return self.dequeue(domain, id, &row, Turn::Taken);
            }
            Settled::Retry {
                due,
                status,
                text,
                delay_told,
            } => {
                // What waits for a decision goes on waiting for it, whoever looked at the row.
                if row.parked.is_none() || row.due <= self.now {
                    new.due = *due;
                }
                new.last = Some((*status, text.clone()));
                new.delay_told = *delay_told;
            }
            Settled::Parked(parked) => park(&mut new, parked)?,
            Settled::Continue {
                actions,
                pieces,
                domain_quota,
            } => {
                let (content, size) = match pieces {
                    Some(pieces) => self.new_content(domain, domain, &[], pieces)?,
                    None => (row.content, row.size),
                };
                let to = Addressee {
                    access: *access,
                    envelope: &row.envelope,
                    recipient: row.recipient,
                    original: &row.original,
                    address: &row.address,
                    thread: row.thread,
                    content,
                    size,
                    domain_quota,
                };
                let mut next = Accepted {
                    envelope: row.envelope.id,
                    stored: Vec::new(),
                    queued: Vec::new(),
                };
                self.act_all(&to, actions, &mut next)?;
                self.drop_if_unnamed(domain, content)?;
                if !traced.lines.is_empty() {
                    let made = (next.stored.as_slice(), next.queued.as_slice());
                    self.trace_rows(domain, row.address.clone(), made, traced)?;
                }
                accepted.push(next);
                return self.dequeue(domain, id, &row, Turn::Taken);
            }
        }
        self.change_work(
            domain,
            id,
            Some(&row),
            Some(&new),
            &Quota::NONE,
            Turn::Taken,
        )
    }

    pub(crate) fn retry_now(&mut self, access: &Access, id: QueueId) -> Result<()> {
        self.edit_work(access, id, |row, now| {
            if row.parked.is_some() {
                return Err(Error::Invalid("the row is parked; release it".to_owned()));
            }
            row.due = now;
            Ok(())
        })
    }

    pub(crate) fn hold(&mut self, access: &Access, id: QueueId) -> Result<()> {
        self.edit_work(access, id, |row, _| {
            let text = "held by an administrator".to_owned();
            let resume = row.work.clone();
            park(
                row,
                &Parked {
                    reason: ParkedReason::Hold,
                    text,
                    resume,
                    expires: None,
                },
            )
        })
    }

    /// A parked row has as long to live as its kind of mail had from the start.
    pub(crate) fn release(&mut self, access: &Access, id: QueueId) -> Result<()> {
        self.edit_work(access, id, |row, now| {
            if row.parked.take().is_none() {
                return Err(Error::Invalid("the row is not parked".to_owned()));
            }
            row.due = now;
            row.expires = now.plus_seconds(QUEUE_LIFE_SECONDS);
            Ok(())
        })
    }

    fn edit_work(
        &mut self,
        access: &Access,
        id: QueueId,
        edit: impl FnOnce(&mut WorkRow, Timestamp) -> Result<()>,
    ) -> Result<()> {
        let (domain, row) = find(self, access, id)?;
        if self.leases.is_held(id, self.now) {
            return Err(Error::Stale);
        }
        let mut new = row.clone();
        edit(&mut new, self.now)?;
        self.change_work(domain, id, Some(&row), Some(&new), &Quota::NONE, Turn::Kept)?;
        // A worker whose lease ran out must not settle what was decided here.
        self.end_lease(id);
        Ok(())
    }

    pub(crate) fn remove(&mut self, access: &Access, id: QueueId) -> Result<()> {
        let (domain, row) = find(self, access, id)?;
        self.dequeue(domain, id, &row, Turn::Kept)?;
        self.end_lease(id);
        Ok(())
    }

    /// Whoever has the row loses it with this commit.
    fn end_lease(&mut self, id: QueueId) {
        self.leases.settle(id);
        self.outcome.settled.push(id);
    }

    /// For a purge.
    pub(crate) fn remove_work(&mut self, domain: DomainId, id: QueueId) -> Result<()> {
        let Some(row) = self.row::<WorkRow>(&keys::queue(domain, id))? else {
            return Ok(());
        };
        self.dequeue(domain, id, &row, Turn::Kept)?;
        self.end_lease(id);
        Ok(())
    }
}

/// Queue life of a released row; RFC 5321 §4.5.4.1 asks for at least 4 to 5 days.
const QUEUE_LIFE_SECONDS: i64 = 5 * 24 * 3600;

pub(super) fn park(row: &mut WorkRow, parked: &Parked) -> Result<()> {
    check_work(&parked.resume)?;
    row.work = parked.resume.clone();
    row.parked = Some((parked.reason, parked.text.clone()));
    row.due = parked.expires.unwrap_or(Timestamp(i64::MAX));
    Ok(())
}
