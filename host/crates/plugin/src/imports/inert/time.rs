//! Clocks, and waiting for them.

use std::time::{Duration, Instant};

use wasmtime::Result;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource};

use crate::error::CallFailure;
use crate::state::State;

/// Longest wait in one go; the call is over long before.
const LONGEST: Duration = Duration::from_secs(3600);

/// Something that will be ready: at once, or at its time.
pub(crate) struct Pollable(Option<Instant>);

impl Pollable {
    fn wait(&self) -> Duration {
        self.0.map_or(Duration::ZERO, |at| {
            at.saturating_duration_since(Instant::now())
        })
    }
}

/// `datetime` of WASI.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// Defines a function of this file; `false` for others.
pub(super) fn define(
    at: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
) -> Result<bool> {
    match (interface, name) {
        ("wall-clock", "now") => at.func_wrap(name, |mut store, (): ()| {
            Ok((wall_clock(store.data_mut())?,))
        })?,
        ("wall-clock", "resolution") => at.func_wrap(name, |_, (): ()| {
            Ok((Datetime {
                seconds: 0,
                nanoseconds: 1_000_000,
            },))
        })?,
        ("monotonic-clock", "now") => at.func_wrap(name, |mut store, (): ()| {
            store.data_mut().enter()?;
            Ok((nanoseconds(store.data().born().elapsed()),))
        })?,
        ("monotonic-clock", "resolution") => at.func_wrap(name, |_, (): ()| Ok((1_u64,)))?,
        ("monotonic-clock", "subscribe-duration") => {
            at.func_wrap(name, |mut store, (time,): (u64,)| {
                let until = Instant::now() + Duration::from_nanos(time).min(LONGEST);
                Ok((subscribe(store.data_mut(), Some(until))?,))
            })?;
        }
        ("monotonic-clock", "subscribe-instant") => {
            at.func_wrap(name, |mut store, (time,): (u64,)| {
                let now = store.data().born().elapsed();
                let wait = Duration::from_nanos(time).saturating_sub(now);
                let until = Instant::now() + wait.min(LONGEST);
                Ok((subscribe(store.data_mut(), Some(until))?,))
            })?;
        }
        ("streams", "[method]output-stream.subscribe") => at.func_wrap(
            name,
            |mut store, (_,): (Resource<super::standard::OutputStream>,)| {
                Ok((subscribe(store.data_mut(), None)?,))
            },
        )?,
        ("streams", "[method]input-stream.subscribe") => {
            at.func_wrap(name, |mut store, (_,): (Resource<super::Closed>,)| {
                Ok((subscribe(store.data_mut(), None)?,))
            })?;
        }
        ("poll", "[method]pollable.ready") => {
            at.func_wrap(name, |mut store, (pollable,): (Resource<Pollable>,)| {
                let state = store.data_mut();
                state.enter()?;
                Ok((state.get_mut(&pollable)?.wait().is_zero(),))
            })?;
        }
        ("poll", "[method]pollable.block") => {
            at.func_wrap_async(name, |mut store, (pollable,): (Resource<Pollable>,)| {
                Box::new(async move {
                    let state = store.data_mut();
                    state.enter()?;
                    let wait = state.get_mut(&pollable)?.wait();
                    tokio::time::sleep(wait).await;
                    Ok(())
                })
            })?;
        }
        ("poll", "poll") => {
            at.func_wrap_async(name, |mut store, (list,): (Vec<Resource<Pollable>>,)| {
                Box::new(async move { Ok((poll(store.data_mut(), &list).await?,)) })
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The time of day, one during a call, as with the capability `clock`.
fn wall_clock(state: &mut State) -> Result<Datetime> {
    state.enter()?;
    let now = state.time_of_day().0;
    let milliseconds = u64::try_from(now).unwrap_or(0);
    let rest = u32::try_from(milliseconds % 1000).unwrap_or(0);
    Ok(Datetime {
        seconds: milliseconds / 1000,
        nanoseconds: rest * 1_000_000,
    })
}

fn subscribe(state: &mut State, until: Option<Instant>) -> Result<Resource<Pollable>> {
    state.enter()?;
    state.push(Pollable(until))
}

/// Waits for the first; the places of all that are ready.
async fn poll(state: &mut State, list: &[Resource<Pollable>]) -> Result<Vec<u32>> {
    state.enter()?;
    let waits: Vec<Duration> = list
        .iter()
        .map(|pollable| Ok(state.get_mut(pollable)?.wait()))
        .collect::<Result<_>>()?;
    let Some(&first) = waits.iter().min() else {
        return Err(CallFailure::Contract("it polls nothing".to_owned()).into());
    };
    tokio::time::sleep(first).await;
    let is_ready = |(_, wait): &(usize, &Duration)| **wait <= first;
    let ready = waits.iter().enumerate().filter(is_ready);
    Ok(ready
        .map(|(place, _)| u32::try_from(place).unwrap_or(u32::MAX))
        .collect())
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
