use mail::{EnvelopeId, GroupId, PersonId, Timestamp};
use store::{
    Decision, Effect, Error, KvEntry, Owner, Part, Place, QueueFilter, Rights, TraceKey, TraceLine,
    Traced, Usage,
};

use crate::world::{ANN, BOB, NOW, World, inbox, person, process, system};

const LATER: Timestamp = Timestamp(NOW.0 + 1);

fn put(key: &str, expires: Option<Timestamp>) -> Effect {
    Effect::KvPut {
        plugin: "p".to_owned(),
        key: key.into(),
        value: b"v".to_vec(),
        expires,
    }
}

pub(crate) fn kv_values_end_by_themselves(world: &World) {
    let store = world.store();
    let effects = vec![
        put("a/1", None),
        put("a/2", Some(LATER)),
        put("a/3", Some(NOW)),
        put("b", None),
    ];
    store
        .commit(&system(1), world.op(), effects)
        .wait()
        .unwrap();
    world.reopen();
    let store = world.store();
    assert_eq!(
        store.kv(&system(1), "p", b"a/2").unwrap(),
        Some(b"v".to_vec())
    );
    assert_eq!(
        store.kv(&system(1), "p", b"a/3").unwrap(),
        None,
        "its time is over"
    );
    let keys = |max| -> Vec<Vec<u8>> {
        store
            .kv_list(&system(1), "p", b"a/", max)
            .unwrap()
            .into_iter()
            .map(|entry| entry.key)
            .collect()
    };
    assert_eq!(keys(10), [b"a/1", b"a/2"]);
    assert_eq!(keys(1), [b"a/1"]);
    assert_eq!(
        store.kv_list(&system(1), "q", b"", 9).unwrap(),
        Vec::<KvEntry>::new()
    );
    assert_eq!(
        store.kv_list(&system(2), "p", b"", 9).unwrap(),
        Vec::<KvEntry>::new()
    );
    // A new time replaces the old one: the first end passes without effect.
    store
        .commit(
            &system(1),
            world.op(),
            vec![put("a/2", Some(LATER.plus_seconds(9)))],
        )
        .wait()
        .unwrap();
    assert_eq!(store.expire(LATER, 100).wait().unwrap(), 1, "only a/3");
    assert_eq!(
        store.kv(&system(1), "p", b"a/2").unwrap(),
        Some(b"v".to_vec())
    );
    let long = Effect::KvDelete {
        plugin: "p".to_owned(),
        key: vec![0; 1025],
    };
    assert!(matches!(
        store.commit(&system(1), world.op(), vec![long]).wait(),
        Err(Error::Invalid(_))
    ));
    let gone = Effect::KvDelete {
        plugin: "p".to_owned(),
        key: b"b".to_vec(),
    };
    store
        .commit(&system(1), world.op(), vec![gone])
        .wait()
        .unwrap();
    assert_eq!(store.kv(&system(1), "p", b"b").unwrap(), None);
}

pub(crate) fn settings_belong_to_their_domain(world: &World) {
    let store = world.store();
    let host = mail::Access::system(mail::Tenant::HOST);
    let set = |access, key: &str, value: Option<&str>| {
        store
            .set_settings(
                &access,
                world.op(),
                vec![(key.into(), value.map(Into::into))],
            )
            .wait()
            .unwrap();
    };
    set(system(1), "chain/1", Some("one"));
    set(system(1), "chain/2", Some("two"));
    set(system(1), "other", Some("x"));
    set(host, "chain/1", Some("site"));
    world.reopen();
    let store = world.store();
    assert_eq!(
        store.setting(&system(1), b"chain/1").unwrap(),
        Some(b"one".to_vec())
    );
    assert_eq!(
        store.setting(&host, b"chain/1").unwrap(),
        Some(b"site".to_vec())
    );
    assert_eq!(store.setting(&system(2), b"chain/1").unwrap(), None);
    let listed = store.settings(&system(1), b"chain/").unwrap();
    assert_eq!(
        listed,
        [
            (b"chain/1".to_vec(), b"one".to_vec()),
            (b"chain/2".to_vec(), b"two".to_vec())
        ]
    );
    store
        .set_settings(&system(1), world.op(), vec![(b"chain/1".to_vec(), None)])
        .wait()
        .unwrap();
    assert_eq!(store.settings(&system(1), b"chain/").unwrap().len(), 1);
}

