//! One letter a scene, and what became of it.

use std::time::{Duration, Instant};

use super::people::People;
use super::screen::Screen;
use super::stage::{FILE_PATH, Folder};
use super::wire::{Begin, Reply};

/// How long a delivery may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a mailbox.
const LOOK: Duration = Duration::from_millis(50);

/// A letter from outside, and the answer it must get.
struct Letter {
    from: &'static str,
    to: &'static str,
    message: String,
    /// Begin of the reply, and a text in it.
    reply: (&'static str, &'static str),
    told: &'static str,
}

/// All scenes.
pub(super) async fn run(
    screen: &mut Screen,
    people: &People,
    folder: &Folder,
) -> anyhow::Result<()> {
    screen.section("Mail from outside, to port 25");
    letters(screen, people, at_the_door()).await?;

    screen.section("What the plugin of abc.test says");
    letters(screen, people, policy()).await?;

    screen.section("Mail from a person, signed in");
    submission(screen, people).await?;

    screen.section("What people and groups do with their mail");
    autoreplied(screen, people).await?;
    filed(screen, people, folder).await?;
    forwarded(screen, people).await?;
    shared(screen, people).await
}

fn at_the_door() -> Vec<Letter> {
    vec![
        Letter {
            from: "joe@example.org",
            to: "ann@abc.test",
            message: letter("joe@example.org", "ann@abc.test", "Lunch on Friday"),
            reply: ("250 2.0.0 ", ""),
            told: "Accepted, and in ann's mailbox",
        },
        Letter {
            from: "joe@example.org",
            to: "nobody@abc.test",
            message: String::new(),
            reply: ("550 5.1.1 ", "nobody@abc.test"),
            told: "Refused: abc.test has nobody of that name",
        },
        Letter {
            from: "joe@example.org",
            to: "someone@elsewhere.example",
            message: String::new(),
            reply: ("550 5.7.1 ", "relay"),
            told: "Refused: strangers cannot use this server to write to other servers",
        },
        Letter {
            from: "joe@example.org",
            to: "old@idle.test",
            message: String::new(),
            reply: ("450 4.2.1 ", "old@idle.test"),
            told: "Put off: the domain is inactive, so the sender's server tries again later",
        },
    ]
}

fn policy() -> Vec<Letter> {
    vec![
        Letter {
            from: "luck@casino.example",
            to: "ann@abc.test",
            message: String::new(),
            reply: ("550 5.7.1 ", "domain-policy"),
            told: "Refused by the plugin: this sender may not write to abc.test",
        },
        Letter {
            from: "joe@example.org",
            to: "ann@abc.test",
            message: letter_with_program("ann@abc.test"),
            reply: ("550 5.7.1 ", "domain-policy"),
            told: "Refused by the plugin: the letter has an .exe attached",
        },
        Letter {
            from: "joe@example.org",
            to: "ann@abc.test",
            message: letter("joe@example.org", "ann@abc.test", "You won the lottery"),
            reply: ("550 5.7.1 ", "domain-policy"),
            told: "Refused by the plugin: a word that abc.test does not want",
        },
        Letter {
            from: "luck@casino.example",
            to: "zoe@xyz.test",
            message: letter("luck@casino.example", "zoe@xyz.test", "You won the lottery"),
            reply: ("250 2.0.0 ", ""),
            told: "Accepted, and in zoe's mailbox: xyz.test has no such policy",
        },
    ]
}

async fn letters(screen: &mut Screen, people: &People, letters: Vec<Letter>) -> anyhow::Result<()> {
    let mut session = people.stranger().await?;
    for letter in letters {
        let reply = session
            .send(letter.from, letter.to, &letter.message)
            .await?;
        let (begin, containing) = letter.reply;
        shown(screen, letter.from, letter.to, &reply);
        let arrived = reply.code != 250 || {
            let subject = subject_of(&letter.message);
            find(people, letter.to, "INBOX", subject).await?.is_some()
        };
        screen.check(
            reply.is(begin, containing) && arrived,
            letter.told,
            &format!("{}; in the mailbox: {arrived}", reply.text),
        );
    }
    session.quit().await
}

