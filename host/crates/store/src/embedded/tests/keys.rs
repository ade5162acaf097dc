//! Keys: made before what needs them, destroyed for good, and never made over what is there.

use mail::{GroupId, MailboxId, PersonId, Uid};

use crate::cipher::SecretKey;
use crate::embedded::fault::{FaultDisk, Loss, Pages, Snapshot, State};
use crate::embedded::keyfile;
use crate::embedded::tests::script::{KEYS, Log, access, append, body, give_keys, open, open_with};
use crate::service::Engine;
use crate::{
    Destination, Error, NewMailbox, NewMessage, OpenError, Owner, Piece, Place, Result, Source,
    Store,
};

const ANN: PersonId = PersonId(21);
const BOB: PersonId = PersonId(22);
const TEAM: Owner = Owner::Group(GroupId(23));
/// What is looked for on the disk.
const WORDS: &[u8] = b"the quick brown tangerine";

fn text(who: &str, length: usize) -> Vec<u8> {
    let line = [WORDS, who.as_bytes(), b"\r\n"].concat();
    line.iter().copied().cycle().take(length).collect()
}

/// A message with private bytes and a body.
fn pieces(store: &Engine, who: &str, length: usize) -> Result<Vec<Piece>> {
    let private = [b"X-About: ", WORDS, who.as_bytes(), b"\r\n"].concat();
    Ok(vec![
        Piece::Private(private),
        body(store, &text(who, length))?,
    ])
}

fn deliver(store: &Engine, place: Place, who: &str, length: usize) -> Result<(MailboxId, Uid)> {
    let message = NewMessage::new(pieces(store, who, length)?);
    let done = store
        .append(&access(), store.operation_id(), place, vec![message])
        .wait()?;
    Ok((done[0].mailbox, done[0].uid))
}

fn folder(owner: Owner, name: &str) -> Place {
    Place::Named(owner, name.to_owned())
}

fn read(store: &Engine, (mailbox, uid): (MailboxId, Uid)) -> Result<Vec<u8>> {
    store
        .content(&access(), Source::Message(mailbox, uid))?
        .read_all()
}

fn whole(who: &str, length: usize) -> Vec<u8> {
    let private = [b"X-About: ", WORDS, who.as_bytes(), b"\r\n"].concat();
    [private, text(who, length)].concat()
}

/// Files of a disk that have the words, or the name of a mailbox.
fn found(state: &State) -> Vec<String> {
    let has = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    let names = state.names("").into_iter();
    names
        .filter(|name| {
            let bytes = state.bytes(name);
            has(&bytes, WORDS) || has(&bytes, b"Divorce")
        })
        .collect()
}

/// Two people and a group with mail, large and small, shared and not.
fn live(store: &Engine) -> Result<Lived> {
    let ann = deliver(store, folder(Owner::Person(ANN), "Divorce"), "ann", 3_000)?;
    let large = deliver(store, folder(Owner::Person(ANN), "Divorce"), "ann", 300_000)?;
    let bob = deliver(store, Place::Inbox(BOB), "bob", 3_000)?;
    store
        .subscribe(&access(), ANN, "Divorce".to_owned(), true)
        .wait()?;
    let new = NewMailbox {
        owner: TEAM,
        name: "Team".to_owned(),
        special_use: None,
    };
    let team = store
        .create_mailbox(&access(), store.operation_id(), new)
        .wait()?;
    let copy = |from: (MailboxId, Uid), to: MailboxId| -> Result<(MailboxId, Uid)> {
        let to: Destination = to.into();
        let mailbox = to.mailbox;
        let copied = store
            .copy(&access(), store.operation_id(), from.0, vec![from.1], to)
            .wait()?;
        Ok((mailbox, copied.uids[0].1))
    };
    let copied = copy(ann, bob.0)?;
    let of_team = copy(large, team)?;
    let to: Destination = bob.0.into();
    let second = deliver(store, Place::Inbox(ANN), "moved", 500)?;
    let moved = store
        .move_messages(
            &access(),
            store.operation_id(),
            second.0,
            vec![second.1],
            to,
        )
        .wait()?;
    Ok(Lived {
        ann,
        large,
        kept: vec![
            (bob, whole("bob", 3_000)),
            (copied, whole("ann", 3_000)),
            (of_team, whole("ann", 300_000)),
            ((bob.0, moved.uids[0].1), whole("moved", 500)),
        ],
    })
}

struct Lived {
    ann: (MailboxId, Uid),
    large: (MailboxId, Uid),
    /// What others have.
    kept: Vec<((MailboxId, Uid), Vec<u8>)>,
}

/// Gives a file other bytes, as who copies one over it.
fn replace(state: &mut State, path: &str, bytes: &[u8]) {
    let mut pages = Pages::default();
    pages.resize(bytes.len() as u64);
    pages.write(0, bytes);
    state.put(path, pages);
}

