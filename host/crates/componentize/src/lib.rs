//! Makes a plugin: a core module as `rustc` writes it, and a `plugin.toml`, become one component.
//!
//! ```text
//! core module (with the WIT of its hooks in custom sections) ─┐
//!                                                             ├─> component + section "postroom:manifest"
//! plugin.toml ────────────────────────────────────────────────┘
//! ```
//!
//! Shared by `cargo xtask plugins` and `postroom plugin build`, so that both make the same bytes
//! of the same input. Invariants: no adapter is put in, so a module that imports WASI stays
//! refused rather than getting a system interface by the back door; the manifest is carried byte
//! for byte. It does not know what a manifest means (crate `plugin` does) and runs nothing.
#![warn(missing_docs)]

use std::borrow::Cow;

use wasm_encoder::{ComponentSection, CustomSection};
use wit_component::ComponentEncoder;

/// Name of the custom section that carries `plugin.toml`.
pub const MANIFEST_SECTION: &str = "postroom:manifest";

/// Largest `plugin.toml` in bytes.
pub const MANIFEST_BYTES: usize = 64 * 1024;

/// Why no component was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `plugin.toml` is too large.
    #[error("plugin.toml has {0} bytes; the limit is {MANIFEST_BYTES}")]
    ManifestTooLarge(usize),
    /// `plugin.toml` is not TOML.
    #[error("plugin.toml cannot be read: {0}")]
    Manifest(#[from] toml::de::Error),
    /// The module is not one, is a component already, or has imports or exports that its WIT
    /// does not have.
    #[error("the module cannot be made a component: {0}")]
    Module(String),
}

/// Makes the component of `module` (a core module for `wasm32-unknown-unknown` built with
/// `postroom-sdk` or `wit-bindgen`) and puts the text of `plugin.toml` into it.
///
/// The same input gives the same bytes.
pub fn componentize(module: &[u8], manifest: &str) -> Result<Vec<u8>, Error> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| Error::Module(format!("{error:#}")))?;
    with_manifest(component, manifest)
}

/// Puts the text of `plugin.toml` into a component that another tool made.
pub fn with_manifest(mut component: Vec<u8>, manifest: &str) -> Result<Vec<u8>, Error> {
    if manifest.len() > MANIFEST_BYTES {
        return Err(Error::ManifestTooLarge(manifest.len()));
    }
    manifest.parse::<toml::Table>()?;
    let section = CustomSection {
        name: Cow::Borrowed(MANIFEST_SECTION),
        data: Cow::Borrowed(manifest.as_bytes()),
    };
    section.append_to_component(&mut component);
    Ok(component)
}

#[cfg(test)]
mod tests;