pub(crate) fn traces_are_kept_by_message(world: &World) {
    let store = world.store();
    let line = |text: &str| TraceLine {
        at: NOW,
        recipient: None,
        step: "intake".to_owned(),
        text: text.to_owned(),
    };
    let send = |text: &str| {
        let mut part = world.part(system(1), vec![world.body(b"m")], vec![process("x", NOW)]);
        part.trace = vec![line(text), line("accepted")];
        store
            .accept(world.accept(vec![part]))
            .wait()
            .unwrap()
            .envelope
    };
    let (first, second) = (send("first"), send("second"));
    let lease = store.claim("w", NOW, 9, 1).unwrap().remove(0);
    let mut settlement = store::Settlement::new(world.op(), store::Settled::Done);
    settlement.trace = vec![line("delivered")];
    store.complete(&lease, settlement).wait().unwrap();
    world.reopen();
    let store = world.store();
    let texts = |entries: Vec<store::TraceEntry>| -> Vec<String> {
        entries.into_iter().map(|e| e.line.text).collect()
    };
    assert_eq!(
        texts(store.trace(&system(1), first).unwrap()),
        [
            "first",
            "accepted",
            &format!("queue {} x for \"ann o\"@abc.test", lease.row.id),
            "delivered"
        ]
    );
    assert_eq!(
        texts(store.trace(&system(2), first).unwrap()),
        Vec::<String>::new()
    );
    assert_eq!(
        store.recent_traces(&system(1), 1).unwrap()[0].envelope,
        second
    );
    assert_eq!(store.recent_traces(&system(1), 100).unwrap().len(), 7);
    let month = NOW.plus_seconds(31 * 24 * 3600);
    assert_eq!(store.expire(month, 2).wait().unwrap(), 2, "in steps");
    assert_eq!(store.expire(month, 100).wait().unwrap(), 1);
    assert_eq!(store.recent_traces(&system(1), 100).unwrap(), []);
}

/// A part with one line of trace, and a row that waits.
fn traced_part(world: &World, domain: u64, id: &str, envelope: EnvelopeId) -> Part {
    let mut traced = Traced::new(envelope);
    traced.found_by = vec![TraceKey::MessageId(id.to_owned())];
    let mut part = world.part(
        system(domain),
        vec![world.body(b"m")],
        vec![process("x", NOW)],
    );
    part.trace = vec![TraceLine {
        at: NOW,
        recipient: None,
        step: "intake".to_owned(),
        text: "taken".to_owned(),
    }];
    part.effects = vec![Effect::Trace(Box::new(traced))];
    part
}

fn address(text: &str) -> TraceKey {
    TraceKey::Address(mail::Mailbox::parse(text).unwrap())
}

pub(crate) fn a_trace_is_found_by_address_message_id_and_row_inside_its_domain(world: &World) {
    let store = world.store();
    let send = |domain, id| {
        let mut accept = world.accept(Vec::new());
        accept.parts = vec![traced_part(world, domain, id, accept.envelope.id)];
        store.accept(accept).wait().unwrap()
    };
    let first = send(1, "one@x");
    let second = send(1, "two@x");
    let foreign = send(2, "two@x");
    world.reopen();
    let store = world.store();
    let found = |domain, by: &TraceKey| store.traced(&system(domain), by, 10).unwrap();
    let both = vec![second.envelope, first.envelope];
    for by in ["Carl@ELSEWHERE.test", "ann@abc.test", "\"Ann o\"@abc.test"] {
        assert_eq!(found(1, &address(by)), both, "{by}");
        assert_eq!(found(2, &address(by)), [foreign.envelope], "{by}");
    }
    let by = TraceKey::MessageId("two@x".to_owned());
    assert_eq!(found(1, &by), [second.envelope]);
    assert_eq!(found(2, &by), [foreign.envelope]);
    let by = TraceKey::Row(first.queued[0].id);
    assert_eq!(found(1, &by), [first.envelope]);
    assert_eq!(found(2, &by), []);
    assert_eq!(
        store
            .traced(&system(1), &address("ann@abc.test"), 1)
            .unwrap(),
        both[..1]
    );
    // What a message is found by ends with its trace.
    let end = NOW.plus_seconds(15 * 24 * 3600);
    assert_eq!(store.expire(end, 100).wait().unwrap(), 3);
    for by in [
        address("ann@abc.test"),
        by,
        TraceKey::MessageId("two@x".to_owned()),
    ] {
        assert_eq!(store.traced(&system(1), &by, 10).unwrap(), [], "{by:?}");
    }
}

