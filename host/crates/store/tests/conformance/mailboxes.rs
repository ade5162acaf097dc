use mail::{GroupId, PersonId};
use store::{Error, FlagChange, FlagOperation, Flags, NewMessage, Owner, Piece, Place, Rights};

use crate::world::{ANN, BOB, World, person, system};

pub(crate) fn a_mailbox_has_levels_and_one_canonical_name(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let lists = world
        .create(&ann, Owner::Person(ANN), "Lists/Rust/2026")
        .unwrap();
    assert_eq!(
        world.names(&ann, Owner::Person(ANN)),
        ["Lists", "Lists/Rust", "Lists/Rust/2026"]
    );
    assert_eq!(
        world.create(&ann, Owner::Person(ANN), "Lists/Rust"),
        Err(Error::Exists)
    );
    // I12: composed and decomposed are one name; INBOX is one name in any case.
    let composed = world.create(&ann, Owner::Person(ANN), "Caf\u{e9}").unwrap();
    assert_eq!(
        world.create(&ann, Owner::Person(ANN), "Cafe\u{301}"),
        Err(Error::Exists)
    );
    assert_eq!(
        store
            .mailbox_named(&ann, Owner::Person(ANN), "Cafe\u{301}")
            .unwrap()
            .id,
        composed
    );
    let inbox = store.inbox(&ann, ANN).wait().unwrap();
    assert_eq!(store.inbox(&ann, ANN).wait(), Ok(inbox));
    assert_eq!(
        store
            .mailbox_named(&ann, Owner::Person(ANN), "inBox")
            .unwrap()
            .id,
        inbox
    );
    assert_eq!(
        world.create(&ann, Owner::Person(ANN), "inbox"),
        Err(Error::Exists)
    );
    let below = world
        .create(&ann, Owner::Person(ANN), "inbox/below")
        .unwrap();
    let below = store.mailbox(&ann, below).unwrap();
    assert_eq!(below.name, "INBOX/below");
    let lists = store.mailbox(&ann, lists).unwrap();
    assert_eq!((lists.status.uid_next.0, lists.status.messages), (1, 0));
    assert!(
        lists.status.uid_validity.0 >= 1_800_000_000,
        "UIDVALIDITY is a time"
    );
    assert!(
        below.status.uid_validity > lists.status.uid_validity,
        "and never the same twice"
    );
    world.reopen();
    assert!(
        world
            .names(&ann, Owner::Person(ANN))
            .contains(&"Lists/Rust/2026".to_owned())
    );
}

pub(crate) fn names_that_are_not_allowed_are_refused(world: &World) {
    let ann = person(1, ANN);
    let deep = vec!["x"; 33].join("/");
    let long = "x".repeat(1001);
    for name in [
        "",
        "/",
        "a//b",
        "a/",
        "a\0b",
        "a\nb",
        "100%",
        "a*",
        deep.as_str(),
        long.as_str(),
        "Shared Folders/x",
    ] {
        let refused = world.create(&ann, Owner::Person(ANN), name);
        assert!(
            matches!(refused, Err(Error::Invalid(_))),
            "{name:?}: {refused:?}"
        );
    }
    // Names are keys, never paths.
    for name in ["..", ".", "../../etc", "a\\b", "&AC8-"] {
        world
            .create(&ann, Owner::Person(ANN), name)
            .unwrap_or_else(|error| panic!("{name:?}: {error}"));
    }
}

pub(crate) fn a_rename_moves_everything_below_and_keeps_ids(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let below = world
        .create(&ann, Owner::Person(ANN), "Work/2025/May")
        .unwrap();
    let work = store
        .mailbox_named(&ann, Owner::Person(ANN), "Work")
        .unwrap()
        .id;
    let uid = world.append(&ann, Place::Mailbox(below), b"kept").uid;
    store
        .rename_mailbox(&ann, world.op(), work, "Archive/Old".to_owned())
        .wait()
        .unwrap();
    assert_eq!(
        world.names(&ann, Owner::Person(ANN)),
        [
            "Archive",
            "Archive/Old",
            "Archive/Old/2025",
            "Archive/Old/2025/May"
        ]
    );
    assert_eq!(
        store
            .mailbox_named(&ann, Owner::Person(ANN), "Archive/Old/2025/May")
            .unwrap()
            .id,
        below
    );
    assert_eq!(world.read(&ann, below, uid), b"kept");
    let loops = store
        .rename_mailbox(&ann, world.op(), work, "Archive/Old/2025/x".to_owned())
        .wait();
    assert!(matches!(loops, Err(Error::Invalid(_))), "{loops:?}");
    let taken = store
        .rename_mailbox(&ann, world.op(), below, "Archive".to_owned())
        .wait();
    assert_eq!(taken, Err(Error::Exists));
}

