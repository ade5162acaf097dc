//! How chains and components are kept.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use serde::Serialize;

use crate::admin::ApiError;

/// The effective chain.
pub(super) const CURRENT: &[u8] = b"plugins/current";
/// The chain before.
pub(super) const PREVIOUS: &[u8] = b"plugins/previous";
/// The bindings as administered.
pub(super) const WISHES: &[u8] = b"plugins/wishes";

/// The JSON form of what is kept.
pub(super) fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value).map_err(|error| ApiError::unavailable(error.to_string()))
}

/// Where the runtime keeps compiled code, and the key that authenticates it: made once, for this
/// directory alone.
pub(super) fn runtime_config(data: &Path, components: &Path) -> anyhow::Result<plugin::Config> {
    let path = data.join("cache.key");
    let key: [u8; 32] = match std::fs::read(&path) {
        Ok(bytes) if bytes.len() == 32 => bytes.try_into().unwrap_or([0; 32]),
        _ => {
            let mut key = [0; 32];
            crate::site::random(&mut key).context("the system gives no random bytes")?;
            write_durably(&path, &key)
                .with_context(|| format!("cannot write {}", path.display()))?;
            key
        }
    };
    Ok(plugin::Config {
        cache_folder: Some(data.join("cache")),
        cache_key: mail::Secret::new(key),
        component_folder: Some(components.to_owned()),
        bundled: super::BUNDLED
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), Bytes::from_static(bytes)))
            .collect(),
        compile_helper: compile_helper()?,
        ..plugin::Config::default()
    })
}

/// This program again, by another name. The program of the unit tests is another, and compiles
/// for itself.
fn compile_helper() -> anyhow::Result<Option<plugin::CompileHelper>> {
    if cfg!(test) {
        return Ok(None);
    }
    Ok(Some(plugin::CompileHelper {
        // The allocator takes address space ahead, and that is what the helper's limit counts.
        environment: vec![("MIMALLOC_ARENA_RESERVE".into(), "64MiB".into())],
        program: std::env::current_exe().context("this program cannot find itself")?,
        arguments: vec!["compile-helper".into()],
        limits: plugin::CompileLimits::default(),
    }))
}

/// The components in a folder, by the names of their files.
pub(super) fn digests_in(folder: &Path) -> anyhow::Result<Vec<plugin::Digest>> {
    let mut digests = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        digests.extend(stem.parse::<plugin::Digest>().ok());
    }
    Ok(digests)
}

/// Writes a file so that it is there whole or not at all, readable by the server alone.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let temporary = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Versions in the order people mean: `0.10.0` is newer than `0.9.0`.
pub(super) fn version_key(version: &str) -> Vec<(u64, String)> {
    version
        .split(['.', '-', '+'])
        .map(|part| (part.parse().unwrap_or(0), part.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::version_key;

    #[test]
    fn ten_is_more_than_nine() {
        assert!(version_key("0.10.0") > version_key("0.9.9"));
        assert!(version_key("1.0.0") > version_key("0.10.0"));
    }
}
