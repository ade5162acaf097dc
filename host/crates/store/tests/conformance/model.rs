//! Random operations against a model that knows nothing of rows, records or indexes.

use std::collections::BTreeMap;

use mail::{MailboxId, ModSeq, Uid};
use proptest::prelude::*;
use store::{Error, FlagChange, FlagOperation, Flags, Owner, Place, Usage};

use crate::world::{ANN, World, person};

/// What may happen. Mailboxes and messages are named by number among those there are.
#[derive(Debug, Clone)]
enum Step {
    Create(u8),
    Delete(usize),
    Rename(usize, u8),
    Append(usize, u16),
    Flag(usize, usize, u8, FlagOperation, bool),
    Copy(usize, usize, usize),
    Move(usize, usize, usize),
    Expunge(usize, usize),
    Reopen,
    Collect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let operation = prop_oneof![
        Just(FlagOperation::Set),
        Just(FlagOperation::Add),
        Just(FlagOperation::Remove)
    ];
    let step = prop_oneof![
        2 => (0..6_u8).prop_map(Step::Create),
        1 => any::<usize>().prop_map(Step::Delete),
        1 => (any::<usize>(), 0..6_u8).prop_map(|(at, name)| Step::Rename(at, name)),
        8 => (any::<usize>(), any::<u16>()).prop_map(|(at, size)| Step::Append(at, size)),
        4 => (any::<usize>(), any::<usize>(), 0..32_u8, operation, any::<bool>())
            .prop_map(|(at, which, flags, how, keyword)| Step::Flag(at, which, flags, how, keyword)),
        3 => (any::<usize>(), any::<usize>(), any::<usize>()).prop_map(|(a, b, c)| Step::Copy(a, b, c)),
        3 => (any::<usize>(), any::<usize>(), any::<usize>()).prop_map(|(a, b, c)| Step::Move(a, b, c)),
        3 => (any::<usize>(), any::<usize>()).prop_map(|(at, which)| Step::Expunge(at, which)),
        1 => Just(Step::Reopen),
        1 => Just(Step::Collect),
    ];
    proptest::collection::vec(step, 1..50)
}

#[derive(Debug, Clone, PartialEq)]
struct Mail {
    content: Vec<u8>,
    flags: Flags,
    keyword: bool,
}

#[derive(Debug, Default)]
struct Box {
    name: String,
    next: u32,
    mail: BTreeMap<u32, Mail>,
    gone: Vec<u32>,
    modseq: ModSeq,
}

#[derive(Default)]
struct Model(BTreeMap<MailboxId, Box>);

impl Model {
    fn pick(&self, at: usize) -> Option<MailboxId> {
        self.0.keys().nth(at % self.0.len().max(1)).copied()
    }

    fn mail(&self, at: usize, which: usize) -> Option<(MailboxId, u32)> {
        let id = self.pick(at)?;
        let mail = &self.0[&id].mail;
        Some((id, *mail.keys().nth(which % mail.len().max(1))?))
    }

    fn has(&self, name: &str) -> bool {
        self.0.values().any(|one| one.name == name)
    }

    fn put(&mut self, to: MailboxId, mail: Mail) -> u32 {
        let target = self.0.get_mut(&to).unwrap();
        target.next += 1;
        target.mail.insert(target.next, mail);
        target.next
    }

    fn take(&mut self, from: MailboxId, uid: u32) -> Mail {
        let source = self.0.get_mut(&from).unwrap();
        source.gone.push(uid);
        source.mail.remove(&uid).unwrap()
    }
}

fn flags(bits: u8) -> Flags {
    let all = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"];
    let chosen = all
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits >> bit & 1 == 1);
    chosen.fold(Flags::NONE, |flags, (_, name)| {
        flags.union(Flags::parse(name).unwrap())
    })
}

