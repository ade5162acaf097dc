//! Compiling what somebody sent, in the helper's process.

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mail::{Mailbox, Secret, Tenant, Timestamp};
use plugin::{
    Capabilities, CircuitNotice, CompileHelper, CompileLimits, Config, LoadError, LogLine,
    MANIFEST_SECTION, ProgramEnd, ProgramRefusal, ProgramRun, Runtime, Unavailable, Waiting,
};

const CONTRACT: &[u8] = include_bytes!("../../fixtures/contract-0.1.0.wasm");

/// A host that has nothing: nothing is called here.
struct Nothing;

impl Capabilities for Nothing {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn kv_read<'a>(
        &'a self,
        _: Tenant,
        _: &'a str,
        _: &'a str,
    ) -> Waiting<'a, Result<Option<Vec<u8>>, Unavailable>> {
        Box::pin(ready(Ok(None)))
    }

    fn mailbox_accepts<'a>(
        &'a self,
        _: Tenant,
        _: &'a Mailbox,
        _: &'a str,
    ) -> Waiting<'a, Result<bool, Unavailable>> {
        Box::pin(ready(Ok(false)))
    }

    fn has_file(&self, _: Tenant, _: &str) -> bool {
        false
    }

    fn run_program<'a>(
        &'a self,
        _: Tenant,
        _: ProgramRun,
    ) -> Waiting<'a, Result<ProgramEnd, ProgramRefusal>> {
        Box::pin(ready(Err(ProgramRefusal::Label)))
    }

    fn circuit(&self, _: Tenant, _: CircuitNotice) {}

    fn log(&self, _: Tenant, _: LogLine<'_>) {}
}

fn helper(limits: CompileLimits) -> CompileHelper {
    CompileHelper {
        environment: Vec::new(),
        program: PathBuf::from(env!("CARGO_BIN_EXE_compile-helper")),
        arguments: Vec::new(),
        limits,
    }
}

fn runtime(helper: CompileHelper, cache: Option<&Path>) -> Runtime {
    let config = Config {
        cache_folder: cache.map(Path::to_owned),
        cache_key: Secret::new([5; 32]),
        compile_helper: Some(helper),
        instances: 10,
        threads: Some(1),
        ..Config::default()
    };
    Runtime::new(config, Arc::new(Nothing)).unwrap()
}

/// A component that is one core module, with a manifest.
fn component(module: &str) -> Bytes {
    let manifest = "name = \"probe\"\nversion = \"1.0.0\"\n";
    let text = format!(
        "(component (core module {module}) (@custom \"{MANIFEST_SECTION}\" \"{}\"))",
        manifest.replace('"', "\\\"").replace('\n', "\\n")
    );
    wat::parse_str(text).unwrap().into()
}

/// One function that is so long that no compiler is quick with it.
fn bomb(instructions: usize) -> Bytes {
    let step = "(i32.store (local.get 0) (i32.add (i32.load (local.get 1)) (local.get 0)))\n";
    component(&format!(
        "(memory 1) (func (param i32 i32) {})",
        step.repeat(instructions)
    ))
}

#[tokio::test]
async fn p11_an_upload_is_compiled_apart_and_loaded_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let first = runtime(helper(CompileLimits::default()), Some(&cache));
    let installed = first.install(Bytes::from_static(CONTRACT)).await.unwrap();
    assert_eq!(installed.manifest.name, "contract");
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);

    // Where there is no helper at all, what is in the cache is still loaded.
    let gone = CompileHelper {
        environment: Vec::new(),
        program: PathBuf::from("/nonexistent/helper"),
        ..helper(CompileLimits::default())
    };
    let second = runtime(gone, Some(&cache));
    assert_eq!(
        second.install(Bytes::from_static(CONTRACT)).await,
        Ok(installed)
    );
    let other = second.install(bomb(1)).await.unwrap_err().to_string();
    assert!(
        other.starts_with("the compiler failed: /nonexistent/helper cannot be run"),
        "{other}"
    );
}

#[tokio::test]
async fn p11_code_that_is_not_valid_is_the_components_fault() {
    let runtime = runtime(helper(CompileLimits::default()), None);
    let refusal = runtime
        .install(component("(func (result i32) i64.const 1)"))
        .await
        .unwrap_err();
    assert!(
        matches!(&refusal, LoadError::Compile(why) if why.contains("type mismatch")),
        "{refusal}"
    );
    // Cut off anywhere, or with any byte changed: refused, or still a component; never more.
    let whole = component("(func (result i32) i32.const 1)");
    for cut in 0..whole.len() {
        let cut = runtime.install(whole.slice(..cut)).await;
        assert!(cut.is_err(), "{cut:?}");
    }
    for place in (8..CONTRACT.len()).step_by(CONTRACT.len() / 7) {
        let mut changed = CONTRACT.to_vec();
        changed[place] ^= 0x55;
        let _ = runtime.install(changed.into()).await;
    }
    assert!(runtime.install(Bytes::from_static(CONTRACT)).await.is_ok());
}

#[tokio::test]
async fn p11_a_compile_bomb_ends_at_the_memory_time_and_patience_of_the_helper() {
    let usual = CompileLimits::default();
    for (limits, expected) in [
        (
            CompileLimits {
                memory_bytes: 300 << 20,
                ..usual.clone()
            },
            "more than 300 MiB of memory",
        ),
        (
            CompileLimits {
                cpu_seconds: 1,
                ..usual.clone()
            },
            "more than 1 s",
        ),
        (
            CompileLimits {
                wall: Duration::ZERO,
                ..usual
            },
            "more than 0 s",
        ),
    ] {
        let runtime = runtime(helper(limits), None);
        let refusal = runtime.install(bomb(400_000)).await.unwrap_err();
        assert_eq!(refusal, LoadError::TooCostly(expected.to_owned()));
    }
}

#[tokio::test]
async fn a_helper_that_is_none_is_not_believed() {
    // It ends well and says nothing: that is no code.
    let silent = CompileHelper {
        environment: Vec::new(),
        program: PathBuf::from("/bin/true"),
        ..helper(CompileLimits::default())
    };
    let refusal = runtime(silent, None).install(bomb(1)).await.unwrap_err();
    assert!(matches!(&refusal, LoadError::Compile(_)), "{refusal}");
    let failing = CompileHelper {
        environment: Vec::new(),
        program: PathBuf::from("/bin/false"),
        ..helper(CompileLimits::default())
    };
    let refusal = runtime(failing, None).install(bomb(1)).await.unwrap_err();
    assert!(matches!(&refusal, LoadError::Compiler(_)), "{refusal}");
}
