//! What a check of a store finds.

use std::sync::Arc;

use crate::Store;
use crate::embedded::disk::Disk;
use crate::embedded::fault::{FaultDisk, State};
use crate::embedded::index::Index;
use crate::embedded::keyfile;
use crate::embedded::tests::collect::{collected, live_and_collect};
use crate::embedded::tests::script::{KEYS, Log, check, inbox_uids, open, repaired};
use crate::keys::{self, Table};
use crate::view::{Layer, Layered, View};

#[test]
fn a_sound_store_has_no_problems_and_the_numbers_are_right() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    live_and_collect(&store, &log).unwrap();
    let mut told = 0;
    let checked = store.check(true, &mut |_| told += 1).unwrap();
    assert_eq!((checked.problems, &checked.first[..]), (0, &[][..]));
    assert!(checked.rows > 60 && told > 0, "{checked:?}");
    let stats = store.stats(&mut |_| {}).unwrap();
    assert_eq!(checked.bodies_read, stats.bodies);
    assert_eq!(
        stats.disk_bytes(),
        disk.used()
            - disk.state().bytes("FORMAT").len() as u64
            - disk.state().bytes("SEGMENTS").len() as u64
            - disk
                .state()
                .bytes(&format!("{KEYS}/{}", keyfile::FILE))
                .len() as u64
    );
    let uids = inbox_uids(&store).len() as u64;
    assert!(
        stats.messages >= uids && stats.messages <= uids + 3,
        "{stats:?}"
    );
    assert!(stats.settled_bodies.files > 0 && stats.settled_rows.files > 0);
    assert!(stats.settled_dead <= stats.settled_raw);
    assert!(stats.mail_bytes() > 100_000 && stats.mail_bytes() <= stats.message_bytes);
}

/// Rows changed behind the store's back are found.
#[test]
fn a_check_finds_what_does_not_fit() {
    let (disk, log) = collected();
    let host = mail::Tenant::HOST.domain();
    let own = mail::DomainId(1);
    let cases = [
        (host, Table::Body, "body"),
        (host, Table::BodyAt, "body"),
        (host, Table::QueueAt, "index"),
        (host, Table::Dead, "counter"),
        (own, Table::Content, "reference"),
        (own, Table::Message, "counter"),
        (own, Table::Change, "counter"),
        (own, Table::Expunged, "counter"),
        (own, Table::Mailbox, "reference"),
        (own, Table::Name, "index"),
        (own, Table::Usage, "counter"),
    ];
    for (domain, table, kind) in cases {
        let disk = FaultDisk::new(disk.state());
        let as_disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let index = Index::open(&as_disk, 1 << 20).unwrap();
        let base = index.base().unwrap();
        let keyring = crate::keyring::Keyring::default();
        let view = Layered {
            layers: Vec::new(),
            base: Some(&base),
            is_closed: false,
            keyring: &keyring,
        };
        let rows = view.prefix(&keys::table(domain, table), 10).unwrap();
        // A counter of nothing is as good as none.
        let mut rows = rows.into_iter().filter(|(_, value)| value[..] != [1, 0]);
        let Some((key, _)) = rows.next_back() else {
            assert_eq!(table, Table::QueueAt, "{table:?} is empty");
            continue;
        };
        drop(view);
        let checkpoint = index.checkpoint().unwrap();
        index
            .write(&Layer::from([(key, None)]), checkpoint)
            .unwrap();
        drop((base, index));
        let store = open(&disk).unwrap();
        let checked = store.check(false, &mut |_| {}).unwrap();
        assert!(
            checked.first.iter().any(|problem| problem.kind == kind),
            "{table:?}: {checked:?}"
        );
        drop(store);
        // A new index from the segments has it again.
        let store = repaired(&disk);
        let checked = store.check(true, &mut |_| {}).unwrap();
        // But for the counters, which say what was counted when it was.
        checked
            .first
            .iter()
            .for_each(|problem| assert_eq!(problem.kind, "counter", "{problem:?}"));
        check(&store, &log.first(log.len()), "repaired");
        assert!(
            disk.state()
                .names("")
                .contains(&"index.redb.replaced-1".to_owned())
        );
    }
    let mut state = disk.state();
    let body = state.names("bodies/").remove(0);
    state.remove(&body);
    let checked = open(&FaultDisk::new(state))
        .unwrap()
        .check(false, &mut |_| {})
        .unwrap();
    assert_eq!(checked.problems, 1, "{checked:?}");
    assert!(checked.first[0].what.contains("its file is not there"));
}
