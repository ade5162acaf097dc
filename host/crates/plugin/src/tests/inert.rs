//! A component that the standard library was built into for `wasm32-wasip2`: it loads without a grant,
//! and finds nothing behind the system's interfaces.

use bytes::Bytes;

use super::stage::{ABC, Stage, chain, refusal, said};
use crate::{BindingSpec, CallFailure, FailurePolicy, Grants, HookReport, Verdict};

const INERT: &[u8] = include_bytes!("../../fixtures/inert-wasip2.wasm");

async fn stage() -> Stage {
    let stage = Stage::new().await;
    let installed = stage
        .runtime
        .install(Bytes::from_static(INERT))
        .await
        .unwrap();
    assert_eq!(installed.manifest.name, "inert");
    assert_eq!(
        installed.imports,
        ["postroom:plugin/types@0.1.0", "postroom:plugin/log@0.1.0"],
        "of the contract, what needs no grant"
    );
    for name in ["cli/environment", "filesystem/types", "sockets/tcp"] {
        let is_listed = |inert: &String| inert.starts_with(&format!("wasi:{name}@0.2."));
        assert!(installed.inert.iter().any(is_listed), "{installed:?}");
    }
    let binding = BindingSpec {
        plugin: "inert".to_owned(),
        digest: installed.digest,
        config: serde_json::json!({}),
        grants: Grants::default(),
        on_failure: FailurePolicy::Tempfail,
        ..stage.binding("inert")
    };
    let spec = chain(1, vec![binding]);
    stage.runtime.publish(ABC, spec).await.unwrap();
    stage
}

#[track_caller]
fn failure(report: &HookReport) -> CallFailure {
    assert!(refusal(report).starts_with("451 4.3.0 "), "{report:?}");
    report.calls.last().unwrap().answer.clone().unwrap_err()
}

#[tokio::test]
async fn nothing_of_the_system_is_there() {
    let stage = stage().await;
    let answers = [
        ("well", "well"),
        ("environment", "0 0"),
        // Nothing is opened beforehand, so there is no file at any path.
        ("file", "NotFound"),
        ("write", "NotFound"),
        ("folder", "NotFound"),
        ("input", "ok: 0"),
        ("thread", "Unsupported"),
        ("monotonic", "true"),
        ("sleep", "slept"),
        // The time of the tests' host, in milliseconds.
        ("clock", "1767225600000"),
    ];
    let mut found = Vec::new();
    for (task, _) in answers {
        let report = stage.rcpt(task).await;
        assert_eq!(report.verdict, Verdict::Proceed, "{task}: {report:?}");
        found.push((task, said(&report)));
    }
    let expected = answers.map(|(task, answer)| (task, answer.to_owned()));
    assert_eq!(found, expected);
    // Two instances, two seeds.
    assert_ne!(
        said(&stage.rcpt("random").await),
        said(&stage.rcpt("random").await)
    );
}

#[tokio::test]
async fn p09_no_network_is_to_be_had() {
    let stage = stage().await;
    for task in ["connect", "listen", "datagram", "resolve"] {
        let report = stage.rcpt(task).await;
        assert_eq!(said(&report), "PermissionDenied", "{task}");
    }
}

#[tokio::test]
async fn what_it_prints_is_logged_by_the_line() {
    let stage = stage().await;
    stage.rcpt("output").await;
    let log = std::mem::take(&mut *stage.world.log.lock().unwrap());
    assert_eq!(
        log,
        [
            "inert rcpt Info one line",
            "inert rcpt Info half a line",
            "inert rcpt Warn a word of\\u{1b}[31m warning",
            "inert rcpt Info no end",
        ]
    );
    // With a panic its words are there too.
    let trap = failure(&stage.rcpt("panic").await);
    assert!(matches!(trap, CallFailure::Trap(_)), "{trap}");
    let log = std::mem::take(&mut *stage.world.log.lock().unwrap());
    assert!(
        log.iter()
            .any(|line| line.starts_with("inert rcpt Error ") && line.ends_with("as asked")),
        "{log:?}"
    );
}

#[tokio::test]
async fn the_limits_of_a_call_hold() {
    let stage = stage().await;
    // 10,000 lines: 64 are logged, and the calls to the host run out.
    let flood = failure(&stage.rcpt("flood").await);
    assert!(matches!(flood, CallFailure::Budget(_)), "{flood}");
    assert_eq!(stage.world.log.lock().unwrap().len(), 64);
    let exit = failure(&stage.rcpt("exit").await);
    assert_eq!(exit, CallFailure::Trap("it called exit".to_owned()));
    let sleep = failure(&stage.rcpt("sleep-long").await);
    assert_eq!(sleep, CallFailure::Wall(2000));
    assert_eq!(stage.rcpt("well").await.verdict, Verdict::Proceed);
}