fn run(world: &World, model: &mut Model, step: &Step) {
    let ann = person(1, ANN);
    let store = world.store();
    match step {
        Step::Create(name) => {
            let name = format!("Box{name}");
            let made = world.create(&ann, Owner::Person(ANN), &name);
            if model.has(&name) {
                assert_eq!(made, Err(Error::Exists));
            } else {
                model.0.insert(
                    made.unwrap(),
                    Box {
                        name,
                        ..Box::default()
                    },
                );
            }
        }
        Step::Delete(at) => {
            let Some(id) = model.pick(*at) else { return };
            store.delete_mailbox(&ann, world.op(), id).wait().unwrap();
            model.0.remove(&id);
        }
        Step::Rename(at, name) => {
            let Some(id) = model.pick(*at) else { return };
            let name = format!("Box{name}");
            let renamed = store
                .rename_mailbox(&ann, world.op(), id, name.clone())
                .wait();
            if model.has(&name) {
                assert_eq!(renamed, Err(Error::Exists));
            } else {
                renamed.unwrap();
                model.0.get_mut(&id).unwrap().name = name;
            }
        }
        Step::Append(at, size) => {
            let Some(id) = model.pick(*at) else { return };
            let content: Vec<u8> = (0..*size).map(|n| (n ^ *size) as u8).collect();
            let at = world.append(&ann, Place::Mailbox(id), &content);
            let uid = model.put(
                id,
                Mail {
                    content,
                    flags: Flags::NONE,
                    keyword: false,
                },
            );
            assert_eq!(at.uid, Uid(uid));
        }
        Step::Flag(at, which, bits, operation, keyword) => {
            let Some((id, uid)) = model.mail(*at, *which) else {
                return;
            };
            let keywords = if *keyword {
                vec!["$Key".to_owned()]
            } else {
                Vec::new()
            };
            let change = FlagChange {
                operation: *operation,
                flags: flags(*bits),
                keywords,
                unchanged_since: None,
            };
            let rows = store
                .store_flags(&ann, world.op(), id, vec![Uid(uid)], change)
                .wait()
                .unwrap();
            let mail = model.0.get_mut(&id).unwrap().mail.get_mut(&uid).unwrap();
            (mail.flags, mail.keyword) = match operation {
                FlagOperation::Set => (flags(*bits), *keyword),
                FlagOperation::Add => (mail.flags.union(flags(*bits)), mail.keyword | keyword),
                FlagOperation::Remove => {
                    (mail.flags.without(flags(*bits)), mail.keyword & !keyword)
                }
            };
            assert_eq!(rows[0].flags, mail.flags);
        }
        Step::Copy(at, which, to) => {
            let (Some((from, uid)), Some(to)) = (model.mail(*at, *which), model.pick(*to)) else {
                return;
            };
            let copied = store
                .copy(&ann, world.op(), from, vec![Uid(uid)], to.into())
                .wait()
                .unwrap();
            let mail = model.0[&from].mail[&uid].clone();
            assert_eq!(copied.uids, [(Uid(uid), Uid(model.put(to, mail)))]);
        }
        Step::Move(at, which, to) => {
            let (Some((from, uid)), Some(to)) = (model.mail(*at, *which), model.pick(*to)) else {
                return;
            };
            let moved = store
                .move_messages(&ann, world.op(), from, vec![Uid(uid)], to.into())
                .wait()
                .unwrap();
            let mail = model.take(from, uid);
            assert_eq!(moved.uids, [(Uid(uid), Uid(model.put(to, mail)))]);
        }
        Step::Expunge(at, which) => {
            let Some((id, uid)) = model.mail(*at, *which) else {
                return;
            };
            let gone = store
                .expunge(&ann, world.op(), id, vec![Uid(uid), Uid(9_999)])
                .wait()
                .unwrap();
            assert_eq!(gone, [Uid(uid)]);
            model.take(id, uid);
        }
        Step::Reopen => world.reopen(),
        Step::Collect => {
            store.compact(&mut |_| {}).unwrap();
            is_sound(world);
        }
    }
}

fn check(world: &World, model: &mut Model) {
    let ann = person(1, ANN);
    let store = world.store();
    let mut names: Vec<&str> = model.0.values().map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(world.names(&ann, Owner::Person(ANN)), names);
    let mut usage = Usage::default();
    for (id, expected) in &mut model.0 {
        let rows = world.rows(&ann, *id);
        let found: BTreeMap<u32, Mail> = rows
            .iter()
            .map(|row| {
                let content = world.read(&ann, *id, row.uid);
                assert_eq!(row.size, content.len() as u64);
                (
                    row.uid.0,
                    Mail {
                        content,
                        flags: row.flags,
                        keyword: row.keywords == ["$Key"],
                    },
                )
            })
            .collect();
        assert_eq!(found, expected.mail);
        surveys(world, *id, &rows);
        let status = store.mailbox(&ann, *id).unwrap().status;
        assert_eq!(status.uid_next, Uid(expected.next + 1));
        assert_eq!(status.messages as usize, rows.len());
        assert_eq!(
            status.unseen as usize,
            rows.iter()
                .filter(|row| !row.flags.contains(Flags::SEEN))
                .count()
        );
        assert_eq!(
            status.deleted as usize,
            rows.iter()
                .filter(|row| row.flags.contains(Flags::DELETED))
                .count()
        );
        assert_eq!(status.bytes, rows.iter().map(|row| row.size).sum::<u64>());
        assert!(
            status.highest_modseq >= expected.modseq,
            "a modification sequence went back"
        );
        expected.modseq = status.highest_modseq;
        let changes = store.changes_since(&ann, *id, ModSeq(0)).unwrap();
        assert_eq!(changes.changed, rows);
        expected.gone.sort_unstable();
        assert_eq!(
            changes.expunged.iter().map(|uid| uid.0).collect::<Vec<_>>(),
            expected.gone
        );
        usage.bytes += status.bytes;
        usage.messages += u64::from(status.messages);
    }
    assert_eq!(store.usage(&ann, Owner::Person(ANN)).unwrap(), usage);
}

