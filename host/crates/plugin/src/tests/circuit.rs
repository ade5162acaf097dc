//! A plugin that fails again and again is left alone, and its domain is told.

use mail::Outcome;

use super::stage::{ABC, Stage, XYZ, address, chain, facts, refusal};
use crate::{BindingSpec, CallFailure, CircuitChange, FailurePolicy, HookReport, Verdict};

/// A stage whose plugin has just failed often enough.
async fn open(policy: FailurePolicy) -> Stage {
    let stage = Stage::new().await;
    let binding = BindingSpec {
        on_failure: policy,
        ..stage.binding("a")
    };
    stage.publish(vec![binding]).await;
    for _ in 0..5 {
        stage.rcpt("panic").await;
    }
    stage
}

/// Was the plugin left alone?
fn is_left_alone(report: &HookReport) -> bool {
    let last = report.calls.last().expect("a binding was to be asked");
    matches!(last.answer, Err(CallFailure::Circuit(_)))
}

fn calls(stage: &Stage) -> u64 {
    let readings = stage.runtime.readings();
    readings.iter().map(|reading| reading.calls).sum()
}

#[tokio::test]
async fn no_call_is_made_and_the_policy_applies() {
    for policy in [
        FailurePolicy::Tempfail,
        FailurePolicy::Proceed,
        FailurePolicy::Quarantine,
    ] {
        let stage = open(policy).await;
        let before = calls(&stage);
        let report = stage.rcpt("ann").await;
        assert!(is_left_alone(&report), "{report:?}");
        match policy {
            FailurePolicy::Tempfail => assert!(refusal(&report).starts_with("451 4.3.0 ")),
            FailurePolicy::Proceed => assert_eq!(report.verdict, Verdict::Proceed),
            FailurePolicy::Quarantine => {
                assert!(matches!(report.verdict, Verdict::Quarantine { .. }));
            }
        }
        assert_eq!(calls(&stage), before, "{policy:?}");
    }
}

#[tokio::test]
async fn the_domain_is_told_once_and_nobody_else_is_touched() {
    let stage = open(FailurePolicy::Tempfail).await;
    for _ in 0..5 {
        assert!(is_left_alone(&stage.rcpt("panic").await));
    }
    let told = stage.world.circuits.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "{told:?}");
    let (tenant, notice) = &told[0];
    assert_eq!(
        (*tenant, notice.stamp.binding.as_str()),
        (ABC, "a"),
        "{notice:?}"
    );
    assert!(
        matches!(&notice.change, CircuitChange::Opened { failures: 5, last, .. } if last.contains("trap")),
        "{notice:?}"
    );
    let open = stage.runtime.pin(ABC).open_circuits();
    assert_eq!((open.len(), open[0].binding.as_str()), (1, "a"));
    assert!((1..=5).contains(&open[0].retry_seconds), "{open:?}");

    // The same component in another domain.
    let spec = chain(1, vec![stage.binding("a")]);
    stage.runtime.publish(XYZ, spec).await.unwrap();
    let report = stage
        .runtime
        .begin(XYZ, facts())
        .rcpt(&address("ann"))
        .await;
    assert!(!is_left_alone(&report));
    assert!(stage.runtime.pin(XYZ).open_circuits().is_empty());
}

#[tokio::test]
async fn a_delivery_waits_while_it_is_open() {
    let stage = Stage::new().await;
    let binding = BindingSpec {
        option: Some("contract".to_owned()),
        on_failure: FailurePolicy::Proceed,
        ..stage.binding("a")
    };
    stage.publish(vec![binding]).await;
    for _ in 0..5 {
        stage.rcpt("panic").await;
    }
    let report = stage.deliver("done").await;
    assert!(
        matches!(report.outcome, Outcome::Deferred { .. }),
        "whatever the policy: {report:?}"
    );
    let call = report.call.unwrap();
    assert!(matches!(call.answer, Err(CallFailure::Circuit(_))));
}

#[tokio::test]
async fn another_binding_begins_anew_and_the_same_one_goes_on() {
    let stage = open(FailurePolicy::Tempfail).await;
    let same = stage.runtime.pin(ABC).spec().bindings[0].clone();
    // Something else of the chain changes: this one is as it was.
    let other = BindingSpec {
        order: 9,
        ..stage.binding("b")
    };
    stage.publish(vec![same.clone(), other]).await;
    assert!(is_left_alone(&stage.rcpt("ann").await));
    // Its configuration changes: it may be well now.
    let mended = BindingSpec {
        config: serde_json::json!({"name": "mended"}),
        ..same
    };
    stage.publish(vec![mended]).await;
    assert_eq!(stage.rcpt("ann").await.verdict, Verdict::Proceed);
}
