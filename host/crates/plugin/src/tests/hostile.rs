//! Guests that misbehave: each costs its own call and harms nobody else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::stage::{ABC, MESSAGE, Stage, XYZ, address, chain, facts, refusal, said, source};
use crate::{BindingSpec, CallFailure, CallLimits, Config, Hook, HookReport, LimitWishes, Verdict};

async fn stage() -> Stage {
    let stage = Stage::new().await;
    stage.publish(vec![stage.binding("a")]).await;
    stage
}

/// The failure of the last call; the sender was asked to come again, and nothing was kept.
#[track_caller]
fn failure(report: &HookReport) -> CallFailure {
    assert!(refusal(report).starts_with("451 4.3.0 "), "{report:?}");
    assert!(report.effects.is_empty() && report.edited.is_none());
    report.calls.last().unwrap().answer.clone().unwrap_err()
}

/// The domain and its neighbour go on as if nothing had been.
async fn all_is_well(stage: &Stage) {
    assert_eq!(stage.rcpt("ann").await.verdict, Verdict::Proceed);
    if stage.runtime.pin(XYZ).generation() == 0 {
        let spec = chain(1, vec![stage.binding("a")]);
        stage.runtime.publish(XYZ, spec).await.unwrap();
    }
    let report = stage
        .runtime
        .begin(XYZ, facts())
        .rcpt(&address("ann"))
        .await;
    assert_eq!(report.verdict, Verdict::Proceed);
}

#[tokio::test]
async fn p01_an_endless_loop_ends_at_its_cpu_limit() {
    // Time enough, so that it is the CPU that ends it on a busy machine too.
    let limits = CallLimits {
        wall_ms: 60_000,
        ..CallLimits::default()
    };
    let stage = Stage::with(Config {
        limits,
        ..Config::default()
    })
    .await;
    stage.publish(vec![stage.binding("a")]).await;
    let report = stage.rcpt("loop").await;
    assert_eq!(failure(&report), CallFailure::Cpu(50));
    let cpu = report.calls.last().unwrap().cpu;
    assert!((50..100).contains(&cpu.as_millis()), "{cpu:?}");
    let report = stage.data("Subject: loop\r\n\r\n").await;
    assert_eq!(failure(&report), CallFailure::Cpu(1000));
    let cpu = report.calls.last().unwrap().cpu;
    assert!((1000..1050).contains(&cpu.as_millis()), "{cpu:?}");
    all_is_well(&stage).await;
}

#[tokio::test]
async fn p01_a_binding_may_lower_its_limits_and_not_raise_them() {
    let stage = Stage::new().await;
    for (cpu_ms, expected) in [(10, 10), (10_000, 50)] {
        let limits = LimitWishes {
            cpu_ms: Some(cpu_ms),
            ..LimitWishes::default()
        };
        stage
            .publish(vec![BindingSpec {
                limits,
                ..stage.binding("a")
            }])
            .await;
        assert_eq!(
            failure(&stage.rcpt("loop").await),
            CallFailure::Cpu(expected)
        );
    }
}

