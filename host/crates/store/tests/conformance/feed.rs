//! The change feed, the list of messages to be expunged, and since when somebody is full.

use mail::{MailboxId, Uid};
use store::{
    Effect, Error, Feed, FeedCursor, FlagChange, FlagOperation, Flags, NewMessage, Owner, Place,
    Quota, Rights, Settled, Settlement,
};

use crate::world::{ANN, BOB, NOW, World, administrator, inbox, person, process, system};

const OWN: Owner = Owner::Person(ANN);

fn feed(world: &World, of: Owner, after: FeedCursor) -> Feed {
    world.store().feed(&system(1), of, after, 100).unwrap()
}

fn mailboxes(feed: &Feed) -> Vec<(MailboxId, bool)> {
    let entries = feed.entries.iter();
    entries.map(|entry| (entry.mailbox, entry.gone)).collect()
}

pub(crate) fn a_feed_tells_which_mailboxes_changed_also_after_a_restart(world: &World) {
    let access = person(1, ANN);
    let work = world.create(&access, OWN, "Work").unwrap();
    let play = world.create(&access, OWN, "Play").unwrap();
    let first = feed(world, OWN, FeedCursor::START);
    assert_eq!(mailboxes(&first), [(work, false), (play, false)]);
    assert!(first.complete && !first.more);
    assert_eq!(feed(world, OWN, first.cursor).entries, [], "nothing since");
    // Twice the one, then the other: each comes once, at its last change.
    world.append(&access, Place::Mailbox(work), b"a");
    world.append(&access, Place::Mailbox(play), b"b");
    world.append(&access, Place::Mailbox(work), b"c");
    world.reopen();
    let next = feed(world, OWN, first.cursor);
    assert_eq!(mailboxes(&next), [(play, false), (work, false)]);
    assert_eq!(
        mailboxes(&feed(world, Owner::Domain, first.cursor)),
        mailboxes(&next)
    );
    // In pages.
    let page = world.store().feed(&access, OWN, first.cursor, 1).unwrap();
    assert_eq!((mailboxes(&page), page.more), (vec![(play, false)], true));
    let rest = world.store().feed(&access, OWN, page.cursor, 1).unwrap();
    assert_eq!((mailboxes(&rest), rest.more), (vec![(work, false)], false));
    let deleted = world.store().delete_mailbox(&access, world.op(), play);
    deleted.wait().unwrap();
    for of in [OWN, Owner::Domain] {
        let after = feed(world, of, next.cursor);
        assert_eq!(mailboxes(&after), [(play, true)]);
        assert_eq!(after.entries[0].owner, OWN);
    }
    // Who begins now need not know of it.
    let fresh = feed(world, OWN, FeedCursor::START);
    assert_eq!(mailboxes(&fresh), [(work, false)]);
}

pub(crate) fn a_feed_is_of_those_who_may_see_it(world: &World) {
    let theirs = world
        .create(&person(1, BOB), Owner::Person(BOB), "Shared")
        .unwrap();
    let store = world.store();
    let own = world.create(&person(1, ANN), OWN, "Own").unwrap();
    let bob = Owner::Person(BOB);
    assert_eq!(
        store.feed(&person(1, ANN), bob, FeedCursor::START, 9),
        Err(Error::NotFound)
    );
    assert_eq!(
        store.feed(&person(1, ANN), Owner::Domain, FeedCursor::START, 9),
        Err(Error::NotFound)
    );
    assert_eq!(
        mailboxes(&feed(world, OWN, FeedCursor::START)),
        [(own, false)]
    );
    let rights = Rights::LOOKUP.union(Rights::READ);
    store
        .set_rights(&person(1, BOB), theirs, ANN, rights)
        .wait()
        .unwrap();
    let both = feed(world, OWN, FeedCursor::START);
    assert_eq!(mailboxes(&both), [(own, false), (theirs, false)]);
    // Another domain has nothing of it.
    let foreign = store.feed(&system(2), Owner::Domain, FeedCursor::START, 9);
    assert_eq!(foreign.unwrap().entries, []);
    let managed = store.feed(&administrator(1, ANN), Owner::Domain, FeedCursor::START, 9);
    assert_eq!(managed.unwrap().entries.len(), 2);
}

pub(crate) fn a_cursor_of_a_future_that_did_not_happen_is_told_so(world: &World) {
    world.append(&system(1), Place::Inbox(ANN), b"a");
    let now = feed(world, OWN, FeedCursor::START).cursor;
    assert!(feed(world, OWN, now).complete);
    // As a restored copy shows it: another store's cursor, further on than this one.
    let other = World::memory();
    for _ in 0..50 {
        other.append(&system(1), Place::Inbox(ANN), b"a");
    }
    let ahead = other
        .store()
        .feed(&system(1), OWN, FeedCursor::START, 9)
        .unwrap();
    assert!(!feed(world, OWN, ahead.cursor).complete);
}