fn shown(screen: &Screen, from: &str, to: &str, reply: &Reply) {
    screen.line(&format!("{from} → {to}"));
    screen.answer(&reply.text);
}

async fn submission(screen: &mut Screen, people: &People) -> anyhow::Result<()> {
    let mut session = people.sender("ann@abc.test", Begin::Tls).await?;
    let message = letter(
        "ann@abc.test",
        "zoe@xyz.test",
        "From one domain to the other",
    );
    let reply = session
        .send("ann@abc.test", "zoe@xyz.test", &message)
        .await?;
    shown(screen, "ann@abc.test", "zoe@xyz.test", &reply);
    let arrived = find(people, "zoe@xyz.test", "INBOX", subject_of(&message)).await?;
    screen.check(
        reply.code == 250 && arrived.is_some(),
        "Accepted from ann, over TLS and with her password, and in zoe's mailbox",
        &format!("{}; in the mailbox: {arrived:?}", reply.text),
    );
    let reply = session
        .send("bob@abc.test", "zoe@xyz.test", &message)
        .await?;
    shown(
        screen,
        "bob@abc.test (but signed in as ann)",
        "zoe@xyz.test",
        &reply,
    );
    screen.check(
        reply.is("553 5.7.1 ", "bob@abc.test"),
        "Refused: nobody writes in another person's name",
        &reply.text,
    );
    session.quit().await
}

async fn autoreplied(screen: &mut Screen, people: &People) -> anyhow::Result<()> {
    let mut session = people.sender("zoe@xyz.test", Begin::Plain).await?;
    let message = letter("zoe@xyz.test", "bob@abc.test", "Are you there?");
    let reply = session
        .send("zoe@xyz.test", "bob@abc.test", &message)
        .await?;
    session.quit().await?;
    shown(screen, "zoe@xyz.test", "bob@abc.test", &reply);
    let kept = find(people, "bob@abc.test", "INBOX", "Subject: Are you there?").await?;
    let answer = find(people, "zoe@xyz.test", "INBOX", "I am at sea until Monday.").await?;
    let text = answer.clone().unwrap_or_default();
    quote(
        screen,
        &text,
        &["Return-Path", "From", "To", "Subject", "Auto-Submitted"],
    );
    let is_reply = text.contains("Auto-Submitted: auto-replied")
        && text.starts_with("Return-Path: <>")
        && kept.is_some();
    screen.check(
        reply.code == 250 && is_reply,
        "Autoreplied: bob has the letter, and his answer is back in zoe's mailbox",
        &text,
    );
    Ok(())
}

async fn filed(screen: &mut Screen, people: &People, folder: &Folder) -> anyhow::Result<()> {
    let subject = "For the archive";
    let reply = from_joe(screen, people, "cat@abc.test", subject).await?;
    let inbox = find(people, "cat@abc.test", "INBOX", "Subject: For the archive").await?;
    let domain = people.ask(&["domain", "show", "abc.test"]).await?;
    let id = mail::DomainId(domain["id"].as_u64().unwrap_or(0));
    let file = folder
        .path()
        .join("data/files")
        .join(id.to_string())
        .join(FILE_PATH);
    let begin = Instant::now();
    let mut text = String::new();
    while begin.elapsed() < PATIENCE && !text.contains("Subject: For the archive") {
        text = std::fs::read_to_string(&file).unwrap_or_default();
        tokio::time::sleep(LOOK).await;
    }
    screen.answer(&format!("{}:", file.display()));
    quote(screen, &text, &["From joe@", "From:", "Subject"]);
    screen.check(
        reply.code == 250
            && inbox.is_some()
            && text.starts_with("From joe@example.org ")
            && text.contains("Subject: For the archive"),
        "Filed: in cat's mailbox, and in an mbox file under the domain's own folder",
        &text,
    );
    Ok(())
}