pub(crate) fn what_the_host_did_is_shown_to_the_domain_that_sent_it(world: &World) {
    let store = world.store();
    let mut accept = world.accept(Vec::new());
    let envelope = accept.envelope.id;
    let mut sent = Traced::new(envelope);
    sent.is_sender = true;
    let mut own = traced_part(world, 1, "one@x", envelope);
    own.recipients.clear();
    own.effects.push(Effect::Trace(Box::new(sent)));
    accept.parts = vec![
        own,
        traced_part(world, 0, "one@x", envelope),
        traced_part(world, 2, "one@x", envelope),
    ];
    let accepted = store.accept(accept).wait().unwrap();
    let lines = |domain| store.trace(&system(domain), envelope).unwrap().len();
    assert_eq!((lines(1), lines(0), lines(2)), (3, 2, 2));
    let row = TraceKey::Row(accepted.queued[0].id);
    assert_eq!(store.traced(&system(1), &row, 9).unwrap(), [envelope]);
    assert_eq!(store.traced(&system(2), &row, 9).unwrap(), []);
}

pub(crate) fn what_administrators_decide_stands_in_the_trace(world: &World) {
    let store = world.store();
    let mut accept = world.accept(Vec::new());
    let envelope = accept.envelope.id;
    accept.parts = vec![traced_part(world, 1, "one@x", envelope)];
    let id = store.accept(accept).wait().unwrap().queued[0].id;
    let decide = |decision| store.decide(&system(1), id, decision, "ann").wait();
    assert!(matches!(decide(Decision::Release), Err(Error::Invalid(_))));
    for decision in [
        Decision::Retry,
        Decision::Hold,
        Decision::Release,
        Decision::Remove,
    ] {
        decide(decision).unwrap();
    }
    assert_eq!(decide(Decision::Remove), Err(Error::NotFound));
    let steps: Vec<_> = store
        .trace(&system(1), envelope)
        .unwrap()
        .into_iter()
        .map(|entry| entry.line.step)
        .collect();
    assert_eq!(
        steps,
        [
            "intake",
            "store",
            "queue.retry",
            "queue.hold",
            "queue.release",
            "queue.remove"
        ]
    );
}

