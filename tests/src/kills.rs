//! kill -9, again and again, under mixed load, with checkers outside of the server who know what
//! was acknowledged.
//!
//! ```text
//! senders (SMTP)      several recipients, two domains; sent again until there is a 250
//! mailbox.py (IMAP)   APPEND, STORE, EXPUNGE, MOVE in two mailboxes
//! drop.py (POP3)      fetches and deletes
//! injector            `postroom sendmail` to a host beyond the queue
//! deployer            `postroom plugin deploy`, one version after the other
//! backups             `postroom backup`, killed at either end and run again; restored and read
//! imports             `domain import`, `user import`, killed at either end and run again; read
//! killer              kills under load, at a start, in a recovery, while one of those is under way
//! ```
//! Rounds of at most [`ROUND`] kills, each with a server of its own, two at a time.

mod archives;
mod backups;
mod commands;
mod imports;
mod load;
mod shared;
mod stored;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use self::archives::Archives;
use self::backups::Repeated;
use self::load::{Dice, Fate, VERSIONS};
use self::shared::{LoadEnds, Ports, Shared, Task, locked};
use crate::{Server, ServerOptions, Sink, fixture, program};

/// Kills of one server.
pub const ROUND: u64 = 100;
const SENDERS: u64 = 3;
/// Begins the part of a message that is the sender's own.
const MARK: &str = "Message-ID: <";
const MAILBOX: &str = concat!(
    include_str!("kills/person.py"),
    include_str!("kills/mailbox.py")
);
const DROP: &str = concat!(
    include_str!("kills/person.py"),
    include_str!("kills/drop.py")
);
/// What the kills hit, in turn; `None`: whatever is under way.
const TURNS: [Option<Task>; 5] = [
    None,
    Some(Task::Backup),
    None,
    Some(Task::DomainImport),
    Some(Task::UserImport),
];

/// What is run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often the server is killed.
    pub kills: u64,
    /// Gives the same choices again; what happens between them is the machine's.
    pub seed: u64,
    /// Where counts go, and where progress is wanted on standard error.
    pub report: Option<PathBuf>,
}

impl Plan {
    /// `POSTROOM_KILLS`, `POSTROOM_CRASH_SEED` and `POSTROOM_CRASH_REPORT`, or a small share.
    ///
    /// # Panics
    /// One of them is no number.
    pub fn from_environment(kills: u64) -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(
                text.parse()
                    .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
            )
        };
        Self {
            kills: number("POSTROOM_KILLS").unwrap_or(kills),
            seed: number("POSTROOM_CRASH_SEED").unwrap_or(1),
            report: std::env::var_os("POSTROOM_CRASH_REPORT").map(PathBuf::from),
        }
    }
}

/// What happened.
#[derive(Debug, Default)]
pub struct Report {
    /// By what it is.
    pub counts: BTreeMap<String, u64>,
    /// What must not be.
    pub failures: Vec<String>,
}

impl Report {
    /// How many of this.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    fn add(&mut self, what: &str, count: u64) {
        *self.counts.entry(what.to_owned()).or_default() += count;
    }

    fn join(&mut self, other: Self) {
        other
            .counts
            .iter()
            .for_each(|(what, count)| self.add(what, *count));
        self.failures.extend(other.failures);
    }

    fn write(&self, plan: &Plan) -> std::io::Result<()> {
        let Some(folder) = &plan.report else {
            return Ok(());
        };
        let counts = self
            .counts
            .iter()
            .map(|(what, count)| format!("kills\t{what}\t{count}\n"));
        let failures = self
            .failures
            .iter()
            .map(|failure| format!("failure\t{failure}\n"));
        let text: String = counts.chain(failures).collect();
        std::fs::create_dir_all(folder)?;
        std::fs::write(
            folder.join("kills.tsv"),
            format!("seed\t{}\n{text}", plan.seed),
        )
    }
}