async fn forwarded(screen: &mut Screen, people: &People) -> anyhow::Result<()> {
    let reply = from_joe(screen, people, "dan@abc.test", "Pass it on").await?;
    let found = find(people, "zoe@xyz.test", "INBOX", "Subject: Pass it on").await?;
    let mut dan = people.imap("dan@abc.test", Begin::Tls).await?;
    let left = dan.must("SELECT INBOX").await?.exists();
    dan.logout().await?;
    screen.check(
        reply.code == 250 && found.is_some() && left == 0,
        "Forwarded: it is in the mailbox of zoe@xyz.test, and dan keeps no copy",
        &format!("zoe: {found:?}, dan: {left} messages"),
    );
    Ok(())
}

async fn shared(screen: &mut Screen, people: &People) -> anyhow::Result<()> {
    const MAILBOX: &str = "Shared Folders/office";
    let reply = from_joe(screen, people, "office@abc.test", "The printer is back").await?;
    let wanted = "Subject: The printer is back";
    let ann = find(people, "ann@abc.test", MAILBOX, wanted).await?;
    let bob = find(people, "bob@abc.test", MAILBOX, wanted).await?;
    let mut cat = people.imap("cat@abc.test", Begin::Tls).await?;
    let refusal = cat.command(&format!("SELECT \"{MAILBOX}\"")).await?;
    cat.logout().await?;
    screen.check(
        reply.code == 250 && ann.is_some() && bob.is_some(),
        "Shared: ann and bob both read it in 'Shared Folders/office'",
        &format!("ann: {ann:?}, bob: {bob:?}"),
    );
    screen.check(
        refusal.status.starts_with("NO [NONEXISTENT]"),
        "For cat, who is no member, that mailbox does not exist",
        &refusal.status,
    );
    Ok(())
}

async fn from_joe(
    screen: &Screen,
    people: &People,
    to: &str,
    subject: &str,
) -> anyhow::Result<Reply> {
    let mut session = people.stranger().await?;
    let message = letter("joe@example.org", to, subject);
    let reply = session.send("joe@example.org", to, &message).await?;
    session.quit().await?;
    shown(screen, "joe@example.org", to, &reply);
    Ok(reply)
}

/// The line with the subject.
fn subject_of(message: &str) -> &str {
    let mut lines = message.lines();
    lines
        .find(|line| line.starts_with("Subject: "))
        .unwrap_or("Subject: ")
}

/// The lines of a message that begin so.
fn quote(screen: &Screen, message: &str, begins: &[&str]) {
    let wanted = |line: &&str| begins.iter().any(|begin| line.starts_with(begin));
    for line in message.lines().filter(wanted).take(begins.len()) {
        screen.answer(&format!("| {line}"));
    }
}

/// The first message of a mailbox with this text, as soon as it is there; read by IMAP.
async fn find(
    people: &People,
    person: &str,
    mailbox: &str,
    text: &str,
) -> anyhow::Result<Option<String>> {
    let mut session = people.imap(person, Begin::Tls).await?;
    let begin = Instant::now();
    let mut found = None;
    while found.is_none() && begin.elapsed() < PATIENCE {
        let selected = session.command(&format!("EXAMINE \"{mailbox}\"")).await?;
        if selected.is_ok() {
            let messages = session.fetch_all("BODY.PEEK[]").await?;
            found = messages
                .iter()
                .map(|message| String::from_utf8_lossy(message).into_owned())
                .find(|message| message.contains(text));
        }
        if found.is_none() {
            tokio::time::sleep(LOOK).await;
        }
    }
    session.logout().await?;
    Ok(found)
}

/// A letter of one sentence.
pub(super) fn letter(from: &str, to: &str, subject: &str) -> String {
    format!(
        "From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nHello, this is about: {subject}.\r\n"
    )
}

fn letter_with_program(to: &str) -> String {
    format!(
        "From: joe@example.org\r\nTo: {to}\r\nSubject: The invoice\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n\r\nSee attachment.\r\n--cut\r\n\
         Content-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename=\"invoice.pdf.exe\"\r\n\r\nMZ\r\n--cut--\r\n"
    )
}
