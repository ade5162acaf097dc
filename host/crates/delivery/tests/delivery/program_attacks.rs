//! attacks.md, section 5: what a program, or a message for it, may try.

use std::time::{Duration, Instant};

use delivery::exec_helper::Confinement;
use delivery::program::{ApprovedPrograms, Attempt, Exit, OUTPUT_BYTES, ProgramSpec, SpecError};
use mail::{Mailbox, Outcome, ReversePath};
use rustix::io::FdFlags;

use crate::program::{
    NOBODY, Scripts, attempt, eventually, is_alive, is_root, run, runner, shown, spec, text,
};

/// No value is a command, an option, or more than one argument.
#[tokio::test]
async fn d05_values_stay_values() {
    let scripts = Scripts::new();
    let marker = scripts.path("marker");
    let mut spec = scripts.program(
        "printf '[%s]\\n' \"$@\"; printf '{%s}{%s}{%s}\\n' \"$SENDER\" \"$RECIPIENT\" \"$EXTENSION\"",
    );
    spec.arguments = ["--", "{sender}", "{recipient}", "{extension}"]
        .map(str::to_owned)
        .into();
    for nasty in [
        "$(touch MARKER)",
        "`touch MARKER`",
        "; touch MARKER",
        "& touch MARKER &",
        "| touch MARKER",
        "> MARKER",
        "\" ; touch MARKER ; \"",
        "' ; touch MARKER ; '",
        "-rf",
        "--help",
        "--",
        "{sender}",
        "{recipient}",
        "${PATH}",
        "%s%n",
        "*",
        "~",
        "a b",
        "\\",
        "../../etc",
    ] {
        let value = nasty.replace("MARKER", "M");
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let address = Mailbox::parse(&format!("\"{quoted}\"@abc.test")).unwrap();
        let extension = nasty.replace("MARKER", &marker.display().to_string());
        let attempt = Attempt {
            sender: ReversePath::Mailbox(address.clone()),
            recipient: address.clone(),
            extension: Some(extension.clone()),
            ..attempt()
        };
        let end = runner().run(&spec, &attempt, &b""[..]).await;
        let expected = format!(
            "[--]\n[{address}]\n[{address}]\n[{extension}]\n{{{address}}}{{{address}}}{{{extension}}}\n"
        );
        assert_eq!(text(&end), expected, "{nasty}");
    }
    assert!(!marker.exists());
    for bad in ["a\0b", "a\nb", "a\rb", "\u{1b}[2J", "a\u{85}b"] {
        let attempt = Attempt {
            extension: Some(bad.into()),
            ..attempt()
        };
        let end = runner().run(&spec, &attempt, &b""[..]).await;
        assert_eq!(end.exit, Exit::NotStarted, "{bad:?}");
        assert!(
            shown(&end.outcome).starts_with("5.6.0 "),
            "{:?}",
            end.outcome
        );
    }
}

#[test]
fn d05_an_argument_that_could_become_an_option_is_refused() {
    let with = |arguments: &[&str]| ProgramSpec {
        arguments: arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect(),
        ..ProgramSpec::new("script", "/bin/true")
    };
    for good in [
        &["--from={sender}"][..],
        &["--", "{sender}"],
        &["x{sender}"],
        &["-f", "--", "{sender}", "{domain}"],
        &[],
    ] {
        assert_eq!(with(good).check(), Ok(()), "{good:?}");
    }
    for bad in [
        &["{sender}"][..],
        &["-f", "{sender}"],
        &["{extension}", "--"],
        &["{domain}x"],
    ] {
        assert!(
            matches!(with(bad).check(), Err(SpecError::OptionLike { .. })),
            "{bad:?}"
        );
    }
    for bad in [
        &["{unknown}"][..],
        &["--", "{"],
        &["a}"],
        &["a\0"],
        &["{sen{sender}der}"],
    ] {
        assert!(
            matches!(with(bad).check(), Err(SpecError::Argument { .. })),
            "{bad:?}"
        );
    }
}

#[tokio::test]
async fn d06_only_labels_of_the_list_are_run() {
    let list = ApprovedPrograms::new(vec![spec("/bin/true")]).unwrap();
    assert_eq!(
        list.find("script").unwrap().path.to_str(),
        Some("/bin/true")
    );
    for other in [
        "",
        "Script",
        "script ",
        "script -x",
        "/bin/true",
        "../script",
        "script\0",
        "script;id",
        "true",
        "script\n",
    ] {
        let Err(Outcome::Failed { status, .. }) = list.find(other) else {
            panic!("{other:?} was found");
        };
        assert_eq!(status.to_string(), "5.7.1");
    }
    let refused = |spec: ProgramSpec| ApprovedPrograms::new(vec![spec]).unwrap_err();
    assert!(matches!(refused(spec("bin/true")), SpecError::Path { .. }));
    assert!(matches!(refused(spec("")), SpecError::Path { .. }));
    for label in ["", "a b", "a/b", "-a", "ä", &"a".repeat(65)] {
        let spec = ProgramSpec {
            label: label.into(),
            ..spec("/bin/true")
        };
        assert!(matches!(refused(spec), SpecError::Label(_)), "{label}");
    }
    let none = ProgramSpec {
        timeout: Duration::ZERO,
        ..spec("/bin/true")
    };
    assert!(matches!(refused(none), SpecError::Timeout(_)));
    assert!(matches!(
        ApprovedPrograms::new(vec![spec("/bin/true"), spec("/bin/false")]),
        Err(SpecError::Twice(_))
    ));
    // At run time again, whatever was made of the list.
    let end = run(&spec("bin/true"), b"").await;
    assert_eq!(end.exit, Exit::NotStarted);
}

