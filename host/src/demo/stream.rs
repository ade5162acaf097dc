//! A plugin is swapped under running mail, by the domain's own administrator, from afar.
//!
//! Four connections send as fast as they can, every second letter one that the plugin refuses,
//! while the domain's chain changes three times. Then it is counted: no connection failed, no
//! answer but the plugin's own two, each answer from a version that was in force while the
//! transaction ran, and what was accepted is what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::people::{ADMINISTRATOR, People};
use super::scenes::letter;
use super::screen::Screen;
use super::stage::Folder;
use super::wire::{Begin, Smtp};

/// Two versions of a plugin that names its version in every answer; empty where the server was
/// built without them.
const VERSIONS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/demo.rs"));

/// Connections at once.
const CONNECTIONS: usize = 4;
/// Letters between two swaps, at least.
const STRETCH: usize = 150;
/// Whose domain and mailbox it is.
const DOMAIN: &str = "abc.test";
const RECIPIENT: &str = "tom@abc.test";

/// One of the two versions.
struct Version {
    /// `1.0.0`
    name: &'static str,
    /// What its refusals contain.
    refusal: String,
    /// The command lines that put it in force.
    swap: Vec<Vec<String>>,
}

/// A letter of the stream, with its answer.
struct Sent {
    subject: String,
    began: Instant,
    ended: Instant,
    code: u16,
    text: String,
}

/// A change of the chain.
struct Swap {
    called: Instant,
    returned: Instant,
    version: usize,
}

/// All of it.
pub(super) async fn run(
    screen: &mut Screen,
    people: &mut People,
    folder: &Folder,
) -> anyhow::Result<()> {
    screen.section("A domain's own administrator, from afar");
    administer(screen, people, folder).await?;
    let people = &*people;
    screen.section("A plugin is swapped while mail flows");
    let versions = prepare(screen, people, folder).await?;
    screen.say(&format!(
        "{CONNECTIONS} connections now write to {RECIPIENT} without a pause. Every second letter is one that the plugin refuses, and its reason names the version that decided. Meanwhile the administrator swaps it, over HTTPS."
    ));
    let (count, counted) = watch::channel(0_usize);
    let count = Arc::new(count);
    let finished = Arc::new(AtomicBool::new(false));
    let begin = Instant::now();
    let mut senders = JoinSet::new();
    for connection in 1..=CONNECTIONS {
        let session = people.stranger().await?;
        let (count, finished) = (Arc::clone(&count), Arc::clone(&finished));
        senders.spawn(send(session, connection, count, finished));
    }
    drop(count);
    let swapped = swap(screen, people, &versions, begin, counted).await;
    finished.store(true, Ordering::Relaxed);
    let mut sent = Vec::new();
    let mut failures = Vec::new();
    while let Some(ended) = senders.join_next().await {
        let (letters, failure) = ended.context("a sender broke off")?;
        sent.extend(letters);
        failures.extend(failure);
    }
    let seconds = begin.elapsed().as_secs_f64();
    let swaps = swapped?;
    screen.say(&format!(
        "{} letters in {seconds:.1} s over {CONNECTIONS} connections.",
        sent.len()
    ));
    screen.check(
        failures.is_empty(),
        "No connection failed",
        &failures.join("; "),
    );
    judge(screen, people, &versions, &sent, &swaps).await
}

/// Signs in over HTTPS, and sees the own domain and no other.
async fn administer(
    screen: &mut Screen,
    people: &mut People,
    folder: &Folder,
) -> anyhow::Result<()> {
    screen.say(&format!(
        "{ADMINISTRATOR} administers {DOMAIN}, and needs neither an account on this machine nor the operator: from here on the lines with $ go over HTTPS, after a login with her mail password."
    ));
    let certificate = folder.path().join("data/tls/certificate.pem");
    let answer = people.sign_in_from_afar(screen, &certificate).await?;
    screen.check(
        answer["role"] == "administrator" && answer["domains"] == json!([DOMAIN]),
        "Signed in: an administrator, of abc.test and nothing else",
        &answer.to_string(),
    );
    let domains = people.run_from_afar(screen, &["domain", "list"]).await?;
    let names: Vec<_> = domains.as_array().into_iter().flatten().collect();
    screen.check(
        names.len() == 1 && names[0]["name"] == DOMAIN,
        "She sees her domain; the operator saw three",
        &domains.to_string(),
    );
    let show = |domain| ["domain", "show", domain];
    let foreign = people.run_from_afar(screen, &show("xyz.test")).await;
    let foreign = refusal(foreign);
    screen.answer(&foreign);
    let missing = people.run_from_afar(screen, &show("nowhere.test")).await;
    let missing = refusal(missing);
    screen.answer(&missing);
    screen.check(
        foreign.contains("there is no domain xyz.test")
            && foreign.replace("xyz.test", "nowhere.test") == missing,
        "A domain that is not hers looks like one that does not exist",
        &format!("{foreign} {missing}"),
    );
    Ok(())
}

