//! `plugin.toml`: what a plugin is called and what it wishes, read without running it.

use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload};

use crate::error::LoadError;
use crate::grants::Grants;
use crate::limits::LimitWishes;

/// Name of the custom section that carries `plugin.toml`.
pub const MANIFEST_SECTION: &str = "postroom:manifest";

/// Largest `plugin.toml` in bytes.
const MANIFEST_BYTES: usize = 64 * 1024;
/// Longest name and version in bytes.
const NAME_BYTES: usize = 64;

/// The wishes of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Lower case letters, digits and hyphens, 1 to 64; also the name of its kv table, and of the
    /// delivery option that it serves where a binding names no other.
    pub name: String,
    /// `1.2.3`, for people; what is what is decided by the digest.
    pub version: String,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// What it asks for.
    #[serde(default)]
    pub capabilities: Grants,
    /// Lower limits it is content with.
    #[serde(default)]
    pub limits: LimitWishes,
    /// May one instance serve several messages?
    #[serde(default)]
    pub reuse: bool,
    /// A JSON Schema of its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
}

impl Manifest {
    /// Reads `plugin.toml`.
    pub fn parse(text: &str) -> Result<Self, LoadError> {
        let manifest: Self =
            toml::from_str(text).map_err(|error| LoadError::Manifest(error.to_string()))?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_BYTES).contains(&manifest.name.len()) || !manifest.name.chars().all(is_name) {
            return Err(LoadError::Manifest(format!(
                "the name '{}' must be lower case letters, digits and hyphens, 1 to {NAME_BYTES}",
                manifest.name
            )));
        }
        let is_version = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
        if !(1..=NAME_BYTES).contains(&manifest.version.len())
            || !manifest.version.chars().all(is_version)
        {
            return Err(LoadError::Manifest(format!(
                "'{}' is not a version",
                manifest.version
            )));
        }
        if let Some(schema) = &manifest.config {
            jsonschema::validator_for(schema).map_err(|error| {
                LoadError::Manifest(format!("[config] is not a JSON Schema: {error}"))
            })?;
        }
        Ok(manifest)
    }

    /// Reads the manifest of a component, without compiling or running it.
    pub fn of(component: &[u8]) -> Result<Self, LoadError> {
        Self::parse(section(component)?)
    }
}

/// Finds the section at the level of the component itself; one in a module inside is not it.
fn section(component: &[u8]) -> Result<&str, LoadError> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| LoadError::NotAComponent(error.to_string()))? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => {
                return Err(LoadError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(custom) if depth == 0 && custom.name() == MANIFEST_SECTION => {
                return text(custom.data());
            }
            _ => {}
        }
    }
    Err(LoadError::NoManifest)
}

fn text(data: &[u8]) -> Result<&str, LoadError> {
    if data.len() > MANIFEST_BYTES {
        return Err(LoadError::Manifest(format!(
            "it has more than {MANIFEST_BYTES} bytes"
        )));
    }
    std::str::from_utf8(data).map_err(|_| LoadError::Manifest("it is not UTF-8".to_owned()))
}
