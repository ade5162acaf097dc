//! Compiled components on disk.
//!
//! ```text
//! DIGEST.code = magic · MAC · code        MAC = keyed BLAKE3 (engine, digest of the component, code)
//! ```
//!
//! Loading compiled code runs it, so a file is believed only after its authentication code: made
//! by this server (it has the key), for this engine, for this component. It is read into memory
//! first, so that nobody can change it between check and use. Whatever does not hold is compiled
//! again and replaced. The cache is a convenience: that it cannot be written is logged, no more.

mod load;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::Compiler;
use crate::digest::Digest;
use crate::error::LoadError;

const MAGIC: &[u8; 8] = b"postrm\0\x01";
const MAC_BYTES: usize = 32;

/// The cache.
pub(crate) struct Cache {
    /// `None`: nothing is kept.
    folder: Option<PathBuf>,
    key: [u8; 32],
}

impl Cache {
    pub(crate) const fn new(folder: Option<PathBuf>, key: [u8; 32]) -> Self {
        Self { folder, key }
    }

    /// The compiled component: from the cache, or compiled now; by `compiler` where there is one,
    /// and else in this process.
    pub(crate) fn compiled(
        &self,
        engine: &Engine,
        digest: Digest,
        component: &[u8],
        compiler: Option<&Compiler>,
    ) -> Result<Component, LoadError> {
        if let Some(loaded) = self.load(engine, digest) {
            return Ok(loaded);
        }
        let code = match compiler {
            Some(compiler) => compiler.compile(component)?,
            None => engine
                .precompile_component(component)
                .map_err(|error| LoadError::Compile(format!("{error:#}")))?,
        };
        let file = [MAGIC.as_slice(), &self.mac(engine, digest, &code), &code].concat();
        if let Some(path) = self.path(digest)
            && let Err(error) = replace(&path, &file)
        {
            tracing::warn!(%error, path = %path.display(), "a compiled plugin could not be cached");
        }
        load::load(engine, Authenticated(&code))
            .map_err(|error| LoadError::Compile(format!("{error:#}")))
    }

    fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let path = self.path(digest)?;
        let file = fs::read(&path).ok()?;
        let Some(code) = self.authenticate(engine, digest, &file) else {
            tracing::warn!(path = %path.display(), "a compiled plugin is not authentic and is made again");
            return None;
        };
        load::load(engine, code)
            .inspect_err(|error| tracing::warn!(%error, "a compiled plugin cannot be loaded and is made again"))
            .ok()
    }

    fn authenticate<'a>(
        &self,
        engine: &Engine,
        digest: Digest,
        file: &'a [u8],
    ) -> Option<Authenticated<'a>> {
        let rest = file.strip_prefix(MAGIC)?;
        let (mac, code) = rest.split_at_checked(MAC_BYTES)?;
        let mac: [u8; MAC_BYTES] = mac.try_into().ok()?;
        // `blake3::Hash` compares in constant time.
        (blake3::Hash::from_bytes(mac) == blake3::Hash::from_bytes(self.mac(engine, digest, code)))
            .then_some(Authenticated(code))
    }

    fn mac(&self, engine: &Engine, digest: Digest, code: &[u8]) -> [u8; MAC_BYTES] {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        mac.update(&hasher.finish().to_le_bytes())
            .update(digest.as_bytes())
            .update(code);
        *mac.finalize().as_bytes()
    }

    fn path(&self, digest: Digest) -> Option<PathBuf> {
        self.folder
            .as_ref()
            .map(|folder| folder.join(format!("{digest}.code")))
    }
}

/// Code whose authentication code was checked, or that was compiled a moment ago: here, or by the
/// helper, which is this program too and answers by a pipe that nobody else has.
struct Authenticated<'a>(&'a [u8]);

/// Writes a file so that it is there as a whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let partial = path.with_extension(format!(
        "partial-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests;
