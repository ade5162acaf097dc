//! Policy hooks: order, levels, verdicts, effects.

use mail::{Direction, Reply};

use super::stage::{ABC, MESSAGE, Stage, XYZ, address, chain, facts, refusal, said, source};
use crate::{BindingSpec, Effect, FailurePolicy, Level, Verdict};

const TROUBLE: &str = "451 4.3.0 A rule of abc.test could not be checked; try again later";

#[tokio::test]
async fn the_hooks_of_a_domain_run_at_its_first_recipient_and_once() {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("contract")]).await;
    let mut transaction = stage.begin();
    let first = transaction.rcpt(&address("calls")).await;
    assert_eq!(first.verdict, Verdict::Proceed);
    // connect, ehlo and mail were the calls 0 to 2 of the same instance.
    assert_eq!(
        said(&first),
        "connect from 192.0.2.7; helo client.test; mail from joe@far.test; call 3"
    );
    let second = transaction.rcpt(&address("who")).await;
    assert_eq!(said(&second), "peer was Some(\"192.0.2.7\")");
    let third = transaction.rcpt(&address("many")).await;
    assert_eq!(said(&third), "calls@abc.test who@abc.test many@abc.test");
    let data = transaction
        .data(source(MESSAGE), vec!["spf=pass".to_owned()])
        .await;
    let expected =
        "contract sees 'hello', 63 bytes, 1 parts, 3 recipients, 3 fields, auth [\"spf=pass\"]";
    assert_eq!(
        said(&data),
        expected.replace("63", &MESSAGE.len().to_string())
    );
    assert_eq!(data.edited, None);
    // The next transaction has an instance of its own.
    assert!(said(&stage.rcpt("calls").await).ends_with("call 3"));
}

#[tokio::test]
async fn a_domain_without_plugins_costs_nothing_and_a_refused_direction_neither() {
    let stage = Stage::new().await;
    let report = stage
        .runtime
        .begin(XYZ, facts())
        .rcpt(&address("ann"))
        .await;
    assert_eq!(report, crate::HookReport::new());
    stage
        .publish(vec![BindingSpec {
            directions: vec![Direction::Submission],
            ..stage.binding("a")
        }])
        .await;
    let report = stage.rcpt("defer").await;
    assert_eq!((report.verdict, report.calls.len()), (Verdict::Proceed, 0));
}

#[tokio::test]
async fn an_early_refusal_refuses_every_recipient_of_the_domain() {
    let stage = Stage::new().await;
    for hook in ["connect", "ehlo", "mail"] {
        let config = serde_json::json!({"name": "strict", "refuse": hook});
        stage
            .publish(vec![BindingSpec {
                config,
                ..stage.binding("a")
            }])
            .await;
        let mut transaction = stage.begin();
        for recipient in ["ann", "bob"] {
            let report = transaction.rcpt(&address(recipient)).await;
            assert_eq!(
                refusal(&report),
                format!("550 5.7.1 strict refuses at {hook}")
            );
            assert_eq!(report.decided_by.unwrap().binding, "a");
        }
        assert!(transaction.recipients().is_empty());
        // The postmaster passes (directory.md).
        assert_eq!(
            transaction.rcpt(&address("Postmaster")).await.verdict,
            Verdict::Proceed
        );
    }
}

#[tokio::test]
async fn each_verdict_arrives() {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("a")]).await;
    assert_eq!(stage.rcpt("settle").await.verdict, Verdict::Proceed);
    assert_eq!(stage.rcpt("discard").await.verdict, Verdict::Discard);
    assert_eq!(
        stage.rcpt("quarantine").await.verdict,
        Verdict::Quarantine {
            reason: "looks odd".into()
        }
    );
    assert_eq!(refusal(&stage.rcpt("defer").await), "451 4.7.1 Come again");
    // The plugin of a domain cannot end the session of others.
    let report = stage.rcpt("disconnect").await;
    assert_eq!(refusal(&report), "554 5.7.1 Go away");
    assert!(matches!(report.verdict, Verdict::Reject(_)));
    stage
        .publish(vec![BindingSpec {
            level: Level::HostPre,
            ..stage.binding("a")
        }])
        .await;
    assert!(matches!(
        stage.rcpt("disconnect").await.verdict,
        Verdict::Disconnect(_)
    ));
}

#[tokio::test]
async fn a_transaction_waits_ten_seconds_at_most() {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("a")]).await;
    let mut transaction = stage.begin();
    let waits = [
        transaction.rcpt(&address("delay")).await.delay.as_millis(),
        transaction.rcpt(&address("delay")).await.delay.as_millis(),
        transaction.rcpt(&address("delay")).await.delay.as_millis(),
    ];
    assert_eq!(waits, [7000, 3000, 0]);
}

