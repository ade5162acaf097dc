//! What a server does not start on, what it says then, and that it leaves everything as it was.

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;

use postroom_tests::{Line, Ran, Server, binary, run};

/// Starts a server that must not start.
#[track_caller]
fn refused(config: &Path) -> Ran {
    let mut command = Command::new(binary());
    command.args(["serve", "--config"]).arg(config);
    let ran = run(&mut command, b"");
    assert_eq!(ran.code, 1, "{ran:?}");
    ran
}

/// Hashes of all files beneath a folder.
fn contents(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("it is ours") {
            let path = entry.expect("it is ours").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                let bytes = std::fs::read(&path).expect("it is ours");
                let hash = blake3::hash(&bytes).to_hex().to_string();
                found.insert(path.display().to_string(), hash);
            }
        }
    }
    found
}

/// The files of which the contents are not the same, without two that hold nothing: the lock says
/// who has it, and the index, put in order whenever it is opened, is made from the journal.
fn changed(before: &BTreeMap<String, String>, folder: &Path) -> Vec<String> {
    let after = contents(folder);
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| !name.ends_with("/LOCK") && !name.ends_with("/store/index.redb"))
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect()
}

/// Overwrites some bytes of a file.
fn damage(path: &Path, at: usize, bytes: &[u8]) {
    let mut file = std::fs::File::options()
        .write(true)
        .open(path)
        .expect("it is there");
    file.seek(SeekFrom::Start(at as u64)).expect("it is a file");
    file.write_all(bytes).expect("it is ours");
}

/// A server with three messages, the marks of which are `mark-1-` to `mark-3-`, killed.
fn killed() -> Server {
    let mut server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let mut line = Line::smtp(server.address("mx"));
    for number in 1..=3 {
        let message = format!("Subject: mark-{number}-\r\n\r\nhello\r\n");
        let reply = line.send("joe@example.org", &["ann@abc.test"], &message);
        assert_eq!(reply.code, 250);
    }
    server.kill();
    server
}

/// Where the bytes of the first body in a segment are: behind the header of its section (an
/// encrypted body has kind 2, codec 0, cipher 1), its id, length, salt and the head of its frame.
fn first_body(segment: &[u8]) -> usize {
    let is_body = |at: &usize| {
        segment[*at..].starts_with(&[2, 0, 1, 0]) && segment[at + 8..at + 32] == [0; 24]
    };
    let mut starts = 0..segment.len() - 128;
    starts.find(is_body).expect("a message is in the journal") + 32 + 8 + 8 + 16 + 8
}

#[test]
fn a_second_server_is_refused() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let ran = refused(&server.path("postroom.toml"));
    let pid = format!("in use by another postroom process (pid {})", server.pid());
    assert!(ran.err.contains(&pid), "{ran:?}");
    assert!(ran.err.contains("stop that one first"), "{ran:?}");
    // The first one did not notice: its socket and its listeners are as they were.
    server.ok(&["status"]);
    let mut line = Line::smtp(server.address("mx"));
    let reply = line.send(
        "joe@example.org",
        &["ann@abc.test"],
        "Subject: x\r\n\r\nx\r\n",
    );
    assert_eq!(reply.code, 250);
}

#[test]
fn a_damaged_journal_is_refused_and_not_overwritten() {
    let server = killed();
    let journal = server.path("data/store/journal");
    let segment = std::fs::read_dir(&journal)
        .expect("there is a journal")
        .map(|entry| entry.expect("it is ours").path())
        .find(|path| path.extension().is_some_and(|kind| kind == "seg"))
        .expect("it has a segment");
    let bytes = std::fs::read(&segment).expect("it is ours");
    assert!(
        !bytes.windows(4).any(|window| window == b"mark"),
        "it is encrypted"
    );
    // The first of three: with good records behind it this is no torn end.
    let at = first_body(&bytes);
    let kept = bytes[at..at + 4].to_vec();
    damage(
        &segment,
        at,
        &kept.iter().map(|byte| !byte).collect::<Vec<_>>(),
    );
    let before = contents(&server.path("data"));
    let ran = refused(&server.path("postroom.toml"));
    assert!(ran.err.contains("is damaged"), "{ran:?}");
    assert!(ran.err.contains("Nothing was changed"), "{ran:?}");
    assert!(ran.err.contains("restore a backup"), "{ran:?}");
    let changed = changed(&before, &server.path("data"));
    assert!(changed.is_empty(), "{changed:?}");

    // The refusal was about the damage and nothing else.
    let mut server = server;
    damage(&segment, at, &kept);
    server.launch();
}

#[test]
fn a_damaged_format_file_is_refused_and_not_overwritten() {
    let server = killed();
    damage(&server.path("data/store/FORMAT"), 0, b"something else");
    let before = contents(&server.path("data"));
    let ran = refused(&server.path("postroom.toml"));
    assert!(ran.err.contains("is damaged"), "{ran:?}");
    assert!(ran.err.contains("restore a backup"), "{ran:?}");
    let changed = changed(&before, &server.path("data"));
    assert!(changed.is_empty(), "{changed:?}");
}

#[test]
fn a_damaged_directory_is_refused_and_not_overwritten() {
    let server = killed();
    let path = server.path("data/directory.redb");
    damage(&path, 0, &[0x5a; 4096]);
    let before = contents(&server.path("data"));
    let ran = refused(&server.path("postroom.toml"));
    assert!(ran.err.contains("directory.redb"), "{ran:?}");
    assert!(ran.err.contains("backup"), "{ran:?}");
    let changed = changed(&before, &server.path("data"));
    assert!(
        !changed.contains(&path.display().to_string()),
        "{changed:?}"
    );
}

#[test]
fn a_foreign_directory_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("postroom.toml");
    std::fs::write(&config, "data = \"home\"\n").expect("the folder is ours");
    let home = folder.path().join("home");
    // The second is what the store itself sees when only its own folder is somebody else's.
    for (file, named) in [
        ("home/notes.txt", "notes.txt"),
        ("home/store/notes.txt", "FORMAT"),
    ] {
        let file = folder.path().join(file);
        std::fs::create_dir_all(file.parent().expect("it has one")).expect("the folder is ours");
        std::fs::write(&file, "mine").expect("the folder is ours");
        let before = contents(&home);
        let ran = refused(&config);
        assert!(
            ran.err.contains("is not a postroom data directory"),
            "{ran:?}"
        );
        assert!(
            ran.err.contains("name an empty or a new directory"),
            "{ran:?}"
        );
        assert!(ran.err.contains(named), "{ran:?}");
        let changed = changed(&before, &home);
        assert!(changed.is_empty(), "{changed:?}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest_valid_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("postroom.toml");
    let cases = [
        (
            "hostnam = \"a.test\"",
            "'hostnam': did you mean 'hostname'?",
        ),
        (
            "[limits]\nconections = 5",
            "'limits.conections': did you mean 'connections'?",
        ),
        (
            "[listen]\nsubmision = []",
            "'listen.submision': did you mean 'submission'?",
        ),
    ];
    for (text, expected) in cases {
        std::fs::write(&config, text).expect("the folder is ours");
        let ran = refused(&config);
        assert!(ran.err.contains(expected), "{ran:?}");
        assert!(ran.err.contains("postroom.toml"), "{ran:?}");
    }
    // Nothing was made before the configuration was read.
    assert_eq!(contents(folder.path()).len(), 1);
}