pub(crate) fn renaming_the_inbox_moves_its_mail(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    let inbox = store.inbox(&ann, ANN).wait().unwrap();
    let first = world.append(&ann, Place::Mailbox(inbox), b"one");
    store
        .rename_mailbox(&ann, world.op(), inbox, "Before".to_owned())
        .wait()
        .unwrap();
    assert_eq!(world.uids(&ann, inbox), Vec::<u32>::new());
    let before = store
        .mailbox_named(&ann, Owner::Person(ANN), "Before")
        .unwrap();
    assert_ne!(before.id, inbox);
    assert_eq!(world.rows(&ann, before.id)[0].email, first.email);
    assert_eq!(
        world.append(&ann, Place::Inbox(ANN), b"two").uid.0,
        2,
        "the UID of a moved message is not given again"
    );
}

pub(crate) fn a_deleted_mailbox_leaves_nothing_and_its_name_comes_back_with_a_larger_uid_validity(
    world: &World,
) {
    let ann = person(1, ANN);
    let store = world.store();
    let old = world.create(&ann, Owner::Person(ANN), "Tmp").unwrap();
    let validity = store.mailbox(&ann, old).unwrap().status.uid_validity;
    let uid = world.append(&ann, Place::Mailbox(old), &[7; 5000]).uid;
    world.create(&ann, Owner::Person(ANN), "Tmp/below").unwrap();
    let refused = store.delete_mailbox(&ann, world.op(), old).wait();
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let below = store
        .mailbox_named(&ann, Owner::Person(ANN), "Tmp/below")
        .unwrap()
        .id;
    store
        .delete_mailbox(&ann, world.op(), below)
        .wait()
        .unwrap();
    store.delete_mailbox(&ann, world.op(), old).wait().unwrap();
    assert_eq!(store.mailbox(&ann, old), Err(Error::NotFound));
    assert_eq!(store.usage(&ann, Owner::Person(ANN)).unwrap().messages, 0);
    world.reopen();
    let new = world.create(&ann, Owner::Person(ANN), "Tmp").unwrap();
    assert_ne!(new, old);
    assert!(
        world
            .store()
            .mailbox(&ann, new)
            .unwrap()
            .status
            .uid_validity
            > validity
    );
    assert_eq!(
        world.store().rows(&ann, old, uid.0..=uid.0),
        Err(Error::NotFound)
    );
    let inbox = world.store().inbox(&ann, ANN).wait().unwrap();
    assert!(matches!(
        world.store().delete_mailbox(&ann, world.op(), inbox).wait(),
        Err(Error::Invalid(_))
    ));
}

pub(crate) fn a_shared_mailbox_is_seen_by_its_members_alone(world: &World) {
    let (sales, system, ann, bob) = (
        Owner::Group(GroupId(5)),
        system(1),
        person(1, ANN),
        person(1, BOB),
    );
    let store = world.store();
    let shared = world.create(&system, sales, "sales").unwrap();
    store
        .set_members(&system, sales, vec![(ANN, Rights::MEMBER)])
        .wait()
        .unwrap();
    let seen = store
        .mailbox_named(&ann, Owner::Person(ANN), "Shared Folders/sales")
        .unwrap();
    assert_eq!(
        (seen.id, seen.rights, seen.owner),
        (shared, Rights::MEMBER, sales)
    );
    assert_eq!(
        store.mailbox_named(&bob, Owner::Person(BOB), "Shared Folders/sales"),
        Err(Error::NotFound)
    );
    assert_eq!(store.mailbox(&bob, shared), Err(Error::NotFound));
    assert_eq!(world.names(&bob, Owner::Person(BOB)), Vec::<String>::new());
    // One made later has the same members.
    let below = world.create(&system, sales, "sales/2026").unwrap();
    let other = world.create(&system, sales, "support").unwrap();
    for mailbox in [below, other] {
        assert_eq!(store.mailbox(&ann, mailbox).unwrap().rights, Rights::MEMBER);
    }
    // Members change: the old ones lose it at once.
    store
        .set_members(&system, sales, vec![(BOB, Rights::READER)])
        .wait()
        .unwrap();
    assert_eq!(store.mailbox(&ann, shared), Err(Error::NotFound));
    assert_eq!(store.mailbox(&bob, below).unwrap().rights, Rights::READER);
    world.reopen();
    assert_eq!(
        world.names(&bob, Owner::Person(BOB)),
        [
            "Shared Folders/sales",
            "Shared Folders/sales/2026",
            "Shared Folders/support"
        ]
    );
}

