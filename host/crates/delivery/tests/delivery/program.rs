//! What a program sees, and what its end means.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use delivery::exec_helper::{Confinement, RunAs};
use delivery::program::{Attempt, Exit, ProgramEnd, ProgramSpec, Runner};
use mail::{Mailbox, Outcome, ReversePath};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

pub(crate) const NOBODY: u32 = 65534;

/// A folder with scripts, that any user may read and write.
pub(crate) struct Scripts(TempDir);

impl Scripts {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A program that runs `body` in a shell of its own.
    pub(crate) fn program(&self, body: &str) -> ProgramSpec {
        let path = self.path("script");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        spec(path)
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn spec(path: impl Into<PathBuf>) -> ProgramSpec {
    let run_as = is_root().then(|| RunAs::new(NOBODY, NOBODY).unwrap());
    ProgramSpec {
        timeout: Duration::from_secs(30),
        confinement: Confinement {
            run_as,
            ..Confinement::default()
        },
        ..ProgramSpec::new("script", path)
    }
}

pub(crate) fn attempt() -> Attempt {
    Attempt {
        delivery_id: "d1".into(),
        number: 1,
        sender: ReversePath::Mailbox(Mailbox::parse("bob@other.test").unwrap()),
        recipient: Mailbox::parse("ann+x@abc.test").unwrap(),
        extension: Some("x".into()),
    }
}

pub(crate) fn runner() -> Runner {
    Runner::new(env!("CARGO_BIN_EXE_exec-helper"), Vec::new())
}

pub(crate) async fn run(spec: &ProgramSpec, message: &[u8]) -> ProgramEnd {
    runner().run(spec, &attempt(), message).await
}

pub(crate) fn text(end: &ProgramEnd) -> String {
    String::from_utf8_lossy(&end.output).into_owned()
}

/// `5.1.1 text`, or `done text`.
pub(crate) fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { text } => format!("done {text}"),
        Outcome::Deferred { status, text } | Outcome::Failed { status, text } => {
            format!("{status} {text}")
        }
        Outcome::NotMine => "not mine".into(),
    }
}

/// Is there such a process, other than one that only waits to be reaped?
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat"));
    stat.is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .trim_start()
            .starts_with('Z')
    })
}

pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..500 {
        if holds() {
            return;
        }
        looks.tick().await;
    }
    panic!("not within 10 s: {what}");
}

#[tokio::test]
async fn exits_have_meanings() {
    let scripts = Scripts::new();
    for (body, exit, outcome) in [
        (
            "exit 0",
            Exit::Code(0),
            "done The program 'script' took the message",
        ),
        (
            "echo busy; exit 75",
            Exit::Code(75),
            "4.3.0 The program 'script' asks to try again: busy",
        ),
        (
            "echo >&2; echo 'no such user' >&2; exit 67",
            Exit::Code(67),
            "5.1.1 The program 'script' refused the message: no such user",
        ),
        (
            "exit 77",
            Exit::Code(77),
            "5.7.1 The program 'script' refused the message: no output",
        ),
        (
            "exit 1",
            Exit::Code(1),
            "5.3.0 The program 'script' refused the message: no output",
        ),
        (
            "exit 255",
            Exit::Code(255),
            "5.3.0 The program 'script' refused the message: no output",
        ),
        (
            "kill -9 $$",
            Exit::Signal(9),
            "4.3.0 The program 'script' was ended by signal 9",
        ),
        (
            "kill -15 $$",
            Exit::Signal(15),
            "4.3.0 The program 'script' was ended by signal 15",
        ),
    ] {
        let end = run(&scripts.program(body), b"x\r\n").await;
        assert_eq!(
            (end.exit, shown(&end.outcome).as_str()),
            (exit, outcome),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_message_arrives_byte_for_byte() {
    let scripts = Scripts::new();
    let short: Vec<u8> = (0..50_000_u32).map(|number| (number % 251) as u8).collect();
    assert_eq!(run(&spec("/bin/cat"), &short).await.output, short);
    assert_eq!(run(&spec("/bin/cat"), b"").await.output, b"");

    let long: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number * 7 % 253) as u8)
        .collect();
    std::fs::write(scripts.path("long"), &long).unwrap();
    let sum = std::process::Command::new("cksum")
        .stdin(std::fs::File::open(scripts.path("long")).unwrap())
        .output()
        .unwrap();
    assert_eq!(run(&spec("/usr/bin/cksum"), &long).await.output, sum.stdout);
}

#[tokio::test]
async fn the_environment_is_clean() {
    let end = run(&spec("/usr/bin/env"), b"").await;
    let mut lines: Vec<String> = text(&end).lines().map(str::to_owned).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "DOMAIN=abc.test",
            "EXTENSION=x",
            "LANG=C.UTF-8",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "POSTROOM_ATTEMPT=1",
            "POSTROOM_DELIVERY_ID=d1",
            "RECIPIENT=ann+x@abc.test",
            "SENDER=bob@other.test",
        ]
    );
    let null = Attempt {
        sender: ReversePath::Null,
        extension: None,
        ..attempt()
    };
    let end = runner().run(&spec("/usr/bin/env"), &null, &b""[..]).await;
    assert!(text(&end).contains("SENDER=\n") && text(&end).contains("EXTENSION=\n"));
}