/// Runs it all; a round that found something is the last.
///
/// # Panics
/// The load does not flow, or the server does not start.
pub fn kill(plan: &Plan) -> Report {
    let rounds = plan.kills.div_ceil(ROUND);
    let archives = Archives::make(plan.kills.min(ROUND) / 8 + 1);
    let next = AtomicU64::new(0);
    let report = Mutex::new(Report::default());
    let work = || {
        loop {
            let round = next.fetch_add(1, Ordering::Relaxed);
            let is_enough = round >= rounds || !locked(&report).failures.is_empty();
            if is_enough {
                return;
            }
            let kills = (plan.kills - round * ROUND).min(ROUND);
            let of_round = Round::run(&archives, plan.seed.wrapping_add(round), kills);
            let mut report = locked(&report);
            report.join(of_round);
            if plan.report.is_some() {
                eprintln!("kills: {} of {}", report.count("kills"), plan.kills);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..rounds.min(2) {
            scope.spawn(work);
        }
    });
    let report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.write(plan).expect("the report can be written");
    report
}

/// One server and its load.
struct Round<'a> {
    server: Server,
    options: ServerOptions,
    sink: Sink,
    archives: &'a Archives,
    /// Who gets the Maildir.
    people: Vec<String>,
    seed: u64,
}

/// What the load told at its end.
struct Told {
    fates: HashMap<String, Fate>,
    injected: HashMap<String, Fate>,
    repeated: Vec<Repeated>,
}

impl<'a> Round<'a> {
    fn run(archives: &'a Archives, seed: u64, kills: u64) -> Report {
        let sink = Sink::start();
        let options = ServerOptions {
            tables: sink.route("far.test"),
            ..ServerOptions::default()
        };
        let server = Server::start_with(options.clone());
        for domain in ["abc.test", "def.test", "plug.test", "new.test"] {
            server.domain(domain);
        }
        let people: Vec<String> = (0..archives.domains.len())
            .map(|number| format!("n{number}@new.test"))
            .collect();
        let known = [
            "ann@abc.test",
            "ima@abc.test",
            "eve@def.test",
            "pop@def.test",
        ];
        for user in known.into_iter().chain(people.iter().map(String::as_str)) {
            server.user(user, &[]);
        }
        for guest in ["swap-v1", "swap-v2"] {
            server.ok(&["plugin", "install", &fixture(guest)]);
        }
        server.ok(&[
            "plugin",
            "deploy",
            "plug.test",
            &format!("swap@{}", VERSIONS[0]),
        ]);
        let round = Self {
            server,
            options,
            sink,
            archives,
            people,
            seed,
        };
        round.live(kills)
    }

    fn live(mut self, kills: u64) -> Report {
        let shared = Shared::new(self.server.path("postroom.toml"), self.seed);
        let ports = self.server.path("ports");
        let mailbox = worker(MAILBOX, &ports, "ima@abc.test", self.seed);
        let drops = worker(DROP, &ports, "pop@def.test", self.seed);
        let mut report = Report::default();
        let told = self.under_load(kills, &shared, &ports, &mut report);
        say(&ports, "end");
        let _ = ended(mailbox, "IMAP", &mut report);
        let dropped = ended(drops, "POP3", &mut report);
        self.check_mail(&told, &dropped, &mut report);
        self.check_queue(&told.injected, kills, &mut report);
        report
    }

