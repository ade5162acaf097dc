//! Delivery options.

use std::sync::Arc;

use mail::{Mailbox, Outcome, ReversePath, Timestamp};

use super::stage::{ABC, MESSAGE, Stage, address, delivery, source};
use crate::{CallFailure, CallLimits, Config, DeliverInput, Effect, FileContent};

fn done(text: &str) -> Outcome {
    Outcome::Done {
        text: text.to_owned(),
    }
}

#[track_caller]
fn is_deferred(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Deferred { .. }), "{outcome:?}");
}

async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("contract")]).await;
    stage
}

#[tokio::test]
async fn a_delivery_returns_all_its_effects_as_values() {
    let stage = stage().await;
    let report = stage.deliver("everything").await;
    assert_eq!(report.outcome, done("all of it"));
    assert_eq!(report.call.unwrap().explanations, ["delivery r7"]);
    assert_eq!(report.notes.0["contract"]["attempt"], "3");
    let [
        Effect::Submit(sent),
        Effect::Forward(forward),
        Effect::File(filed),
        Effect::Append(line),
        Effect::Append(mbox),
        Effect::Kv(kv),
    ] = report.effects.as_slice()
    else {
        panic!("{:?}", report.effects)
    };
    assert_eq!(
        (&sent.reverse_path, sent.recipients[0].to_string()),
        (&ReversePath::Null, "x@abc.test".to_owned())
    );
    let joe = Mailbox::parse("joe@far.test").unwrap();
    assert_eq!(forward.reverse_path, ReversePath::Mailbox(joe));
    assert_eq!(
        forward
            .recipients
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["a@next.test", "b@next.test"]
    );
    assert_eq!(
        (filed.mailbox.as_str(), filed.flags.join(" ")),
        ("Shared Folders/all", "\\Seen $Filed".to_owned())
    );
    assert_eq!(
        (line.label.as_str(), &line.content),
        ("archive", &FileContent::Bytes(b"a line\n".to_vec()))
    );
    assert_eq!(mbox.content, FileContent::Mbox);
    assert_eq!(
        kv.value.as_deref(),
        Some(&1_767_225_600_000_u64.to_be_bytes()[..])
    );
}

#[tokio::test]
async fn nothing_is_kept_but_kv_where_it_is_not_done_and_nothing_after_a_trap() {
    let stage = stage().await;
    let report = stage.deliver("defer").await;
    is_deferred(&report.outcome);
    assert!(
        matches!(report.effects.as_slice(), [Effect::Kv(_)]),
        "{:?}",
        report.effects
    );
    let report = stage.deliver("trap").await;
    is_deferred(&report.outcome);
    assert_eq!(report.effects, []);
    assert!(matches!(
        report.call.unwrap().answer,
        Err(CallFailure::Trap(_))
    ));
    assert_eq!(stage.deliver("not-mine").await.outcome, Outcome::NotMine);
    assert!(matches!(
        stage.deliver("?").await.outcome,
        Outcome::Failed { .. }
    ));
}

#[tokio::test]
async fn an_option_that_nobody_serves_is_deferred() {
    let stage = stage().await;
    let input = DeliverInput {
        option: "autoreply".to_owned(),
        ..delivery("everything")
    };
    let report = stage.runtime.deliver(&stage.runtime.pin(ABC), input).await;
    is_deferred(&report.outcome);
    assert_eq!((report.stamp, report.call), (None, None));
    stage.runtime.unpublish(ABC);
    is_deferred(&stage.deliver("everything").await.outcome);
}

#[tokio::test]
async fn p15_a_plugin_reaches_nothing_beyond_its_grants() {
    let stage = stage().await;
    assert_eq!(
        stage.deliver("foreign").await.outcome,
        done("13 of 13 refused")
    );
}