#[tokio::test]
async fn p01_guests_that_loop_do_not_hold_up_other_domains() {
    // One thread for all guests: only yielding lets anybody else run.
    let stage = Arc::new(
        Stage::with(Config {
            threads: Some(1),
            ..Config::default()
        })
        .await,
    );
    stage.publish(vec![stage.binding("a")]).await;
    stage
        .runtime
        .publish(XYZ, chain(1, vec![stage.binding("a")]))
        .await
        .unwrap();
    let loops: Vec<_> = (0..3)
        .map(|_| {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move { stage.data("Subject: loop\r\n\r\n").await })
        })
        .collect();
    while stage
        .runtime
        .readings()
        .iter()
        .map(|reading| reading.calls)
        .sum::<u64>()
        < 12
    {
        tokio::task::yield_now().await;
    }
    // The loops have 3 s of CPU before them; the neighbour is asked meanwhile.
    let started = Instant::now();
    let report = stage
        .runtime
        .begin(XYZ, facts())
        .rcpt(&address("ann"))
        .await;
    assert_eq!(report.verdict, Verdict::Proceed);
    assert!(
        started.elapsed() < Duration::from_millis(1500),
        "{:?}",
        started.elapsed()
    );
    assert!(
        loops.iter().any(|guest| !guest.is_finished()),
        "the loops ended too early to prove anything"
    );
    for guest in loops {
        let failure = failure(&guest.await.unwrap());
        assert!(
            matches!(failure, CallFailure::Cpu(_) | CallFailure::Wall(_)),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn p02_a_memory_bomb_ends_at_its_limit() {
    let stage = stage().await;
    assert_eq!(failure(&stage.rcpt("memory").await), CallFailure::Memory);
    all_is_well(&stage).await;
}

#[tokio::test]
async fn p03_deep_recursion_ends_at_the_stack() {
    let stage = stage().await;
    assert_eq!(failure(&stage.rcpt("recurse").await), CallFailure::Stack);
    all_is_well(&stage).await;
}

#[tokio::test]
async fn p04_a_trap_ends_its_call_and_its_instance() {
    let stage = stage().await;
    let mut transaction = stage.begin();
    transaction.rcpt(&address("ann")).await;
    let trap = failure(&transaction.rcpt(&address("panic")).await);
    assert!(
        matches!(&trap, CallFailure::Trap(cause) if cause.contains("unreachable")),
        "{trap}"
    );
    // A fresh instance in the same transaction: its first call.
    assert_eq!(said(&transaction.rcpt(&address("calls")).await), "call 0");
    assert_eq!(transaction.recipients().len(), 2);
    all_is_well(&stage).await;
}

#[tokio::test]
async fn p05_a_giant_value_is_not_taken() {
    let stage = stage().await;
    let giant = failure(&stage.rcpt("giant").await);
    assert!(matches!(&giant, CallFailure::Budget(_)), "{giant}");
    all_is_well(&stage).await;
}

#[tokio::test]
async fn p06_floods_of_calls_handles_and_writes_are_budgeted() {
    let stage = stage().await;
    for recipient in ["calls-flood", "handles", "kv-flood", "notes-big"] {
        let flood = failure(&stage.rcpt(recipient).await);
        let is_limit = matches!(flood, CallFailure::Budget(_) | CallFailure::Cpu(_));
        assert!(is_limit, "{recipient}: {flood}");
    }
    assert!(matches!(
        failure(&stage.rcpt("kv-big").await),
        CallFailure::Contract(_)
    ));
    // So many failures, and it is left alone; bound anew it is asked again.
    stage.publish(vec![stage.binding("anew")]).await;
    // Two messages are granted; what is beyond is refused, not fatal.
    assert_eq!(
        said(&stage.rcpt("send-flood").await).rsplit("; ").next(),
        Some("sent 2")
    );
    all_is_well(&stage).await;
}

#[tokio::test]
async fn p07_a_log_flood_is_cut_and_every_line_is_one() {
    let stage = stage().await;
    assert_eq!(stage.rcpt("log-flood").await.verdict, Verdict::Proceed);
    let log = stage.world.log.lock().unwrap();
    assert_eq!(log.len(), 64);
    assert_eq!(
        log[0],
        "contract rcpt Info line 0 \\u{1b}[31mred\\r\\nforged: line"
    );
}

#[tokio::test]
async fn p08_waiting_for_the_host_counts_as_time() {
    let limits = CallLimits {
        wall_ms: 200,
        ..CallLimits::default()
    };
    let stage = Stage::with(Config {
        limits,
        ..Config::default()
    })
    .await;
    stage.publish(vec![stage.binding("a")]).await;
    let shut = stage.world.shut().await;
    let started = Instant::now();
    assert_eq!(failure(&stage.rcpt("sleep").await), CallFailure::Wall(200));
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(shut);
    all_is_well(&stage).await;
    assert!(matches!(
        failure(&stage.rcpt("unavailable").await),
        CallFailure::Host(_)
    ));
}

/// Each hides 8 MiB in one domain and looks through all that another domain's fresh instance may have.
const ROUNDS: usize = 100;

#[tokio::test]
async fn p14_no_instance_sees_the_memory_of_another() {
    // Room for one instance at a time, so that its memory is the same each time.
    let stage = Stage::with(Config {
        instances: 1,
        ..Config::default()
    })
    .await;
    for tenant in [ABC, XYZ] {
        stage
            .runtime
            .publish(tenant, chain(1, vec![stage.binding("a")]))
            .await
            .unwrap();
    }
    for _ in 0..ROUNDS {
        let hid = stage
            .runtime
            .begin(ABC, facts())
            .rcpt(&address("canary"))
            .await;
        assert!(
            said(&hid).ends_with(&format!("hid {}", 8 << 20)),
            "{}",
            said(&hid)
        );
        let found = stage
            .runtime
            .begin(XYZ, facts())
            .rcpt(&address("scan"))
            .await;
        assert!(said(&found).ends_with("found 0"), "{}", said(&found));
    }
}

#[tokio::test]
async fn p14_a_reused_instance_stays_with_its_binding() {
    let stage = Stage::new().await;
    let reused = |id: &str| BindingSpec {
        reuse: true,
        ..stage.binding(id)
    };
    for tenant in [ABC, XYZ] {
        stage
            .runtime
            .publish(tenant, chain(1, vec![reused("a")]))
            .await
            .unwrap();
    }
    let calls = async |tenant| {
        said(
            &stage
                .runtime
                .begin(tenant, facts())
                .rcpt(&address("calls"))
                .await,
        )
    };
    assert!(calls(ABC).await.ends_with("call 3"));
    assert!(calls(ABC).await.ends_with("call 7"));
    assert!(
        calls(XYZ).await.ends_with("call 3"),
        "an instance of another domain was used"
    );
    // A new generation starts with fresh ones.
    stage
        .runtime
        .publish(ABC, chain(2, vec![reused("a")]))
        .await
        .unwrap();
    assert!(
        calls(ABC).await.ends_with("call 3"),
        "an instance of another generation was used"
    );
}

/// Instances that live on: what one domain's hid is not in the memory of another's, however the two
/// are made, kept and replaced in turn.
#[tokio::test]
async fn p14_reused_instances_of_two_domains_share_nothing() {
    let stage = Stage::with(Config {
        instances: 4,
        ..Config::default()
    })
    .await;
    let reused = BindingSpec {
        reuse: true,
        ..stage.binding("a")
    };
    for round in 1..=10 {
        for tenant in [ABC, XYZ] {
            // A new generation: new instances, in the places of the old ones.
            let spec = chain(round, vec![reused.clone()]);
            stage.runtime.publish(tenant, spec).await.unwrap();
        }
        let ask = async |tenant, local| {
            let mut transaction = stage.runtime.begin(tenant, facts());
            said(&transaction.rcpt(&address(local)).await)
        };
        for _ in 0..3 {
            assert!(ask(ABC, "canary").await.contains("hid 8388608"));
            let found = ask(XYZ, "scan").await;
            assert!(found.ends_with("found 0"), "{found}");
        }
    }
}

#[tokio::test]
async fn p15_forged_replies_and_fields_are_refused() {
    let stage = stage().await;
    for recipient in ["forge", "class"] {
        assert!(
            matches!(
                failure(&stage.rcpt(recipient).await),
                CallFailure::Answer(_)
            ),
            "{recipient}"
        );
    }
    let report = stage.data(&MESSAGE.replace("hello", "inject")).await;
    assert_eq!(said(&report), "4 refused");
    assert_eq!(report.edited, None);
}

#[tokio::test]
async fn a_domain_has_four_calls_at_once_and_a_line_of_64() {
    let limits = CallLimits {
        wall_ms: 400,
        ..CallLimits::default()
    };
    let stage = Arc::new(
        Stage::with(Config {
            limits,
            ..Config::default()
        })
        .await,
    );
    stage.publish(vec![stage.binding("a")]).await;
    let shut = stage.world.shut().await;
    let guests: Vec<_> = (0..100)
        .map(|_| {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move { stage.rcpt("sleep").await })
        })
        .collect();
    let mut busy = 0;
    for guest in guests {
        match failure(&guest.await.unwrap()) {
            CallFailure::Busy => busy += 1,
            // Those that got a turn; after some of them the plugin is left alone.
            CallFailure::Wall(_) | CallFailure::Circuit(_) => {}
            other => panic!("{other}"),
        }
    }
    assert!(busy >= 32, "{busy} were turned away");
    drop(shut);
    stage.publish(vec![stage.binding("anew")]).await;
    all_is_well(&stage).await;
}

#[tokio::test]
async fn every_call_is_metered() {
    let stage = stage().await;
    stage.rcpt("ann").await;
    stage.rcpt("panic").await;
    let readings = stage.runtime.readings();
    let rcpt = readings
        .iter()
        .find(|reading| reading.hook == Hook::Rcpt)
        .unwrap();
    assert_eq!(
        (rcpt.domain, rcpt.plugin.as_str(), rcpt.calls, rcpt.failures),
        (ABC.domain(), "contract", 2, 1)
    );
    assert!(rcpt.host_calls > 0 && rcpt.cpu > Duration::ZERO && rcpt.wall >= rcpt.cpu / 2);
}

#[tokio::test]
async fn a_runtime_may_be_dropped_in_the_middle_of_a_call() {
    let stage = stage().await;
    let _shut = stage.world.shut().await;
    let mut transaction = stage.begin();
    let source: Arc<Bytes> = source(MESSAGE);
    let call = tokio::spawn(async move { transaction.rcpt(&address("sleep")).await });
    while stage.runtime.readings().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(stage);
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    drop(source);
}