/// What a command was refused with.
fn refusal(answer: anyhow::Result<Value>) -> String {
    match answer {
        Ok(answer) => format!("not refused: {answer}"),
        Err(error) => error.root_cause().to_string(),
    }
}

/// Brings the versions in and puts the first in force.
async fn prepare(
    screen: &Screen,
    people: &People,
    folder: &Folder,
) -> anyhow::Result<[Version; 2]> {
    if VERSIONS.len() == 2 {
        for (name, bytes) in VERSIONS {
            let file = folder.path().join(format!("{name}.wasm"));
            std::fs::write(&file, bytes)
                .with_context(|| format!("cannot write {}", file.display()))?;
            let file = file.display().to_string();
            people
                .run_from_afar(screen, &["plugin", "install", &file])
                .await?;
        }
        people
            .run_from_afar(screen, &["plugin", "bind", DOMAIN, "swap@1.0.0"])
            .await?;
        people
            .run_from_afar(screen, &["plugin", "deploy", DOMAIN])
            .await?;
        return Ok(["1.0.0", "2.0.0"].map(|name| Version {
            name,
            refusal: format!("Refused by swap {name} (rcpt {name})"),
            swap: vec![line(&["plugin", "deploy", DOMAIN, &format!("swap@{name}")])],
        }));
    }
    screen.say(
        "This server was built without the two versions of the plugin for this part (`cargo xtask plugins` makes them), so the configuration of domain-policy is swapped instead: the same way, but the same code before and after.",
    );
    let versions = ["A", "B"].map(|name| {
        let refusal = format!("This is configuration {name}");
        let config = serde_json::json!({ "refused_words": ["[refuse]"], "reason": refusal });
        let bind = ["plugin", "bind", DOMAIN, "domain-policy", "--config"];
        let mut bind = line(&bind);
        bind.push(config.to_string());
        Version {
            name,
            refusal,
            swap: vec![bind, line(&["plugin", "deploy", DOMAIN])],
        }
    });
    for words in &versions[0].swap {
        people.run_from_afar(screen, &borrowed(words)).await?;
    }
    Ok(versions)
}