pub(crate) fn rights_decide_what_a_member_may_do(world: &World) {
    let (team, system, ann) = (Owner::Group(GroupId(5)), system(1), person(1, ANN));
    let store = world.store();
    let shared = world.create(&system, team, "team").unwrap();
    let uid = world
        .append(&system, Place::Mailbox(shared), b"for all")
        .uid;
    let set = |rights| {
        store
            .set_rights(&system, shared, ANN, rights)
            .wait()
            .unwrap();
    };
    let append = || {
        let message = NewMessage::new(vec![Piece::Private(b"x".to_vec())]);
        store
            .append(&ann, world.op(), Place::Mailbox(shared), vec![message])
            .wait()
            .map(drop)
    };
    let flag = |flags| {
        let change = FlagChange {
            operation: FlagOperation::Add,
            flags,
            keywords: vec![],
            unchanged_since: None,
        };
        store
            .store_flags(&ann, world.op(), shared, vec![uid], change)
            .wait()
            .map(|rows| rows[0].flags)
    };
    let expunge = || {
        store
            .expunge(&ann, world.op(), shared, vec![uid])
            .wait()
            .map(drop)
    };
    set(Rights::LOOKUP);
    assert_eq!(
        store.rows(&ann, shared, 1..=9),
        Err(Error::Denied),
        "seen, but not read"
    );
    set(Rights::READER);
    assert_eq!(world.read(&ann, shared, uid), b"for all");
    assert_eq!(append(), Err(Error::Denied));
    assert_eq!(expunge(), Err(Error::Denied));
    assert_eq!(
        flag(Flags::SEEN.union(Flags::FLAGGED)),
        Ok(Flags::SEEN),
        "only what the letter s allows"
    );
    set(Rights::parse("lrw").unwrap());
    assert_eq!(
        flag(Flags::DELETED.union(Flags::FLAGGED)),
        Ok(Flags::SEEN.union(Flags::FLAGGED))
    );
    set(Rights::MEMBER);
    assert_eq!(append(), Ok(()));
    assert_eq!(expunge(), Ok(()));
    assert_eq!(
        store.delete_mailbox(&ann, world.op(), shared).wait(),
        Err(Error::Denied)
    );
    assert_eq!(
        store.rights(&system, shared).unwrap(),
        [(ANN, Rights::MEMBER)]
    );
    set(Rights::NONE);
    assert_eq!(store.rows(&ann, shared, 1..=9), Err(Error::NotFound));
    assert_eq!(
        Rights::parse("lrswipkxtea").unwrap().to_string(),
        "lrswipkxtea"
    );
    assert_eq!(Rights::parse("z"), None);
    assert_eq!(
        store.rights(&person(1, PersonId(77)), shared),
        Err(Error::NotFound)
    );
}

pub(crate) fn subscriptions_are_names(world: &World) {
    let ann = person(1, ANN);
    let store = world.store();
    for name in ["inbox", "Gone/away", "Shared Folders/sales"] {
        store
            .subscribe(&ann, ANN, name.to_owned(), true)
            .wait()
            .unwrap();
    }
    store
        .subscribe(&ann, ANN, "Other".to_owned(), false)
        .wait()
        .unwrap();
    world.reopen();
    let store = world.store();
    assert_eq!(
        store.subscriptions(&ann, ANN).unwrap(),
        ["Gone/away", "INBOX", "Shared Folders/sales"]
    );
    store
        .subscribe(&ann, ANN, "INBOX".to_owned(), false)
        .wait()
        .unwrap();
    assert_eq!(
        store.subscriptions(&ann, ANN).unwrap(),
        ["Gone/away", "Shared Folders/sales"]
    );
    assert_eq!(
        store.subscriptions(&person(1, BOB), ANN),
        Err(Error::NotFound)
    );
}
