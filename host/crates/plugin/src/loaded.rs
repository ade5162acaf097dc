//! A component that was looked through, compiled and linked: ready to be instantiated.

use std::collections::BTreeMap;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use crate::cache::Cache;
use crate::compile::Compiler;
use crate::digest::Digest;
use crate::error::LoadError;
use crate::hook::{CONTRACT_VERSION, Hook, PACKAGE};
use crate::imports::inert;
use crate::manifest::Manifest;
use crate::state::State;

/// Interfaces of the contract that a component may import.
const IMPORTS: [&str; 11] = [
    "types", "message", "log", "config", "clock", "kv", "edit", "submit", "mailbox", "file",
    "program",
];

/// A component ready for use, shared by all bindings of its digest.
pub(crate) struct Loaded {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) pre: InstancePre<State>,
    /// Where the function of each exported hook is.
    pub(crate) hooks: BTreeMap<Hook, ComponentExportIndex>,
    /// Whole names of the imports, with the interface of each.
    pub(crate) imports: Vec<(String, String)>,
    /// Whole names of the imports that have nothing behind them.
    pub(crate) inert: Vec<String>,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("digest", &self.digest)
            .field("plugin", &self.manifest.name)
            .finish()
    }
}

impl Loaded {
    /// Looks a component through and compiles it, or takes it from the cache. Takes CPU: to be
    /// called where that does not matter.
    pub(crate) fn load(
        linker: &Linker<State>,
        cache: &Cache,
        component: &[u8],
        largest: usize,
        compiler: Option<&Compiler>,
    ) -> Result<Self, LoadError> {
        if component.len() > largest {
            return Err(LoadError::TooLarge {
                bytes: component.len(),
                limit: largest,
            });
        }
        let manifest = Manifest::of(component)?;
        let digest = Digest::of(component);
        let compiled = cache.compiled(linker.engine(), digest, component, compiler)?;
        let (imports, inert) = imports(&compiled)?;
        let hooks = hooks(&compiled)?;
        // The types of the imports are compared here; a function that is newer than this server is
        // missing here, and is named.
        let with_inert;
        let linker = if inert.is_empty() {
            linker
        } else {
            let mut own = linker.clone();
            inert::define(&mut own, &compiled)
                .map_err(|error| LoadError::Type(one_line(&error)))?;
            with_inert = own;
            &with_inert
        };
        let pre = linker
            .instantiate_pre(&compiled)
            .map_err(|error| LoadError::Type(one_line(&error)))?;
        Ok(Self {
            digest,
            manifest,
            pre,
            hooks,
            imports,
            inert,
        })
    }
}

/// Whole names of imports, with the interface of each.
type Imports = Vec<(String, String)>;

/// The imports of the contract, and those that are inert.
fn imports(component: &Component) -> Result<(Imports, Vec<String>), LoadError> {
    let engine = component.engine();
    let (mut imports, mut inert) = (Vec::new(), Vec::new());
    for (name, _) in component.component_type().imports(engine) {
        if inert::is_inert(name)? {
            inert.push(name.to_owned());
            continue;
        }
        let Some(interface) = interface(name)? else {
            return Err(LoadError::UnknownImport(name.to_owned()));
        };
        if !IMPORTS.contains(&interface) {
            return Err(LoadError::UnknownImport(name.to_owned()));
        }
        imports.push((name.to_owned(), interface.to_owned()));
    }
    Ok((imports, inert))
}

fn hooks(component: &Component) -> Result<BTreeMap<Hook, ComponentExportIndex>, LoadError> {
    let engine = component.engine();
    let mut hooks = BTreeMap::new();
    for (name, export) in component.component_type().exports(engine) {
        // What is not of the contract is the component's own affair.
        let Some(interface) = interface(name)? else {
            continue;
        };
        let unknown = || LoadError::UnknownExport(name.to_owned());
        let hook = Hook::named(interface).ok_or_else(unknown)?;
        if !matches!(export.ty, ComponentItem::ComponentInstance(_)) {
            return Err(unknown());
        }
        let instance = component.get_export_index(None, name).ok_or_else(unknown)?;
        let function = component
            .get_export_index(Some(&instance), hook.name())
            .ok_or_else(|| LoadError::Type(format!("its export {name} has no function {hook}")))?;
        hooks.insert(hook, function);
    }
    if hooks.keys().any(|hook| hook.is_asked()) {
        Ok(hooks)
    } else {
        Err(LoadError::NoHook)
    }
}

/// The interface of a name of the contract, `None` for other packages.
fn interface(name: &str) -> Result<Option<&str>, LoadError> {
    let Some(rest) = name
        .strip_prefix(PACKAGE)
        .and_then(|rest| rest.strip_prefix('/'))
    else {
        return Ok(None);
    };
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    if !is_offered(version) {
        return Err(LoadError::Version {
            name: name.to_owned(),
            found: if version.is_empty() {
                "none".to_owned()
            } else {
                version.to_owned()
            },
            offered: CONTRACT_VERSION,
        });
    }
    Ok(Some(interface))
}

/// Below 1.0 a minor version may break, so `0.1.x` goes with `0.1.y`; no pre-releases.
fn is_offered(version: &str) -> bool {
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    let is_plain =
        version.split('.').count() == 3 && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_plain && minor(version) == minor(CONTRACT_VERSION)
}

/// An error of wasmtime with its causes, as one line.
pub(crate) fn one_line(error: &wasmtime::Error) -> String {
    crate::verdict::escaped(&format!("{error:#}"), 600)
}