#[tokio::test]
async fn places_are_filled_each_in_its_argument() {
    let scripts = Scripts::new();
    let mut spec = scripts.program("for argument; do echo \"[$argument]\"; done");
    spec.arguments = [
        "--from={sender}",
        "-d",
        "in {domain}!",
        "--",
        "{recipient}",
        "{extension}",
        "",
    ]
    .map(str::to_owned)
    .into();
    let end = run(&spec, b"").await;
    assert_eq!(
        text(&end).lines().collect::<Vec<_>>(),
        [
            "[--from=bob@other.test]",
            "[-d]",
            "[in abc.test!]",
            "[--]",
            "[ann+x@abc.test]",
            "[x]",
            "[]"
        ]
    );
}

#[tokio::test]
async fn what_cannot_start_is_deferred() {
    let scripts = Scripts::new();
    let plain = scripts.path("plain");
    std::fs::write(&plain, "text").unwrap();
    for path in [scripts.path("missing"), plain, scripts.path("")] {
        let end = run(&spec(&path), b"x").await;
        assert_eq!(end.exit, Exit::NotStarted, "{}", path.display());
        assert!(
            shown(&end.outcome).starts_with("4.3.5 The program 'script' could not be started: "),
            "{:?}",
            end.outcome
        );
    }
    let no_helper = Runner::new("/no/such/helper", Vec::new());
    let end = no_helper
        .run(&spec("/bin/true"), &attempt(), &b""[..])
        .await;
    assert!(
        shown(&end.outcome).starts_with("4.3.5"),
        "{:?}",
        end.outcome
    );
}

/// A message cut short must not be taken for a whole one.
#[tokio::test]
async fn a_message_that_cannot_be_read_kills_the_program() {
    let scripts = Scripts::new();
    let spec = scripts.program(&format!(
        "cat >/dev/null && touch {}",
        scripts.path("took").display()
    ));
    let broken = tokio_test_reader(b"half a mess");
    let end = runner().run(&spec, &attempt(), broken).await;
    assert_eq!(end.exit, Exit::NotStarted);
    assert!(
        shown(&end.outcome).starts_with("4.3.5"),
        "{:?}",
        end.outcome
    );
    // Another one runs from begin to end; by then the first would have done its work.
    let other = scripts.program("cat >/dev/null");
    let end = runner().run(&other, &attempt(), &b"x"[..]).await;
    assert_eq!(end.exit, Exit::Code(0));
    assert!(!scripts.path("took").exists());
}

/// Gives `bytes`, then an error.
fn tokio_test_reader(bytes: &'static [u8]) -> impl tokio::io::AsyncRead + Unpin + Send {
    struct Fails;
    impl tokio::io::AsyncRead for Fails {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            std::task::Poll::Ready(Err(io::Error::other("checksum")))
        }
    }
    bytes.chain(Fails)
}

#[tokio::test]
async fn nobody_waiting_ends_it() {
    let scripts = Scripts::new();
    let spec = scripts.program(&format!(
        "echo $$ > {}; sleep 1000",
        scripts.path("pid").display()
    ));
    let pid_file = scripts.path("pid");
    {
        let runner = runner();
        let attempt = attempt();
        let running = runner.run(&spec, &attempt, &b""[..]);
        tokio::pin!(running);
        tokio::select! {
            _ = &mut running => panic!("it ended"),
            () = eventually("the program writes its number", || std::fs::read_to_string(&pid_file).is_ok_and(|text| text.ends_with('\n'))) => {}
        }
    }
    let pid = std::fs::read_to_string(&pid_file).unwrap();
    eventually("the program is killed", || !is_alive(&pid)).await;
}
