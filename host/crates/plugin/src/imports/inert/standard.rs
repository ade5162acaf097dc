//! Standard output and error, as lines of the log; random bytes; the exit.

use std::io::Read as _;

use wasmtime::Result;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource};

use super::Closed;
use crate::capabilities::LogLevel;
use crate::error::CallFailure;
use crate::state::State;

/// Bytes that a stream takes at a time.
const WRITE_BYTES: u64 = 4096;
/// Most random bytes of one call.
const RANDOM_BYTES: u64 = 64 * 1024;

/// Standard output or error.
pub(crate) struct OutputStream(LogLevel);

/// `stream-error` of WASI. No stream here ever fails; the type is part of the functions.
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "the case is of the type")]
    Failed(Resource<Closed>),
    #[component(name = "closed")]
    #[expect(dead_code, reason = "the case is of the type")]
    Closed,
}

type Streamed<T> = (std::result::Result<T, StreamError>,);

/// Defines a function of this file; `false` for others.
pub(super) fn define(
    at: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
) -> Result<bool> {
    match (interface, name) {
        ("stdout", "get-stdout") => open(at, name, LogLevel::Info)?,
        ("stderr", "get-stderr") => open(at, name, LogLevel::Warn)?,
        ("streams", "[method]output-stream.check-write") => {
            at.func_wrap(name, |mut store, (_,): (Resource<OutputStream>,)| {
                store.data_mut().enter()?;
                Ok::<Streamed<u64>, _>((Ok(WRITE_BYTES),))
            })?;
        }
        (
            "streams",
            "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush",
        ) => {
            at.func_wrap(
                name,
                |mut store, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                    let state: &mut State = store.data_mut();
                    state.enter()?;
                    let level = state.get_mut(&stream)?.0;
                    state.print(level, &bytes);
                    Ok::<Streamed<()>, _>((Ok(()),))
                },
            )?;
        }
        ("streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            // A line goes to the log when it is whole.
            at.func_wrap(name, |mut store, (_,): (Resource<OutputStream>,)| {
                store.data_mut().enter()?;
                Ok::<Streamed<()>, _>((Ok(()),))
            })?;
        }
        ("random", "get-random-bytes") | ("insecure", "get-insecure-random-bytes") => {
            at.func_wrap(name, |mut store, (length,): (u64,)| {
                store.data_mut().enter()?;
                Ok((random(length)?,))
            })?;
        }
        ("random", "get-random-u64") | ("insecure", "get-insecure-random-u64") => {
            at.func_wrap(name, |mut store, (): ()| {
                store.data_mut().enter()?;
                Ok((number()?,))
            })?;
        }
        ("insecure-seed", "insecure-seed" | "get-insecure-seed") => {
            at.func_wrap(name, |mut store, (): ()| {
                store.data_mut().enter()?;
                Ok(((number()?, number()?),))
            })?;
        }
        ("exit", _) => {
            at.func_new(name, |_, _, _, _| {
                Err(CallFailure::Trap("it called exit".to_owned()).into())
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn open(at: &mut LinkerInstance<'_, State>, name: &str, level: LogLevel) -> Result<()> {
    at.func_wrap(name, move |mut store, (): ()| {
        store.data_mut().enter()?;
        Ok((store.data_mut().push(OutputStream(level))?,))
    })
}

fn random(length: u64) -> Result<Vec<u8>> {
    if length > RANDOM_BYTES {
        let why = format!("more than {RANDOM_BYTES} random bytes at once");
        return Err(CallFailure::Budget(why).into());
    }
    let mut bytes = Vec::new();
    let source = std::fs::File::open("/dev/urandom");
    let read = source.and_then(|source| source.take(length).read_to_end(&mut bytes));
    read.map_err(|error| CallFailure::Host(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

fn number() -> Result<u64> {
    let mut number = [0; 8];
    number.copy_from_slice(&random(8)?);
    Ok(u64::from_le_bytes(number))
}