#[tokio::test]
async fn scores_add_up_and_are_compared_once() {
    let stage = Stage::new().await;
    let scored = "Subject: score\r\n\r\n";
    for (quarantine, reject, expected) in [
        (None, None, "proceed"),
        (Some(7.0), None, "quarantine"),
        (Some(7.5), None, "proceed"),
        (Some(1.0), Some(7.0), "reject"),
        (None, Some(8.0), "proceed"),
    ] {
        let generation = stage.runtime.pin(ABC).generation() + 1;
        let mut spec = chain(generation, vec![stage.binding("a")]);
        (spec.score_quarantine, spec.score_reject) = (quarantine, reject);
        stage.runtime.publish(ABC, spec).await.unwrap();
        let mut transaction = stage.begin();
        assert_eq!(
            transaction.rcpt(&address("score")).await.verdict,
            Verdict::Proceed
        );
        let report = transaction.data(source(scored), Vec::new()).await;
        assert_eq!(report.verdict.name(), expected, "{quarantine:?} {reject:?}");
    }
}

/// A chain of bindings with level, order and the hook at which each refuses.
async fn decided_by(
    stage: &Stage,
    bindings: &[(&str, Level, i32, &str)],
    local: &str,
) -> (String, Vec<String>) {
    let bindings = bindings
        .iter()
        .map(|&(id, level, order, refuse)| BindingSpec {
            level,
            order,
            config: serde_json::json!({"name": id, "refuse": refuse}),
            ..stage.binding(id)
        });
    stage.publish(bindings.collect()).await;
    let report = stage.rcpt(local).await;
    let asked = report
        .calls
        .iter()
        .filter(|call| call.hook == crate::Hook::Rcpt);
    let asked = asked.map(|call| call.stamp.binding.clone()).collect();
    (
        report
            .decided_by
            .map(|stamp| stamp.binding.clone())
            .unwrap_or_default(),
        asked,
    )
}

#[tokio::test]
async fn bindings_are_asked_by_level_and_order_and_the_first_refusal_ends_it() {
    let stage = Stage::new().await;
    let bindings = [
        ("late", Level::Domain, 20, "rcpt"),
        ("post", Level::HostPost, -5, ""),
        ("early", Level::Domain, 10, "rcpt"),
        ("pre", Level::HostPre, 90, ""),
    ];
    let (by, asked) = decided_by(&stage, &bindings, "ann").await;
    assert_eq!(
        (by.as_str(), asked),
        ("early", vec!["pre".to_owned(), "early".to_owned()])
    );
    // `settle` skips the rest of its own level only.
    let (by, asked) = decided_by(&stage, &bindings, "settle").await;
    assert_eq!(
        (by.as_str(), asked),
        (
            "",
            vec!["pre".to_owned(), "early".to_owned(), "post".to_owned()]
        )
    );
}

#[tokio::test]
async fn a_later_level_tightens_and_never_loosens() {
    let stage = Stage::new().await;
    let quarantines = BindingSpec {
        level: Level::Domain,
        ..stage.binding("domain")
    };
    let strict = BindingSpec {
        level: Level::HostPost,
        ..stage.binding("post")
    };
    stage.publish(vec![quarantines, strict]).await;
    let mut transaction = stage.begin();
    assert_eq!(
        transaction
            .rcpt(&address("quarantine"))
            .await
            .verdict
            .name(),
        "quarantine"
    );
    let report = transaction.rcpt(&address("discard")).await;
    assert_eq!(
        (
            report.verdict.name(),
            report.decided_by.unwrap().binding.clone()
        ),
        ("discard", "domain".to_owned())
    );
}

#[tokio::test]
async fn edits_are_seen_by_later_plugins_and_returned_as_one_header() {
    let stage = Stage::new().await;
    stage
        .publish(vec![
            stage.binding("a"),
            BindingSpec {
                order: 1,
                ..stage.binding("b")
            },
        ])
        .await;
    let report = stage.data(&MESSAGE.replace("hello", "edit me")).await;
    assert!(
        said(&report).contains("b sees 'edited'"),
        "{}",
        said(&report)
    );
    let edited = report.edited.unwrap();
    let header = String::from_utf8(edited.header.to_vec()).unwrap();
    // The second one sees a subject that begins with "edit", and edits too.
    let expected =
        "X-First: b\r\nX-First: a\r\nReceived: by there\r\nSubject: edited\r\nX-Last: =?utf-8?";
    assert!(header.starts_with(expected), "{header}");
    assert!(
        header.ends_with("\r\n\r\n") && !header.contains("X-Remove"),
        "{header}"
    );
    assert_eq!(
        &MESSAGE.replace("hello", "edit me")[edited.body_offset as usize..],
        "A body\r\n"
    );
}

