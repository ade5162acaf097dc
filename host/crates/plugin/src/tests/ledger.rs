//! `docs/hooks.tsv` says what this crate does.

use super::stage::{Stage, source};
use crate::{FailurePolicy, Hook, Verdict};

const LEDGER: &str = include_str!("../../../../../docs/hooks.tsv");

/// The rows under the heading, by column.
fn rows() -> Vec<Vec<&'static str>> {
    let mut lines = LEDGER.lines().map(|line| line.split('\t').collect());
    let heading: Vec<&str> = lines.next().unwrap();
    assert_eq!(
        heading,
        [
            "hook",
            "asked",
            "answers",
            "on failure",
            "effects",
            "what the peer sees"
        ]
    );
    lines.collect()
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').filter(|word| *word != "-").collect()
}

fn row(hook: Hook) -> Vec<&'static str> {
    let found = rows().into_iter().find(|row| row[0] == hook.name());
    found.unwrap_or_else(|| panic!("no row of {hook}"))
}

#[test]
fn every_hook_has_a_row_with_its_effects() {
    let rows = rows();
    let names: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(names, Hook::ALL.map(Hook::name));
    for (row, hook) in rows.iter().zip(Hook::ALL) {
        assert_eq!(row.len(), 6, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        assert_eq!(words(row[4]), hook.effects(), "{hook}");
    }
}

#[test]
fn the_policies_are_those_that_a_binding_may_have() {
    let all = [
        FailurePolicy::Tempfail,
        FailurePolicy::Proceed,
        FailurePolicy::Quarantine,
    ];
    let names: Vec<String> = all
        .iter()
        .map(|policy| {
            serde_json::to_value(policy)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    for hook in [
        Hook::Connect,
        Hook::Ehlo,
        Hook::Mail,
        Hook::Rcpt,
        Hook::Data,
    ] {
        assert_eq!(words(row(hook)[3]), names, "{hook}");
    }
}

/// Each answer of the table can be given, and comes back as itself.
#[tokio::test]
async fn rcpt_may_answer_all_that_its_row_says() {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("a")]).await;
    let mut given = Vec::new();
    for task in [
        "ann",
        "settle",
        "version",
        "defer",
        "discard",
        "quarantine",
        "delay",
        "score",
        "disconnect",
    ] {
        let report = stage.rcpt(task).await;
        let call = report.calls.last().unwrap();
        let Ok(crate::Answer::Verdict(verdict)) = &call.answer else {
            panic!("{task}: {call:?}");
        };
        given.push(verdict.name());
    }
    assert_eq!(given, words(row(Hook::Rcpt)[2]));
    for hook in [Hook::Connect, Hook::Ehlo, Hook::Mail, Hook::Data] {
        assert_eq!(
            row(hook)[2],
            row(Hook::Rcpt)[2],
            "one type of answer for all"
        );
    }
}

/// A plugin that sends from `rcpt` is not half obeyed.
#[tokio::test]
async fn what_a_hook_cannot_do_does_not_happen() {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("a")]).await;
    let report = stage.rcpt("send-flood").await;
    assert_eq!(report.verdict, Verdict::Proceed);
    assert!(report.effects.is_empty(), "{report:?}");
    let mut transaction = stage.begin();
    let report = transaction
        .data(source("Subject: x\r\n\r\n"), Vec::new())
        .await;
    for effect in report.effects {
        assert!(Hook::Data.effects().contains(&effect.name()), "{effect:?}");
    }
}