#[tokio::test]
async fn a_program_gets_the_message_and_its_own_time() {
    let stage = stage().await;
    assert_eq!(
        stage.deliver("program").await.outcome,
        done(&format!("{} bytes", MESSAGE.len()))
    );
    assert_eq!(
        *stage.world.ran.lock().unwrap(),
        [("count".to_owned(), "r7".to_owned(), 3)]
    );
    *stage.world.exit_code.lock().unwrap() = Some(75);
    is_deferred(&stage.deliver("program").await.outcome);
    *stage.world.exit_code.lock().unwrap() = None;
    assert!(matches!(
        stage.deliver("program").await.outcome,
        Outcome::Failed { .. }
    ));
}

#[tokio::test]
async fn a_program_may_take_longer_than_a_call() {
    let limits = CallLimits {
        wall_ms: 200,
        ..CallLimits::default()
    };
    let stage = Stage::with(Config {
        limits,
        ..Config::default()
    })
    .await;
    stage.publish(vec![stage.binding("contract")]).await;
    let stage = Arc::new(stage);
    let shut = stage.world.shut().await;
    let theirs = Arc::clone(&stage);
    let running = tokio::spawn(async move { theirs.deliver("program").await.outcome });
    while stage.world.ran.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    // A call that begins later has used up its time.
    let late = stage.rcpt("sleep").await;
    let failure = late.calls.last().unwrap().answer.clone().unwrap_err();
    assert_eq!(failure, CallFailure::Wall(200));
    drop(shut);
    assert_eq!(
        running.await.unwrap(),
        done(&format!("{} bytes", MESSAGE.len()))
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_deferred() {
    struct Broken;
    impl crate::MessageSource for Broken {
        fn size(&self) -> u64 {
            10
        }
        fn read(&self, _: u64, _: usize) -> std::io::Result<bytes::Bytes> {
            Err(std::io::Error::other("bad sector"))
        }
    }
    let stage = stage().await;
    let input = DeliverInput {
        message: Arc::new(Broken),
        ..delivery("everything")
    };
    is_deferred(
        &stage
            .runtime
            .deliver(&stage.runtime.pin(ABC), input)
            .await
            .outcome,
    );
    let mut transaction = stage.begin();
    transaction.rcpt(&address("ann")).await;
    let report = transaction.data(Arc::new(Broken), Vec::new()).await;
    assert!(report.verdict.refusal().unwrap().code().is_transient());
    assert!(
        transaction
            .data(source(MESSAGE), Vec::new())
            .await
            .verdict
            .refusal()
            .is_none()
    );
}

#[test]
fn a_submission_is_rendered_as_a_complete_message() {
    let submission = |text: &str, attach| crate::Submission {
        reverse_path: ReversePath::Null,
        recipients: vec![address("x")],
        headers: vec![
            ("Subject".to_owned(), "Grüße".to_owned()),
            ("To".to_owned(), "x@abc.test".to_owned()),
        ],
        text: text.to_owned(),
        attach,
    };
    let render = |submission: &crate::Submission| {
        let bytes = submission.render(
            Timestamp(1_767_225_600_000),
            "1@abc.test",
            &address("ann"),
            MESSAGE.as_bytes(),
            "b0",
        );
        String::from_utf8(bytes.unwrap()).unwrap()
    };
    let plain = render(&submission("one\ntwo", false));
    for line in [
        "Subject: =?utf-8?",
        "From: ann@abc.test\r\n",
        "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n",
        "Message-ID: <1@abc.test>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Content-Transfer-Encoding: 7bit\r\n",
    ] {
        assert!(plain.contains(line), "{line} in {plain}");
    }
    assert!(plain.ends_with("\r\n\r\none\r\ntwo\r\n"), "{plain}");
    assert!(plain.is_ascii());
    let long = format!("Grüße = {}", "x".repeat(2000));
    let encoded = render(&submission(&long, true));
    assert!(
        encoded.split("\r\n").all(|line| line.len() <= 78),
        "{encoded}"
    );
    let message = mail::message::Message::new(encoded.as_bytes());
    let leaves = message.structure().leaves();
    assert_eq!(message.text(leaves[0].1).trim_end(), long);
    assert!(encoded.contains(MESSAGE.trim_end()));
}