fn begin() -> (FaultDisk, Engine) {
    let disk = FaultDisk::new(State::default());
    let store = open(&disk).unwrap();
    (disk, store)
}

fn erase(store: &Engine, owner: Owner) -> Result<crate::Erased> {
    store.erase_owner(&access(), owner).wait()
}

#[test]
fn t08_nothing_is_stored_in_plain_and_what_others_have_survives_an_erasure() {
    let (disk, store) = begin();
    let lived = live(&store).unwrap();
    assert_eq!(read(&store, lived.ann).unwrap(), whole("ann", 3_000));
    assert_eq!(read(&store, lived.large).unwrap(), whole("ann", 300_000));
    assert_eq!(
        store.subscriptions(&access(), ANN).unwrap(),
        ["Divorce".to_owned()]
    );
    store.close().unwrap();
    assert_eq!(found(&disk.state()), [""; 0]);
    let store = open(&disk).unwrap();
    let erased = erase(&store, Owner::Person(ANN)).unwrap();
    assert_eq!(erased.messages, 2, "the moved one is somebody else's");
    for (at, expected) in &lived.kept {
        assert_eq!(&read(&store, *at).unwrap(), expected);
    }
    assert_eq!(read(&store, lived.ann), Err(Error::NotFound));
}

#[test]
fn t08_an_erased_owner_gets_nothing_new_and_no_new_key() {
    let (disk, store) = begin();
    live(&store).unwrap();
    erase(&store, Owner::Person(ANN)).unwrap();
    let refused = |store: &Engine| {
        let again = deliver(store, Place::Inbox(ANN), "ann", 100);
        assert_eq!(again, Err(Error::NotFound));
        let subscribed = store.subscribe(&access(), ANN, "X".to_owned(), true).wait();
        assert_eq!(subscribed, Err(Error::NotFound));
        erase(store, Owner::Person(ANN)).expect("twice is as good as once");
        deliver(store, Place::Inbox(BOB), "bob", 100).expect("others go on");
    };
    refused(&store);
    store.close().unwrap();
    drop(store);
    refused(&open(&disk).unwrap());
}

/// The copy is of the data alone, as a backup is; the keys are those of now.
#[test]
fn t08_a_backup_made_before_an_erasure_cannot_be_read_after_it() {
    let (disk, store) = begin();
    let lived = live(&store).unwrap();
    store.close().unwrap();
    drop(store);
    let backup = disk.state();
    assert_eq!(found(&backup), [""; 0]);
    let store = open(&disk).unwrap();
    erase(&store, Owner::Person(ANN)).unwrap();
    store.close().unwrap();
    drop(store);
    let restored = FaultDisk::new(backup);
    give_keys(&disk, &restored);
    let store = open(&restored).unwrap();
    for (at, expected) in &lived.kept {
        assert_eq!(&read(&store, *at).unwrap(), expected);
    }
    // What was sent last is done first: the start finishes the erasure.
    erase(&store, Owner::Person(ANN)).unwrap();
    for at in [lived.ann, lived.large] {
        assert_eq!(read(&store, at), Err(Error::NotFound));
    }
    let usage = store.usage(&access(), Owner::Person(ANN)).unwrap();
    assert_eq!(usage, crate::Usage::default());
    store.close().unwrap();
    assert_eq!(found(&restored.state()), [""; 0]);
}

#[test]
fn t08_a_purged_domain_leaves_nothing_also_when_a_backup_brings_its_rows_back() {
    let (disk, store) = begin();
    live(&store).unwrap();
    crate::embedded::tests::script::live(&store, &Log::default()).unwrap();
    store.close().unwrap();
    drop(store);
    let backup = disk.state();
    let store = open(&disk).unwrap();
    erase(&store, Owner::Domain).unwrap();
    assert_eq!(
        deliver(&store, Place::Inbox(BOB), "bob", 100),
        Err(Error::NotFound)
    );
    store.close().unwrap();
    drop(store);
    let restored = FaultDisk::new(backup);
    give_keys(&disk, &restored);
    let store = open(&restored).unwrap();
    erase(&store, Owner::Domain).unwrap();
    let queue = store.queue(&access(), &crate::QueueFilter::default());
    assert!(queue.unwrap().is_empty());
    let usage = store.usage(&access(), Owner::Domain).unwrap();
    assert_eq!(usage, crate::Usage::default());
    let depth = store.depth().unwrap();
    assert!(depth.iter().all(|depth| depth.domain != access().domain()));
}

