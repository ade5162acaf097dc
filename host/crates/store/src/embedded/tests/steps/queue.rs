//! Steps about the queue: what workers do, and administrators.

use mail::Tenant;

use super::{NOW, accept, parked, process, put, refused_is_fine, remote};
use crate::embedded::tests::dump::PEOPLE;
use crate::embedded::tests::life::Life;
use crate::embedded::tests::script::{self, body};
use crate::{
    Accept, Action, Effect, Flags, Lease, ParkedReason, Piece, Place, QueueId, Quota, Result,
    Settled, Settlement, Started, Store,
};

/// Claims a row and ends it in one of all ways.
pub(crate) fn settle(life: &mut Life) -> Result<()> {
    let Some(lease) = life.claim()? else {
        return accept(life);
    };
    let way = life.dice.roll(6);
    settle_by(life, &lease, way).inspect_err(|_| {
        // Refused for want of room: somebody else may try. A stopped store has no leases.
        let _ = life.store().give_back(&lease);
    })
}

fn settle_by(life: &mut Life, lease: &Lease, way: u64) -> Result<()> {
    let operation = life.store().operation_id();
    let settled = match way {
        0 | 1 => Settled::Done,
        2 => Settled::Retry {
            due: NOW,
            status: None,
            text: "451 later".to_owned(),
            delay_told: true,
        },
        3 => Settled::Parked(parked(ParkedReason::Moderation)),
        4 => Settled::Continue {
            actions: vec![
                Action::Mailbox {
                    place: Place::Inbox(PEOPLE[0]),
                    flags: Flags::SEEN,
                    quota: Quota::NONE,
                },
                process("deliver:forward"),
            ],
            pieces: Some(vec![Piece::Private(b"Subject: edited\r\n\r\n".to_vec())]),
            domain_quota: Quota::NONE,
        },
        _ => Settled::Failed,
    };
    // A host's row has no mailboxes.
    let settled = match settled {
        Settled::Continue { .. } if lease.row.domain.0 == 0 => Settled::Done,
        settled => settled,
    };
    let mut settlement = Settlement::new(operation, settled);
    settlement.trace = vec![script::trace_line("settled")];
    settlement
        .effects
        .push(put("autoreply", &lease.row.id.0.to_be_bytes(), b"sent"));
    if way == 5 || way == 1 {
        // The report about it is in the same commit.
        let report = body(life.store(), b"Subject: report\r\n\r\nIt failed.\r\n")?;
        let part = life.part(script::tenant(1), report, vec![remote("origin.test")]);
        settlement.effects.push(Effect::Accept(Box::new(Accept {
            operation: life.store().operation_id(),
            envelope: script::envelope(life.store()),
            parts: vec![part],
        })));
    }
    life.step("settle", |store| store.complete(lease, settlement).wait())?;
    Ok(())
}

pub(crate) fn note_started(life: &mut Life) -> Result<()> {
    let Some(lease) = life.claim()? else {
        return accept(life);
    };
    let started = Started {
        attempt: lease.row.attempts + 1,
        label: "spool".to_owned(),
        file_length: Some(life.dice.roll(1000)),
        at: NOW,
    };
    let done = life.step("note of a start", |store| {
        store.note_started(&lease, started).wait()
    });
    // A stopped store has no leases.
    let _ = life.store().give_back(&lease);
    done
}

/// Something an administrator does to a row.
fn administer(
    life: &mut Life,
    name: &'static str,
    act: impl FnOnce(&crate::Engine, &mail::Access, QueueId) -> Result<()>,
) -> Result<()> {
    let Some((domain, id, _)) = life.queued() else {
        return accept(life);
    };
    let access = mail::Access::system(match domain {
        0 => Tenant::HOST,
        domain => script::tenant(domain),
    });
    let done = life.step(name, |store| act(store, &access, id));
    refused_is_fine(life, done)
}

pub(crate) fn hold(life: &mut Life) -> Result<()> {
    administer(life, "hold", |store, access, id| {
        store.hold(access, id).wait()
    })
}

pub(crate) fn release(life: &mut Life) -> Result<()> {
    administer(life, "release", |store, access, id| {
        store.release(access, id).wait()
    })
}

pub(crate) fn retry_now(life: &mut Life) -> Result<()> {
    administer(life, "retry", |store, access, id| {
        store.retry_now(access, id).wait()
    })
}

pub(crate) fn remove(life: &mut Life) -> Result<()> {
    administer(life, "remove", |store, access, id| {
        store.remove(access, id).wait()
    })
}