#[tokio::test]
async fn a_refusal_drops_edits_and_mail_and_keeps_kv() {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("a")]).await;
    let report = stage.rcpt("defer").await;
    let [Effect::Kv(write)] = report.effects.as_slice() else {
        panic!("{:?}", report.effects)
    };
    assert_eq!(
        (write.plugin.as_str(), write.key.as_str(), write.ttl_seconds),
        ("contract", "seen", Some(300))
    );
    assert_eq!(write.value.as_deref(), Some(&b"defer@abc.test"[..]));
    // A later plugin refuses: what the earlier one edited is dropped as well.
    let config = serde_json::json!({"name": "b", "refuse": "data"});
    stage
        .publish(vec![
            stage.binding("a"),
            BindingSpec {
                order: 1,
                config,
                ..stage.binding("b")
            },
        ])
        .await;
    let report = stage.data(&MESSAGE.replace("hello", "edit me")).await;
    assert_eq!(refusal(&report), "554 5.7.1 No such messages");
    assert_eq!((report.edited, report.effects.len()), (None, 0));
}

#[tokio::test]
async fn greylisting_works_with_compare_and_set() {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("a")]).await;
    let report = stage.rcpt("greylist").await;
    assert_eq!(refusal(&report), "451 4.7.1 Come again");
    let [Effect::Kv(write)] = report.effects.as_slice() else {
        panic!("{:?}", report.effects)
    };
    assert_eq!(write.expected, Some(None));
    let key = (ABC.domain(), "contract".to_owned(), write.key.clone());
    stage.world.kv.lock().unwrap().insert(key, b"1".to_vec());
    assert_eq!(stage.rcpt("greylist").await.verdict, Verdict::Proceed);
}

#[tokio::test]
async fn the_message_is_read_in_pieces_and_parts() {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("a")]).await;
    let body = "x".repeat(3_000_000);
    let message = format!("Subject: read\r\n\r\n{body}");
    let sum: u64 = message.bytes().map(u64::from).sum();
    assert_eq!(said(&stage.data(&message).await), format!("sum {sum}"));
    let parts = "Subject: part\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\ncaf\r\n--b\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nR3LDvMOfZQ==\r\n--b--\r\n";
    assert_eq!(said(&stage.data(parts).await), "caf|Grüße");
}

#[tokio::test]
async fn the_failure_policy_decides_about_a_failed_call() {
    let stage = Stage::new().await;
    for (policy, expected) in [
        (FailurePolicy::Tempfail, TROUBLE),
        (FailurePolicy::Proceed, "proceed"),
        (FailurePolicy::Quarantine, "quarantine"),
    ] {
        stage
            .publish(vec![BindingSpec {
                on_failure: policy,
                ..stage.binding("a")
            }])
            .await;
        let report = stage.rcpt("panic").await;
        let verdict = report
            .verdict
            .refusal()
            .map_or_else(|| report.verdict.name().to_owned(), Reply::to_string);
        assert_eq!(verdict, expected);
        assert!(report.calls.last().unwrap().answer.is_err());
    }
    // The message of the panic is in the log.
    let log = stage.world.log.lock().unwrap();
    assert!(
        log[0].starts_with("contract rcpt Error panicked at ") && log[0].ends_with("as asked for"),
        "{log:?}"
    );
}

#[tokio::test]
async fn a_plugin_that_does_not_start_with_its_configuration_is_not_published() {
    let stage = Stage::new().await;
    let config = serde_json::json!({"name": "x", "refuse": "start"});
    let bindings = vec![BindingSpec {
        config,
        ..stage.binding("a")
    }];
    let error = stage
        .runtime
        .publish(ABC, chain(1, bindings))
        .await
        .unwrap_err();
    assert!(
        error.to_string().ends_with("its start failed: not today"),
        "{error}"
    );
}

#[tokio::test]
async fn instances_are_reused_where_binding_and_manifest_allow_it() {
    let stage = Stage::new().await;
    stage
        .publish(vec![BindingSpec {
            reuse: true,
            ..stage.binding("a")
        }])
        .await;
    assert!(said(&stage.rcpt("calls").await).ends_with("call 3"));
    assert!(said(&stage.rcpt("calls").await).ends_with("call 7"));
    // After a trap there is a fresh one.
    stage.rcpt("panic").await;
    assert!(said(&stage.rcpt("calls").await).ends_with("call 3"));
}

#[tokio::test]
async fn recipients_share_a_transaction_if_the_same_bindings_decide_later() {
    let stage = Stage::new().await;
    assert!(stage.begin().decision_group().is_free());
    stage.publish(vec![stage.binding("a")]).await;
    let group = stage.begin().decision_group();
    assert!(!group.is_free());
    assert_eq!(group, stage.begin().decision_group());
    let spec = stage.runtime.pin(ABC).spec().clone();
    stage.runtime.publish(XYZ, spec).await.unwrap();
    assert_ne!(group, stage.runtime.begin(XYZ, facts()).decision_group());
}

#[test]
fn a_transaction_can_cross_threads() {
    fn is_send<T: Send>() {}
    is_send::<crate::Transaction>();
    is_send::<crate::Runtime>();
}