    fn under_load(
        &mut self,
        kills: u64,
        shared: &Shared,
        ports: &Path,
        report: &mut Report,
    ) -> Told {
        let (acknowledged, acknowledgements) = channel();
        let (archives, people, options) =
            (self.archives, self.people.clone(), self.options.clone());
        std::thread::scope(|scope| {
            // Also when something here fails: the load would go on for ever.
            let load_ends = LoadEnds(&shared.ends);
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    let acknowledged = acknowledged.clone();
                    scope.spawn(move || load::send(shared, sender, &acknowledged))
                })
                .collect();
            let injector = scope.spawn(|| load::inject(shared));
            let deployer = scope.spawn(|| load::deploy(shared));
            let backups = scope.spawn(|| backups::backups(shared, &options));
            let domains = scope.spawn(|| imports::import_domains(shared, archives));
            let people = scope.spawn(|| imports::import_people(shared, archives, &people));
            self.kill_under_load(kills, shared, ports, &acknowledgements, report);
            drop(load_ends);
            let ended = |sender: std::thread::ScopedJoinHandle<'_, HashMap<String, Fate>>| {
                sender.join().expect("the sender did well")
            };
            for worker in [deployer, domains, people] {
                report.join(worker.join().expect("the worker did well"));
            }
            let (of_backups, repeated) = backups.join().expect("the backups did well");
            report.join(of_backups);
            Told {
                fates: senders.into_iter().flat_map(ended).collect(),
                injected: injector.join().expect("the injector did well"),
                repeated,
            }
        })
    }

    fn kill_under_load(
        &mut self,
        kills: u64,
        shared: &Shared,
        ports: &Path,
        acknowledgements: &Receiver<()>,
        report: &mut Report,
    ) {
        let mut dice = Dice::new(self.seed, 99);
        self.open(shared, ports);
        let mut done = 0;
        for turn in TURNS.iter().cycle() {
            if done == kills {
                break;
            }
            wait(*turn, shared, &mut dice, acknowledgements);
            let hit: Vec<Task> = Task::ALL
                .into_iter()
                .filter(|task| shared.is_under_way(*task))
                .collect();
            shared.goes_down();
            self.server.kill();
            done += 1;
            report.add("kills under load", 1);
            for task in hit {
                report.add(&format!("kills during a {}", task.name()), 1);
            }
            // Every third kill is followed by one or more at the start: a crash in a recovery.
            while done < kills && dice.below(3) == 0 {
                say(ports, "");
                self.server
                    .launch_and_kill(Duration::from_millis(dice.below(150)));
                done += 1;
                report.add("kills while starting", 1);
            }
            say(ports, "");
            self.server.launch();
            while acknowledgements.try_recv().is_ok() {}
            self.open(shared, ports);
        }
        report.add("kills", done);
    }

    fn open(&self, shared: &Shared, ports: &Path) {
        let both = format!(
            "{} {}",
            self.server.port("imaps"),
            self.server.port("pop3s")
        );
        say(ports, &both);
        *locked(&shared.ports) = Some(Ports {
            mx: self.server.address("mx"),
            imaps: self.server.port("imaps"),
        });
    }

    /// Whatever got its 250 is there, byte for byte, and nothing is there twice but what was in
    /// flight when the server was killed.
    fn check_mail(&self, told: &Told, dropped: &Value, report: &mut Report) {
        let mut stored: HashMap<&str, HashMap<String, Vec<String>>> = HashMap::new();
        for user in ["ann@abc.test", "eve@def.test", "pop@def.test"] {
            let found = stored::read(&self.server.port("imaps"), user);
            stored.insert(user, stored::by_id(found));
        }
        for Repeated { user, id, count } in &told.repeated {
            let fate = told.fates.get(id);
            if fate.is_none_or(|fate| *count > 1 + fate.unanswered) {
                report.failures.push(format!(
                    "{id} is {count} times in a backup for {user}: {fate:?}"
                ));
            }
        }
        let deleted: Vec<&str> = dropped["deleted"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (id, fate) in &told.fates {
            report.add("SMTP acknowledged", u64::from(fate.is_acknowledged));
            report.add("SMTP in flight at a kill", fate.unanswered);
            for user in &fate.to {
                let copies = stored
                    .get_mut(user)
                    .and_then(|copies| copies.remove(id))
                    .unwrap_or_default();
                if copies.iter().any(|copy| *copy != fate.hash) {
                    report
                        .failures
                        .push(format!("{id} for {user} is not what was sent"));
                }
                let is_deleted = *user == "pop@def.test" && deleted.contains(&id.as_str());
                let least = u64::from(fate.is_acknowledged && !is_deleted);
                let most = u64::from(fate.is_acknowledged) + fate.unanswered;
                if !(least..=most).contains(&(copies.len() as u64)) {
                    report.failures.push(format!(
                        "{id} is there {} times for {user}: {fate:?}",
                        copies.len()
                    ));
                }
            }
        }
        let nobodys = stored.values().flat_map(HashMap::keys);
        report
            .failures
            .extend(nobodys.map(|id| format!("nobody sent {id}")));
    }

    /// What `sendmail` took has left the queue and arrived. An attempt that a kill cut off is
    /// made again, so a message may arrive once more for each kill while it was on its way.
    fn check_queue(&self, injected: &HashMap<String, Fate>, kills: u64, report: &mut Report) {
        self.server.delivered();
        let mut arrived: HashMap<String, u64> = HashMap::new();
        for letter in self.sink.letters() {
            let text = letter.text();
            let id = text
                .split(MARK)
                .nth(1)
                .and_then(|rest| rest.split('>').next())
                .unwrap_or_default();
            *arrived.entry(id.to_owned()).or_default() += 1;
        }
        let mut again = 0;
        for (id, fate) in injected {
            let count = arrived.remove(id).unwrap_or(0);
            report.add("queue acknowledged", u64::from(fate.is_acknowledged));
            report.add("queue arrived", count);
            again += count.saturating_sub(1 + fate.unanswered);
            if fate.is_acknowledged && count == 0 {
                report
                    .failures
                    .push(format!("{id} went into the queue and never arrived"));
            }
        }
        report.add("queue arrived again after a kill", again);
        if again > kills {
            report
                .failures
                .push(format!("{again} deliveries were repeated by {kills} kills"));
        }
        report
            .failures
            .extend(arrived.keys().map(|id| format!("nobody injected {id}")));
    }
}

