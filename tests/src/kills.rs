//! kill -9, again and again, under mixed load, with checkers outside of the server who know what
//! was acknowledged.
//!
//! ```text
//! senders (SMTP)      several recipients, two domains; sent again until there is a 250
//! mailbox.py (IMAP)   APPEND, STORE, EXPUNGE, MOVE in two mailboxes
//! drop.py (POP3)      fetches and deletes
//! injector            `postroom sendmail` to a host beyond the queue
//! deployer            `postroom plugin deploy`, one version after the other
//! killer              kills under load, at a start, in a recovery
//! ```
//! Rounds of at most [`ROUND`] kills, each with a server of its own, two at a time.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Line, Server, ServerOptions, Sink, binary, fixture, program, python, run};

/// Kills of one server.
pub const ROUND: u64 = 100;
const SENDERS: u64 = 3;
const VERSIONS: [&str; 2] = ["1.0.0", "2.0.0"];
/// Begins the part of a message that is the sender's own.
const MARK: &str = "Message-ID: <";
const MAILBOX: &str = include_str!("kills/mailbox.py");
const DROP: &str = include_str!("kills/drop.py");

/// Prints the sender's own part of every message, as id and hash.
const READER: &str = r#"
import hashlib, imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login(sys.argv[2], "secret")
    client.select("INBOX", readonly=True)
    uids = client.uid("SEARCH", "ALL")[1][0].split()
    assert [int(uid) for uid in uids] == sorted({int(uid) for uid in uids}), uids
    for start in range(0, len(uids), 50):
        some = b",".join(uids[start:start + 50]).decode()
        for part in client.uid("FETCH", some, "(BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                own = part[1][part[1].index(b"Message-ID: <"):]
                print(own[13:].split(b">")[0].decode(), hashlib.sha256(own).hexdigest())
"#;

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
            let of_round = Round::run(plan.seed.wrapping_add(round), kills);
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

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn new(seed: u64, use_number: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (use_number + 1) << 40 | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What became of one message.
#[derive(Debug, Default)]
struct Fate {
    hash: String,
    to: Vec<&'static str>,
    is_acknowledged: bool,
    /// Attempts whose reply never came.
    unanswered: u64,
}

/// What killer and load share.
struct Shared {
    address: Mutex<Option<std::net::SocketAddr>>,
    ends: AtomicBool,
    config: PathBuf,
    seed: u64,
}

impl Shared {
    fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    /// Pauses until the server is up, or it is time to end.
    fn is_up(&self) -> bool {
        while !self.ends() {
            if locked(&self.address).is_some() {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(3));
        }
        false
    }

    fn command(&self, arguments: &[&str], input: &[u8]) -> crate::Ran {
        let mut command = Command::new(binary());
        command.arg("--config").arg(&self.config).args(arguments);
        run(&mut command, input)
    }
}

/// Tells the load to end when it is dropped.
struct LoadEnds<'a>(&'a AtomicBool);

impl Drop for LoadEnds<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One server and its load.
struct Round {
    server: Server,
    sink: Sink,
    seed: u64,
}

impl Round {
    fn run(seed: u64, kills: u64) -> Report {
        let sink = Sink::start();
        let server = Server::start_with(ServerOptions {
            tables: sink.route("far.test"),
            ..ServerOptions::default()
        });
        for domain in ["abc.test", "def.test", "plug.test"] {
            server.domain(domain);
        }
        for user in [
            "ann@abc.test",
            "ima@abc.test",
            "eve@def.test",
            "pop@def.test",
        ] {
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
        Self { server, sink, seed }.live(kills)
    }

    fn live(mut self, kills: u64) -> Report {
        let shared = Shared {
            address: Mutex::new(None),
            ends: AtomicBool::new(false),
            config: self.server.path("postroom.toml"),
            seed: self.seed,
        };
        let ports = self.server.path("ports");
        let mailbox = worker(MAILBOX, &ports, "ima@abc.test", self.seed);
        let drops = worker(DROP, &ports, "pop@def.test", self.seed);
        let (acknowledged, acknowledgements) = channel();
        let mut report = Report::default();
        let (fates, injected) = std::thread::scope(|scope| {
            // Also when something here fails: the load would go on for ever.
            let load_ends = LoadEnds(&shared.ends);
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    let (shared, acknowledged) = (&shared, acknowledged.clone());
                    scope.spawn(move || send(shared, sender, &acknowledged))
                })
                .collect();
            let injector = scope.spawn(|| inject(&shared));
            let deployer = scope.spawn(|| deploy(&shared));
            self.kill_under_load(kills, &shared, &ports, &acknowledgements, &mut report);
            drop(load_ends);
            let ended = |sender: std::thread::ScopedJoinHandle<'_, HashMap<String, Fate>>| {
                sender.join().expect("the sender did well")
            };
            report.join(deployer.join().expect("the deployer did well"));
            let fates: HashMap<String, Fate> = senders.into_iter().flat_map(ended).collect();
            (fates, injector.join().expect("the injector did well"))
        });
        say(&ports, "end");
        let _ = ended(mailbox, "IMAP", &mut report);
        let dropped = ended(drops, "POP3", &mut report);
        self.check_mail(&fates, &dropped, &mut report);
        self.check_queue(&injected, kills, &mut report);
        report
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
        while done < kills {
            // So many more, and then somewhere in the middle of the next ones.
            for _ in 0..dice.below(12) {
                let mail = acknowledgements.recv_timeout(Duration::from_secs(60));
                mail.expect("mail flows");
            }
            std::thread::park_timeout(Duration::from_micros(dice.below(6000)));
            // Half of the lives are long enough for those who have to sign in first.
            if dice.below(2) == 0 {
                std::thread::park_timeout(Duration::from_millis(dice.below(800)));
            }
            *locked(&shared.address) = None;
            self.server.kill();
            done += 1;
            report.add("kills under load", 1);
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
        *locked(&shared.address) = Some(self.server.address("mx"));
    }

    /// Whatever got its 250 is there, byte for byte, and nothing is there twice but what was in
    /// flight when the server was killed.
    fn check_mail(&self, fates: &HashMap<String, Fate>, dropped: &Value, report: &mut Report) {
        let mut stored: HashMap<&str, HashMap<String, Vec<String>>> = HashMap::new();
        for user in ["ann@abc.test", "eve@def.test", "pop@def.test"] {
            let lines = python(READER, &[&self.server.port("imaps"), user]).ok();
            let copies = stored.entry(user).or_default();
            for (id, hash) in lines.lines().filter_map(|line| line.split_once(' ')) {
                copies
                    .entry(id.to_owned())
                    .or_default()
                    .push(hash.to_owned());
            }
        }
        let deleted: Vec<&str> = dropped["deleted"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (id, fate) in fates {
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

fn message(id: &str, dice: &mut Dice) -> String {
    // Most are small; now and then one has a file of its own (beyond 256 KiB).
    let lines = match dice.below(60) {
        0 => 5000,
        _ => dice.below(200),
    };
    let mut text = format!("{MARK}{id}>\r\nSubject: {id}\r\n\r\n");
    for _ in 0..lines {
        text.push_str(&format!("{:064x}\r\n", u128::from(dice.below(u64::MAX))));
    }
    text
}

/// Sends until told to end; every acknowledgement is also said on `acknowledged`.
fn send(shared: &Shared, sender: u64, acknowledged: &Sender<()>) -> HashMap<String, Fate> {
    let mut dice = Dice::new(shared.seed, sender);
    let mut fates = HashMap::new();
    let mut line: Option<Line> = None;
    for number in 0.. {
        let id = format!("m{sender}-{number}");
        let text = message(&id, &mut dice);
        let to = [
            &["ann@abc.test", "eve@def.test"][..],
            &["ann@abc.test", "pop@def.test"],
            &["pop@def.test"],
            &["ann@abc.test"],
        ][dice.below(4) as usize];
        let mut fate = Fate {
            hash: sha256(text.as_bytes()),
            to: to.to_vec(),
            ..Fate::default()
        };
        while !fate.is_acknowledged && !shared.ends() {
            let Some(open) = line.take().or_else(|| connect(shared)) else {
                std::thread::park_timeout(Duration::from_millis(2));
                continue;
            };
            let open = line.insert(open);
            match open.send("joe@example.org", to, &text).code {
                250 => {
                    fate.is_acknowledged = true;
                    let _ = acknowledged.send(());
                }
                0 => {
                    fate.unanswered += 1;
                    line = None;
                }
                _ => line = None,
            }
        }
        fates.insert(id, fate);
        if shared.ends() {
            break;
        }
    }
    fates
}

fn connect(shared: &Shared) -> Option<Line> {
    let address = (*locked(&shared.address))?;
    let mut line = Line::try_connect(address).ok()?;
    let is_open = line.reply().code == 220 && line.command("EHLO client.example").code == 250;
    is_open.then_some(line)
}

/// Local mail to a host elsewhere, by way of the queue.
fn inject(shared: &Shared) -> HashMap<String, Fate> {
    let mut fates = HashMap::new();
    for number in 0.. {
        if !shared.is_up() {
            break;
        }
        let id = format!("q{number}@abc.test");
        let text = format!("{MARK}{id}>\nSubject: out\n\nhello\n");
        let ran = shared.command(
            &["sendmail", "-i", "-f", "ann@abc.test", "far@far.test"],
            text.as_bytes(),
        );
        let fate = Fate {
            is_acknowledged: ran.code == 0,
            unanswered: u64::from(ran.code != 0),
            ..Fate::default()
        };
        fates.insert(id, fate);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    fates
}

/// One version of a plugin after the other, in a domain without mail. What was deployed last runs
/// after each start; a deployment without an answer may have been made.
fn deploy(shared: &Shared) -> Report {
    let mut report = Report::default();
    let mut may_run = vec![VERSIONS[0]];
    for number in 1.. {
        if !shared.is_up() {
            break;
        }
        let list = shared.command(&["--json", "plugin", "list", "plug.test"], b"");
        if list.code == 0 {
            let said = serde_json::from_str::<Value>(&list.out).unwrap_or_default();
            let running = said["running"].to_string();
            let runs: Vec<_> = VERSIONS
                .iter()
                .filter(|version| running.contains(**version))
                .collect();
            if runs.len() != 1 || !may_run.contains(runs[0]) {
                report.failures.push(format!(
                    "{runs:?} runs, and {may_run:?} was deployed: {}",
                    list.out
                ));
            }
            may_run = runs.into_iter().copied().collect();
            report.add("plugin deployments checked", 1);
        }
        let version = VERSIONS[number % 2];
        may_run.push(version);
        let plugin = format!("swap@{version}");
        if shared
            .command(&["plugin", "deploy", "plug.test", &plugin], b"")
            .code
            == 0
        {
            may_run = vec![version];
            report.add("plugin deployments acknowledged", 1);
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    report
}

fn sha256(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes);
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}
