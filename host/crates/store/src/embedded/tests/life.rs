//! A life of a store on a disk that keeps a snapshot at every sync, step by step: what was to be
//! seen after each step that was answered, and what may therefore be found after a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mail::Access;

use crate::embedded::fault::{Dice, FaultDisk, Snapshot, State};
use crate::embedded::tests::dump::{Dump, PEOPLE};
use crate::embedded::tests::script;
use crate::embedded::tests::steps::{self, Step};
use crate::service::Engine;
use crate::{Error, NewMailbox, NewMessage, OpenError, Owner, Piece, Place, Result, Store};

/// How much of a step a crash may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// All or nothing: one commit.
    Whole,
    /// Several commits: each line may be old or new.
    InParts,
}

/// What is seen after a step.
#[derive(Debug, Clone)]
struct Seen {
    dump: Dump,
    whole: Whole,
    name: &'static str,
}

/// Steps that were answered.
type Answered = Arc<AtomicUsize>;

/// A life under way.
pub(crate) struct Life {
    store: Option<Engine>,
    pub(crate) disk: FaultDisk,
    pub(crate) dice: Dice,
    answered: Answered,
    seen: Vec<Seen>,
    /// Does it wait after each step until the index is written? Then the same seed gives the
    /// same syncs in the same order.
    is_in_step: bool,
    /// What the step that was last tried is.
    refused: Whole,
    /// Bytes of the largest small message.
    pub(crate) largest: u64,
}

/// A life that ended, and what it left.
pub(crate) struct Lived {
    pub(crate) snapshots: Vec<Snapshot>,
    seen: Vec<Seen>,
}

impl Life {
    /// On an empty disk.
    pub(crate) fn begin(seed: u64) -> Self {
        Self::begin_on(FaultDisk::new(State::default()), seed)
    }

    /// On a disk with a store, or none.
    pub(crate) fn begin_on(disk: FaultDisk, seed: u64) -> Self {
        let answered = Answered::default();
        let noted = Arc::clone(&answered);
        disk.record(move || noted.load(Ordering::SeqCst));
        let store = script::open(&disk).expect("a new disk can be opened");
        let dump = Dump::of(&store).expect("it can be read");
        Self {
            store: Some(store),
            disk,
            dice: Dice(seed),
            answered,
            seen: vec![Seen {
                dump,
                whole: Whole::Whole,
                name: "nothing",
            }],
            is_in_step: seed.is_multiple_of(2),
            refused: Whole::Whole,
            largest: u64::MAX,
        }
    }

    pub(crate) fn store(&self) -> &Engine {
        self.store.as_ref().expect("it is open but in `reopen`")
    }

    pub(crate) fn access(domain: u64) -> Access {
        Access::system(script::tenant(domain))
    }

    /// What is seen now.
    pub(crate) fn now(&self) -> &Dump {
        &self.seen.last().expect("there is a first one").dump
    }

    /// One commit. What it answers is a promise.
    pub(crate) fn step<T>(
        &mut self,
        name: &'static str,
        step: impl FnOnce(&Engine) -> Result<T>,
    ) -> Result<T> {
        self.take(name, Whole::Whole, step)
    }

    /// Several commits, which a crash may part.
    pub(crate) fn steps<T>(
        &mut self,
        name: &'static str,
        steps: impl FnOnce(&Engine) -> Result<T>,
    ) -> Result<T> {
        self.take(name, Whole::InParts, steps)
    }

    fn take<T>(
        &mut self,
        name: &'static str,
        whole: Whole,
        step: impl FnOnce(&Engine) -> Result<T>,
    ) -> Result<T> {
        self.refused = whole;
        let done = step(self.store())?;
        self.answered.fetch_add(1, Ordering::SeqCst);
        self.keep_step();
        let dump = self.read();
        self.seen.push(Seen { dump, whole, name });
        Ok(done)
    }

    fn keep_step(&self) {
        let waits = || {
            let store = self.store();
            // An index that finds no room, or failed for good, is not waited for.
            let goes_on =
                !self.disk.is_limited() && store.space().is_ok_and(|space| space.latched.is_none());
            self.is_in_step && goes_on && store.is_writing_index()
        };
        while waits() {
            std::thread::yield_now();
        }
    }