pub(crate) fn messages_to_be_expunged_are_listed(world: &World) {
    let access = person(1, ANN);
    let store = world.store();
    let mut message = NewMessage::new(vec![world.body(b"marked")]);
    message.flags = Flags::DELETED.union(Flags::SEEN);
    let place = || Place::Inbox(ANN);
    let appended = store
        .append(&access, world.op(), place(), vec![message])
        .wait()
        .unwrap();
    let mailbox = appended[0].mailbox;
    for _ in 0..4 {
        world.append(&access, place(), b"other");
    }
    let listed = || store.deleted(&access, mailbox).unwrap();
    assert_eq!(listed(), [(Uid(1), 6)]);
    let change = |operation, uids: &[u32]| {
        let change = FlagChange {
            operation,
            flags: Flags::DELETED,
            keywords: Vec::new(),
            unchanged_since: None,
        };
        let uids = uids.iter().map(|uid| Uid(*uid)).collect();
        store
            .store_flags(&access, world.op(), mailbox, uids, change)
            .wait()
            .unwrap();
    };
    change(FlagOperation::Add, &[2, 4, 5]);
    assert_eq!(
        listed(),
        [(Uid(1), 6), (Uid(2), 5), (Uid(4), 5), (Uid(5), 5)]
    );
    change(FlagOperation::Remove, &[4]);
    let gone = store.expunge(&access, world.op(), mailbox, vec![Uid(1)]);
    gone.wait().unwrap();
    assert_eq!(listed(), [(Uid(2), 5), (Uid(5), 5)]);
    let other = world.create(&access, OWN, "Other").unwrap();
    let moved = store.move_messages(&access, world.op(), mailbox, vec![Uid(5)], other.into());
    moved.wait().unwrap();
    assert_eq!(listed(), [(Uid(2), 5)]);
    assert_eq!(store.deleted(&access, other).unwrap(), [(Uid(1), 5)]);
    assert_eq!(
        store.deleted(&person(1, BOB), mailbox),
        Err(Error::NotFound)
    );
}

pub(crate) fn since_when_somebody_is_full_counts_from_the_first_refusal(world: &World) {
    world.append(&system(1), Place::Inbox(ANN), b"abc");
    let store = world.store();
    assert_eq!(store.full_since(&system(1), OWN), Ok(None));
    assert_eq!(store.note_full(&system(1), OWN).wait(), Ok(NOW));
    assert_eq!(store.note_full(&system(1), OWN).wait(), Ok(NOW), "kept");
    world.reopen();
    let store = world.store();
    assert_eq!(store.full_since(&system(1), OWN), Ok(Some(NOW)));
    assert_eq!(store.full_since(&system(1), Owner::Domain), Ok(None));
    assert_eq!(store.full_since(&system(2), OWN), Ok(None));
    assert_eq!(store.full_since(&person(1, ANN), OWN), Err(Error::NotFound));
    world.append(&system(1), Place::Inbox(ANN), b"there was room");
    assert_eq!(
        store.full_since(&system(1), OWN),
        Ok(None),
        "it begins anew"
    );
}

pub(crate) fn a_row_from_the_queue_keeps_to_the_domains_quota_in_its_commit(world: &World) {
    let store = world.store();
    world.queued("route", NOW);
    let limit = Quota {
        bytes: None,
        messages: Some(1),
    };
    let lease = store.claim("worker", NOW, 30, 1).unwrap().remove(0);
    // Between the look ahead and the commit another message takes the last place.
    world.append(&system(1), Place::Inbox(BOB), b"first");
    let settle = |domain_quota| {
        let settled = Settled::Continue {
            actions: vec![inbox(ANN), process("deliver:forward", NOW)],
            pieces: None,
            domain_quota,
        };
        let mut settlement = Settlement::new(world.op(), settled);
        settlement.effects.push(Effect::KvPut {
            plugin: "p".to_owned(),
            key: b"k".to_vec(),
            value: b"v".to_vec(),
            expires: None,
        });
        store.complete(&lease, settlement).wait()
    };
    assert_eq!(settle(limit), Err(Error::OverQuota(Owner::Domain)));
    assert_eq!(
        store.kv(&system(1), "p", b"k"),
        Ok(None),
        "nothing of it happened"
    );
    assert_eq!(store.usage(&system(1), Owner::Domain).unwrap().messages, 1);
    let more = Quota {
        messages: Some(2),
        ..limit
    };
    settle(more).unwrap();
    assert_eq!(store.usage(&system(1), Owner::Domain).unwrap().messages, 2);
}
