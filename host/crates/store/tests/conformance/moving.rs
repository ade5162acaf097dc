//! Moving to another store, with the numbers things had.

use mail::{EmailId, ModSeq, RecipientId, Tenant, ThreadId, Timestamp, Uid, UidValidity};
use store::{
    Brought, BroughtMailbox, BroughtMessage, BroughtRow, Error, Flags, KvEntry, Mark, NewMessage,
    Owner, ParkedReason, Place, QueueFilter, QueueState, Quota, Rights, Source, Work,
};

use crate::world::{ANN, BOB, NOW, World, administrator, person, system};

const MARK: &[u8] = b"import/mark";

/// The mark goes from the number before to this one.
fn mark(number: u8) -> Mark {
    Mark {
        key: MARK.to_vec(),
        before: (number > 1).then(|| vec![number - 1]),
        after: vec![number],
    }
}

fn mailbox(name: &str) -> Brought {
    Brought::Mailbox(BroughtMailbox {
        owner: Owner::Person(ANN),
        name: name.to_owned(),
        special_use: None,
        uid_validity: UidValidity(1_900_000_000),
        uid_next: Uid(900),
        highest_modseq: ModSeq(5000),
    })
}

fn message(world: &World, name: &str, uid: u32, email: u64) -> BroughtMessage {
    let text = format!("Subject: {uid}\r\n\r\nbody\r\n");
    let mut new = NewMessage::new(vec![world.body(text.as_bytes())]);
    new.flags = Flags::SEEN.union(Flags::FLAGGED);
    new.keywords = vec!["$Work".to_owned()];
    new.internal_date = Some((Timestamp(1_500_000_000_000), 330));
    new.received = Some(Timestamp(1_500_000_001_000));
    BroughtMessage {
        owner: Owner::Person(ANN),
        mailbox: name.to_owned(),
        uid: Uid(uid),
        email: EmailId(email),
        object: EmailId(email),
        thread: ThreadId(email),
        created: ModSeq(4000 + u64::from(uid)),
        changed: ModSeq(4100 + u64::from(uid)),
        saved: Timestamp(1_500_000_002_000),
        message: new,
    }
}

fn brought(message: BroughtMessage) -> Brought {
    Brought::Message(Box::new(message))
}

pub(crate) fn what_is_brought_keeps_its_numbers(world: &World) {
    let store = world.store();
    let access = system(1);
    let foreign = 1 << 40;
    let mut copy = message(world, "Archive/2020", 17, foreign);
    copy.object = EmailId(9);
    let all = vec![
        mailbox("INBOX"),
        mailbox("Archive/2020"),
        brought(copy),
        brought(message(world, "Archive/2020", 5, foreign + 1)),
        Brought::Subscription(ANN, "Archive/2020".to_owned()),
        Brought::Rights {
            owner: Owner::Person(ANN),
            mailbox: "Archive/2020".to_owned(),
            person: BOB,
            rights: Rights::READER,
        },
        Brought::Setting(b"colour".to_vec(), b"blue".to_vec()),
    ];
    store.bring(&access, all, mark(1)).wait().unwrap();
    world.reopen();
    let store = world.store();
    let found = store
        .mailbox_named(&access, Owner::Person(ANN), "Archive/2020")
        .unwrap();
    assert_eq!(found.status.uid_validity, UidValidity(1_900_000_000));
    assert_eq!(found.status.uid_next, Uid(900));
    assert_eq!(found.status.highest_modseq, ModSeq(5000));
    assert_eq!(found.status.messages, 2);
    let rows = world.rows(&access, found.id);
    assert_eq!(rows[0].uid, Uid(5));
    assert_eq!(rows[1].uid, Uid(17));
    let row = &rows[1];
    assert_eq!((row.email, row.object), (EmailId(foreign), EmailId(9)));
    assert_eq!(row.thread, ThreadId(foreign));
    assert_eq!((row.created, row.changed), (ModSeq(4017), ModSeq(4117)));
    assert_eq!(row.internal_date, Timestamp(1_500_000_000_000));
    assert_eq!(row.internal_offset_minutes, 330);
    assert_eq!(row.received, Timestamp(1_500_000_001_000));
    assert_eq!(row.saved, Timestamp(1_500_000_002_000));
    assert_eq!(row.flags, Flags::SEEN.union(Flags::FLAGGED));
    assert_eq!(row.keywords, ["$Work"]);
    assert_eq!(
        world.read(&access, found.id, Uid(17)),
        b"Subject: 17\r\n\r\nbody\r\n"
    );
    // A client that knows the mailbox up to 4110 learns of the one that changed later.
    let changes = store
        .changes_since(&access, found.id, ModSeq(4110))
        .unwrap();
    let changed: Vec<_> = changes.changed.iter().map(|row| row.uid.0).collect();
    assert_eq!(changed, [17]);
    assert!(!changes.complete, "what was expunged before is not known");
    assert_eq!(store.subscriptions(&access, ANN).unwrap(), ["Archive/2020"]);
    let seen = store.content(&person(1, BOB), Source::Message(found.id, Uid(17)));
    assert!(seen.is_ok(), "BOB has the rights that were brought");
    assert_eq!(
        store.setting(&access, b"colour").unwrap().as_deref(),
        Some(&b"blue"[..])
    );
    assert_eq!(store.setting(&access, MARK).unwrap(), Some(vec![1]));
    // What comes next has numbers of its own.
    let new = world.append(&access, Place::Mailbox(found.id), b"new");
    assert_eq!(new.uid, Uid(900));
    assert!(new.email.0 > foreign + 1, "{}", new.email.0);
    let later = world
        .create(&access, Owner::Person(ANN), "later")
        .and_then(|id| store.mailbox(&access, id))
        .unwrap();
    assert!(later.status.uid_validity > UidValidity(1_900_000_000));
}

