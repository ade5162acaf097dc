use std::fs;
use std::path::PathBuf;

use wasmtime::Engine;

use super::Cache;
use crate::digest::Digest;
use crate::engine::engine;
use crate::limits::CallLimits;

fn small_engine() -> Engine {
    engine(2, &CallLimits::default()).unwrap()
}

fn component() -> Vec<u8> {
    wat::parse_str(r#"(component (core module (func (export "f") (result i32) i32.const 7)))"#)
        .unwrap()
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn p13_a_tampered_or_foreign_file_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, component) = (small_engine(), component());
    let digest = Digest::of(&component);
    let cache = Cache::new(Some(folder.path().to_owned()), [7; 32]);
    assert!(cache.load(&engine, digest).is_none());
    cache.compiled(&engine, digest, &component, None).unwrap();
    let path = file(&folder);
    let good = fs::read(&path).unwrap();
    assert!(cache.load(&engine, digest).is_some());

    // One bit anywhere: magic, authentication code, code.
    for position in [0, 8, 39, 40, 200, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[position] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(cache.load(&engine, digest).is_none(), "byte {position}");
    }
    for bad in [&good[..0], &good[..20], &good[..good.len() - 1]] {
        fs::write(&path, bad).unwrap();
        assert!(cache.load(&engine, digest).is_none(), "{} bytes", bad.len());
    }
    // Another component's file under this name, and a file made with another key.
    fs::write(&path, &good).unwrap();
    let other = Digest::of(b"another component");
    fs::rename(&path, cache.path(other).unwrap()).unwrap();
    assert!(cache.load(&engine, other).is_none());
    fs::rename(cache.path(other).unwrap(), &path).unwrap();
    assert!(
        Cache::new(Some(folder.path().to_owned()), [8; 32])
            .load(&engine, digest)
            .is_none()
    );

    // It is made again, and is then good.
    let mut bad = good.clone();
    bad[100] ^= 1;
    fs::write(&path, &bad).unwrap();
    cache.compiled(&engine, digest, &component, None).unwrap();
    assert_ne!(fs::read(&path).unwrap(), bad);
    assert!(cache.load(&engine, digest).is_some());
}

#[test]
fn an_engine_with_other_settings_does_not_take_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let component = component();
    let digest = Digest::of(&component);
    let cache = Cache::new(Some(folder.path().to_owned()), [7; 32]);
    cache
        .compiled(&small_engine(), digest, &component, None)
        .unwrap();
    let other = Engine::new(wasmtime::Config::new().epoch_interruption(false)).unwrap();
    assert!(cache.load(&other, digest).is_none());
}

#[test]
fn without_a_folder_it_compiles_each_time() {
    let component = component();
    let cache = Cache::new(None, [7; 32]);
    assert!(
        cache
            .compiled(&small_engine(), Digest::of(&component), &component, None)
            .is_ok()
    );
}
