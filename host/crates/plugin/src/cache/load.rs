//! The one unsafe step of this crate: code becomes something that can be called.

use wasmtime::Engine;
use wasmtime::component::Component;

use super::Authenticated;

/// Makes a component of authenticated code.
#[allow(unsafe_code)] // the reason of this file; see SAFETY
pub(super) fn load(engine: &Engine, code: Authenticated<'_>) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` asks that the bytes were made by `Engine::precompile_component` and not
    // changed since. An `Authenticated` is made only of bytes that came from there a moment ago (in this
    // process, or by pipe from the helper that is this same program), or
    // whose keyed hash, over bytes in our own memory, proves that they did. Bytes of another
    // engine or version are covered by the hash and refused once more by wasmtime itself.
    unsafe { Component::deserialize(engine, code.0) }
}