pub(crate) fn what_is_there_is_not_brought_twice(world: &World) {
    let store = world.store();
    let access = system(1);
    let first = vec![mailbox("Box"), brought(message(world, "Box", 3, 77))];
    store.bring(&access, first, mark(1)).wait().unwrap();
    let again = vec![brought(message(world, "Box", 3, 77))];
    let refused = store.bring(&access, again, mark(2)).wait();
    assert_eq!(refused, Err(Error::Exists));
    let refused = store.bring(&access, vec![mailbox("Box")], mark(2)).wait();
    assert_eq!(refused, Err(Error::Exists));
    // All of it or nothing: the mark too.
    assert_eq!(store.setting(&access, MARK).unwrap(), Some(vec![1]));
    assert_eq!(store.usage(&access, Owner::Domain).unwrap().messages, 1);

    let mut over = message(world, "Box", 4, 78);
    over.message.owner_quota = Quota {
        messages: Some(1),
        bytes: None,
    };
    let refused = store.bring(&access, vec![brought(over)], mark(2)).wait();
    assert_eq!(refused, Err(Error::OverQuota(Owner::Person(ANN))));
    for (uid, email) in [(0, 9), (5, 0), (5, u64::MAX), (u32::MAX, 9)] {
        let odd = vec![brought(message(world, "Box", uid, email))];
        let refused = store.bring(&access, odd, mark(2)).wait();
        assert!(matches!(refused, Err(Error::Invalid(_))), "{uid} {email}");
    }
    let missing = vec![brought(message(world, "None", 4, 78))];
    assert_eq!(
        store.bring(&access, missing, mark(2)).wait(),
        Err(Error::NotFound)
    );
}

pub(crate) fn of_two_who_bring_the_same_one_does(world: &World) {
    let store = world.store();
    let access = system(1);
    let setting = |value: &[u8]| vec![Brought::Setting(b"colour".to_vec(), value.to_vec())];
    store.bring(&access, setting(b"1"), mark(1)).wait().unwrap();
    // Began before the first had written anything.
    let late = store.bring(&access, setting(b"late"), mark(1)).wait();
    assert_eq!(late, Err(Error::Conflict));
    let ahead = store.bring(&access, setting(b"ahead"), mark(3)).wait();
    assert_eq!(ahead, Err(Error::Conflict));
    let found = || store.setting(&access, b"colour").unwrap();
    assert_eq!(found().as_deref(), Some(&b"1"[..]));
    assert_eq!(store.setting(&access, MARK).unwrap(), Some(vec![1]));
    store.bring(&access, setting(b"2"), mark(2)).wait().unwrap();
    assert_eq!(found().as_deref(), Some(&b"2"[..]));
}

pub(crate) fn counters_that_leave_no_room_are_refused(world: &World) {
    let store = world.store();
    let access = system(1);
    let seconds = u32::try_from(NOW.seconds()).unwrap();
    let tried = |validity: u32, next: u32, modseq: u64| {
        let odd = BroughtMailbox {
            owner: Owner::Person(ANN),
            name: "Box".to_owned(),
            special_use: None,
            uid_validity: UidValidity(validity),
            uid_next: Uid(next),
            highest_modseq: ModSeq(modseq),
        };
        store
            .bring(&access, vec![Brought::Mailbox(odd)], mark(1))
            .wait()
    };
    for (validity, next, modseq) in [
        (u32::MAX, 1, 1),
        (seconds + 400_000_000, 1, 1),
        (0, 1, 1),
        (seconds, 0, 1),
        (seconds, 1, u64::MAX),
        (seconds, 1, 1 << 62),
    ] {
        let refused = tried(validity, next, modseq);
        assert!(
            matches!(refused, Err(Error::Invalid(_))),
            "{validity} {next} {modseq}"
        );
    }
    tried(seconds + 300_000_000, 1, (1 << 62) - 1).unwrap();
    let with = |created, changed, email| {
        let mut odd = message(world, "Box", 3, email);
        (odd.created, odd.changed) = (ModSeq(created), ModSeq(changed));
        store.bring(&access, vec![brought(odd)], mark(2)).wait()
    };
    for (created, changed, email) in [
        (5, 4, 7),
        (1, u64::MAX, 7),
        (1, 1 << 62, 7),
        (1, 1, 1 << 56),
    ] {
        let refused = with(created, changed, email);
        assert!(
            matches!(refused, Err(Error::Invalid(_))),
            "{created} {changed} {email}"
        );
    }
    with(4, 4, (1 << 56) - 1).unwrap();
    // There is room for more.
    let made = world.create(&access, Owner::Person(ANN), "later").unwrap();
    let place = store
        .mailbox_named(&access, Owner::Person(ANN), "Box")
        .unwrap();
    let new = world.append(&access, Place::Mailbox(place.id), b"new");
    assert!(new.email.0 > 1 << 55, "{}", new.email.0);
    assert!(store.mailbox(&access, made).is_ok());
}

