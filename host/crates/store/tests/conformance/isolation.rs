use mail::{Access, GroupId, MailboxId, ModSeq, Uid};
use store::{
    Action, Error, FlagChange, FlagOperation, Flags, NewMessage, Owner, Piece, Place, QueueFilter,
    Rights, Source, Watched,
};

use crate::world::{ANN, BOB, NOW, World, administrator, inbox, person, process, system};

/// Everything that can be asked about a mailbox, as texts of the answers.
fn ask(world: &World, access: &Access, mailbox: MailboxId) -> Vec<(&'static str, String)> {
    let store = world.store();
    let change = FlagChange {
        operation: FlagOperation::Add,
        flags: Flags::SEEN,
        keywords: vec![],
        unchanged_since: None,
    };
    let message = || vec![NewMessage::new(vec![Piece::Private(b"x".to_vec())])];
    let uids = || vec![Uid(1)];
    let own = store.inbox(access, ANN).wait().unwrap_or(MailboxId(0));
    vec![
        ("mailbox", format!("{:?}", store.mailbox(access, mailbox))),
        (
            "rows",
            format!("{:?}", store.rows(access, mailbox, 1..=u32::MAX)),
        ),
        (
            "contents",
            format!("{:?}", store.contents(access, mailbox, &[Uid(1)])),
        ),
        ("survey", format!("{:?}", store.survey(access, mailbox))),
        (
            "messages",
            format!("{:?}", store.messages(access, mailbox, &[Uid(1)])),
        ),
        (
            "changes",
            format!("{:?}", store.changes_since(access, mailbox, ModSeq(0))),
        ),
        (
            "content",
            format!(
                "{:?}",
                store.content(access, Source::Message(mailbox, Uid(1)))
            ),
        ),
        ("rights", format!("{:?}", store.rights(access, mailbox))),
        (
            "append",
            format!(
                "{:?}",
                store
                    .append(access, world.op(), Place::Mailbox(mailbox), message())
                    .wait()
            ),
        ),
        (
            "flags",
            format!(
                "{:?}",
                store
                    .store_flags(access, world.op(), mailbox, uids(), change)
                    .wait()
            ),
        ),
        (
            "copy from",
            format!(
                "{:?}",
                store
                    .copy(access, world.op(), mailbox, uids(), own.into())
                    .wait()
            ),
        ),
        (
            "copy to",
            format!(
                "{:?}",
                store
                    .copy(access, world.op(), own, uids(), mailbox.into())
                    .wait()
            ),
        ),
        (
            "move from",
            format!(
                "{:?}",
                store
                    .move_messages(access, world.op(), mailbox, uids(), own.into())
                    .wait()
            ),
        ),
        (
            "move to",
            format!(
                "{:?}",
                store
                    .move_messages(access, world.op(), own, uids(), mailbox.into())
                    .wait()
            ),
        ),
        (
            "expunge",
            format!(
                "{:?}",
                store.expunge(access, world.op(), mailbox, uids()).wait()
            ),
        ),
        (
            "rename",
            format!(
                "{:?}",
                store
                    .rename_mailbox(access, world.op(), mailbox, "x".to_owned())
                    .wait()
            ),
        ),
        (
            "set rights",
            format!(
                "{:?}",
                store.set_rights(access, mailbox, ANN, Rights::ALL).wait()
            ),
        ),
        (
            "delete",
            format!(
                "{:?}",
                store.delete_mailbox(access, world.op(), mailbox).wait()
            ),
        ),
        (
            "watch",
            format!(
                "{:?}",
                store
                    .watch(access, Watched::Mailbox(mailbox), Box::new(|_| {}))
                    .map(drop)
            ),
        ),
    ]
}

const MISSING: MailboxId = MailboxId(u64::MAX - 1);

pub(crate) fn i16_a_foreign_id_answers_like_a_missing_one(world: &World) {
    let store = world.store();
    let theirs = world
        .append(&system(2), Place::Inbox(ANN), b"secret")
        .mailbox;
    world.append(&system(1), Place::Inbox(ANN), b"own");
    for access in [system(1), person(1, ANN), administrator(1, ANN)] {
        assert_eq!(
            ask(world, &access, theirs),
            ask(world, &access, MISSING),
            "{access:?}"
        );
    }
    assert!(
        ask(world, &system(1), MISSING)
            .iter()
            .all(|(_, answer)| answer.contains("NotFound"))
    );
    assert_eq!(world.read(&system(2), theirs, Uid(1)), b"secret");
    assert_eq!(
        store.mailbox(&system(2), theirs).unwrap().status.unseen,
        1,
        "untouched"
    );
    // The same for queue rows, contents and persons of another domain.
    let part = world.part(system(2), vec![world.body(b"q")], vec![process("x", NOW)]);
    let id = store
        .accept(world.accept(vec![part]))
        .wait()
        .unwrap()
        .queued[0]
        .id;
    let content = store.queue_row(&system(2), id).unwrap().content;
    for access in [system(1), administrator(1, ANN), person(2, ANN)] {
        assert_eq!(store.queue_row(&access, id), Err(Error::NotFound));
        assert_eq!(store.remove(&access, id).wait(), Err(Error::NotFound));
        assert_eq!(store.hold(&access, id).wait(), Err(Error::NotFound));
        assert_eq!(
            store.content(&access, Source::Queue(id)).map(drop),
            Err(Error::NotFound)
        );
        assert_eq!(
            store.content(&access, Source::Content(content)).map(drop),
            Err(Error::NotFound)
        );
    }
    let all = QueueFilter {
        max: 10,
        ..QueueFilter::default()
    };
    assert_eq!(store.queue(&system(1), &all).unwrap(), []);
    let piece = Piece::Content {
        content,
        offset: 0,
        length: 1,
    };
    let message = vec![NewMessage::new(vec![piece])];
    assert_eq!(
        store
            .append(&system(1), world.op(), Place::Inbox(ANN), message)
            .wait(),
        Err(Error::NotFound)
    );
}

