use mail::{EnvelopeId, ModSeq, Timestamp, Uid};
use store::{
    Action, Effect, Error, FlagChange, FlagOperation, Flags, NewMessage, Owner, Piece, Place, Quota,
};

use crate::world::{ANN, BOB, NOW, World, inbox, person, process, system};

pub(crate) fn c01_a_repeated_operation_gets_the_first_answer(world: &World) {
    let ann = person(1, ANN);
    let accept = world.accept(vec![world.part(
        system(1),
        vec![world.body(b"m")],
        vec![inbox(ANN), process("x", NOW)],
    )]);
    let first = world.store().accept(accept.clone()).wait().unwrap();
    // Also in one batch, and after a restart.
    let (a, b) = (
        world.store().accept(accept.clone()),
        world.store().accept(accept.clone()),
    );
    assert_eq!((a.wait(), b.wait()), (Ok(first.clone()), Ok(first.clone())));
    world.reopen();
    let store = world.store();
    assert_eq!(store.accept(accept).wait().unwrap(), first);
    let mailbox = first.stored[0].mailbox;
    assert_eq!(world.uids(&ann, mailbox), [1]);
    let append = world.op();
    let message = || vec![NewMessage::new(vec![Piece::Private(b"a".to_vec())])];
    let one = store
        .append(&ann, append, Place::Inbox(ANN), message())
        .wait()
        .unwrap();
    assert_eq!(
        store
            .append(&ann, append, Place::Inbox(ANN), message())
            .wait()
            .unwrap(),
        one
    );
    let copy = world.op();
    let copied = store
        .copy(&ann, copy, mailbox, vec![Uid(1)], mailbox.into())
        .wait()
        .unwrap();
    assert_eq!(
        store
            .copy(&ann, copy, mailbox, vec![Uid(1)], mailbox.into())
            .wait()
            .unwrap(),
        copied
    );
    let gone = world.op();
    store
        .expunge(&ann, gone, mailbox, vec![Uid(1)])
        .wait()
        .unwrap();
    assert_eq!(
        store
            .expunge(&ann, gone, mailbox, vec![Uid(1)])
            .wait()
            .unwrap(),
        [Uid(1)]
    );
    // Another domain does not see the answer.
    let other = person(2, ANN);
    let theirs = store
        .append(&other, append, Place::Inbox(ANN), message())
        .wait()
        .unwrap();
    assert_ne!(theirs, one);
    assert_eq!(world.uids(&ann, mailbox), [2, 3]);
}

pub(crate) fn a_refused_operation_changes_nothing(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let at = world.append(&ann, Place::Inbox(ANN), b"m");
    let before = (
        store.mailbox(&ann, at.mailbox).unwrap(),
        store.usage(&ann, Owner::Person(ANN)).unwrap(),
    );
    let nobody = Action::Process {
        stage: "x".to_owned(),
        context: vec![0; 4097],
        due: NOW,
        expires: NOW,
    };
    let part = world.part(system(1), vec![world.body(b"m")], vec![inbox(ANN), nobody]);
    assert!(matches!(
        store.accept(world.accept(vec![part])).wait(),
        Err(Error::Invalid(_))
    ));
    let mut part = world.part(system(1), vec![world.body(b"m")], vec![inbox(ANN)]);
    part.recipients[0].actions.clear();
    assert!(matches!(
        store.accept(world.accept(vec![part])).wait(),
        Err(Error::Invalid(_))
    ));
    let keywords = vec!["new".to_owned(), String::new()];
    let change = FlagChange {
        operation: FlagOperation::Add,
        flags: Flags::SEEN,
        keywords,
        unchanged_since: None,
    };
    assert!(
        store
            .store_flags(&ann, world.op(), at.mailbox, vec![at.uid], change)
            .wait()
            .is_err()
    );
    assert_eq!(
        store
            .copy(
                &ann,
                world.op(),
                at.mailbox,
                vec![at.uid],
                mail::MailboxId(999).into()
            )
            .wait(),
        Err(Error::NotFound)
    );
    let after = (
        store.mailbox(&ann, at.mailbox).unwrap(),
        store.usage(&ann, Owner::Person(ANN)).unwrap(),
    );
    assert_eq!(before, after);
    assert_eq!(
        store
            .changes_since(&ann, at.mailbox, ModSeq(0))
            .unwrap()
            .changed
            .len(),
        1
    );
    assert_eq!(store.next_due(), None);
}

