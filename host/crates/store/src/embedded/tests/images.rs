//! Crash images at every sync of many lives: power lost, killed, crashed again in the recovery.
//!
//! The tests take a small share. `cargo xtask crash` runs the same with `POSTROOM_CRASH_IMAGES`,
//! `POSTROOM_CRASH_SEED`, `POSTROOM_CRASH_LIFE` (only this one) and `POSTROOM_CRASH_REPORT` (a
//! folder for counts and for what failed).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::Store;
use crate::embedded::fault::{Dice, FaultDisk, Loss, Snapshot, State};
use crate::embedded::tests::dump::Dump;
use crate::embedded::tests::life::{Lived, goes_on, open_and_dump};
use crate::embedded::tests::scenarios::{self, SCENARIOS};

/// How the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Crash {
    PowerLost,
    Torn,
    Killed,
    KilledThenPowerLost,
    TwiceInRecovery,
    ThriceInRecovery,
}

/// What is run.
#[derive(Debug, Clone)]
struct Plan {
    seed: u64,
    images: u64,
    only: Option<u64>,
    report: Option<PathBuf>,
}

impl Plan {
    fn from_environment() -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(
                text.parse()
                    .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
            )
        };
        Self {
            seed: number("POSTROOM_CRASH_SEED").unwrap_or(1),
            images: number("POSTROOM_CRASH_IMAGES").unwrap_or(3_000),
            only: number("POSTROOM_CRASH_LIFE"),
            report: std::env::var_os("POSTROOM_CRASH_REPORT").map(PathBuf::from),
        }
    }
}

/// Counts and failures of all threads.
#[derive(Debug, Default)]
struct Tally {
    images: BTreeMap<(&'static str, Crash), u64>,
    lives: u64,
    syncs: u64,
    failures: Vec<String>,
}

/// One image of one life.
struct Case<'a> {
    lived: &'a Lived,
    snapshot: &'a Snapshot,
    dice: Dice,
}

impl Case<'_> {
    fn loss(&mut self) -> Loss {
        match self.dice.roll(8) {
            0 => Loss::All,
            1 => Loss::Nothing,
            _ => Loss::Some(self.dice.roll(u64::MAX)),
        }
    }

    fn check(&mut self, crash: Crash, image: &mut State) -> Result<(), String> {
        let state = &self.snapshot.state;
        let mut must = None;
        *image = match crash {
            Crash::PowerLost => state.image(Loss::All),
            Crash::Killed => state.image(Loss::Nothing),
            Crash::Torn => state.image(Loss::Some(self.dice.roll(u64::MAX))),
            Crash::KilledThenPowerLost => {
                // What is seen after a kill may not be on the disk yet: it must be, before it is
                // shown.
                let killed = FaultDisk::new(state.kill());
                let (store, shown) = open_and_dump(&killed)?;
                let after = killed.state().image(Loss::All);
                drop(store);
                must = Some(shown);
                after
            }
            Crash::TwiceInRecovery | Crash::ThriceInRecovery => {
                let loss = self.loss();
                let mut image = state.image(loss);
                for _ in 0..if crash == Crash::TwiceInRecovery {
                    1
                } else {
                    2
                } {
                    (image, must) = self.crash_in_recovery(image)?;
                }
                image
            }
        };
        self.check_image(image.clone(), must.as_ref())
    }

    /// Recovers, and crashes at one of the syncs of that. What was shown must come again.
    fn crash_in_recovery(&mut self, image: State) -> Result<(State, Option<Dump>), String> {
        let disk = FaultDisk::new(image);
        let is_shown = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&is_shown);
        disk.record(move || usize::from(noted.load(Ordering::SeqCst)));
        let (store, shown) = open_and_dump(&disk)?;
        is_shown.store(true, Ordering::SeqCst);
        store.close().map_err(|error| error.to_string())?;
        let snapshots = disk.take_snapshots();
        let snapshot = self
            .dice
            .pick(&snapshots)
            .cloned()
            .ok_or("a recovery syncs nothing")?;
        let loss = self.loss();
        let must = (snapshot.noted == 1).then_some(shown);
        Ok((snapshot.state.image(loss), must))
    }

    fn check_image(&self, image: State, must: Option<&Dump>) -> Result<(), String> {
        let answered = self.snapshot.noted;
        let disk = FaultDisk::new(image);
        let (store, found) = open_and_dump(&disk)?;
        self.lived.check(answered, &found)?;
        if let Some(difference) = must.and_then(|must| found.difference(must)) {
            return Err(format!("shown and then lost: {difference}"));
        }
        goes_on(&store, &found, self.lived, answered)
    }
}