/// Until the moment to kill: in the middle of the task whose turn it is, else after some more mail
/// and in the middle of the next one.
fn wait(turn: Option<Task>, shared: &Shared, dice: &mut Dice, acknowledgements: &Receiver<()>) {
    if turn.is_some_and(|task| shared.want(task)) {
        std::thread::park_timeout(Duration::from_millis(dice.below(250)));
        return;
    }
    for _ in 0..dice.below(12) {
        let mail = acknowledgements.recv_timeout(Duration::from_secs(60));
        mail.expect("mail flows");
    }
    std::thread::park_timeout(Duration::from_micros(dice.below(6000)));
    // Half of the lives are long enough for those who have to sign in first.
    if dice.below(2) == 0 {
        std::thread::park_timeout(Duration::from_millis(dice.below(800)));
    }
}

fn say(ports: &Path, text: &str) {
    let aside = ports.with_extension("new");
    std::fs::write(&aside, text).expect("the folder is ours");
    std::fs::rename(&aside, ports).expect("the folder is ours");
}

fn worker(script: &str, ports: &Path, user: &str, seed: u64) -> Child {
    Command::new(program("python3"))
        .arg("-c")
        .arg(script)
        .arg(ports)
        .args([user, &seed.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("Python can be run")
}

/// What a worker says at its end.
fn ended(worker: Child, name: &str, report: &mut Report) -> Value {
    let output = worker.wait_with_output().expect("the child is ours");
    let text = String::from_utf8_lossy(&output.stdout);
    let Ok(said) = serde_json::from_str::<Value>(&text) else {
        report
            .failures
            .push(format!("the worker for {name} broke: {text}"));
        return Value::Null;
    };
    for (what, count) in said["counts"].as_object().into_iter().flatten() {
        report.add(&format!("{name} {what}"), count.as_u64().unwrap_or(0));
    }
    let failures = said["failures"].as_array().into_iter().flatten().take(20);
    report.failures.extend(failures.map(ToString::to_string));
    said
}