#[tokio::test]
async fn d07_a_hang_is_killed_with_its_children() {
    let scripts = Scripts::new();
    let pids = scripts.path("pids");
    let body = format!(
        "trap '' TERM INT HUP\n\
         sleep 1000 &\n\
         (sleep 1000; echo never) &\n\
         sh -c 'trap \"\" TERM; echo $$ >> {pids}; sleep 1000' &\n\
         echo $! >> {pids}; echo $$ >> {pids}\n\
         cat >/dev/null\n\
         sleep 1000",
        pids = pids.display()
    );
    let spec = ProgramSpec {
        timeout: Duration::from_secs(2),
        ..scripts.program(&body)
    };
    let begin = Instant::now();
    let end = run(&spec, b"x").await;
    assert_eq!(end.exit, Exit::TimedOut);
    assert_eq!(
        shown(&end.outcome),
        "4.3.0 The program 'script' took longer than 2 s and was ended"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(15),
        "{:?}",
        begin.elapsed()
    );
    let pids = std::fs::read_to_string(pids).unwrap();
    assert!(pids.lines().count() >= 3, "{pids}");
    for pid in pids.lines() {
        eventually("every process of the program is gone", || !is_alive(pid)).await;
    }
}

/// What is left in the background when the program ends well is killed too, and does not hold
/// the delivery up.
#[tokio::test]
async fn d07_nothing_stays_behind() {
    let scripts = Scripts::new();
    let pid = scripts.path("pid");
    let spec = scripts.program(&format!(
        "sleep 1000 & echo $! > {}; echo fine",
        pid.display()
    ));
    let begin = Instant::now();
    let end = run(&spec, b"x").await;
    assert_eq!((end.exit, text(&end).as_str()), (Exit::Code(0), "fine\n"));
    assert!(begin.elapsed() < Duration::from_secs(15));
    let pid = std::fs::read_to_string(pid).unwrap();
    eventually("the child is gone", || !is_alive(&pid)).await;
}

/// A child in a session of its own that keeps the pipes open cannot hold the delivery up.
#[tokio::test]
async fn d07_a_runaway_child_holds_nothing_up() {
    let scripts = Scripts::new();
    let pid = scripts.path("pid");
    let spec = scripts.program(&format!(
        "setsid sh -c 'echo $$ > {}; exec sleep 30' & sleep 0.3; exit 0",
        pid.display()
    ));
    let begin = Instant::now();
    let end = run(&spec, b"x").await;
    assert_eq!(end.exit, Exit::Code(0));
    assert!(begin.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn d07_output_is_capped() {
    let scripts = Scripts::new();
    let end = run(
        &scripts.program("head -c 30000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 0"),
        b"x",
    )
    .await;
    assert_eq!((end.exit, end.output.len()), (Exit::Code(0), OUTPUT_BYTES));
    assert!(matches!(end.outcome, Outcome::Done { .. }));
}

#[tokio::test]
async fn d07_standard_input_may_be_left_unread() {
    let scripts = Scripts::new();
    let large = vec![b'x'; 5_000_000];
    for body in [
        "exec <&-; exit 0",
        "exit 0",
        "head -c 10 >/dev/null; exit 0",
        "exec <&-; sleep 0.2; exit 0",
    ] {
        let end = run(&scripts.program(body), &large).await;
        assert_eq!(end.exit, Exit::Code(0), "{body}");
    }
}

#[tokio::test]
async fn d07_only_three_descriptors_are_open() {
    let leaked = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&leaked, FdFlags::empty()).unwrap();
    let mut list = spec("/bin/ls");
    list.arguments = vec!["/proc/self/fd".to_owned()];
    let end = run(&list, b"").await;
    // 3 is the folder that `ls` reads.
    assert_eq!(text(&end), "0\n1\n2\n3\n");
}

#[tokio::test]
async fn d07_it_runs_unprivileged_and_limited() {
    let scripts = Scripts::new();
    let body = "id -u; id -g; id -G; grep NoNewPrivs /proc/self/status; ulimit -c; ulimit -n; ulimit -f; ulimit -v; ulimit -t; umask; pwd";
    let mut spec = scripts.program(body);
    spec.confinement = Confinement {
        memory_bytes: 300 << 20,
        cpu_seconds: 7,
        open_files: 33,
        file_bytes: 1 << 20,
        ..spec.confinement
    };
    let end = run(&spec, b"").await;
    let lines: Vec<String> = text(&end).lines().map(str::to_owned).collect();
    if is_root() {
        let nobody = NOBODY.to_string();
        assert_eq!(lines[..3], [nobody.clone(), nobody.clone(), nobody]);
    } else {
        assert_ne!(lines[0], "0");
    }
    // The shell counts in blocks of 512 bytes and KiB.
    assert_eq!(
        lines[3..],
        [
            "NoNewPrivs:\t1",
            "0",
            "33",
            "2048",
            "307200",
            "7",
            "0077",
            "/"
        ]
    );

    let mut greedy = scripts.program(&format!(
        "head -c 2000000 /dev/zero > {}",
        scripts.path("big").display()
    ));
    greedy.confinement.file_bytes = 1 << 20;
    assert_ne!(run(&greedy, b"").await.exit, Exit::Code(0));
    assert!(std::fs::metadata(scripts.path("big")).unwrap().len() <= 1 << 20);
}

/// Root without a user to run programs as does not run them.
#[tokio::test]
async fn d07_nothing_runs_as_root() {
    let mut as_is = spec("/usr/bin/id");
    as_is.confinement.run_as = None;
    let end = run(&as_is, b"").await;
    if is_root() {
        assert_eq!(end.exit, Exit::NotStarted);
        assert!(
            shown(&end.outcome).contains("will not run a program as root"),
            "{:?}",
            end.outcome
        );
    } else {
        assert_eq!(end.exit, Exit::Code(0));
    }
}
