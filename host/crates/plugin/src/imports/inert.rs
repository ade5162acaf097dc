//! WASI 0.2 as a closed virtual system: what a component of `wasm32-wasip2` imports, and nothing
//! behind it.
//!
//! ```text
//! standard output and error   lines of the plugin's log, within its limits
//! clocks, random              the host's own; waiting counts as time of the call
//! environment, arguments      empty
//! files, sockets, HTTP        access-denied; standard input is at its end
//! exit                        ends the call, which has failed
//! ```
//!
//! So these imports need no grant, and the tools list them as *inert*. Only what a component really
//! imports is defined, by the very names it uses, so every 0.2.x does. What no plugin can ever get a
//! handle of (a file, a socket) needs no functions of its own: [`closed`] makes an answer of their
//! type, and where there is none to be made, the call fails.

mod closed;
mod standard;
mod time;

use wasmtime::Result;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType};

use crate::error::LoadError;
use crate::state::State;

/// Packages of WASI that there are.
const PACKAGES: &[&str] = &[
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:http",
    "wasi:io",
    "wasi:random",
    "wasi:sockets",
];
/// The version, with any patch.
const VERSION: &str = "0.2";

/// A handle with nothing behind it.
pub(crate) struct Closed;

/// Is this the name of an inert import?
///
/// # Errors
/// It is, in a version that is not there.
pub(crate) fn is_inert(name: &str) -> std::result::Result<bool, LoadError> {
    let Some((interface, version)) = split(name) else {
        return Ok(false);
    };
    let (package, _) = interface;
    if !PACKAGES.contains(&package) {
        return Ok(false);
    }
    let patch = version
        .strip_prefix(VERSION)
        .and_then(|rest| rest.strip_prefix('.'));
    let is_plain = |patch: &str| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit());
    if patch.is_some_and(is_plain) {
        return Ok(true);
    }
    Err(LoadError::Version {
        name: name.to_owned(),
        found: if version.is_empty() {
            "none".to_owned()
        } else {
            version.to_owned()
        },
        offered: VERSION,
    })
}

/// `wasi:io/poll@0.2.6` as package and interface, and version.
fn split(name: &str) -> Option<((&str, &str), &str)> {
    let (path, version) = name.split_once('@').unwrap_or((name, ""));
    Some((path.split_once('/')?, version))
}

/// Defines the inert imports of a component, if it has any.
pub(crate) fn define(linker: &mut Linker<State>, component: &Component) -> Result<()> {
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        let (Some(((package, interface), _)), ComponentItem::ComponentInstance(instance)) =
            (split(name), import.ty)
        else {
            continue;
        };
        if !PACKAGES.contains(&package) {
            continue;
        }
        let mut at = linker.instance(name)?;
        for (export, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) => define_resource(&mut at, export)?,
                ComponentItem::ComponentFunc(function) => {
                    let is_known = standard::define(&mut at, interface, export)?
                        || time::define(&mut at, interface, export)?;
                    if !is_known {
                        closed::define(&mut at, export, &function)?;
                    }
                }
                // Types need no definition; whatever else there is, linking asks for.
                _ => {}
            }
        }
    }
    Ok(())
}

fn define_resource(at: &mut LinkerInstance<'_, State>, name: &str) -> Result<()> {
    match name {
        "pollable" => resource::<time::Pollable>(at, name),
        "output-stream" => resource::<standard::OutputStream>(at, name),
        _ => resource::<Closed>(at, name),
    }
}

fn resource<T: Send + 'static>(at: &mut LinkerInstance<'_, State>, name: &str) -> Result<()> {
    at.resource(name, ResourceType::host::<T>(), |mut store, rep| {
        let dropped = Resource::<T>::new_own(rep);
        store.data_mut().delete(dropped).map(drop)
    })
}
