//! Guests written by hand that lie at the border: lengths beyond their memory, texts that are none,
//! lists that are not aligned.

use bytes::Bytes;

use super::stage::{ABC, Stage, chain};
use crate::{BindingSpec, CallFailure, FailurePolicy, Grants};

/// A component whose `rcpt` calls `$tell` and then agrees. `imports` and `lowered` are pieces of the
/// component, `tell` is what its core module does.
fn component(imports: &str, lowered: &str, import: &str, tell: &str) -> Bytes {
    let text = format!(
        r#"(component
        (import "postroom:plugin/types@0.1.0" (instance $types
            (export "context" (type (sub resource)))
            (export "verdict" (type $v (sub resource)))
            (export "[static]verdict.proceed" (func (result (own $v))))
            (export "[method]verdict.explain" (func (param "self" (borrow $v)) (param "sentence" string)))))
        (alias export $types "context" (type $context))
        (alias export $types "verdict" (type $verdict))
        (alias export $types "[static]verdict.proceed" (func $proceed))
        (alias export $types "[method]verdict.explain" (func $explain))
        {imports}
        (core module $memory
            (memory (export "memory") 200)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (data (i32.const 32) "fine")
            (data (i32.const 40) "f\00i\00")
            (data (i32.const 64) "\ff\fe\fd\fc\00\d8\00\d8"))
        (core instance $m (instantiate $memory))
        (alias core export $m "memory" (core memory $mem))
        (alias core export $m "realloc" (core func $realloc))
        (core func $proceed-low (canon lower (func $proceed)))
        (core func $drop-low (canon resource.drop $context))
        {lowered}
        (core module $guest
            (import "h" "proceed" (func $proceed (result i32)))
            (import "h" "drop" (func $drop (param i32)))
            (import "h" "tell" {import})
            (func (export "rcpt") (param i32 i32 i32) (result i32) (local $verdict i32)
                (call $drop (local.get 0))
                (local.set $verdict (call $proceed))
                {tell}
                (local.get $verdict)))
        (core instance $g (instantiate $guest (with "h" (instance
            (export "proceed" (func $proceed-low))
            (export "drop" (func $drop-low))
            (export "tell" (func $tell-low))))))
        (func $rcpt (param "context" (borrow $context)) (param "recipient" string) (result (own $verdict))
            (canon lift (core func $g "rcpt") (memory $mem) (realloc $realloc)))
        (instance $hook (export "rcpt" (func $rcpt)))
        (export "postroom:plugin/rcpt@0.1.0" (instance $hook))
        (@custom "postroom:manifest" "name = \"forged\"\nversion = \"1.0.0\"\n"))"#
    );
    wat::parse_str(&text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .into()
}

/// One that explains its verdict by a text at a place of its memory.
fn explaining(encoding: &str, place: i64, length: i64) -> Bytes {
    component(
        "",
        &format!("(core func $tell-low (canon lower (func $explain) (memory $mem) {encoding}))"),
        "(func $tell (param i32 i32 i32))",
        &format!("(call $tell (local.get $verdict) (i32.const {place}) (i32.const {length}))"),
    )
}

/// One that waits for a list of handles at a place of its memory.
fn polling(place: i64, items: i64) -> Bytes {
    component(
        r#"(import "wasi:io/poll@0.2.0" (instance $poll
            (export "pollable" (type $p (sub resource)))
            (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
        (alias export $poll "poll" (func $poll-high))"#,
        "(core func $tell-low (canon lower (func $poll-high) (memory $mem) (realloc $realloc)))",
        "(func $tell (param i32 i32 i32))",
        &format!("(call $tell (i32.const {place}) (i32.const {items}) (i32.const 8))"),
    )
}

/// What the call of its `rcpt` says; the stage goes on with others afterwards.
async fn answer(component: Bytes) -> Result<String, CallFailure> {
    let stage = Stage::new().await;
    let installed = stage.runtime.install(component).await.unwrap();
    let binding = BindingSpec {
        plugin: "forged".to_owned(),
        digest: installed.digest,
        config: serde_json::json!({}),
        grants: Grants::default(),
        on_failure: FailurePolicy::Proceed,
        ..stage.binding("forged")
    };
    let other = BindingSpec {
        order: 9,
        ..stage.binding("other")
    };
    let spec = chain(1, vec![binding, other]);
    stage.runtime.publish(ABC, spec).await.unwrap();
    let report = stage.rcpt("ann").await;
    let of_others = report
        .calls
        .iter()
        .filter(|call| call.stamp.plugin == "contract");
    assert!(
        of_others.clone().count() > 0 && of_others.clone().all(|call| call.answer.is_ok()),
        "{report:?}"
    );
    let call = report
        .calls
        .iter()
        .find(|call| call.stamp.plugin == "forged")
        .unwrap();
    call.answer.clone().map(|_| call.explanations.join("; "))
}

#[tokio::test]
async fn p05_texts_beyond_the_memory_or_that_are_none_end_the_call() {
    // As it should be, so that the others prove something.
    let fine = answer(explaining("", 32, 4)).await;
    assert_eq!(fine.as_deref(), Ok("fine"));
    let fine = answer(explaining("string-encoding=utf16", 40, 2)).await;
    assert_eq!(fine.as_deref(), Ok("fi"));
    let all = u32::MAX.into();
    for (encoding, place, length) in [
        // 4 GiB, and a byte too much.
        ("", 0, all),
        ("", all, 16),
        ("", 200 << 16, 1),
        ("", (200 << 16) - 1, 2),
        // Twelve megabytes of zeroes: within the memory, beyond what a call may bring.
        ("", 0, 12 << 20),
        // Not UTF-8; half a pair of UTF-16, and one at an odd place.
        ("", 64, 4),
        ("string-encoding=utf16", 68, 1),
        ("string-encoding=utf16", 1, 1),
        ("string-encoding=utf16", 0, all),
        ("string-encoding=latin1+utf16", 1, all),
    ] {
        let failure = answer(explaining(encoding, place, length))
            .await
            .unwrap_err();
        assert!(
            matches!(failure, CallFailure::Trap(_) | CallFailure::Budget(_)),
            "{encoding} {place} {length}: {failure}"
        );
    }
}

#[tokio::test]
async fn p05_lists_that_are_too_long_or_not_aligned_end_the_call() {
    for (place, items) in [
        // A million handles that are none, four billion, and such that are not aligned.
        (0, 1_000_000),
        (0, u32::MAX.into()),
        (u32::MAX.into(), 1),
        (2, 1),
        (0, 1),
        // Nothing to wait for.
        (0, 0),
    ] {
        let failure = answer(polling(place, items)).await.unwrap_err();
        assert!(
            matches!(
                failure,
                CallFailure::Trap(_) | CallFailure::Budget(_) | CallFailure::Contract(_)
            ),
            "{place} {items}: {failure}"
        );
    }
}
