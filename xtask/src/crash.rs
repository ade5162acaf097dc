//! `cargo xtask crash`: crash images, kills and the model, as many as wanted, at the same time.
//!
//! The same tests as `cargo xtask test` runs, built the same way, told by their environment to do
//! more. What they counted becomes `docs/reliability.md`. A failure names the seed and the life
//! that lead to it, and keeps the image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;
use crate::{demo, packages, say};

const IMAGES: &str = "embedded::tests::images::";
const KILLS: &str = "nothing_acknowledged_is_lost_when_killed";
const MODEL: &str = "a_long_run_agrees_with_the_model";
/// A file system in memory.
const IN_MEMORY: &str = "/dev/shm";

/// What is run.
#[derive(Debug, Clone)]
struct Plan {
    images: u64,
    kills: u64,
    model: u64,
    seed: u64,
    life: Option<u64>,
}

impl Plan {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut plan = Self {
            images: 10_000,
            kills: 100,
            model: 100_000,
            seed: 1,
            life: None,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let value = words
                .next()
                .with_context(|| format!("{word} wants a number"))?;
            let value = value
                .parse()
                .with_context(|| format!("{word}: '{value}' is no number"))?;
            match *word {
                "--images" => plan.images = value,
                "--kills" => plan.kills = value,
                "--model" => plan.model = value,
                "--seed" => plan.seed = value,
                "--life" => plan.life = Some(value),
                _ => bail!("cannot read '{word}'; see `cargo xtask help`"),
            }
        }
        Ok(plan)
    }
}

/// Builds, runs, and writes the page.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let plan = Plan::parse(arguments)?;
    packages::install(packages::TEST_PROGRAMS)?;
    demo::build_server(workspace)?;
    let programs = say::step("build of the tests", || build(workspace))?;
    let folder = workspace.target.join("crash");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let start = Instant::now();
    say::step("images, kills and model", || {
        run_all(&plan, &programs, &folder)
    })?;
    let counts = Counts::read(&folder)?;
    if plan.life.is_some() {
        return Ok(());
    }
    let page = page(&plan, &counts, start.elapsed());
    let path = workspace.root.join("docs/reliability.md");
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    say::note(&format!("written: {}", path.display()));
    Ok(())
}

/// The test programs by the name of their target.
fn build(workspace: &Workspace) -> Result<BTreeMap<String, PathBuf>> {
    let text = say::capture(workspace.cargo().args([
        "test",
        "--no-run",
        "--quiet",
        "--message-format=json",
        "--package=store",
        "--package=postroom-tests",
        "--lib",
        "--test=conformance",
        "--test=e2e",
    ]))?;
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = messages.filter_map(|message| {
        let path = message["executable"].as_str()?;
        Some((
            message["target"]["name"].as_str()?.to_owned(),
            PathBuf::from(path),
        ))
    });
    Ok(programs.collect())
}

fn run_all(plan: &Plan, programs: &BTreeMap<String, PathBuf>, folder: &Path) -> Result<()> {
    let mut children = Vec::new();
    let mut start = |target: &str, test: &str, count: (&str, u64)| -> Result<()> {
        if count.1 == 0 {
            return Ok(());
        }
        let program = programs
            .get(target)
            .with_context(|| format!("cargo built no {target}"))?;
        let mut command = Command::new(program);
        command
            .args([test, "--nocapture"])
            .env(count.0, count.1.to_string())
            .env("POSTROOM_CRASH_SEED", plan.seed.to_string())
            .env("POSTROOM_CRASH_REPORT", folder);
        if let Some(life) = plan.life {
            command.env("POSTROOM_CRASH_LIFE", life.to_string());
        }
        // The model is about answers, not about disks: each of its steps is a sync.
        if test == MODEL && Path::new(IN_MEMORY).is_dir() {
            command.env("TMPDIR", IN_MEMORY);
        }
        let line = say::command_line(&command);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        children.push((line, child));
        Ok(())
    };
    start("store", IMAGES, ("POSTROOM_CRASH_IMAGES", plan.images))?;
    if plan.life.is_none() {
        start("e2e", KILLS, ("POSTROOM_KILLS", plan.kills))?;
        start("conformance", MODEL, ("POSTROOM_CRASH_MODEL", plan.model))?;
    }
    let ended = children.into_iter().map(|(line, child)| wait(&line, child));
    // All are waited for, whatever the first one says.
    let ended: Vec<Result<()>> = ended.collect();
    ended.into_iter().collect()
}

fn wait(line: &str, mut child: Child) -> Result<()> {
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}; what failed is above and in the report's folder");
    }
    Ok(())
}

/// What the tests wrote down.
#[derive(Debug, Default)]
struct Counts {
    lives: u64,
    syncs: u64,
    /// By scenario, then by the way to crash.
    images: BTreeMap<String, BTreeMap<String, u64>>,
    kills: BTreeMap<String, u64>,
    model: BTreeMap<String, u64>,
}

impl Counts {
    fn read(folder: &Path) -> Result<Self> {
        let mut counts = Self::default();
        for name in ["images.tsv", "kills.tsv", "model.tsv"] {
            let path = folder.join(name);
            if !path.exists() {
                continue;
            }
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            for line in text.lines() {
                let words: Vec<&str> = line.split('\t').collect();
                counts.take(&words);
            }
        }
        Ok(counts)
    }