pub(crate) fn only_the_server_and_the_operator_bring(world: &World) {
    let store = world.store();
    for access in [person(1, ANN), administrator(1, ANN)] {
        let tried = store.bring(&access, vec![mailbox("Box")], mark(1)).wait();
        assert_eq!(tried, Err(Error::NotFound));
        assert_eq!(
            store.kv_all(&access, None, 1).map(|_| ()),
            Err(Error::NotFound)
        );
    }
    let host = mail::Access::system(Tenant::HOST);
    let tried = store.bring(&host, vec![mailbox("Box")], mark(1)).wait();
    assert_eq!(tried, Err(Error::NotFound));
    // What is brought into one domain is nowhere else.
    store
        .bring(&system(1), vec![mailbox("Box")], mark(1))
        .wait()
        .unwrap();
    let other = store.mailbox_named(&system(2), Owner::Person(ANN), "Box");
    assert_eq!(other.map(|_| ()), Err(Error::NotFound));
    assert_eq!(store.setting(&system(2), MARK).unwrap(), None);
}

pub(crate) fn queued_mail_is_brought_as_it_waits(world: &World) {
    let store = world.store();
    let access = system(1);
    let row = |parked| BroughtRow {
        envelope: world.envelope(),
        recipient: RecipientId(1 << 40),
        original: "Ann@ABC.test".to_owned(),
        address: mail::Mailbox::parse("ann@abc.test").unwrap(),
        work: Work::Remote {
            channel: "smtp".to_owned(),
            next_hop: None,
        },
        due: match parked {
            Some(_) => Timestamp(i64::MAX),
            None => NOW,
        },
        parked,
        attempts: 3,
        created: Timestamp(NOW.0 - 1000),
        expires: Timestamp(NOW.0 + 100_000),
        last: Some((None, "later".to_owned())),
        delay_told: true,
        pieces: vec![world.body(b"Subject: queued\r\n\r\n")],
    };
    let rows = vec![
        Brought::Queued(Box::new(row(None))),
        Brought::Queued(Box::new(row(Some((ParkedReason::Hold, "held".to_owned()))))),
    ];
    store.bring(&access, rows, mark(1)).wait().unwrap();
    world.reopen();
    let store = world.store();
    let filter = QueueFilter {
        max: 10,
        ..QueueFilter::default()
    };
    let queue = store.queue(&access, &filter).unwrap();
    assert_eq!(queue.len(), 2);
    assert_eq!(queue[0].state, QueueState::Ready);
    assert_eq!(queue[0].attempts, 3);
    assert!(queue[0].delay_told);
    assert_eq!(queue[1].state, QueueState::Parked(ParkedReason::Hold));
    let content = store.content(&access, Source::Queue(queue[0].id)).unwrap();
    assert_eq!(content.read_all().unwrap(), b"Subject: queued\r\n\r\n");
    let lease = store.claim("worker", NOW, 60, 10).unwrap();
    assert_eq!(lease.len(), 1);
    assert!(
        store.recipient_id().0 > 1 << 40,
        "ids of others are skipped"
    );
}

pub(crate) fn all_values_of_plugins_are_paged(world: &World) {
    let store = world.store();
    let access = system(1);
    let entry = |key: &[u8]| KvEntry {
        key: key.to_vec(),
        value: [b"v-", key].concat(),
        expires: Some(Timestamp(NOW.0 + 1000)),
    };
    let all = vec![
        Brought::Kv("autoreply".to_owned(), entry(b"b")),
        Brought::Kv("autoreply".to_owned(), entry(b"a")),
        Brought::Kv("greeter".to_owned(), entry(b"")),
        Brought::Kv("greeter".to_owned(), entry(b"a\0")),
    ];
    store.bring(&access, all, mark(1)).wait().unwrap();
    let mut found: Vec<(String, KvEntry)> = Vec::new();
    loop {
        let after = found
            .last()
            .map(|(plugin, entry)| (plugin.as_str(), entry.key.as_slice()));
        let page = store.kv_all(&access, after, 1).unwrap();
        let Some(next) = page.into_iter().next() else {
            break;
        };
        found.push(next);
    }
    let mut names: Vec<_> = found
        .iter()
        .map(|(plugin, entry)| (plugin.as_str(), entry.key.as_slice()))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            ("autoreply", &b"a"[..]),
            ("autoreply", b"b"),
            ("greeter", b""),
            ("greeter", b"a\0"),
        ]
    );
    assert!(found.iter().all(|(_, found)| *found == entry(&found.key)));
    assert_eq!(store.kv_all(&system(2), None, 10).unwrap(), []);
}