/// The crashes that one sync is good for: each sync some, every fourth one all.
fn crashes(number: usize) -> &'static [Crash] {
    use Crash::*;
    match number % 4 {
        0 => &[
            Torn,
            PowerLost,
            Killed,
            KilledThenPowerLost,
            TwiceInRecovery,
            ThriceInRecovery,
        ],
        1 => &[Torn, PowerLost],
        2 => &[Torn, TwiceInRecovery],
        _ => &[Torn, Torn],
    }
}

/// Runs one life and its images, until there are enough.
fn run_life(plan: &Plan, number: u64, left: &AtomicU64, tally: &Mutex<Tally>) {
    let name = scenarios::name(number);
    let lived = match scenarios::live(plan.seed, number) {
        Ok(lived) => lived,
        Err(error) => {
            let failure = format!(
                "life {number} of seed {} ({name}) ended: {error}",
                plan.seed
            );
            return tally.lock().unwrap().failures.push(failure);
        }
    };
    let mut counts: BTreeMap<Crash, u64> = BTreeMap::new();
    for (sync, snapshot) in lived.snapshots.iter().enumerate() {
        for (way, crash) in crashes(sync).iter().enumerate() {
            if take(left, 1) == 0 {
                break;
            }
            let dice = Dice(plan.seed ^ number << 32 ^ (sync * 8 + way) as u64);
            let mut case = Case {
                lived: &lived,
                snapshot,
                dice,
            };
            let mut image = State::default();
            if let Err(what) = case.check(*crash, &mut image) {
                let place = format!(
                    "life {number} of seed {} ({name}), sync {sync}, {crash:?}",
                    plan.seed
                );
                report_failure(plan, tally, &place, &what, &image);
            }
            *counts.entry(*crash).or_default() += 1;
        }
    }
    let mut tally = tally.lock().unwrap();
    tally.lives += 1;
    tally.syncs += lived.snapshots.len() as u64;
    for (crash, count) in counts {
        *tally.images.entry((name, crash)).or_default() += count;
    }
}

fn report_failure(plan: &Plan, tally: &Mutex<Tally>, place: &str, what: &str, image: &State) {
    let mut tally = tally.lock().unwrap();
    let mut failure = format!("{place}: {what}");
    if let Some(folder) = &plan.report {
        let folder = folder.join(format!("image-{}", tally.failures.len()));
        match image.save(&folder) {
            Ok(()) => failure += &format!("; the image is in {}", folder.display()),
            Err(error) => failure += &format!("; the image cannot be written: {error}"),
        }
    }
    tally.failures.push(failure);
}

/// Takes what is wanted from what is left.
fn take(left: &AtomicU64, wanted: u64) -> u64 {
    let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(wanted)
    });
    taken.map_or(0, |_| wanted)
}

fn run(plan: &Plan) -> Tally {
    let tally = Mutex::new(Tally::default());
    let next = AtomicU64::new(plan.only.unwrap_or(0));
    let left = AtomicU64::new(if plan.only.is_some() {
        u64::MAX
    } else {
        plan.images
    });
    let start = std::time::Instant::now();
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let is_enough =
                left.load(Ordering::SeqCst) == 0 || !tally.lock().unwrap().failures.is_empty();
            if is_enough || plan.only.is_some_and(|only| only != number) {
                return;
            }
            run_life(plan, number, &left, &tally);
            if plan.report.is_some() && number % 16 == 15 {
                let done = plan.images.saturating_sub(left.load(Ordering::SeqCst));
                eprintln!("images: {done} of {}, {:.0?}", plan.images, start.elapsed());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    tally.into_inner().unwrap()
}

/// One line a scenario and way to crash.
fn write_report(plan: &Plan, tally: &Tally) -> std::io::Result<()> {
    let Some(folder) = &plan.report else {
        return Ok(());
    };
    std::fs::create_dir_all(folder)?;
    let mut file = std::fs::File::create(folder.join("images.tsv"))?;
    writeln!(
        file,
        "lives\t{}\nsyncs\t{}\nseed\t{}",
        tally.lives, tally.syncs, plan.seed
    )?;
    for ((name, crash), count) in &tally.images {
        writeln!(file, "images\t{name}\t{crash:?}\t{count}")?;
    }
    for failure in &tally.failures {
        writeln!(file, "failure\t{failure}")?;
    }
    Ok(())
}

#[test]
fn f02_f09_f12_what_was_answered_survives_a_crash_at_every_sync_of_every_life() {
    let plan = Plan::from_environment();
    let tally = run(&plan);
    write_report(&plan, &tally).expect("the report can be written");
    assert!(tally.failures.is_empty(), "{:#?}", tally.failures);
    let done: u64 = tally.images.values().sum();
    assert!(
        done >= plan.images || plan.only.is_some(),
        "only {done} images"
    );
    if plan.only.is_none() {
        assert!(
            tally.lives > SCENARIOS.len() as u64,
            "only {} lives",
            tally.lives
        );
    }
}
