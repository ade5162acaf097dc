//! Steps about mailboxes, what is subscribed, and who may see what.

use super::{SPACES, refused_is_fine};
use crate::embedded::tests::dump::GROUP;
use crate::embedded::tests::life::Life;
use crate::{NewMailbox, Owner, Result, Rights, Store};

pub(crate) fn create_mailbox(life: &mut Life) -> Result<()> {
    let (domain, person) = (life.domain(), life.person());
    let new = NewMailbox {
        owner: Owner::Person(person),
        name: format!(
            "{}/{}",
            SPACES[life.dice.roll(5) as usize],
            life.dice.roll(4)
        ),
        special_use: None,
    };
    let done = life.step("create", |store| {
        store
            .create_mailbox(&Life::access(domain), store.operation_id(), new)
            .wait()
    });
    refused_is_fine(life, done)
}

pub(crate) fn rename_mailbox(life: &mut Life) -> Result<()> {
    let Some((domain, mailbox)) = life.mailbox() else {
        return create_mailbox(life);
    };
    let name = format!("Renamed {}", life.dice.roll(1000));
    let done = life.step("rename", |store| {
        store
            .rename_mailbox(&Life::access(domain), store.operation_id(), mailbox, name)
            .wait()
    });
    refused_is_fine(life, done)
}

pub(crate) fn delete_mailbox(life: &mut Life) -> Result<()> {
    let Some((domain, mailbox)) = life.mailbox() else {
        return create_mailbox(life);
    };
    let done = life.step("delete of a mailbox", |store| {
        store
            .delete_mailbox(&Life::access(domain), store.operation_id(), mailbox)
            .wait()
    });
    refused_is_fine(life, done)
}

pub(crate) fn subscribe(life: &mut Life) -> Result<()> {
    let (domain, person) = (life.domain(), life.person());
    let (name, on) = (
        SPACES[life.dice.roll(5) as usize].to_owned(),
        life.dice.roll(3) > 0,
    );
    life.step("subscribe", |store| {
        store
            .subscribe(&Life::access(domain), person, name, on)
            .wait()
    })
}

/// Rights on a mailbox, or the members of the group.
pub(crate) fn share(life: &mut Life) -> Result<()> {
    let Some((domain, mailbox)) = life.mailbox() else {
        return create_mailbox(life);
    };
    let (person, access) = (life.person(), Life::access(domain));
    if life.dice.roll(2) == 0 {
        let members = vec![(person, Rights::MEMBER)];
        return life.step("members", |store| {
            store
                .set_members(&access, Owner::Group(GROUP), members)
                .wait()
        });
    }
    let done = life.step("rights", |store| {
        store
            .set_rights(&access, mailbox, person, Rights::READER)
            .wait()
    });
    refused_is_fine(life, done)
}
