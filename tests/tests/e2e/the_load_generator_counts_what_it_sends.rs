//! The load generator of the benchmark says what really happened: as many messages as are in the
//! mailboxes then, and no figure for what was refused.

use std::process::Command;

use postroom_tests::{Server, binary, run};
use serde_json::Value;

/// Runs it against the server; one object for each figure.
#[track_caller]
fn bench(arguments: &[&str]) -> Vec<Value> {
    let program = binary().with_file_name("postroom-bench");
    assert!(
        program.exists(),
        "{} is not there: run the tests by `cargo xtask test`",
        program.display()
    );
    let ran = run(Command::new(program).arg("--json").args(arguments), b"");
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
    let lines = ran.out.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect()
}

#[test]
fn the_load_generator_counts_what_it_sends() {
    let server = Server::start();
    let people = ["ann@abc.test", "bob@xyz.test"];
    for (domain, person) in ["abc.test", "xyz.test"].iter().zip(people) {
        server.domain(domain);
        server.user(person, &[]);
    }
    let address = |service| server.address(service).to_string();
    let (smtp, imaps, pop3s) = (address("mx"), address("imaps"), address("pop3s"));
    let pid = server.pid().to_string();
    let sending = ["--smtp", &smtp, "--to", people[0], "--to", people[1]];
    let stored = || {
        let of = |person| server.messages(person, "INBOX").len();
        people.map(of)
    };

    let load = ["--connections", "4", "--messages", "30", "--size", "2000"];
    let figures = bench(&[&["accept", "--pid", &pid], &sending[..], &load].concat());
    let [figure] = &figures[..] else {
        panic!("one figure: {figures:?}");
    };
    assert_eq!(figure["messages"], 30);
    assert_eq!(figure["errors"], 0);
    assert!(figure["p50_ms"].as_f64() > Some(0.0), "{figure}");
    assert!(figure["server_cpu_ms"].is_number(), "{figure}");
    assert_eq!(stored(), [15, 15]);

    let load = [
        "--messages",
        "10",
        "--imaps",
        &imaps,
        "--password",
        "secret",
    ];
    let figures = bench(&[&["deliver"], &sending[..], &load].concat());
    assert_eq!(figures[0]["messages"], 10);
    assert_eq!(stored(), [20, 20]);

    let login = ["--password", "secret", "--user", people[0]];
    let load = ["--imaps", &imaps, "--messages", "25", "--seconds", "0.1"];
    let figures = bench(&[&["fetch"], &login[..], &load].concat());
    assert_eq!(figures.len(), 4, "flags, envelopes, structures, bodies");
    for figure in &figures {
        let messages = figure["messages"].as_u64().expect("it is a number");
        assert!(messages > 0 && messages.is_multiple_of(25), "{figure}");
    }

    let load = ["--imaps", &imaps, "--pop3s", &pop3s, "--messages", "25"];
    let figures = bench(&[&["drain"], &login[..], &load].concat());
    assert_eq!(figures[0]["messages"], 25);
    assert_eq!(stored(), [0, 20]);

    let load = [
        "--messages",
        "12",
        "--kind",
        "ordinary",
        "--connections",
        "3",
        "--rate",
        "1000",
    ];
    let figures = bench(&[&["accept"], &sending[..], &load].concat());
    assert_eq!(figures[0]["messages"], 12);
    assert_eq!(figures[0]["errors"], 0, "{figures:?}");
    assert_eq!(stored(), [6, 26]);
    let bytes = |person| -> usize {
        let messages = server.messages(person, "INBOX");
        messages[messages.len() - 6..].iter().map(Vec::len).sum()
    };
    // The server adds fields of its own.
    let sent = figures[0]["bytes"].as_u64().expect("it is a number") as usize;
    let kept = people.map(bytes).iter().sum::<usize>();
    assert!(
        (sent..sent + 12 * 1000).contains(&kept),
        "{sent} sent, {kept} kept"
    );

    let folder = server.path("").display().to_string();
    let load = ["--messages", "5", "--folder", &folder];
    let figures = bench(&[&["dot"], &sending[..], &load].concat());
    let what: Vec<&str> = figures
        .iter()
        .filter_map(|figure| figure["what"].as_str())
        .collect();
    assert_eq!(what, ["dot alone", "dot with the message", "fdatasync"]);
    for figure in &figures {
        assert_eq!(figure["messages"], 5);
        assert!(figure["p50_ms"].as_f64() > Some(0.0), "{figure}");
    }

    server.user("max@abc.test", &[]);
    let load = [
        "--smtp",
        &smtp,
        "--imaps",
        &imaps,
        "--user",
        "max@abc.test",
        "--password",
        "secret",
        "--messages",
        "40",
        "--times",
        "7",
    ];
    let figures = bench(&[&["mailbox"], &load[..]].concat());
    let counts: Vec<_> = figures
        .iter()
        .map(|figure| figure["messages"].as_u64())
        .collect();
    assert_eq!(
        counts,
        [1, 7, 7, 7].map(Some),
        "select, append, flag, expunge"
    );
    assert_eq!(server.messages("max@abc.test", "INBOX").len(), 40);

    let nobody = ["--smtp", &smtp, "--to", "nobody@abc.test"];
    let figures = bench(&[&["accept", "--messages", "3"], &nobody[..]].concat());
    assert_eq!(figures[0]["messages"], 0);
    assert_eq!(figures[0]["errors"], 3);
    let error = figures[0]["first_error"].as_str().unwrap_or_default();
    assert!(error.starts_with("550"), "{error}");
}
