//! `clock`: the time of day, one during a call.

use wasmtime::Result;

use super::interfaces::clock::Host;
use crate::state::State;

impl Host for State {
    fn now(&mut self) -> Result<u64> {
        self.must_be_granted("clock")?;
        self.enter()?;
        let now = self.time_of_day();
        Ok(u64::try_from(now.0).unwrap_or(0))
    }
}