pub(crate) fn removing_an_owner_removes_everything_and_nothing_else(world: &World) {
    let store = world.store();
    let team = Owner::Group(GroupId(4));
    for domain in [1, 2] {
        let access = system(domain);
        for person in [ANN, BOB] {
            for _ in 0..3 {
                world.append(&access, Place::Inbox(person), &[1; 100]);
            }
            world.append(
                &access,
                Place::Named(Owner::Person(person), "A/B".to_owned()),
                b"m",
            );
        }
        world.append(&access, Place::Named(team, "team".to_owned()), b"m");
        store
            .set_members(
                &access,
                team,
                vec![(ANN, Rights::MEMBER), (BOB, Rights::MEMBER)],
            )
            .wait()
            .unwrap();
        store
            .subscribe(&access, ANN, "A".to_owned(), true)
            .wait()
            .unwrap();
        store
            .commit(&access, world.op(), vec![put("k", None)])
            .wait()
            .unwrap();
        store
            .set_settings(
                &access,
                world.op(),
                vec![(b"s".to_vec(), Some(b"v".to_vec()))],
            )
            .wait()
            .unwrap();
        let part = world.part(access, vec![world.body(b"m")], vec![process("x", NOW)]);
        store.accept(world.accept(vec![part])).wait().unwrap();
    }
    let (one, two) = (system(1), system(2));
    store.remove_owner(&one, Owner::Person(ANN)).wait().unwrap();
    assert_eq!(world.names(&one, Owner::Person(ANN)), Vec::<String>::new());
    assert_eq!(
        store.subscriptions(&one, ANN).unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(
        store.usage(&one, Owner::Person(ANN)).unwrap(),
        Usage::default()
    );
    assert_eq!(
        world.names(&one, Owner::Person(BOB)),
        ["A", "A/B", "INBOX", "Shared Folders/team"]
    );
    // The same person's number, given to somebody else, sees nothing of what was.
    assert_eq!(
        world.names(&person(1, ANN), Owner::Person(ANN)),
        Vec::<String>::new()
    );
    assert_eq!(
        store.usage(&one, Owner::Domain).unwrap(),
        Usage {
            bytes: 302,
            messages: 5
        }
    );
    store.remove_owner(&one, team).wait().unwrap();
    assert_eq!(world.names(&one, Owner::Person(BOB)), ["A", "A/B", "INBOX"]);
    store.remove_owner(&one, Owner::Domain).wait().unwrap();
    world.reopen();
    let store = world.store();
    let all = QueueFilter {
        max: 10,
        ..QueueFilter::default()
    };
    assert_eq!(world.names(&one, Owner::Person(BOB)), Vec::<String>::new());
    assert_eq!(store.queue(&one, &all).unwrap(), []);
    assert_eq!(store.kv(&one, "p", b"k").unwrap(), None);
    assert_eq!(store.setting(&one, b"s").unwrap(), None);
    assert_eq!(store.usage(&one, Owner::Domain).unwrap(), Usage::default());
    assert_eq!(store.depth().unwrap().len(), 1);
    // The other domain has everything.
    assert_eq!(
        world.names(&two, Owner::Person(ANN)),
        ["A", "A/B", "INBOX", "Shared Folders/team"]
    );
    assert_eq!(store.queue(&two, &all).unwrap().len(), 1);
    assert_eq!(store.kv(&two, "p", b"k").unwrap(), Some(b"v".to_vec()));
    assert_eq!(
        store.usage(&two, Owner::Person(ANN)).unwrap(),
        Usage {
            bytes: 301,
            messages: 4
        }
    );
    let host = mail::Access::system(mail::Tenant::HOST);
    assert!(matches!(
        store.remove_owner(&host, Owner::Domain).wait(),
        Err(Error::Invalid(_))
    ));
}

pub(crate) fn usage_follows_what_is_stored(world: &World) {
    let store = world.store();
    let of = |owner| store.usage(&system(1), owner).unwrap();
    let (ann, bob) = (Owner::Person(ANN), Owner::Person(BOB));
    let accepted = world.accepted(vec![inbox(ANN)]);
    world.accepted(vec![inbox(BOB)]);
    assert_eq!(
        of(ann),
        Usage {
            bytes: 19,
            messages: 1
        }
    );
    assert_eq!(
        of(Owner::Domain),
        Usage {
            bytes: 38,
            messages: 2
        }
    );
    // Into a mailbox of another owner: it counts there.
    let (from, uid) = (accepted.stored[0].mailbox, accepted.stored[0].uid);
    let to = store.inbox(&system(1), BOB).wait().unwrap();
    store
        .move_messages(&system(1), world.op(), from, vec![uid], to.into())
        .wait()
        .unwrap();
    assert_eq!(
        (of(ann), of(bob)),
        (
            Usage::default(),
            Usage {
                bytes: 38,
                messages: 2
            }
        )
    );
    assert_eq!(of(Owner::Person(PersonId(9))), Usage::default());
    store
        .expunge(&system(1), world.op(), to, vec![mail::Uid(1), mail::Uid(2)])
        .wait()
        .unwrap();
    assert_eq!(of(Owner::Domain), Usage::default());
    let space = store.space().unwrap();
    assert!(space.has_room() && space.latched.is_none() && space.total >= space.free);
}
