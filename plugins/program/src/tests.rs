use postroom_sdk::fake::Host;
use postroom_sdk::{Settlement, program::Ended};

use super::*;

fn host(label: &str) -> Host {
    Host::new()
        .fact("recipient", "ann@abc.test")
        .setting("mailProgramDeliveryInfo", label)
        .message("a: b\r\n\r\n")
}

fn status(outcome: &Outcome) -> &str {
    match outcome.settlement() {
        Settlement::Failed { status, .. } | Settlement::Deferred { status, .. } => status,
        _ => "done",
    }
}

#[test]
fn exits_become_outcomes() {
    for (exit_code, expected) in [
        (0, "done"),
        (75, "4.3.0"),
        (1, "5.3.0"),
        (67, "5.1.1"),
        (126, "5.3.0"),
    ] {
        let mut host = host("archive").program("archive", exit_code, "said so\n");
        let outcome = host.deliver::<Program>();
        assert_eq!(status(&outcome), expected, "{exit_code}");
        assert!(
            outcome
                .explanations()
                .iter()
                .any(|line| line == "'archive' printed: said so"),
            "{outcome:?}"
        );
        assert_eq!(host.programs_run(), ["archive"]);
    }
}

#[test]
fn a_killed_program_is_tried_again() {
    for timed_out in [false, true] {
        let ended = Ended {
            exit_code: None,
            timed_out,
            output: Vec::new(),
        };
        let outcome = host("archive")
            .program_ended("archive", ended)
            .deliver::<Program>();
        assert_eq!(status(&outcome), "4.3.0");
    }
}

#[test]
fn an_unknown_or_missing_label_waits_for_the_operator() {
    assert_eq!(
        status(
            &host("stranger")
                .program("archive", 0, "")
                .deliver::<Program>()
        ),
        "4.3.5"
    );
    assert_eq!(status(&Host::new().deliver::<Program>()), "4.3.5");
}

#[test]
fn d05_shell_text_runs_nothing() {
    for value in [
        "archive; rm -rf x",
        "$(archive)",
        "`archive`",
        "archive\nx",
        "-archive",
        "/usr/bin/archive",
    ] {
        let mut host = host(value).program("archive", 0, "").program(value, 0, "");
        assert_eq!(status(&host.deliver::<Program>()), "5.3.5", "{value}");
        assert!(host.programs_run().is_empty());
    }
}

#[test]
fn the_manifest_has_this_version() {
    let manifest = include_str!("../plugin.toml");
    assert!(manifest.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))));
}
