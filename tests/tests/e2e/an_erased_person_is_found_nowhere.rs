//! Mail is encrypted where it is stored, and a person who was erased is nowhere to be found: not in
//! the data directory, not in a backup made before, and not after that backup was put back.

use std::path::Path;
use std::process::Command;

use postroom_tests::{Line, Server, run};

/// Words of the messages, in the subject and in the text.
const ANNS: &str = "tangerine-of-ann";
const BOTHS: &str = "pineapple-of-both";
/// Beyond what travels in a journal record: such a body has a file of its own.
const LARGE: usize = 400 * 1024;

fn message(word: &str, bytes: usize) -> String {
    let line = format!("All about the {word}, again and again.\r\n");
    let text = line.repeat(bytes / line.len() + 1);
    format!("Subject: the {word}\r\n\r\n{text}")
}

/// Files beneath a folder that have one of the words.
fn found(folder: &Path) -> String {
    let words = ["-e", ANNS, "-e", BOTHS];
    let mut grep = Command::new("grep");
    grep.args(["-r", "-l", "-a"]).args(words).arg(folder);
    let ran = run(&mut grep, b"");
    assert!(ran.code <= 1, "{ran:?}");
    ran.out
}

fn tar(arguments: &[&str]) {
    run(Command::new("tar").args(arguments), b"").ok();
}

fn with_people(people: &[&str]) -> Server {
    let server = Server::start();
    server.domain("abc.test");
    for person in people {
        server.user(person, &[]);
    }
    server
}

fn send(server: &Server, recipients: &[&str], word: &str, bytes: usize) {
    let mut line = Line::smtp(server.address("mx"));
    let reply = line.send("joe@example.org", recipients, &message(word, bytes));
    assert_eq!(reply.code, 250, "{reply:?}");
}

fn text(messages: &[Vec<u8>]) -> String {
    messages
        .iter()
        .map(|message| String::from_utf8_lossy(message).into_owned())
        .collect()
}

#[test]
fn an_erased_person_is_found_nowhere() {
    let mut server = with_people(&["ann@abc.test", "bob@abc.test"]);
    for (recipients, word, bytes) in [
        (&["ann@abc.test"][..], ANNS, 3_000),
        (&["ann@abc.test"][..], ANNS, LARGE),
        (&["ann@abc.test", "bob@abc.test"][..], BOTHS, 3_000),
        (&["ann@abc.test", "bob@abc.test"][..], BOTHS, LARGE),
    ] {
        send(&server, recipients, word, bytes);
    }
    let read = text(&server.messages("ann@abc.test", "INBOX"));
    assert!(read.contains(ANNS) && read.contains(BOTHS));

    // A backup while everything is there.
    let data = server.path("data");
    let folder = server.path("");
    let backup = server.path("backup.tar").display().to_string();
    server.terminate();
    let folder = folder.display().to_string();
    tar(&["-C", &folder, "-cf", &backup, "data"]);
    assert_eq!(found(&data), "", "what is stored is encrypted");
    assert_eq!(found(Path::new(&backup)), "", "and so are backups");
    server.launch();

    let unsure = server.postroom_with(&["user", "erase", "ann@abc.test"], b"yes\n");
    assert_eq!(unsure.code, 1, "{unsure:?}");
    assert!(unsure.err.contains("nothing was erased"), "{unsure:?}");
    let said = server.ok(&["user", "erase", "ann@abc.test", "--yes"]);
    assert!(said.contains("Erased ann@abc.test: 4 messages"), "{said}");
    let gone = server.postroom(&["user", "show", "ann@abc.test"]);
    assert_eq!(gone.code, 3, "{gone:?}");
    let read = text(&server.messages("bob@abc.test", "INBOX"));
    assert!(read.contains(BOTHS), "what others have stays theirs");
    server.terminate();
    assert_eq!(found(&data), "");

    // The backup comes back, and with it the person, but not what was erased.
    std::fs::remove_dir_all(&data).expect("it is ours");
    tar(&["-C", &folder, "-xf", &backup]);
    // It is older than what was served last.
    server.ok(&["restore", "--accept-older"]);
    server.launch();
    let read = text(&server.messages("bob@abc.test", "INBOX"));
    assert!(read.contains(BOTHS), "whose key is there reads the backup");
    let shown = server.json(&["user", "show", "ann@abc.test", "--json"]);
    assert_eq!(shown["messages"], 0, "{shown}");
    server.terminate();
    assert_eq!(found(&data), "");
}

#[test]
fn a_purged_domain_takes_its_keys_with_it() {
    let mut server = with_people(&["ann@abc.test"]);
    send(&server, &["ann@abc.test"], ANNS, 500);
    let early = server.postroom(&["domain", "purge", "abc.test", "--yes"]);
    assert_eq!(early.code, 1, "{early:?}");
    assert!(early.err.contains("postroom domain remove"), "{early:?}");
    server.ok(&["domain", "remove", "abc.test"]);
    let said = server.ok(&["domain", "purge", "abc.test", "--yes"]);
    assert!(said.contains("Purged abc.test: 1 messages"), "{said}");
    let left = server.ok(&["user", "list", "abc.test"]);
    assert!(!left.contains("ann@"), "{left}");
    server.terminate();
    assert_eq!(found(&server.path("data")), "");
}

#[test]
fn without_its_keys_a_data_directory_is_not_opened_and_gets_no_new_ones() {
    let mut server = with_people(&["ann@abc.test"]);
    send(&server, &["ann@abc.test"], ANNS, 500);
    server.terminate();
    let config = server.path("postroom.toml");
    let refused = || {
        let mut serve = Command::new(postroom_tests::binary());
        let ran = run(serve.args(["serve", "--config"]).arg(&config), b"");
        assert_eq!(ran.code, 1, "{ran:?}");
        ran.err
    };
    let keys = server.path("data.keys");
    let aside = server.path("aside");
    std::fs::rename(&keys, &aside).expect("it is there");
    assert!(refused().contains("it is missing"));
    std::fs::remove_dir_all(&keys).expect("an empty directory at most");
    std::fs::rename(&aside, &keys).expect("it is ours");

    let master = keys.join("master.key");
    let kept = std::fs::read(&master).expect("it was made");
    std::fs::write(&master, "0".repeat(64)).expect("it is ours");
    assert!(refused().contains("the master key is not the one"));
    std::fs::write(&master, &kept).expect("it is ours");
    run(Command::new("chmod").arg("644").arg(&master), b"").ok();
    assert!(refused().contains("chmod 600"));
    run(Command::new("chmod").arg("600").arg(&master), b"").ok();
    server.launch();
    let read = text(&server.messages("ann@abc.test", "INBOX"));
    assert!(
        read.contains(ANNS),
        "it was about the keys and nothing else"
    );
}
