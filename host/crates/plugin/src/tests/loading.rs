//! Components that cannot be used, and those that can.

use std::sync::Arc;

use bytes::Bytes;
use mail::Secret;

use super::stage::{CONTRACT, Stage, World};
use crate::{Config, Grants, Hook, LoadError, Manifest, Runtime};

/// A component from its text, with a manifest.
fn component(text: &str) -> Bytes {
    with_manifest(
        &wat::parse_str(text).unwrap(),
        "name = \"probe\"\nversion = \"1.0.0\"\n",
    )
}

fn with_manifest(component: &[u8], manifest: &str) -> Bytes {
    let name = b"postroom:manifest";
    let mut section = vec![u8::try_from(name.len()).unwrap()];
    section.extend(name);
    section.extend(manifest.as_bytes());
    let mut bytes = component.to_vec();
    bytes.push(0);
    let mut length = section.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(section);
    bytes.into()
}

const EMPTY_START: &str = r#"
    (core module $m (func (export "start") (result i32) (i32.const 0)) (memory (export "memory") 1))
    (core instance $i (instantiate $m))
    (func $start (result (result (error string))) (canon lift (core func $i "start") (memory (core memory $i "memory"))))
    (instance $start-hook (export "start" (func $start)))"#;

async fn refusal(component: Bytes) -> LoadError {
    Stage::new()
        .await
        .runtime
        .install(component)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn the_frozen_component_of_contract_0_1_0_loads() {
    let stage = Stage::new().await;
    let installed = &stage.installed;
    assert_eq!(
        (installed.manifest.name.as_str(), installed.bundled),
        ("contract", false)
    );
    assert_eq!(installed.hooks, Hook::ALL);
    assert!(
        installed
            .imports
            .contains(&"postroom:plugin/kv@0.1.0".to_owned())
    );
    // Again is the same, and what is installed can be found.
    assert_eq!(
        stage
            .runtime
            .install(Bytes::from_static(CONTRACT))
            .await
            .as_ref(),
        Ok(installed)
    );
    assert_eq!(
        stage.runtime.installed(installed.digest).await.as_ref(),
        Ok(installed)
    );
    let words = installed.manifest.capabilities.words();
    assert_eq!(
        words,
        [
            "clock",
            "edit",
            "kv",
            "mailbox",
            "submit:2",
            "file:archive",
            "program:*"
        ]
    );
}

#[tokio::test]
async fn p11_what_is_no_component_is_refused() {
    let stage = Stage::new().await;
    let install = |bytes: &[u8]| stage.runtime.install(Bytes::copy_from_slice(bytes));
    for garbage in [
        &b""[..],
        b"MZ\x90\0",
        b"\0asm",
        &CONTRACT[..1000],
        &CONTRACT[..CONTRACT.len() - 3],
    ] {
        let error = install(garbage).await.unwrap_err();
        assert!(
            matches!(error, LoadError::NotAComponent(_)),
            "{} bytes: {error}",
            garbage.len()
        );
    }
    assert_eq!(
        install(b"\0asm\x01\0\0\0").await,
        Err(LoadError::CoreModule)
    );
    let large = vec![0; 8 * 1024 * 1024 + 1];
    assert_eq!(
        install(&large).await,
        Err(LoadError::TooLarge {
            bytes: large.len(),
            limit: 8 * 1024 * 1024
        })
    );
    // One changed byte at many places: refused, or still a component; never a crash.
    for position in (8..CONTRACT.len()).step_by(CONTRACT.len() / 12) {
        let mut changed = CONTRACT.to_vec();
        changed[position] ^= 0x55;
        let _ = install(&changed).await;
    }
    assert!(install(CONTRACT).await.is_ok());
}

#[tokio::test]
async fn the_manifest_must_be_there_and_right() {
    let bare = wat::parse_str("(component)").unwrap();
    assert_eq!(refusal(bare.clone().into()).await, LoadError::NoManifest);
    for (manifest, part) in [
        ("", "name"),
        ("name = 1", "string"),
        ("name = \"x\"", "version"),
        ("name = \"Bad Name\"\nversion = \"1\"", "lower case"),
        ("name = \"../x\"\nversion = \"1\"", "lower case"),
        ("name = \"x\"\nversion = \"1 2\"", "version"),
        ("name = \"x\"\nversion = \"1\"\ncolour = 1", "colour"),
        (
            "name = \"x\"\nversion = \"1\"\n[capabilities]\nnetwork = {}",
            "network",
        ),
        (
            "name = \"x\"\nversion = \"1\"\n[config]\ntype = \"nonsense\"",
            "JSON Schema",
        ),
    ] {
        let error = refusal(with_manifest(&bare, manifest)).await;
        assert!(
            matches!(&error, LoadError::Manifest(text) if text.contains(part)),
            "{manifest}: {error}"
        );
    }
    // A section inside a module is not the component's.
    let inner = r#"(component (core module (@custom "postroom:manifest" "name = 'x'")))"#;
    assert_eq!(
        refusal(wat::parse_str(inner).unwrap().into()).await,
        LoadError::NoManifest
    );
}

#[tokio::test]
async fn p12_the_import_export_or_version_that_is_wrong_is_named() {
    for (text, expected) in [
        (
            r#"(component (import "wasi:nn/graph@0.2.0" (instance)))"#,
            "it imports wasi:nn/graph@0.2.0, which this server does not offer",
        ),
        (
            r#"(component (import "wasi:sockets/tcp@0.3.0" (instance)))"#,
            "wasi:sockets/tcp@0.3.0 is of version 0.3.0; this server offers 0.2",
        ),
        (
            r#"(component (import "postroom:plugin/network@0.1.0" (instance)))"#,
            "it imports postroom:plugin/network@0.1.0, which this server does not offer",
        ),
        (
            r#"(component (import "postroom:plugin/kv@0.2.0" (instance)))"#,
            "postroom:plugin/kv@0.2.0 is of version 0.2.0; this server offers 0.1.0",
        ),
        (
            r#"(component (import "postroom:plugin/kv@0.1.0-rc.1" (instance)))"#,
            "postroom:plugin/kv@0.1.0-rc.1 is of version 0.1.0-rc.1; this server offers 0.1.0",
        ),
        ("(component)", "it exports no hook"),
    ] {
        assert_eq!(refusal(component(text)).await.to_string(), expected);
    }
    let exporting = |name: &str| {
        format!(r#"(component {EMPTY_START} (export "{name}" (instance $start-hook)))"#)
    };
    for (name, expected) in [
        ("postroom:plugin/start@0.1.0", "it exports no hook"),
        (
            "postroom:plugin/teleport@0.1.0",
            "it exports postroom:plugin/teleport@0.1.0, which is no hook of this server",
        ),
        (
            "postroom:plugin/rcpt@1.0.0",
            "postroom:plugin/rcpt@1.0.0 is of version 1.0.0; this server offers 0.1.0",
        ),
        (
            "postroom:plugin/rcpt@0.1.0",
            "its export postroom:plugin/rcpt@0.1.0 has no function rcpt",
        ),
    ] {
        assert_eq!(
            refusal(component(&exporting(name))).await.to_string(),
            expected
        );
    }
}

#[tokio::test]
async fn p12_types_are_compared_and_a_newer_function_is_named() {
    // A hook of the right name with other types.
    let wrong = r#"(component
        (core module $m (func (export "f") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $f (result u32) (canon lift (core func $i "f")))
        (instance $hook (export "rcpt" (func $f)))
        (export "postroom:plugin/rcpt@0.1.0" (instance $hook)))"#;
    let error = refusal(component(wrong)).await.to_string();
    assert!(
        error.starts_with("its hook rcpt is not as the contract has it"),
        "{error}"
    );
    // A function that a later 0.1.x may have, and one of other types.
    for (function, part) in [
        (r#"(export "since" (func (result u64)))"#, "since"),
        (
            r#"(export "now" (func (param "zone" string) (result u64)))"#,
            "now",
        ),
    ] {
        let text = format!(
            r#"(component
            (import "postroom:plugin/clock@0.1.7" (instance $clock {function}))
            (core module $m (func (export "f") (result i32) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $f (result u32) (canon lift (core func $i "f")))
            (instance $hook (export "rcpt" (func $f)))
            (export "postroom:plugin/rcpt@0.1.0" (instance $hook)))"#
        );
        let error = refusal(component(&text)).await;
        assert!(
            matches!(&error, LoadError::Type(text) if text.contains(part)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn installed_components_are_there_after_a_restart_and_a_damaged_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let config = || Config {
        cache_folder: Some(folder.path().join("cache")),
        cache_key: Secret::new([3; 32]),
        component_folder: Some(folder.path().join("components")),
        ..Config::default()
    };
    let digest = Stage::with(config()).await.installed.digest;
    let start = || {
        let config = Config {
            instances: 10,
            ..config()
        };
        Runtime::new(config, Arc::new(World::default())).unwrap()
    };
    assert_eq!(
        start().installed(digest).await.unwrap().manifest.name,
        "contract"
    );
    let file = folder
        .path()
        .join("components")
        .join(format!("{digest}.wasm"));
    std::fs::write(&file, &CONTRACT[..5000]).unwrap();
    let error = start().installed(digest).await.unwrap_err();
    assert!(
        matches!(&error, LoadError::Disk(text) if text.contains("damaged")),
        "{error}"
    );
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(
        start().installed(digest).await,
        Err(LoadError::Unknown(_))
    ));
}

#[tokio::test]
async fn bundled_plugins_are_there_from_the_start() {
    let bundled = vec![("contract".to_owned(), Bytes::from_static(CONTRACT))];
    let config = Config {
        bundled,
        ..Config::default()
    };
    let runtime = Runtime::new(config, Arc::new(World::default())).unwrap();
    let known = &runtime.bundled()[0];
    assert!(known.bundled);
    assert_eq!(runtime.installed(known.digest).await.as_ref(), Ok(known));
    let bundled = vec![("broken".to_owned(), Bytes::from_static(b"MZ"))];
    let config = Config {
        bundled,
        instances: 10,
        ..Config::default()
    };
    let error = Runtime::new(config, Arc::new(World::default()))
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .starts_with("the bundled plugin 'broken' cannot be used"),
        "{error}"
    );
}

#[test]
fn the_manifests_of_the_readme_can_be_read() {
    let readme = include_str!("../../../../../guest-sdk/README.md");
    let blocks: Vec<&str> = readme
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    let manifest = Manifest::parse(blocks[0]).unwrap();
    assert_eq!(manifest.name, "closed");
    // The other blocks are pieces of one.
    for piece in &blocks[1..] {
        let whole = format!("name = \"x\"\nversion = \"1.0.0\"\n{piece}");
        assert!(Manifest::parse(&whole).is_ok(), "{whole}");
    }
    assert_eq!(blocks.len(), 3);
}

#[test]
fn the_manifest_is_read_without_running_anything() {
    let manifest = Manifest::of(CONTRACT).unwrap();
    assert!(manifest.reuse);
    assert_eq!(
        manifest.config.unwrap()["properties"]["name"]["type"],
        "string"
    );
}

#[test]
fn grants_are_words_and_what_is_beyond_them_is_named() {
    let mut grants = Grants::default();
    for word in ["kv", "submit:3", "file:archive", "file:archive", "program"] {
        grants.grant(word).unwrap();
    }
    assert_eq!(
        grants.words(),
        ["kv", "submit:3", "file:archive", "program:*"]
    );
    for word in ["", "network", "kv:1", "submit:many", "clock:utc"] {
        assert!(grants.grant(word).is_err(), "{word}");
    }
    let mut asked = Grants::default();
    for word in ["kv", "submit:5", "file:other", "program:count", "clock"] {
        asked.grant(word).unwrap();
    }
    assert_eq!(asked.beyond(&grants), ["clock", "submit:5", "file:other"]);
    assert!(Grants::default().beyond(&grants).is_empty());
    assert!(
        grants.allow("log")
            && grants.allow("kv")
            && !grants.allow("clock")
            && !grants.allow("anything")
    );
}
