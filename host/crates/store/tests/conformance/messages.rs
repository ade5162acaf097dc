use mail::{ModSeq, ThreadId, Timestamp, Uid};
use store::{
    Destination, Error, FlagChange, FlagOperation, Flags, NewMessage, Owner, Piece, Place, Quota,
    Source, Usage,
};

use crate::world::{ANN, BOB, NOW, World, inbox, person, system};

pub(crate) fn a_message_is_composed_of_extents_and_read_by_position(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut writer = store.begin_body().unwrap();
    content
        .chunks(7_777)
        .for_each(|chunk| writer.write(chunk).unwrap());
    assert_eq!(writer.len(), 800_000);
    let body = writer.finish().unwrap();
    assert_eq!(body.read(799_990, 100).unwrap(), content[799_990..]);
    // A field of the header is cut out, one is put before, one behind.
    let pieces = vec![
        Piece::Private(b"Received: a\r\n".to_vec()),
        body.range(0, 100_000),
        Piece::Private(b"X-Edit: b\r\n".to_vec()),
        body.range(100_020, 699_980),
    ];
    let whole = [
        b"Received: a\r\n",
        &content[..100_000],
        b"X-Edit: b\r\n",
        &content[100_020..],
    ]
    .concat();
    let mut message = NewMessage::new(pieces);
    message.internal_date = Some((Timestamp::from_seconds(1_700_000_000), -330));
    message.received = Some(Timestamp::from_seconds(1_700_000_100));
    message.thread = Some(ThreadId(9));
    message.utf8 = true;
    let at = store
        .append(&ann, world.op(), Place::Inbox(ANN), vec![message])
        .wait()
        .unwrap()[0];
    world.reopen();
    let row = world.rows(&ann, at.mailbox).remove(0);
    assert_eq!(
        (row.uid, row.email, row.thread, row.utf8),
        (at.uid, at.email, ThreadId(9), true)
    );
    assert_eq!(
        (row.internal_date, row.internal_offset_minutes),
        (Timestamp::from_seconds(1_700_000_000), -330)
    );
    assert_eq!(
        (row.received, row.saved),
        (Timestamp::from_seconds(1_700_000_100), NOW)
    );
    assert_eq!(row.size, whole.len() as u64);
    let content = world
        .store()
        .content(&ann, Source::Message(at.mailbox, at.uid))
        .unwrap();
    assert_eq!(content.size(), row.size);
    assert_eq!(content.read_all().unwrap(), whole);
    for (offset, length) in [
        (0, 1),
        (5, 20),
        (65_530, 20),
        (99_990, 60),
        (100_013, 11),
        (799_900, 500),
        (900_000, 5),
    ] {
        let end = (offset + length).min(whole.len());
        let expected = whole.get(offset..end).unwrap_or_default();
        assert_eq!(
            content.read(offset as u64, length).unwrap(),
            expected,
            "{offset} + {length}"
        );
    }
    let beyond = NewMessage::new(vec![body.range(799_000, 1_001)]);
    let refused = world
        .store()
        .append(&ann, world.op(), Place::Inbox(ANN), vec![beyond])
        .wait();
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

pub(crate) fn a_large_body_is_shared_by_all_who_got_it(world: &World) {
    let content = vec![b'x'; 1_000_000];
    let body = world.body(&content);
    let mut parts = Vec::new();
    for domain in 1..4 {
        let mut part = world.part(system(domain), vec![body.clone()], vec![inbox(ANN)]);
        for recipient in [BOB, mail::PersonId(3)] {
            let mut recipient = world.recipient(vec![inbox(recipient)]);
            recipient.prefix = format!("Delivered-To: {domain}\r\n").into_bytes();
            part.recipients.push(recipient);
        }
        parts.push(part);
    }
    let accepted = world.store().accept(world.accept(parts)).wait().unwrap();
    assert_eq!(accepted.stored.len(), 9);
    drop(body);
    world.reopen();
    for (number, stored) in accepted.stored.iter().enumerate() {
        let access = system(1 + number as u64 / 3);
        let prefix = if number % 3 == 0 { 0 } else { 17 };
        let read = world.read(&access, stored.mailbox, stored.uid);
        assert_eq!(read.len(), 1_000_000 + prefix);
        assert_eq!(&read[prefix..], content);
        // One after the other goes; the others stay readable.
        let gone = world
            .store()
            .expunge(&access, world.op(), stored.mailbox, vec![stored.uid])
            .wait()
            .unwrap();
        assert_eq!(gone, [stored.uid]);
    }
}

pub(crate) fn flags_and_keywords_change_with_one_sequence(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let at: Vec<_> = (0..3)
        .map(|_| world.append(&ann, Place::Inbox(ANN), b"m"))
        .collect();
    let mailbox = at[0].mailbox;
    let uids: Vec<Uid> = at.iter().map(|at| at.uid).collect();
    let change = |operation, flags, keywords: &[&str]| {
        let keywords = keywords
            .iter()
            .map(|keyword| (*keyword).to_owned())
            .collect();
        let change = FlagChange {
            operation,
            flags,
            keywords,
            unchanged_since: None,
        };
        store
            .store_flags(&ann, world.op(), mailbox, uids.clone(), change)
            .wait()
            .unwrap()
    };
    let rows = change(FlagOperation::Add, Flags::SEEN, &["$Junk", "Work"]);
    assert_eq!(rows.len(), 3);
    assert!(
        rows.iter()
            .all(|row| row.changed == rows[0].changed && row.created < row.changed)
    );
    assert_eq!(rows[0].keywords, ["$Junk", "Work"]);
    let same = change(FlagOperation::Add, Flags::SEEN, &["work"]);
    assert_eq!(
        same[0].changed, rows[0].changed,
        "nothing changed, nothing counts"
    );
    let rows = change(
        FlagOperation::Remove,
        Flags::ANSWERED,
        &["$JUNK", "Unknown"],
    );
    assert_eq!(
        (rows[1].flags, &rows[1].keywords[..]),
        (Flags::SEEN, &["Work".to_owned()][..])
    );
    let rows = change(FlagOperation::Set, Flags::DELETED.union(Flags::DRAFT), &[]);
    assert_eq!(
        (rows[2].flags, rows[2].keywords.len()),
        (Flags::DELETED.union(Flags::DRAFT), 0)
    );
    let status = store.mailbox(&ann, mailbox).unwrap().status;
    assert_eq!((status.messages, status.unseen, status.deleted), (3, 3, 3));
    assert_eq!(
        store.mailbox(&ann, mailbox).unwrap().keywords,
        ["$Junk", "Work"]
    );
    let names: Vec<_> = Flags::ALL.names().collect();
    assert_eq!(
        names,
        ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"]
    );
    assert_eq!(Flags::parse("\\sEEN"), Some(Flags::SEEN));
    let many = (0..600).map(|number| format!("k{number}")).collect();
    let change = FlagChange {
        operation: FlagOperation::Add,
        flags: Flags::NONE,
        keywords: many,
        unchanged_since: None,
    };
    let refused = store
        .store_flags(&ann, world.op(), mailbox, uids, change)
        .wait();
    assert!(
        matches!(refused, Err(Error::Invalid(_))),
        "keywords are bounded: {refused:?}"
    );
}

/// What another session took the mark from, after it was looked for and before it goes, stays.
pub(crate) fn an_expunge_of_what_is_deleted_takes_no_more(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let at: Vec<_> = (0..3)
        .map(|_| world.append(&ann, Place::Inbox(ANN), b"m"))
        .collect();
    let mailbox = at[0].mailbox;
    let change = |operation, uids: Vec<Uid>| {
        let change = FlagChange {
            operation,
            flags: Flags::DELETED,
            keywords: Vec::new(),
            unchanged_since: None,
        };
        let changed = store.store_flags(&ann, world.op(), mailbox, uids, change);
        changed.wait().unwrap();
    };
    change(FlagOperation::Add, vec![at[0].uid, at[1].uid]);
    let seen: Vec<Uid> = store
        .deleted(&ann, mailbox)
        .unwrap()
        .into_iter()
        .map(|(uid, _)| uid)
        .collect();
    assert_eq!(seen, [at[0].uid, at[1].uid]);
    change(FlagOperation::Remove, vec![at[1].uid]);
    let gone = store.expunge_deleted(&ann, world.op(), mailbox, seen);
    assert_eq!(gone.wait().unwrap(), [at[0].uid]);
    assert_eq!(world.uids(&ann, mailbox), [at[1].uid.0, at[2].uid.0]);
}

pub(crate) fn a_copy_has_its_own_identity_and_a_move_keeps_it(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let one = world.append(&ann, Place::Inbox(ANN), b"one");
    let two = world.append(&ann, Place::Inbox(ANN), b"two");
    let change = FlagChange {
        operation: FlagOperation::Add,
        flags: Flags::FLAGGED,
        keywords: vec!["Work".to_owned()],
        unchanged_since: None,
    };
    store
        .store_flags(&ann, world.op(), one.mailbox, vec![one.uid], change)
        .wait()
        .unwrap();
    let target = world.create(&ann, Owner::Person(ANN), "Target").unwrap();
    world.append(&ann, Place::Mailbox(target), b"zero");
    let uids = vec![two.uid, Uid(99), one.uid];
    let copied = store
        .copy(&ann, world.op(), one.mailbox, uids.clone(), target.into())
        .wait()
        .unwrap();
    assert_eq!(copied.uids, [(one.uid, Uid(2)), (two.uid, Uid(3))]);
    assert_eq!(
        copied.uid_validity,
        store.mailbox(&ann, target).unwrap().status.uid_validity
    );
    let copy = store.rows(&ann, target, 2..=2).unwrap().remove(0);
    let source = store.rows(&ann, one.mailbox, 1..=1).unwrap().remove(0);
    assert_ne!(copy.email, source.email);
    // RFC 8474 §5.1: a copy has the id of its source, also of another copy, and when it moves.
    assert_eq!((copy.object, source.object), (source.email, source.email));
    assert_eq!(
        (copy.thread, copy.flags, &copy.keywords),
        (source.thread, Flags::FLAGGED, &source.keywords)
    );
    assert_eq!(
        (copy.internal_date, copy.content),
        (source.internal_date, source.content)
    );
    let moved = store
        .move_messages(&ann, world.op(), one.mailbox, uids, target.into())
        .wait()
        .unwrap();
    assert_eq!(moved.uids, [(one.uid, Uid(4)), (two.uid, Uid(5))]);
    assert_eq!(store.rows(&ann, target, 4..=4).unwrap()[0].email, one.email);
    let other = world.create(&ann, Owner::Person(ANN), "Other").unwrap();
    let second = || vec![Uid(2)];
    let copied = store.copy(&ann, world.op(), target, second(), other.into());
    assert_eq!(copied.wait().unwrap().uids, [(Uid(2), Uid(1))]);
    let moved = store.move_messages(&ann, world.op(), target, second(), other.into());
    assert_eq!(moved.wait().unwrap().uids, [(Uid(2), Uid(2))]);
    let of_copy = world.rows(&ann, other);
    assert_eq!(of_copy[1].email, copy.email);
    assert_ne!(of_copy[0].email, copy.email);
    assert!(of_copy.iter().all(|row| row.object == source.email));
    let gone = store.expunge(&ann, world.op(), other, vec![Uid(1)]);
    assert_eq!(gone.wait().unwrap(), [Uid(1)]);
    let back = store.move_messages(&ann, world.op(), other, vec![Uid(2)], target.into());
    assert_eq!(back.wait().unwrap().uids, [(Uid(2), Uid(6))]);
    assert_eq!(world.uids(&ann, one.mailbox), Vec::<u32>::new());
    assert_eq!(world.read(&ann, target, Uid(4)), b"one");
    assert_eq!(
        store.usage(&ann, Owner::Person(ANN)).unwrap(),
        Usage {
            bytes: 16,
            messages: 5
        }
    );
    let changes = store.changes_since(&ann, one.mailbox, ModSeq(0)).unwrap();
    assert_eq!(changes.expunged, [one.uid, two.uid]);
    // Into the same mailbox: the copies come behind.
    let again = store
        .copy(&ann, world.op(), target, vec![Uid(4)], target.into())
        .wait()
        .unwrap();
    assert_eq!(again.uids, [(Uid(4), Uid(7))]);
}

pub(crate) fn i18_changes_since_tells_what_came_changed_and_went(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let at: Vec<_> = (0..4)
        .map(|_| world.append(&ann, Place::Inbox(ANN), b"m"))
        .collect();
    let mailbox = at[0].mailbox;
    let since = store.mailbox(&ann, mailbox).unwrap().status.highest_modseq;
    let nothing = store.changes_since(&ann, mailbox, since).unwrap();
    assert!(nothing.changed.is_empty() && nothing.expunged.is_empty() && nothing.complete);
    let seen = FlagChange {
        operation: FlagOperation::Add,
        flags: Flags::SEEN,
        keywords: vec![],
        unchanged_since: None,
    };
    store
        .store_flags(&ann, world.op(), mailbox, vec![at[2].uid], seen.clone())
        .wait()
        .unwrap();
    store
        .expunge(
            &ann,
            world.op(),
            mailbox,
            vec![at[0].uid, at[3].uid, Uid(77)],
        )
        .wait()
        .unwrap();
    let new = world.append(&ann, Place::Inbox(ANN), b"m");
    world.reopen();
    let store = world.store();
    let changes = store.changes_since(&ann, mailbox, since).unwrap();
    let changed: Vec<Uid> = changes.changed.iter().map(|row| row.uid).collect();
    assert_eq!(changed, [at[2].uid, new.uid]);
    assert_eq!(
        (changes.expunged, changes.complete),
        (vec![at[0].uid, at[3].uid], true)
    );
    let highest = store.mailbox(&ann, mailbox).unwrap().status.highest_modseq;
    assert_eq!(changes.highest_modseq, highest);
    // Each change is told by exactly one sequence.
    let mut told = 0;
    for at in since.0..highest.0 {
        let later = store.changes_since(&ann, mailbox, ModSeq(at + 1)).unwrap();
        let earlier = store.changes_since(&ann, mailbox, ModSeq(at)).unwrap();
        let count = |changes: &store::Changes| changes.changed.len() + changes.expunged.len();
        assert!(count(&earlier) >= count(&later));
        told += count(&earlier) - count(&later);
    }
    assert_eq!(told, 4);
}

pub(crate) fn i18_the_log_of_expunges_is_bounded_and_says_so(world: &World) {
    const LOG: u32 = 10_000;
    let ann = person(1, ANN);
    let store = world.store();
    let piece = world.body(b"m");
    let mut last = None;
    for _ in 0..=(LOG / 1_000) {
        let messages = (0..1_000).map(|_| NewMessage::new(vec![piece.clone()]));
        let appended = store.append(&ann, world.op(), Place::Inbox(ANN), messages.collect());
        last = appended.wait().unwrap().pop();
    }
    let mailbox = last.unwrap().mailbox;
    let modseq = || store.mailbox(&ann, mailbox).unwrap().status.highest_modseq;
    let expunge = |uids: std::ops::RangeInclusive<u32>| {
        let uids = uids.map(Uid).collect();
        store
            .expunge(&ann, world.op(), mailbox, uids)
            .wait()
            .unwrap()
            .len()
    };
    let before = modseq();
    assert_eq!(expunge(1..=400), 400);
    let between = modseq();
    for first in (401..=LOG).step_by(600) {
        expunge(first..=first + 599);
    }
    let log = |since| {
        let changes = store.changes_since(&ann, mailbox, since).unwrap();
        (changes.expunged.len(), changes.complete)
    };
    assert_eq!(log(before), (LOG as usize, true), "it is just full");
    assert_eq!(expunge(LOG + 1..=LOG + 1), 1);
    assert_eq!(log(before), (LOG as usize, false), "the oldest is dropped");
    assert_eq!(log(between), (LOG as usize - 399, true));
}

pub(crate) fn i18_a_change_after_the_asked_sequence_is_left_alone(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let at: Vec<_> = (0..2)
        .map(|_| world.append(&ann, Place::Inbox(ANN), b"m"))
        .collect();
    let mailbox = at[0].mailbox;
    let since = store.mailbox(&ann, mailbox).unwrap().status.highest_modseq;
    let flag = |uids: &[Uid], flags, unchanged_since| {
        let change = FlagChange {
            operation: FlagOperation::Set,
            flags,
            keywords: vec![],
            unchanged_since,
        };
        store
            .store_flags(&ann, world.op(), mailbox, uids.to_vec(), change)
            .wait()
            .unwrap()
    };
    flag(&[at[0].uid], Flags::SEEN, None);
    let both = [at[0].uid, at[1].uid];
    let rows = flag(&both, Flags::FLAGGED, Some(since));
    assert_eq!(
        rows.iter().map(|row| row.uid).collect::<Vec<_>>(),
        [at[1].uid]
    );
    let rows = world.rows(&ann, mailbox);
    assert_eq!(
        (rows[0].flags, rows[1].flags),
        (Flags::SEEN, Flags::FLAGGED)
    );
}

pub(crate) fn i05_an_append_is_all_or_nothing(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    world.append(&ann, Place::Inbox(ANN), b"first");
    let mut last = NewMessage::new(vec![world.body(&[1; 600])]);
    last.owner_quota = Quota {
        bytes: Some(1_000),
        messages: None,
    };
    let messages = vec![NewMessage::new(vec![world.body(&[2; 600])]), last];
    let refused = store
        .append(&ann, world.op(), Place::Inbox(ANN), messages)
        .wait();
    assert_eq!(refused, Err(Error::OverQuota(Owner::Person(ANN))));
    let inbox = store.inbox(&ann, ANN).wait().unwrap();
    assert_eq!(world.uids(&ann, inbox), [1]);
    assert_eq!(
        store.usage(&ann, Owner::Person(ANN)).unwrap(),
        Usage {
            bytes: 5,
            messages: 1
        }
    );
    assert_eq!(
        world.append(&ann, Place::Inbox(ANN), b"second").uid,
        Uid(2),
        "a refused append uses no UID"
    );
    // A mailbox that would have been made for it is not there either.
    let mut message = NewMessage::new(vec![Piece::Private(vec![0; 10])]);
    message.owner_quota = Quota {
        bytes: None,
        messages: Some(0),
    };
    let place = Place::Named(Owner::Person(ANN), "New".to_owned());
    assert!(
        store
            .append(&ann, world.op(), place, vec![message])
            .wait()
            .is_err()
    );
    assert_eq!(world.names(&ann, Owner::Person(ANN)), ["INBOX"]);
}

pub(crate) fn quota_is_exact_in_the_commit(world: &World) {
    let store = world.store();
    let accept = |person, domain_messages| {
        let mut part = world.part(system(1), vec![world.body(&[0; 100])], vec![inbox(person)]);
        part.domain_quota = Quota {
            bytes: None,
            messages: Some(domain_messages),
        };
        store.accept(world.accept(vec![part])).wait()
    };
    accept(ANN, 2).unwrap();
    accept(BOB, 2).unwrap();
    assert_eq!(accept(ANN, 2), Err(Error::OverQuota(Owner::Domain)));
    assert_eq!(
        store.usage(&system(1), Owner::Domain).unwrap(),
        Usage {
            bytes: 200,
            messages: 2
        }
    );
    let inbox = store.inbox(&system(1), ANN).wait().unwrap();
    store
        .expunge(&system(1), world.op(), inbox, vec![Uid(1)])
        .wait()
        .unwrap();
    accept(ANN, 2).unwrap();
}

pub(crate) fn i05_copies_keep_to_the_quota_and_moves_take_no_more(world: &World) {
    let (store, ann) = (world.store(), person(1, ANN));
    let from = world.append(&ann, Place::Inbox(ANN), &[0; 100]).mailbox;
    world.append(&ann, Place::Inbox(ANN), &[0; 100]);
    let own = world.create(&ann, Owner::Person(ANN), "own").unwrap();
    let three = |mailbox| Destination {
        mailbox,
        owner_quota: Quota {
            bytes: Some(300),
            messages: None,
        },
        domain_quota: Quota::NONE,
    };
    let copy = |uids: Vec<Uid>, to| store.copy(&ann, world.op(), from, uids, to).wait();
    // All or none.
    let full = Err(Error::OverQuota(Owner::Person(ANN)));
    assert_eq!(copy(vec![Uid(1), Uid(2)], three(own)), full);
    assert_eq!(world.uids(&ann, own), [0; 0]);
    copy(vec![Uid(1)], three(own)).unwrap();
    assert_eq!(copy(vec![Uid(1)], three(own)), full);
    let of_domain = Destination {
        domain_quota: Quota {
            bytes: None,
            messages: Some(3),
        },
        ..own.into()
    };
    assert_eq!(
        copy(vec![Uid(1)], of_domain),
        Err(Error::OverQuota(Owner::Domain))
    );

    // Also where the quota has shrunk below what is there: nothing is added by a move.
    let none = Destination {
        owner_quota: Quota {
            bytes: Some(0),
            messages: Some(0),
        },
        ..of_domain
    };
    let moved = store.move_messages(&ann, world.op(), from, vec![Uid(1), Uid(2)], none);
    assert_eq!(moved.wait().unwrap().uids.len(), 2);
    assert_eq!(store.usage(&ann, Owner::Person(ANN)).unwrap().messages, 3);
}
