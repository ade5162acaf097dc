//! Functions that have nothing to give: an answer of their type that says so.

use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{LinkerInstance, ResourceAny, ResourceType, Type, Val};
use wasmtime::{Result, StoreContextMut};

use super::Closed;
use super::standard::OutputStream;
use super::time::Pollable;
use crate::error::CallFailure;
use crate::state::State;

/// The cases that say it, best first: of files and sockets, of HTTP, of streams.
const REFUSALS: &[&str] = &["access-denied", "HTTP-request-denied", "closed"];

/// What such a function answers.
enum Answer {
    Nothing,
    Value(Val),
    /// A handle with nothing behind it.
    Handle,
    /// There is no such answer: the call fails.
    None,
}

/// Defines a function by its type alone.
pub(super) fn define(
    at: &mut LinkerInstance<'_, State>,
    name: &str,
    function: &ComponentFunc,
) -> Result<()> {
    let answer = answer(function);
    let label = name.to_owned();
    at.func_new(name, move |mut store, _, parameters, results| {
        store.data_mut().enter()?;
        for parameter in parameters {
            give_up(&mut store, parameter)?;
        }
        match &answer {
            Answer::Nothing => {}
            Answer::Value(value) => fill(results, value.clone()),
            Answer::Handle => {
                let handle = store.data_mut().push(Closed)?;
                let handle = ResourceAny::try_from_resource(handle, &mut store)?;
                fill(results, Val::Resource(handle));
            }
            Answer::None => {
                let why = format!("plugins have no {label} of WASI");
                return Err(CallFailure::Contract(why).into());
            }
        }
        Ok(())
    })
}

/// Handles that were lent or given have to be let go of.
fn give_up(store: &mut StoreContextMut<'_, State>, value: &Val) -> Result<()> {
    match value {
        Val::Resource(handle) if handle.ty() == ResourceType::host::<Pollable>() => {
            drop_handle::<Pollable>(store, *handle)
        }
        Val::Resource(handle) if handle.ty() == ResourceType::host::<OutputStream>() => {
            drop_handle::<OutputStream>(store, *handle)
        }
        Val::Resource(handle) => drop_handle::<Closed>(store, *handle),
        Val::List(values) | Val::Tuple(values) => {
            values.iter().try_for_each(|value| give_up(store, value))
        }
        Val::Record(fields) => fields
            .iter()
            .try_for_each(|(_, value)| give_up(store, value)),
        Val::Variant(_, Some(value))
        | Val::Option(Some(value))
        | Val::Result(Ok(Some(value)) | Err(Some(value))) => give_up(store, value),
        _ => Ok(()),
    }
}

fn drop_handle<T: Send + 'static>(
    store: &mut StoreContextMut<'_, State>,
    handle: ResourceAny,
) -> Result<()> {
    let handle = handle.try_into_resource::<T>(&mut *store)?;
    if handle.owned() {
        store.data_mut().delete(handle)?;
    }
    Ok(())
}

fn fill(results: &mut [Val], value: Val) {
    if let Some(result) = results.first_mut() {
        *result = value;
    }
}

fn answer(function: &ComponentFunc) -> Answer {
    match function.results().next() {
        None => Answer::Nothing,
        Some(Type::Own(_)) => Answer::Handle,
        Some(Type::List(_)) => Answer::Value(Val::List(Vec::new())),
        Some(Type::Option(_)) => Answer::Value(Val::Option(None)),
        Some(Type::Result(result)) => match result.err() {
            None => Answer::Value(Val::Result(Err(None))),
            Some(error) => refusal(&error).map_or(Answer::None, |error| {
                Answer::Value(Val::Result(Err(Some(Box::new(error)))))
            }),
        },
        Some(_) => Answer::None,
    }
}

/// The case of an error type that says that it is not allowed.
fn refusal(error: &Type) -> Option<Val> {
    REFUSALS.iter().find_map(|&name| match error {
        Type::Enum(cases) => {
            let has = cases.names().any(|case| case == name);
            has.then(|| Val::Enum(name.to_owned()))
        }
        Type::Variant(cases) => {
            let has = cases
                .cases()
                .any(|case| case.name == name && case.ty.is_none());
            has.then(|| Val::Variant(name.to_owned(), None))
        }
        _ => None,
    })
}
