//! Components by digest: on disk, bundled, and loaded while somebody uses them.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wasmtime::component::Linker;

use crate::cache::{Cache, replace};
use crate::compile::Compiler;
use crate::digest::Digest;
use crate::error::LoadError;
use crate::hook::Hook;
use crate::loaded::Loaded;
use crate::manifest::Manifest;
use crate::state::State;

/// What is known of a component that can be bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Its identity.
    pub digest: Digest,
    /// Its manifest.
    pub manifest: Manifest,
    /// The hooks it exports.
    pub hooks: Vec<Hook>,
    /// The interfaces it imports, with version: what it can do at most.
    pub imports: Vec<String>,
    /// The interfaces of WASI it imports, with nothing behind them.
    #[serde(default)]
    pub inert: Vec<String>,
    /// Does it come with the server?
    pub bundled: bool,
}

/// Who made a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// It comes with the server, and is trusted as the server is.
    Server,
    /// Somebody sent it.
    Upload,
}

/// The components.
pub(crate) struct Registry {
    linker: Linker<State>,
    cache: Cache,
    folder: Option<PathBuf>,
    component_bytes: usize,
    /// For what somebody sent; `None`: compiled in this process.
    compiler: Option<Compiler>,
    /// Those that come with the server, and those installed where there is no folder.
    in_memory: Mutex<HashMap<Digest, Bytes>>,
    bundled: Mutex<HashSet<Digest>>,
    /// In use by some chain. Not by the registry: what no chain uses is freed.
    loaded: Mutex<HashMap<Digest, Weak<Loaded>>>,
}

impl Registry {
    pub(crate) fn new(
        linker: Linker<State>,
        cache: Cache,
        folder: Option<PathBuf>,
        component_bytes: usize,
        compiler: Option<Compiler>,
    ) -> Self {
        Self {
            linker,
            cache,
            folder,
            component_bytes,
            compiler,
            in_memory: Mutex::default(),
            bundled: Mutex::default(),
            loaded: Mutex::default(),
        }
    }

    /// Loads a component that is not installed (yet).
    pub(crate) fn load(&self, component: &[u8], from: From) -> Result<Arc<Loaded>, LoadError> {
        let compiler = match from {
            From::Server => None,
            From::Upload => self.compiler.as_ref(),
        };
        let loaded = Loaded::load(
            &self.linker,
            &self.cache,
            component,
            self.component_bytes,
            compiler,
        )?;
        let loaded = Arc::new(loaded);
        let mut known = lock(&self.loaded);
        known.retain(|_, weak| weak.strong_count() > 0);
        known.insert(loaded.digest, Arc::downgrade(&loaded));
        Ok(loaded)
    }

    /// The component of a digest: in use, bundled, or on disk.
    pub(crate) fn find(&self, digest: Digest) -> Result<Arc<Loaded>, LoadError> {
        let known = lock(&self.loaded).get(&digest).and_then(Weak::upgrade);
        if let Some(loaded) = known {
            return Ok(loaded);
        }
        let component = self.bytes(digest)?;
        if Digest::of(&component) != digest {
            return Err(LoadError::Disk(format!(
                "the file of component {} is damaged",
                digest.short()
            )));
        }
        let from = if lock(&self.bundled).contains(&digest) {
            From::Server
        } else {
            From::Upload
        };
        self.load(&component, from)
    }

    /// Keeps a component that comes with the server.
    pub(crate) fn bundle(&self, digest: Digest, component: Bytes) {
        lock(&self.in_memory).insert(digest, component);
        lock(&self.bundled).insert(digest);
    }

    /// Keeps a component that was loaded and tried out.
    pub(crate) fn keep(&self, digest: Digest, component: &[u8]) -> Result<(), LoadError> {
        let Some(path) = self.path(digest) else {
            lock(&self.in_memory).insert(digest, Bytes::copy_from_slice(component));
            return Ok(());
        };
        replace(&path, component)
            .map_err(|error| LoadError::Disk(format!("{}: {error}", path.display())))
    }

    fn bytes(&self, digest: Digest) -> Result<Bytes, LoadError> {
        if let Some(component) = lock(&self.in_memory).get(&digest) {
            return Ok(component.clone());
        }
        let unknown = || LoadError::Unknown(digest.to_string());
        let path = self.path(digest).ok_or_else(unknown)?;
        match fs::read(&path) {
            Ok(component) => Ok(component.into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(unknown()),
            Err(error) => Err(LoadError::Disk(format!("{}: {error}", path.display()))),
        }
    }

    fn path(&self, digest: Digest) -> Option<PathBuf> {
        self.folder
            .as_ref()
            .map(|folder| folder.join(format!("{digest}.wasm")))
    }

    pub(crate) fn describe(&self, loaded: &Loaded) -> Installed {
        Installed {
            digest: loaded.digest,
            manifest: loaded.manifest.clone(),
            hooks: loaded.hooks.keys().copied().collect(),
            imports: loaded
                .imports
                .iter()
                .map(|(name, _)| name.clone())
                .collect(),
            inert: loaded.inert.clone(),
            bundled: lock(&self.bundled).contains(&loaded.digest),
        }
    }
}

/// What is behind these locks is whole between any two statements, so a panic leaves it usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