    fn take(&mut self, words: &[&str]) {
        let number = |text: &str| text.parse().unwrap_or(0);
        match words {
            ["lives", count] => self.lives = number(count),
            ["syncs", count] => self.syncs = number(count),
            ["images", scenario, way, count] => {
                let ways = self.images.entry((*scenario).to_owned()).or_default();
                ways.insert((*way).to_owned(), number(count));
            }
            ["kills", what, count] => drop(self.kills.insert((*what).to_owned(), number(count))),
            ["model", what, count] => drop(self.model.insert((*what).to_owned(), number(count))),
            // Seeds, and failures, which ended the run before.
            _ => {}
        }
    }

    fn images(&self) -> u64 {
        self.images.values().flat_map(BTreeMap::values).sum()
    }
}

/// The ways to crash, as `images.rs` names them, with what they are.
const WAYS: [(&str, &str); 6] = [
    ("PowerLost", "nothing unsynced kept"),
    ("Torn", "writes and names kept, lost or torn by dice"),
    ("Killed", "everything kept"),
    ("KilledThenPowerLost", "killed, started, then power lost"),
    ("TwiceInRecovery", "again in the recovery"),
    ("ThriceInRecovery", "and in the one after"),
];

fn page(plan: &Plan, counts: &Counts, took: Duration) -> String {
    let mut out = String::from(
        "# Reliability\n\n\
         Made by `cargo xtask crash --images N --kills N --model N --seed S`, which runs the same tests as `cargo xtask test`, only more of\n\
         them. It says what ran, and that all of it held: a run in which anything was lost writes no page.\n\n",
    );
    let images = counts.images();
    let kills = counts.kills.get("kills").copied().unwrap_or(0);
    out += &format!(
        "| | |\n|---|---|\n| when | {} (UTC), in {} minutes |\n| what | postroom {} |\n| where | {} |\n| seed | {} |\n\n",
        today(),
        took.as_secs().div_ceil(60),
        env!("CARGO_PKG_VERSION"),
        machine(),
        plan.seed
    );
    out += &format!(
        "## Crash images: {images}\n\n\
         {} lives of a store on a disk in memory, {} syncs, an image at every one. After each crash everything that can be seen, every byte of mail too, is as after the last answered step,\n\
         or as after the one that was under way; then mail is taken, and no UID, id or UIDVALIDITY comes again. Journal, bodies and redb's file are on that disk. Sectors are of 512 and 4096 bytes, by dice.\n\
         Lives collect and compress too. Not counted here: every sync of an upgrade, of a restore, of a repair and of an erasure is crashed by tests of their own, and a sample of the syncs of the recoveries after them.\n\n",
        counts.lives, counts.syncs
    );
    out += &image_table(counts);
    out += &format!(
        "\n## kill -9: {kills}\n\nThe real binary under mixed load, with checkers outside of it: nothing acknowledged lost, no UID again, UIDs ascending, flags kept, expunged mail gone, nothing twice but what was in flight. \
         Server and command are killed while `backup`, `domain import` and `user import` run, which run again until they end well: a backup restores to all that was acknowledged before it began, an import brings everything once.\n\n| What | Count |\n|---|---|\n"
    );
    for (what, count) in &counts.kills {
        out += &format!("| {what} | {count} |\n");
    }
    out += "\n## Model\n\nRandom operations against both backends and a model that knows nothing of rows, records or indexes.\n\n| What | Count |\n|---|---|\n";
    for (what, count) in &counts.model {
        out += &format!("| {what} | {count} |\n");
    }
    out += "\n## What this does not show\n\n";
    out += &open_figures(images, kills);
    out += "- Disks that report a sync and lose it: no software on the machine can find that out.\n\
            - Directories are lost or kept by name; what a file system does to its own structures when the power goes is its own.\n";
    out
}

fn image_table(counts: &Counts) -> String {
    let mut out = String::from("| Life |");
    for (_, what) in WAYS {
        out += &format!(" {what} |");
    }
    out += "\n|---|";
    out += &"---|".repeat(WAYS.len());
    out += "\n";
    for (scenario, ways) in &counts.images {
        out += &format!("| {scenario} |");
        for (way, _) in WAYS {
            out += &format!(" {} |", ways.get(way).copied().unwrap_or(0));
        }
        out += "\n";
    }
    out
}

/// What the goals are and this run did not reach.
fn open_figures(images: u64, kills: u64) -> String {
    let mut out = String::new();
    for (what, count, goal) in [
        ("kills", kills, 10_000_u64),
        ("crash images", images, 1_000_000),
    ] {
        if count < goal {
            out += &format!(
                "- The goal is {goal} {what} in one run. This run had {count}: it counts as open.\n"
            );
        }
    }
    out
}

fn today() -> String {
    let text = say::capture(Command::new("date").args(["-u", "+%Y-%m-%d"]));
    text.map_or_else(
        |_| "of an unknown date".to_owned(),
        |text| text.trim().to_owned(),
    )
}

/// Cores, memory, kernel.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo")
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .trim()
                .split(' ')
                .next()?
                .parse::<u64>()
                .ok()
        })
        .map_or(0, |kib| kib / 1024 / 1024);
    let model = read("/proc/cpuinfo");
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("an unknown processor")
        .to_owned();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{cores} cores of {model}, {memory} GiB, Linux {}",
        kernel.trim()
    )
}
