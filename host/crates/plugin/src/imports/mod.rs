//! The host's side of the contract: one file for each interface that a plugin may import.
//!
//! Every function here first pays for itself (`State::enter`: number of calls, CPU). What a plugin
//! must not do ends the call; what may fail in ordinary life is answered with a text.

mod clock;
mod config;
mod edit;
mod file;
pub(crate) mod inert;
mod kv;
mod log;
mod mailbox;
mod message;
mod program;
mod submit;
mod types;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Engine, Result};

use crate::state::State;

/// What `bindgen!` makes of `wit/`.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
pub(crate) mod wire {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "capabilities",
        imports: {
            "postroom:plugin/kv.get": async | trappable,
            "postroom:plugin/kv.compare-and-set": async | trappable,
            "postroom:plugin/mailbox.append": async | trappable,
            "postroom:plugin/program.run": async | trappable,
            default: trappable,
        },
        with: {
            "postroom:plugin/types.context": crate::handles::ContextHandle,
            "postroom:plugin/types.verdict": crate::handles::RawVerdict,
            "postroom:plugin/types.outcome": crate::handles::RawOutcome,
            "postroom:plugin/message.message": crate::handles::MessageHandle,
            "postroom:plugin/message.part": crate::handles::PartHandle,
            "postroom:plugin/submit.draft": crate::handles::DraftHandle,
            "postroom:plugin/program.ended": crate::handles::EndedHandle,
        },
        require_store_data_send: true,
    });
}

use self::wire::postroom::plugin as interfaces;

/// A linker with every interface. What of it a component may really import is decided by the
/// grants of its binding, before it is instantiated.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wire::Capabilities::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}
