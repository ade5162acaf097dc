//! Steps about values and settings, and about the store and its disk as a whole.

use super::{NOW, put};
use crate::embedded::tests::dump::{DOMAINS, PEOPLE, PLUGINS};
use crate::embedded::tests::life::Life;
use crate::embedded::tests::script;
use crate::{Effect, Owner, Place, Result, Store};

/// A plugin's values, by commits of their own.
pub(crate) fn put_values(life: &mut Life) -> Result<()> {
    let (domain, plugin) = (life.domain(), PLUGINS[life.dice.roll(2) as usize]);
    let key = vec![b'k', b'0' + life.dice.roll(6) as u8];
    let value = script::bytes(life.dice.roll(1000), life.dice.roll(400) as usize);
    let present = life.store().kv(&Life::access(domain), plugin, &key)?;
    let effect = match life.dice.roll(4) {
        0 => Effect::KvDelete {
            plugin: plugin.to_owned(),
            key,
        },
        1 => Effect::KvCompareAndSet {
            plugin: plugin.to_owned(),
            key,
            expected: present,
            value: Some(value),
            expires: Some(NOW.plus_seconds(60)),
        },
        _ => put(plugin, &key, &value),
    };
    let effects = vec![effect, put(plugin, b"last", b"put")];
    life.step("values", |store| {
        store
            .commit(&Life::access(domain), store.operation_id(), effects)
            .wait()
    })
}

pub(crate) fn set_settings(life: &mut Life) -> Result<()> {
    let (domain, key) = (life.domain(), vec![b'a' + life.dice.roll(4) as u8]);
    let value = (life.dice.roll(4) > 0).then(|| script::bytes(life.dice.roll(1000), 40));
    let changes = vec![(key, value), (b"generation".to_vec(), Some(vec![1]))];
    life.step("settings", |store| {
        store
            .set_settings(&Life::access(domain), store.operation_id(), changes)
            .wait()
    })
}

/// Values whose time is over, and traces.
pub(crate) fn expire(life: &mut Life) -> Result<()> {
    let later = NOW.plus_seconds(if life.dice.roll(4) == 0 {
        365 * 24 * 3600
    } else {
        61
    });
    life.steps("expiry", |store| store.expire(later, 1000).wait())?;
    Ok(())
}

/// Everything of a person, or of a domain.
pub(crate) fn purge(life: &mut Life) -> Result<()> {
    let (domain, person) = (life.domain(), life.person());
    let owner = if life.dice.roll(2) == 0 {
        Owner::Domain
    } else {
        Owner::Person(person)
    };
    life.steps("purge", |store| {
        let removed = store.remove_owner(&Life::access(domain), owner);
        removed.wait().map(drop)
    })
}

/// Several at once, which share syncs.
pub(crate) fn burst(life: &mut Life) -> Result<()> {
    let messages = vec![life.message()?, life.message()?, life.message()?];
    let accept = life.accept_of(b"Subject: one of many\r\n\r\n")?;
    life.steps("burst", |store| {
        // Ids first: the sequencer takes some of its own while they are given out.
        let ids = [(); 3].map(|()| store.operation_id());
        let mut appends = Vec::new();
        for ((message, domain), id) in messages.into_iter().zip(DOMAINS).zip(ids) {
            let (access, place) = (Life::access(domain), Place::Inbox(PEOPLE[0]));
            appends.push(store.append(&access, id, place, vec![message]));
        }
        let accepted = store.accept(accept);
        // All have ended, whatever became of them.
        let appended: Vec<_> = appends.into_iter().map(crate::Pending::wait).collect();
        let accepted = accepted.wait();
        appended.into_iter().try_for_each(|done| done.map(drop))?;
        accepted
    })?;
    Ok(())
}

/// Nothing may change by it, for nobody.
pub(crate) fn collect(life: &mut Life) -> Result<()> {
    if life.disk.is_limited() {
        // It waits for room.
        return Ok(());
    }
    life.steps("collect", |store| store.compact(&mut |_| {}).map(drop))
}

/// From now on there is room for little more.
pub(crate) fn fill_disk(life: &mut Life) -> Result<()> {
    let room = life.dice.roll(60_000);
    life.disk.set_capacity(Some(life.disk.used() + room));
    Ok(())
}

/// There is room again.
pub(crate) fn empty_disk(life: &mut Life) -> Result<()> {
    life.disk.set_capacity(None);
    Ok(())
}

pub(crate) fn reopen(life: &mut Life) -> Result<()> {
    life.reopen();
    Ok(())
}