pub(crate) fn a_compare_and_set_that_lost_refuses_the_whole_commit(world: &World) {
    let store = world.store();
    let set = |expected: Option<&[u8]>, value: Option<&[u8]>| Effect::KvCompareAndSet {
        plugin: "greylist".to_owned(),
        key: b"k".to_vec(),
        expected: expected.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        expires: None,
    };
    let accept = |effect| {
        let mut part = world.part(system(1), vec![world.body(b"m")], vec![inbox(ANN)]);
        part.effects.push(effect);
        store.accept(world.accept(vec![part])).wait()
    };
    accept(set(None, Some(b"1"))).unwrap();
    assert_eq!(accept(set(None, Some(b"2"))), Err(Error::Conflict));
    accept(set(Some(b"1"), Some(b"2"))).unwrap();
    assert_eq!(
        store.kv(&system(1), "greylist", b"k").unwrap(),
        Some(b"2".to_vec())
    );
    let inbox = store.inbox(&system(1), ANN).wait().unwrap();
    assert_eq!(world.uids(&system(1), inbox), [1, 2]);
    // Two at once: exactly one wins.
    let both: Vec<_> = (0..2)
        .map(|_| store.commit(&system(1), world.op(), vec![set(Some(b"2"), Some(b"3"))]))
        .collect();
    let won = both
        .into_iter()
        .map(store::Pending::wait)
        .filter(Result::is_ok)
        .count();
    assert_eq!(won, 1);
    store
        .commit(&system(1), world.op(), vec![set(Some(b"3"), None)])
        .wait()
        .unwrap();
    assert_eq!(store.kv(&system(1), "greylist", b"k").unwrap(), None);
    let timed = Effect::KvPut {
        plugin: "greylist".to_owned(),
        key: b"k".to_vec(),
        value: b"old".to_vec(),
        expires: Some(Timestamp(NOW.0 - 1)),
    };
    store
        .commit(&system(1), world.op(), vec![timed])
        .wait()
        .unwrap();
    store
        .commit(&system(1), world.op(), vec![set(None, Some(b"new"))])
        .wait()
        .expect("what is over is not there");
}

pub(crate) fn an_accept_writes_every_domain_or_none(world: &World) {
    let store = world.store();
    let body = world.body(b"for both");
    let parts = |quota| {
        let mut second = world.part(system(2), vec![body.clone()], vec![inbox(BOB)]);
        second.domain_quota = quota;
        let first = world.part(
            system(1),
            vec![body.clone()],
            vec![inbox(ANN), process("x", NOW)],
        );
        world.accept(vec![first, second])
    };
    let refused = parts(Quota {
        bytes: Some(3),
        messages: None,
    });
    let envelope: EnvelopeId = refused.envelope.id;
    assert_eq!(
        store.accept(refused.clone()).wait(),
        Err(Error::OverQuota(Owner::Domain))
    );
    assert_eq!(store.mailboxes(&system(1), Owner::Person(ANN)).unwrap(), []);
    assert_eq!(store.next_due(), None);
    // The same operation, on fresh state: a refusal is not remembered.
    let mut again = refused;
    again.parts[1].domain_quota = Quota::NONE;
    let accepted = store.accept(again).wait().unwrap();
    assert_eq!(
        (
            accepted.envelope,
            accepted.stored.len(),
            accepted.queued.len()
        ),
        (envelope, 2, 1)
    );
    let none = store.accept(world.accept(Vec::new())).wait();
    assert!(matches!(none, Err(Error::Invalid(_))), "{none:?}");
}
