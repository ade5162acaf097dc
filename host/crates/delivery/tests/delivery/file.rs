//! Files: where they may be, who else writes them, what a failure leaves.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use delivery::file::{
    ApprovedFiles, FileError, FileSpec, LockedFile, MboxReader, Postmark, TakenBack,
};
use mail::{Localpart, Mailbox, Outcome, ReversePath, Timestamp};
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(20);

fn postmark() -> Postmark {
    Postmark {
        sender: ReversePath::Mailbox(Mailbox::parse("bob@other.test").unwrap()),
        received: Timestamp::from_seconds(1_795_442_400),
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(folder: &Path, path: &str) -> Result<LockedFile, FileError> {
    LockedFile::open(folder, Path::new(path), WAIT)
}

fn as_mbox(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    MboxReader::new(&postmark(), message)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

#[test]
fn d01_paths_stay_beneath_the_folder() {
    let outer = folder();
    let inner = outer.path().join("abc.test");
    fs::create_dir_all(inner.join("sub")).unwrap();
    for good in [
        "mbox",
        "sub/mbox",
        "new/deep/mbox",
        "a b",
        "...",
        "sub/..mbox",
    ] {
        open(&inner, good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    let absolute = outer.path().join("out").display().to_string();
    for bad in [
        "",
        ".",
        "..",
        "../out",
        "sub/../../out",
        "/etc/passwd",
        "./mbox",
        "sub/../mbox",
        "sub/",
        "/",
        absolute.as_str(),
        "~/../out/..",
    ] {
        let Err(error) = open(&inner, bad) else {
            panic!("{bad} was opened")
        };
        let outcome = error.outcome("log");
        let harmless =
            matches!(&outcome, Outcome::Failed { status, .. } if status.to_string() == "5.2.0");
        // A trailing slash names a folder; that there is one is no reason to open it.
        assert!(harmless, "{bad}: {outcome:?}");
    }
    assert!(!outer.path().join("out").exists());
}

#[test]
fn d01_a_local_part_is_at_most_a_file_name() {
    let spec = FileSpec {
        label: "own".into(),
        path: "people/{localpart}.mbox".into(),
    };
    assert!(spec.check().is_ok());
    for (localpart, expected) in [
        ("Ann", Some("people/ann.mbox")),
        ("ann+x", Some("people/ann+x.mbox")),
        ("gr\u{fc}n", Some("people/gr\u{fc}n.mbox")),
        ("a/b", None),
        ("\"../../etc/passwd\"", None),
        ("\"..\"", None),
        ("\".\"", None),
        ("\".hidden\"", None),
        ("-rf", None),
        ("\"a b\"", None),
        ("a\u{2215}b", None),
        ("a\u{2044}b", None),
        ("a\u{ff0f}b", None),
        ("a\u{202e}b", None),
        ("%2f", None),
        ("\"a\\\\b\"", None),
    ] {
        let path = spec.path_for(&Localpart::parse(localpart).unwrap()).ok();
        assert_eq!(path.as_deref(), expected.map(Path::new), "{localpart}");
    }
}

#[test]
fn d01_only_labels_of_the_list_are_written() {
    let spec = |path: &str| FileSpec {
        label: "log".into(),
        path: path.into(),
    };
    let list = ApprovedFiles::new(vec![spec("log.mbox")]).unwrap();
    assert_eq!(list.find("log").unwrap().path, "log.mbox");
    for other in ["", "Log", "log.mbox", "../log", "/log", "log\0"] {
        let Err(Outcome::Failed { status, .. }) = list.find(other) else {
            panic!("{other:?} was found")
        };
        assert_eq!(status.to_string(), "5.7.1");
    }
    for bad in ["", "/abs", "../up", "a/../../b"] {
        assert!(ApprovedFiles::new(vec![spec(bad)]).is_err(), "{bad}");
    }
}

#[test]
fn d02_only_a_regular_file_with_one_name_is_written() {
    let outside = folder();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret\n").unwrap();
    let inside = folder();
    let at = |name: &str| inside.path().join(name);
    symlink(&secret, at("link")).unwrap();
    symlink("plain", at("inner-link")).unwrap();
    symlink(outside.path(), at("folder-link")).unwrap();
    symlink("/nowhere/at/all", at("dangling")).unwrap();
    fs::write(at("plain"), "").unwrap();
    fs::write(at("two"), "").unwrap();
    fs::hard_link(at("two"), at("two-names")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let begin = Instant::now();
    for bad in [
        "link",
        "inner-link",
        "folder-link/secret",
        "folder-link/new",
        "dangling",
        "two",
        "two-names",
        "folder",
        "fifo",
        "socket",
    ] {
        let Err(error) = open(inside.path(), bad) else {
            panic!("{bad} was opened")
        };
        assert!(
            matches!(error.outcome("log"), Outcome::Failed { .. }),
            "{bad}: {error}"
        );
    }
    assert!(begin.elapsed() < WAIT, "something was waited for");
    open(inside.path(), "plain").unwrap();
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret\n");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

/// Folder and link change places all the time; nothing ever lands outside.
#[test]
fn d02_a_swapped_folder_leads_nowhere() {
    let outside = folder();
    fs::write(outside.path().join("mbox"), "").unwrap();
    let inside = folder();
    let (sub, link) = (inside.path().join("sub"), inside.path().join("link"));
    fs::create_dir(&sub).unwrap();
    symlink(outside.path(), &link).unwrap();
    let stop = AtomicBool::new(false);
    let (mut opened, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &sub, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end {
            match LockedFile::open(
                inside.path(),
                Path::new("sub/mbox"),
                Duration::from_millis(1),
            ) {
                Ok(mut file) => {
                    file.append(&b"x"[..]).unwrap();
                    opened += 1;
                }
                Err(_) => refused += 1,
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(
        opened > 0 && refused > 0,
        "{opened} opened, {refused} refused: no race was run"
    );
    assert_eq!(fs::read(outside.path().join("mbox")).unwrap(), b"");
    let names: Vec<_> = fs::read_dir(outside.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["mbox"]);
}

#[test]
fn d03_from_lines_are_quoted() {
    let line = "From bob@other.test Mon Nov 23 14:00:00 2026\n";
    for (message, body) in [
        ("", "\n"),
        ("A: b\r\n\r\nx\r\n", "A: b\n\nx\n\n"),
        ("A: b\r\n\r\nno end", "A: b\n\nno end\n\n"),
        ("From x\r\n", ">From x\n\n"),
        (
            "A: b\r\n\r\nFrom here\r\n>From there\r\n>>From\r\n> From\r\nFrom\r\nfrom x\r\n",
            "A: b\n\n>From here\n>>From there\n>>From\n> From\nFrom\nfrom x\n\n",
        ),
        ("x\nFrom y\n", "x\n>From y\n\n"),
        ("x\rFrom y\r\n", "x\rFrom y\n\n"),
        ("a\r\r\nb\r", "a\r\nb\r\n\n"),
        ("From ", ">From \n\n"),
        ("Fro", "Fro\n\n"),
        (">>>", ">>>\n\n"),
    ] {
        assert_eq!(
            String::from_utf8(as_mbox(message.as_bytes())).unwrap(),
            format!("{line}{body}"),
            "{message:?}"
        );
    }
    let nobody = Postmark {
        sender: ReversePath::Null,
        ..postmark()
    };
    let spaces = Postmark {
        sender: ReversePath::Mailbox(Mailbox::parse("\"a b\"@c.test").unwrap()),
        received: Timestamp(0),
    };
    for (postmark, expected) in [
        (nobody, "From MAILER-DAEMON Mon Nov 23 14:00:00 2026\n"),
        (spaces, "From \"a_b\"@c.test Thu Jan  1 00:00:00 1970\n"),
    ] {
        let mut bytes = String::new();
        MboxReader::new(&postmark, &b""[..])
            .read_to_string(&mut bytes)
            .unwrap();
        assert_eq!(bytes, format!("{expected}\n"));
    }
}

/// Undoes mboxrd.
fn unquote(mbox: &[u8]) -> Vec<u8> {
    let body = &mbox[mbox.iter().position(|&b| b == b'\n').unwrap() + 1..mbox.len() - 1];
    let mut message = Vec::new();
    for line in body.split_inclusive(|&b| b == b'\n') {
        let quotes = line.iter().take_while(|&&b| b == b'>').count();
        let quoted = quotes > 0 && line[quotes..].starts_with(b"From ");
        message.extend_from_slice(&line[usize::from(quoted)..]);
    }
    message
}

proptest! {
    /// Whatever the message and however it is read: no `From ` line of its own, and it can be
    /// had back.
    #[test]
    fn d03_any_message_is_one_message(pieces in proptest::collection::vec(0..9_usize, 0..40), size in 1..20_usize) {
        let piece = ["From ", ">", "\r\n", "\n", "\r", "F", "rom ", "x", "\r\n\r\nFrom "];
        let message: String = pieces.into_iter().map(|index| piece[index]).collect();
        let mbox = as_mbox(message.as_bytes());
        prop_assert!(mbox.ends_with(b"\n\n"));
        let starts = mbox.split_inclusive(|&b| b == b'\n').filter(|line| line.starts_with(b"From ")).count();
        prop_assert_eq!(starts, 1);
        let mut expected = message.replace("\r\n", "\n");
        if !expected.is_empty() && !expected.ends_with('\n') {
            expected.push('\n');
        }
        prop_assert_eq!(String::from_utf8(unquote(&mbox)).unwrap(), expected);
        // The same in small pieces.
        let mut reader = MboxReader::new(&postmark(), message.as_bytes());
        let mut slowly = Vec::new();
        let mut buffer = vec![0; size];
        loop {
            let length = reader.read(&mut buffer).unwrap();
            if length == 0 { break; }
            slowly.extend_from_slice(&buffer[..length]);
        }
        prop_assert_eq!(slowly, mbox);
    }
}

const PYTHON: &str = "\
import mailbox, sys
box = mailbox.mbox(sys.argv[1], create=False)
box.lock()
for message in box:
    print(message['subject'], len(message.get_payload().splitlines()), message.get_from().split()[0])
box.unlock()
";

fn python(folder: &Path) -> Vec<String> {
    let output = Command::new("python3")
        .args(["-c", PYTHON])
        .arg(folder.join("mbox"))
        .output()
        .expect("python3 is needed: apt install python3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut lines: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort_unstable();
    lines
}

/// Eight at a time, as another program reads it.
#[test]
fn d03_parallel_deliveries_are_whole() {
    let folder = folder();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let folder = folder.path();
            scope.spawn(move || {
                for number in 0..5 {
                    let body = "From me, not a new message\r\n".repeat(1000 + writer);
                    let message = format!("Subject: w{writer}n{number}\r\n\r\n{body}");
                    open(folder, "mbox")
                        .unwrap()
                        .append_message(&postmark(), message.as_bytes())
                        .unwrap();
                }
            });
        }
    });
    let mut expected: Vec<String> = (0..8)
        .flat_map(|writer| {
            (0..5).map(move |number| format!("w{writer}n{number} {} bob@other.test", 1000 + writer))
        })
        .collect();
    expected.sort_unstable();
    assert_eq!(python(folder.path()), expected);
    assert!(!folder.path().join("mbox.lock").exists());
}

#[test]
fn locks_of_others_are_respected() {
    let folder = folder();
    let lock = folder.path().join("mbox.lock");
    let short = Duration::from_millis(200);
    // Another program's.
    fs::write(&lock, "").unwrap();
    let error = LockedFile::open(folder.path(), Path::new("mbox"), short).unwrap_err();
    assert!(
        matches!(error.outcome("log"), Outcome::Deferred { .. }),
        "{error}"
    );
    assert!(lock.exists());
    // Left over: of our own making, and of another program long ago.
    fs::write(&lock, "postroom 1\n").unwrap();
    LockedFile::open(folder.path(), Path::new("mbox"), WAIT).unwrap();
    let old = fs::File::create(&lock).unwrap();
    old.set_modified(std::time::SystemTime::now() - Duration::from_secs(3600))
        .unwrap();
    let held = LockedFile::open(folder.path(), Path::new("mbox"), WAIT).unwrap();
    // Our own, held.
    assert!(matches!(
        LockedFile::open(folder.path(), Path::new("mbox"), short),
        Err(FileError::Locked)
    ));
    drop(held);
    assert!(!lock.exists());
    LockedFile::open(folder.path(), Path::new("mbox"), short).unwrap();
}

/// Gives its bytes, then an error.
struct Breaks<'a>(&'a [u8]);

impl Read for Breaks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("checksum")),
            length => Ok(length),
        }
    }
}

#[test]
fn d04_a_failure_leaves_the_file_as_it_was() {
    let folder = folder();
    let mut file = open(folder.path(), "mbox").unwrap();
    assert_eq!(file.length(), 0);
    file.append_message(&postmark(), &b"A: b\r\n\r\nwhole\r\n"[..])
        .unwrap();
    let before = fs::read(folder.path().join("mbox")).unwrap();
    assert_eq!(file.length(), before.len() as u64);
    for half in [&b""[..], b"A: b\r\n\r\nhalf", &[b'x'; 1_000_000]] {
        let error = file.append_message(&postmark(), Breaks(half)).unwrap_err();
        assert!(matches!(&error, FileError::Source(_)), "{error}");
        assert!(matches!(error.outcome("log"), Outcome::Deferred { .. }));
        assert_eq!(fs::read(folder.path().join("mbox")).unwrap(), before);
    }
    file.append_message(&postmark(), &b"A: c\r\n"[..]).unwrap();
    assert!(
        fs::read(folder.path().join("mbox"))
            .unwrap()
            .starts_with(&before)
    );
}

/// A process of its own that appends what it is given, after `prelude` in a shell.
fn appender(folder: &Path, prelude: &str) -> std::process::Child {
    Command::new("/bin/sh")
        .args(["-c", &format!("{prelude} exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_mbox-append"))
        .arg(folder)
        .arg("mbox")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// No space in the middle of an append: a limit on the size of files is the disk that fills up.
#[test]
fn d04_no_space_leaves_the_file_as_it_was() {
    let folder = folder();
    let before = as_mbox(b"A: first\r\n");
    fs::write(folder.path().join("mbox"), &before).unwrap();
    let mut child = appender(folder.path(), "trap '' XFSZ; ulimit -f 128;");
    let mut stdin = child.stdin.take().unwrap();
    // It stops reading when the space is gone.
    let _ = stdin.write_all(&vec![b'x'; 1_000_000]);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), error.contains("too large")),
        (Some(75), true),
        "{error}"
    );
    assert_eq!(fs::read(folder.path().join("mbox")).unwrap(), before);
    assert!(!folder.path().join("mbox.lock").exists());
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + WAIT;
    while !holds() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Killed in the middle: what it left is found, and taken back with nothing else.
#[test]
fn d04_a_killed_append_is_taken_back() {
    let folder = folder();
    let path = folder.path().join("mbox");
    let before = as_mbox(b"A: first\r\n");
    fs::write(&path, &before).unwrap();
    let message = [b"A: b\r\n\r\n", &[b'x'; 1_000_000][..]].concat();
    let mut child = appender(folder.path(), "");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&message[..600_000]).unwrap();
    eventually("much of it is written", || {
        fs::metadata(&path).unwrap().len() >= 300_000
    });
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stdin);
    assert!(fs::metadata(&path).unwrap().len() > 300_000);
    let postmark = Postmark {
        sender: ReversePath::Null,
        received: Timestamp::from_seconds(0),
    };
    let mut file = open(folder.path(), "mbox").unwrap();
    let taken = file
        .take_back(
            before.len() as u64,
            MboxReader::new(&postmark, &message[..]),
        )
        .unwrap();
    assert!(matches!(taken, TakenBack::Bytes(_)), "{taken:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// What a kill in the middle of an append leaves is taken back, and nothing else.
#[test]
fn d04_a_broken_append_is_taken_back_after_a_restart() {
    let folder = folder();
    let path = folder.path().join("mbox");
    let first = as_mbox(b"A: first\r\n");
    let second = as_mbox(&[b"A: second\r\n\r\n", &[b'y'; 200_000][..]].concat());
    for written in [0, 1, 40, 150_000, second.len()] {
        fs::write(&path, [&first, &second[..written]].concat()).unwrap();
        fs::write(folder.path().join("mbox.lock"), "postroom 1\n").unwrap();
        let mut file = open(folder.path(), "mbox").unwrap();
        let taken = file.take_back(first.len() as u64, &second[..]).unwrap();
        let expected = if written == 0 {
            TakenBack::Nothing
        } else {
            TakenBack::Bytes(written as u64)
        };
        assert_eq!(
            (taken, file.length()),
            (expected, first.len() as u64),
            "{written}"
        );
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), first);
    }
    for changed in [
        [&first[..], b"other"].concat(),
        [&first[..], &second, b"From x\n"].concat(),
        [&first[..], &second[..50], b"!"].concat(),
        first[..first.len() - 1].to_vec(),
        Vec::new(),
    ] {
        fs::write(&path, &changed).unwrap();
        let mut file = open(folder.path(), "mbox").unwrap();
        assert_eq!(
            file.take_back(first.len() as u64, &second[..]).unwrap(),
            TakenBack::Changed
        );
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), changed);
    }
}

#[test]
fn bytes_are_appended_as_they_are() {
    let folder = folder();
    let mut file = open(folder.path(), "log").unwrap();
    file.append(&b"one\r\n"[..]).unwrap();
    file.append(&b"From two\n\0"[..]).unwrap();
    assert_eq!(
        fs::read(folder.path().join("log")).unwrap(),
        b"one\r\nFrom two\n\0"
    );
}