/// What opening a mailbox shows is what its rows say.
fn surveys(world: &World, id: MailboxId, rows: &[store::Message]) {
    let (ann, store) = (person(1, ANN), world.store());
    let survey = store.survey(&ann, id).unwrap();
    assert_eq!(survey.mailbox, store.mailbox(&ann, id).unwrap());
    let uids: Vec<Uid> = rows.iter().map(|row| row.uid).collect();
    assert!(survey.uids.iter().eq(uids.iter().copied()));
    let unseen = rows.iter().filter(|row| !row.flags.contains(Flags::SEEN));
    assert!(survey.unseen.iter().eq(unseen.map(|row| row.uid)));
    // Some of them, in any order, one twice, and one that is not there.
    let mut wanted: Vec<Uid> = uids.iter().copied().step_by(2).rev().collect();
    wanted.extend(uids.first());
    wanted.push(Uid(u32::MAX));
    let expected: Vec<_> = rows.iter().step_by(2).cloned().collect();
    assert_eq!(store.messages(&ann, id, &wanted).unwrap(), expected);
    let contents = store.contents(&ann, id, &wanted).unwrap();
    assert_eq!(contents.len(), expected.len());
    for ((uid, content), row) in contents.iter().zip(expected) {
        assert_eq!(*uid, row.uid);
        assert_eq!(content.read_all().unwrap(), world.read(&ann, id, row.uid));
    }
}

/// All rows fit together, and every body can be read.
fn is_sound(world: &World) {
    let checked = world.store().check(true, &mut |_| {}).unwrap();
    assert_eq!((checked.problems, &checked.first[..]), (0, &[][..]));
}

fn agrees(world: &World, steps: &[Step]) {
    let mut model = Model::default();
    for step in steps {
        run(world, &mut model, step);
        check(world, &mut model);
    }
    world.reopen();
    check(world, &mut model);
    is_sound(world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_agrees_with_the_model(steps in steps()) {
        agrees(&World::memory(), &steps);
    }

    #[test]
    fn embedded_agrees_with_the_model(steps in steps()) {
        agrees(&World::embedded(), &steps);
    }
}

// ---- long runs --------------------------------------------------------------------------------

/// Messages of a mailbox beyond which the oldest go, so that a long run costs the same at its end.
const MESSAGES: usize = 40;
/// Steps between two looks at everything.
const LOOK: u64 = 500;

/// Numbers that look random and come again from the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn index(&mut self) -> usize {
        self.roll(1 << 20) as usize
    }

    fn step(&mut self, model: &Model) -> Step {
        let full = model.0.values().position(|one| one.mail.len() > MESSAGES);
        if let Some(at) = full {
            return Step::Expunge(at, 0);
        }
        match self.roll(1000) {
            0 => Step::Reopen,
            1..=40 => Step::Create(self.roll(6) as u8),
            41..=50 => Step::Delete(self.index()),
            51..=80 => Step::Rename(self.index(), self.roll(6) as u8),
            81..=480 => Step::Append(self.index(), self.roll(1500) as u16),
            481..=680 => {
                let operation = match self.roll(3) {
                    0 => FlagOperation::Set,
                    1 => FlagOperation::Add,
                    _ => FlagOperation::Remove,
                };
                let (bits, keyword) = (self.roll(32) as u8, self.roll(2) == 0);
                Step::Flag(self.index(), self.index(), bits, operation, keyword)
            }
            681..=780 => Step::Copy(self.index(), self.index(), self.index()),
            781..=880 => Step::Move(self.index(), self.index(), self.index()),
            _ => Step::Expunge(self.index(), self.index()),
        }
    }
}

fn from_environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("it is a number"))
}

/// So many steps of one seed; answers how many it ran.
fn long_run(world: &World, seed: u64, steps: u64) -> u64 {
    let (mut dice, mut model) = (Dice(seed), Model::default());
    for number in 1..=steps {
        let step = dice.step(&model);
        run(world, &mut model, &step);
        if number % LOOK == 0 {
            check(world, &mut model);
        }
        // The log of expunges is bounded too: a mailbox that saw many goes.
        if let Some(at) = model.0.values().position(|one| one.gone.len() > 2_000) {
            run(world, &mut model, &Step::Delete(at));
        }
    }
    world.reopen();
    check(world, &mut model);
    steps
}

/// `cargo xtask crash --model N` runs more, by `POSTROOM_CRASH_MODEL` and `POSTROOM_CRASH_SEED`.
#[test]
fn a_long_run_agrees_with_the_model() {
    let steps = from_environment("POSTROOM_CRASH_MODEL", 3_000);
    let seed = from_environment("POSTROOM_CRASH_SEED", 1);
    let memory = long_run(&World::memory(), seed, steps);
    let embedded = long_run(&World::embedded_for_long(), seed, steps);
    if let Some(folder) = std::env::var_os("POSTROOM_CRASH_REPORT") {
        let folder = std::path::PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "seed\t{seed}\nmodel\toperations of the backend in memory\t{memory}\nmodel\toperations of the embedded backend\t{embedded}\n"
        );
        std::fs::write(folder.join("model.tsv"), text).unwrap();
    }
}
