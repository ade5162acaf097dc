//! A new chain while the old one is at work.

use std::sync::Arc;

use super::stage::{ABC, MESSAGE, Stage, XYZ, address, chain, facts, refusal, said, source};
use crate::{BindingSpec, PublishError};

fn named(stage: &Stage, name: &str) -> BindingSpec {
    BindingSpec {
        config: serde_json::json!({"name": name}),
        ..stage.binding("a")
    }
}

#[tokio::test]
async fn p10_an_open_transaction_keeps_its_generation_and_the_old_one_is_freed() {
    let stage = Stage::new().await;
    stage.publish(vec![named(&stage, "one")]).await;
    let old = Arc::downgrade(&stage.runtime.pin(ABC));
    let mut open = stage.begin();
    assert_eq!(
        refusal(&open.rcpt(&address("version")).await),
        "550 5.7.1 one"
    );
    open.rcpt(&address("ann")).await;

    stage.publish(vec![named(&stage, "two")]).await;
    // The open one goes on with "one", a new one has "two".
    assert_eq!(
        refusal(&open.rcpt(&address("version")).await),
        "550 5.7.1 one"
    );
    assert_eq!(refusal(&stage.rcpt("version").await), "550 5.7.1 two");
    let report = open.data(source(MESSAGE), Vec::new()).await;
    assert!(said(&report).starts_with("one sees"), "{}", said(&report));
    assert_eq!(report.calls[0].stamp.generation, 1);

    assert!(old.upgrade().is_some());
    drop(open);
    assert!(
        old.upgrade().is_none(),
        "nobody uses the old chain and it is still there"
    );
}

#[tokio::test]
async fn p10_a_running_call_ends_on_the_version_it_began_with() {
    let stage = Stage::new().await;
    let shut = stage.world.shut().await;
    stage.publish(vec![named(&stage, "one")]).await;
    let mut open = stage.begin();
    let running = tokio::spawn(async move {
        let slow = open.rcpt(&address("sleep")).await;
        (slow, open.rcpt(&address("version")).await)
    });
    while stage.runtime.readings().is_empty() {
        tokio::task::yield_now().await;
    }
    stage.publish(vec![named(&stage, "two")]).await;
    assert_eq!(refusal(&stage.rcpt("version").await), "550 5.7.1 two");
    drop(shut);
    let (slow, version) = running.await.unwrap();
    assert_eq!(slow.verdict.refusal(), None);
    assert_eq!(refusal(&version), "550 5.7.1 one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_every_transaction_sees_one_version_while_chains_are_swapped() {
    let stage = Arc::new(Stage::new().await);
    stage.publish(vec![named(&stage, "v1")]).await;
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move {
                let mut seen = Vec::new();
                for _ in 0..25 {
                    let mut transaction = stage.begin();
                    let generation = transaction.chain().generation();
                    let version = refusal(&transaction.rcpt(&address("version")).await);
                    assert_eq!(version, format!("550 5.7.1 v{generation}"));
                    transaction.rcpt(&address("ann")).await;
                    let data = transaction.data(source(MESSAGE), Vec::new()).await;
                    assert!(
                        said(&data).starts_with(&format!("v{generation} sees")),
                        "{}",
                        said(&data)
                    );
                    seen.push(generation);
                }
                assert!(seen.is_sorted());
            })
        })
        .collect();
    for generation in 2..=15 {
        stage
            .publish(vec![named(&stage, &format!("v{generation}"))])
            .await;
        // Once it is published every new transaction has it.
        assert_eq!(
            refusal(&stage.rcpt("version").await),
            format!("550 5.7.1 v{generation}")
        );
    }
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_published_leaves_the_old_chain() {
    let stage = Stage::new().await;
    stage.publish(vec![named(&stage, "good")]).await;
    let publish = |bindings: Vec<BindingSpec>| stage.runtime.publish(ABC, chain(2, bindings));

    let bad_config = |config| BindingSpec {
        config,
        ..stage.binding("a")
    };
    for (config, part) in [
        (serde_json::json!({"nam": "x"}), "nam"),
        (serde_json::json!({"name": 3}), "/name"),
        (serde_json::json!([]), "not a JSON object"),
        (
            serde_json::json!({"name": "forbidden"}),
            "this name is forbidden",
        ),
    ] {
        let error = publish(vec![bad_config(config)]).await.unwrap_err();
        assert!(
            matches!(&error, PublishError::Config { detail, .. } if detail.contains(part)),
            "{error}"
        );
    }

    let mut poor = stage.binding("a");
    poor.grants.kv = None;
    let error = publish(vec![poor]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plugin 'contract' imports postroom:plugin/kv@0.1.0, which is not granted to binding 'a'"
    );

    let other = BindingSpec {
        plugin: "other".to_owned(),
        ..stage.binding("a")
    };
    assert!(matches!(
        publish(vec![other]).await,
        Err(PublishError::Name { .. })
    ));
    let missing = BindingSpec {
        digest: crate::Digest::of(b"nothing"),
        ..stage.binding("a")
    };
    assert!(matches!(
        publish(vec![missing]).await,
        Err(PublishError::Load { .. })
    ));
    let twice = publish(vec![stage.binding("a"), stage.binding("a")]).await;
    assert!(matches!(twice, Err(PublishError::Twice(_))));
    let same_option = publish(vec![stage.binding("a"), stage.binding("b")]).await;
    assert!(matches!(same_option, Err(PublishError::Twice(option)) if option == "contract"));
    let stale = stage
        .runtime
        .publish(ABC, chain(1, vec![stage.binding("a")]))
        .await;
    assert!(matches!(
        stale,
        Err(PublishError::Stale {
            current: 1,
            wanted: 1
        })
    ));

    assert_eq!(refusal(&stage.rcpt("version").await), "550 5.7.1 good");
}

#[tokio::test]
async fn the_chains_of_two_domains_have_nothing_in_common() {
    let stage = Stage::new().await;
    stage.publish(vec![named(&stage, "abc")]).await;
    stage
        .runtime
        .publish(XYZ, chain(7, vec![named(&stage, "xyz")]))
        .await
        .unwrap();
    let mut other = stage.runtime.begin(XYZ, facts());
    assert_eq!(
        refusal(&other.rcpt(&address("version")).await),
        "550 5.7.1 xyz"
    );
    assert_eq!(refusal(&stage.rcpt("version").await), "550 5.7.1 abc");
    stage.runtime.unpublish(XYZ);
    assert_eq!(stage.runtime.pin(XYZ).generation(), 0);
    assert_eq!(stage.runtime.pin(ABC).generation(), 1);
}

#[tokio::test]
async fn a_chain_is_stored_as_json_and_comes_back() {
    let stage = Stage::new().await;
    let spec = chain(
        3,
        vec![BindingSpec {
            reuse: true,
            ..named(&stage, "x")
        }],
    );
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(
        serde_json::from_str::<crate::ChainSpec>(&json).unwrap(),
        spec
    );
    let short = format!(
        r#"{{"id": "a", "plugin": "p", "version": "1", "digest": "{}"}}"#,
        stage.installed.digest
    );
    let binding: BindingSpec = serde_json::from_str(&short).unwrap();
    assert_eq!(binding.directions, [mail::Direction::Inbound]);
    assert!(
        serde_json::from_str::<BindingSpec>(&short.replace("\"version\"", "\"versoin\"")).is_err()
    );
}