fn line(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// One connection: letters until told otherwise. With what was sent comes what broke it.
async fn send(
    mut session: Smtp,
    connection: usize,
    count: Arc<watch::Sender<usize>>,
    finished: Arc<AtomicBool>,
) -> (Vec<Sent>, Option<String>) {
    let mut letters = Vec::new();
    while !finished.load(Ordering::Relaxed) {
        let number = letters.len() + 1;
        let mark = if number % 2 == 0 { " [refuse]" } else { "" };
        let subject = format!("Stream {connection}-{number}{mark}");
        let message = letter("joe@example.org", RECIPIENT, &subject);
        let began = Instant::now();
        match session.send("joe@example.org", RECIPIENT, &message).await {
            Ok(reply) => letters.push(Sent {
                subject,
                began,
                ended: Instant::now(),
                code: reply.code,
                text: reply.text,
            }),
            Err(error) => return (letters, Some(format!("{subject}: {error:#}"))),
        }
        count.send_modify(|count| *count += 1);
    }
    let ended = session.quit().await;
    (letters, ended.err().map(|error| format!("QUIT: {error:#}")))
}

/// Swaps three times, each after a stretch of letters, and lets a last stretch pass.
async fn swap(
    screen: &Screen,
    people: &People,
    versions: &[Version; 2],
    begin: Instant,
    mut counted: watch::Receiver<usize>,
) -> anyhow::Result<Vec<Swap>> {
    let rollback = vec![line(&["plugin", "rollback", DOMAIN])];
    let steps = [
        (1, &versions[1].swap),
        (0, &rollback),
        (1, &versions[1].swap),
    ];
    let mut swaps = vec![Swap {
        called: begin,
        returned: begin,
        version: 0,
    }];
    let mut target = STRETCH;
    for (version, commands) in steps {
        let stretch = counted.wait_for(|count| *count >= target).await;
        let count = *stretch.context("all connections failed")?;
        let called = Instant::now();
        for words in commands {
            people.run_from_afar(screen, &borrowed(words)).await?;
        }
        let returned = Instant::now();
        screen.answer(&format!(
            "after {count} letters: now version {}, in {} ms",
            versions[version].name,
            (returned - called).as_millis()
        ));
        swaps.push(Swap {
            called,
            returned,
            version,
        });
        target = *counted.borrow() + STRETCH;
    }
    counted
        .wait_for(|count| *count >= target)
        .await
        .context("all connections failed")?;
    Ok(swaps)
}

/// Counts.
async fn judge(
    screen: &mut Screen,
    people: &People,
    versions: &[Version; 2],
    sent: &[Sent],
    swaps: &[Swap],
) -> anyhow::Result<()> {
    let stored = stored(people).await?;
    let mut others = Vec::new();
    let mut late = Vec::new();
    let mut accepted = BTreeSet::new();
    let mut verdicts = [0_usize; 2];
    for letter in sent {
        let refuse = letter.subject.contains("[refuse]");
        let version = if refuse {
            let by = versions
                .iter()
                .position(|version| letter.text.contains(&version.refusal));
            by.filter(|_| letter.code == 550)
        } else {
            // The plugin wrote its version into what it accepted.
            let stamp = stored
                .get(&letter.subject)
                .map(String::as_str)
                .unwrap_or_default();
            let by = versions
                .iter()
                .position(|version| stamp == stamp_of(version));
            by.filter(|_| letter.code == 250)
        };
        if letter.code == 250 {
            accepted.insert(letter.subject.clone());
        }
        match version {
            Some(version) => {
                verdicts[version] += 1;
                if !in_force(letter, swaps).contains(&version) {
                    late.push(format!("{}: {}", letter.subject, letter.text));
                }
            }
            None if letter.code == 250 && !refuse && VERSIONS.len() < 2 => {}
            None => others.push(format!("{}: {}", letter.subject, letter.text)),
        }
    }
    let [first, second] = verdicts;
    screen.check(
        others.is_empty(),
        "Every answer was the plugin's own: accepted, or refused with its reason",
        &others.join("; "),
    );
    screen.check(
        first > 0 && second > 0,
        &format!(
            "The verdict changed: {first} by version {}, {second} by version {}",
            versions[0].name, versions[1].name
        ),
        "one of the versions never decided",
    );
    screen.check(
        late.is_empty(),
        "Once a swap had returned, no new letter met the version before; none met two versions",
        &late.join("; "),
    );
    let found: BTreeSet<String> = stored.keys().cloned().collect();
    let user = people.ask(&["user", "show", RECIPIENT]).await?;
    let counted = user["messages"].as_u64().unwrap_or(0);
    let (taken, kept) = (accepted.len(), found.len());
    screen.check(
        accepted == found && counted == taken as u64,
        &format!("{taken} letters were accepted, and exactly these {taken} are in the mailbox"),
        &format!("{kept} by IMAP, {counted} by `user show`"),
    );
    Ok(())
}

/// What the header field of a version says in what it accepts.
fn stamp_of(version: &Version) -> String {
    format!("rcpt={0} data={0}", version.name)
}

/// The versions that a letter may have met: the one in force when it began, and those that came
/// in force before it ended.
fn in_force(letter: &Sent, swaps: &[Swap]) -> Vec<usize> {
    let before = swaps.iter().rfind(|swap| swap.returned <= letter.began);
    let during = swaps
        .iter()
        .filter(|swap| swap.returned > letter.began && swap.called < letter.ended);
    before
        .into_iter()
        .chain(during)
        .map(|swap| swap.version)
        .collect()
}

/// What is in the recipient's INBOX: subject, and the plugin's header field.
async fn stored(people: &People) -> anyhow::Result<BTreeMap<String, String>> {
    let mut imap = people.imap(RECIPIENT, Begin::Tls).await?;
    imap.must("EXAMINE INBOX").await?;
    let headers = imap
        .fetch_all("BODY.PEEK[HEADER.FIELDS (SUBJECT X-SWAP)]")
        .await?;
    imap.logout().await?;
    let entry = |header: &Vec<u8>| {
        let text = String::from_utf8_lossy(header).into_owned();
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap_or_default().trim().to_owned()
        };
        (field("Subject:"), field("X-Swap:"))
    };
    Ok(headers.iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Sent, Swap, in_force};

    #[test]
    fn a_letter_may_meet_what_was_in_force_while_it_ran() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let swap = |called, returned, version| Swap {
            called: at(called),
            returned: at(returned),
            version,
        };
        let swaps = [swap(0, 0, 0), swap(100, 110, 1), swap(200, 210, 0)];
        for (began, ended, expected) in [
            (10, 20, vec![0]),
            (90, 105, vec![0, 1]),
            (105, 120, vec![0, 1]),
            (110, 120, vec![1]),
            (105, 205, vec![0, 1, 0]),
            (220, 230, vec![0]),
        ] {
            let letter = Sent {
                subject: String::new(),
                began: at(began),
                ended: at(ended),
                code: 250,
                text: String::new(),
            };
            assert_eq!(in_force(&letter, &swaps), expected, "{began}-{ended}");
        }
    }
}