pub(crate) fn i15_a_mailbox_without_rights_answers_like_a_missing_one(world: &World) {
    let bobs = world
        .append(&system(1), Place::Inbox(BOB), b"bob's")
        .mailbox;
    let groups = world
        .append(
            &system(1),
            Place::Named(Owner::Group(GroupId(4)), "team".to_owned()),
            b"team's",
        )
        .mailbox;
    let ann = person(1, ANN);
    for mailbox in [bobs, groups] {
        assert_eq!(ask(world, &ann, mailbox), ask(world, &ann, MISSING));
    }
    let store = world.store();
    let named = |name: &str| store.mailbox_named(&ann, Owner::Person(ANN), name);
    assert_eq!(
        named("Shared Folders/team"),
        named("Shared Folders/missing")
    );
    assert_eq!(
        store.mailboxes(&ann, Owner::Person(BOB)),
        Err(Error::NotFound)
    );
    assert_eq!(
        store.mailboxes(&ann, Owner::Group(GroupId(4))),
        Err(Error::NotFound)
    );
    assert_eq!(store.inbox(&ann, BOB).wait(), Err(Error::NotFound));
    assert_eq!(store.usage(&ann, Owner::Person(BOB)), Err(Error::NotFound));
    assert_eq!(
        store.remove_owner(&ann, Owner::Person(BOB)).wait(),
        Err(Error::NotFound)
    );
    assert_eq!(store.kv(&ann, "p", b"k"), Err(Error::NotFound));
    assert_eq!(store.setting(&ann, b"k"), Err(Error::NotFound));
    assert_eq!(
        store
            .watch(&ann, Watched::Owner(Owner::Person(BOB)), Box::new(|_| {}))
            .map(drop),
        Err(Error::NotFound)
    );
    assert_eq!(
        world.create(&ann, Owner::Person(BOB), "x"),
        Err(Error::NotFound)
    );
    assert_eq!(
        world.create(&ann, Owner::Group(GroupId(4)), "team/x"),
        Err(Error::NotFound)
    );
}

pub(crate) fn an_administrator_manages_and_reads_no_mail(world: &World) {
    let store = world.store();
    let admin = administrator(1, BOB);
    let at = world.append(&system(1), Place::Inbox(ANN), b"private");
    assert_eq!(
        store.mailbox(&admin, at.mailbox).unwrap().status.messages,
        1
    );
    assert_eq!(store.rows(&admin, at.mailbox, 1..=9), Err(Error::Denied));
    assert_eq!(store.survey(&admin, at.mailbox), Err(Error::Denied));
    let some = store.messages(&admin, at.mailbox, &[at.uid]);
    assert_eq!(some, Err(Error::Denied));
    let some = store.contents(&admin, at.mailbox, &[at.uid]);
    assert_eq!(some.map(drop), Err(Error::Denied));
    assert_eq!(
        store
            .content(&admin, Source::Message(at.mailbox, at.uid))
            .map(drop),
        Err(Error::Denied)
    );
    assert_eq!(store.usage(&admin, Owner::Person(ANN)).unwrap().messages, 1);
    world.create(&admin, Owner::Person(ANN), "Made").unwrap();
    let accepted = world.accepted(vec![
        inbox(ANN),
        Action::Process {
            stage: "x".to_owned(),
            context: Vec::new(),
            due: NOW,
            expires: NOW,
        },
    ]);
    let id = accepted.queued[0].id;
    let content = store.queue_row(&admin, id).unwrap().content;
    assert_eq!(
        store.content(&admin, Source::Queue(id)).map(drop),
        Err(Error::NotFound)
    );
    assert_eq!(
        store.content(&admin, Source::Content(content)).map(drop),
        Err(Error::NotFound)
    );
    store.hold(&admin, id).wait().unwrap();
    // What is the own stays the own.
    let own = world.append(&admin, Place::Inbox(BOB), b"mine");
    assert_eq!(world.read(&admin, own.mailbox, own.uid), b"mine");
}