/// What was told to the caller by a snapshot: deliveries, then the erasure.
fn acknowledged(store: &Engine, log: &Log) -> Result<()> {
    append(store, log, 1, 900)?;
    deliver(store, Place::Inbox(ANN), "ann", 2_000)?;
    append(store, log, 2, 900)?;
    erase(store, Owner::Person(ANN))?;
    append(store, log, 3, 900)?;
    deliver(store, folder(TEAM, "Team"), "team", 400)?;
    append(store, log, 4, 900).map(drop)
}

#[test]
fn f02_keys_survive_a_power_loss_at_every_sync_with_what_needs_them() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let noted = log.clone();
    disk.record(move || noted.len());
    let store = open(&disk).unwrap();
    acknowledged(&store, &log).unwrap();
    store.close().unwrap();
    let snapshots = disk.snapshots();
    assert!(snapshots.len() > 20, "only {} syncs", snapshots.len());
    for (number, Snapshot { state, noted }) in snapshots.iter().enumerate() {
        let seeds = (0..4).map(|seed| Loss::Some(seed * 7_919 + number as u64));
        for loss in [Loss::All, Loss::Nothing].into_iter().chain(seeds) {
            let context = format!("sync {number}, {loss:?}");
            let disk = FaultDisk::new(state.image(loss));
            let store = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            crate::embedded::tests::script::check(&store, &log.first(*noted), &context);
            let annas = deliver(&store, Place::Inbox(ANN), "ann", 100);
            if *noted >= 3 {
                // Told that it is done: then it stays done.
                assert_eq!(annas, Err(Error::NotFound), "{context}");
            }
            deliver(&store, Place::Inbox(BOB), "bob", 100)
                .unwrap_or_else(|error| panic!("{context}: {error}"));
        }
    }
}

/// A killed process leaves slots that are seen and not durable. The next one uses such a key,
/// and then the power goes.
#[test]
fn f09_a_key_seen_after_a_kill_is_synced_before_it_is_used() {
    let disk = FaultDisk::new(State::default());
    disk.record(|| 0);
    let store = open(&disk).unwrap();
    acknowledged(&store, &Log::default()).unwrap();
    store.close().unwrap();
    for (number, snapshot) in disk.snapshots().iter().enumerate() {
        let killed = FaultDisk::new(snapshot.state.kill());
        let store = open(&killed).unwrap();
        let sent = deliver(&store, folder(TEAM, "Team"), "team", 700).unwrap();
        let after = killed.state().image(Loss::All);
        drop(store);
        let store = open(&FaultDisk::new(after)).unwrap_or_else(|e| panic!("sync {number}: {e}"));
        assert_eq!(
            read(&store, sent).unwrap(),
            whole("team", 700),
            "sync {number}"
        );
    }
}

#[track_caller]
fn refused(state: State, master: SecretKey, said: &str) {
    let disk = FaultDisk::new(state);
    let error = open_with(&disk, master).unwrap_err();
    assert!(matches!(error, OpenError::Keys { .. }), "{error}");
    assert!(error.to_string().contains(said), "{error}");
}

#[test]
fn wrong_missing_or_older_keys_are_refused_and_none_are_made() {
    let (disk, store) = begin();
    deliver(&store, Place::Inbox(ANN), "ann", 100).unwrap();
    let keys = format!("{KEYS}/{}", keyfile::FILE);
    store.close().unwrap();
    drop(store);
    let older = disk.state().bytes(&keys);
    let store = open(&disk).unwrap();
    deliver(&store, Place::Inbox(BOB), "bob", 100).unwrap();
    store.close().unwrap();
    drop(store);
    let state = disk.state();
    let mut missing = state.clone();
    missing.remove(&keys);
    refused(missing, super::script::master(), "it is missing");
    let mut old = state.clone();
    replace(&mut old, &keys, &older);
    refused(old, super::script::master(), "older than the data");
    refused(state.clone(), SecretKey::random(), "the master key is not");
    let (other, store) = begin();
    deliver(&store, Place::Inbox(ANN), "ann", 100).unwrap();
    let mut foreign = state.clone();
    replace(&mut foreign, &keys, &other.state().bytes(&keys));
    refused(foreign, super::script::master(), "another data directory");
}

#[test]
fn a_changed_byte_of_the_key_file_is_refused_or_changes_nothing() {
    let (disk, store) = begin();
    let sent = deliver(&store, Place::Inbox(ANN), "ann", 100).unwrap();
    store.close().unwrap();
    drop(store);
    let keys = format!("{KEYS}/{}", keyfile::FILE);
    for at in (0..disk.state().bytes(&keys).len()).step_by(7) {
        let mut state = disk.state();
        state.corrupt(&keys, at);
        match open(&FaultDisk::new(state)) {
            Err(OpenError::Keys { .. }) => {}
            Err(error) => panic!("byte {at}: {error}"),
            Ok(store) => {
                let read = read(&store, sent);
                assert_eq!(read, Ok(whole("ann", 100)), "byte {at}");
            }
        }
    }
}