    /// Lives these steps. A step that is refused for want of room, or of files, must have done
    /// nothing; it is tried again once there is room. Ends with the first other error.
    pub(crate) fn live(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            match step(self) {
                // A read error is of the read that met it.
                Err(Error::Full | Error::Busy | Error::Damaged(_)) => {
                    self.check_refused();
                    if !self.disk.is_limited() {
                        step(self)?;
                    }
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Lives so many steps of any kind.
    pub(crate) fn live_any(&mut self, steps: u64) -> Result<()> {
        for number in 0..steps {
            let step = match self.dice.roll(30) {
                0 if number > 8 => steps::fill_disk,
                1..=4 if self.disk.is_limited() => steps::empty_disk,
                5 if number > 15 => steps::purge,
                _ => *self.dice.pick(steps::ANY).expect("there are some"),
            };
            self.live(&[step])?;
        }
        self.disk.set_capacity(None);
        Ok(())
    }

    /// Closes and opens. Nothing may change by it.
    pub(crate) fn reopen(&mut self) {
        if self.disk.is_limited() {
            // A start needs room.
            return;
        }
        if let Some(store) = self.store.take() {
            store.close().expect("it closes");
        }
        let store = script::open(&self.disk).expect("what was closed can be opened");
        self.store = Some(store);
        assert_eq!(
            self.read().difference(self.now()),
            None,
            "changed by a close"
        );
    }

    /// A step that was refused has done nothing, or a part where it has several.
    pub(crate) fn check_refused(&mut self) {
        let dump = self.read();
        let Some(difference) = dump.difference(self.now()) else {
            return;
        };
        assert_eq!(
            self.refused,
            Whole::InParts,
            "it did something: {difference}"
        );
        self.answered.fetch_add(1, Ordering::SeqCst);
        self.seen.push(Seen {
            dump,
            whole: Whole::InParts,
            name: "a part",
        });
    }

    /// A read that fails once may be tried again; so may one that comes just when the index had
    /// an error and is opened anew.
    fn read(&self) -> Dump {
        let mut last = None;
        for _ in 0..10_000 {
            match Dump::of(self.store()) {
                Ok(dump) => return dump,
                Err(error) => last = Some(error),
            }
            std::thread::yield_now();
        }
        panic!("it cannot be read: {last:?}")
    }

    /// Closes it and hands out what the disk remembers.
    pub(crate) fn end(mut self) -> Lived {
        if let Some(store) = self.store.take() {
            store.close().expect("it closes");
        }
        Lived {
            snapshots: self.disk.take_snapshots(),
            seen: self.seen,
        }
    }

    /// Ends with a failure. What was under way is known from `whole`, the same life without
    /// one. Answers how many steps were answered, and the disk as it is.
    pub(crate) fn fail(mut self, whole: &Lived) -> (usize, Lived, State) {
        let state = self.disk.state();
        drop(self.store.take());
        let answered = self.seen.len() - 1;
        self.seen.extend(whole.seen.get(answered + 1).cloned());
        let lived = Lived {
            snapshots: Vec::new(),
            seen: self.seen,
        };
        (answered, lived, state)
    }
}

impl Lived {
    /// One that has only been opened.
    pub(crate) fn of(dump: Dump) -> Self {
        Self {
            snapshots: Vec::new(),
            seen: vec![Seen {
                dump,
                whole: Whole::Whole,
                name: "an open",
            }],
        }
    }

    /// May this be found when `answered` steps had been answered? As after the last of them, or
    /// as after the next one, which was under way.
    pub(crate) fn check(&self, answered: usize, found: &Dump) -> std::result::Result<(), String> {
        let before = &self.seen[answered];
        if *found == before.dump {
            return Ok(());
        }
        let after = self.seen.get(answered + 1);
        let difference = match after {
            Some(after) if *found == after.dump => return Ok(()),
            Some(after) if after.whole == Whole::InParts => {
                match found.check_between(&before.dump, &after.dump) {
                    Ok(()) => return Ok(()),
                    Err(difference) => Some(difference),
                }
            }
            _ => found.difference(&before.dump),
        };
        Err(format!(
            "after step {answered} ({}), with {} under way: {}",
            before.name,
            after.map_or("nothing", |after| after.name),
            difference.unwrap_or_default()
        ))
    }
}

/// Opens what a crash left and reads all of it.
pub(crate) fn open_and_dump(disk: &FaultDisk) -> std::result::Result<(Engine, Dump), String> {
    let store =
        script::open(disk).map_err(|error: OpenError| format!("it does not open: {error}"))?;
    let dump = Dump::of(&store).map_err(|error: Error| format!("it cannot be read: {error}"))?;
    Ok((store, dump))
}

/// After a crash the store takes mail again, and gives nothing twice.
pub(crate) fn goes_on(
    store: &Engine,
    found: &Dump,
    lived: &Lived,
    answered: usize,
) -> std::result::Result<(), String> {
    let mut domains = std::collections::BTreeMap::new();
    domains.extend(found.mailbox_ids());
    for (domain, mailbox) in domains {
        let message = NewMessage::new(vec![Piece::Private(b"new".to_vec())]);
        let (access, id) = (Life::access(domain), store.operation_id());
        let appended = store
            .append(&access, id, Place::Mailbox(mailbox), vec![message])
            .wait();
        let uid = appended.map_err(|error| format!("it takes no mail: {error}"))?[0].uid;
        let expected = found.uid_next(domain, mailbox);
        if Some(u64::from(uid.0)) != expected {
            return Err(format!("{mailbox:?} gave {uid:?} and not {expected:?}"));
        }
    }
    let new = NewMailbox {
        owner: Owner::Person(PEOPLE[0]),
        name: "After the crash".to_owned(),
        special_use: None,
    };
    let access = Life::access(1);
    let made = store
        .create_mailbox(&access, store.operation_id(), new)
        .wait();
    let made = made.map_err(|error| format!("it makes no mailbox: {error}"))?;
    let epoch = store
        .mailbox(&access, made)
        .map_err(|error| error.to_string())?
        .status
        .uid_validity;
    let given = lived.seen[..=answered]
        .iter()
        .flat_map(|seen| seen.dump.epochs());
    let (ids, epochs): (Vec<u64>, Vec<u64>) = given.chain(found.epochs()).unzip();
    if ids.contains(&made.0) || epochs.iter().any(|known| *known >= u64::from(epoch.0)) {
        return Err(format!("{made:?} with {epoch:?} was given again"));
    }
    Ok(())
}
