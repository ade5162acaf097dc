//! `program`: the one capability that acts during the call.

use std::sync::Arc;
use std::time::Instant;

use mail::ReversePath;
use wasmtime::Result;
use wasmtime::component::Resource;

use super::interfaces::program::{Host, HostEnded};
use crate::capabilities::{ProgramRefusal, ProgramRun};
use crate::error::CallFailure;
use crate::handles::{EndedHandle, MessageHandle};
use crate::source::MessageSource;
use crate::state::State;

/// Output that is kept, in bytes.
const OUTPUT_BYTES: usize = 64 * 1024;
/// Programs of one call.
const RUNS: usize = 4;

impl Host for State {
    async fn run(
        &mut self,
        label: String,
        _: Resource<MessageHandle>,
    ) -> Result<Result<Resource<EndedHandle>, String>> {
        self.must_be_granted("program")?;
        let call = self.enter()?;
        let (Some(message), Some(recipient)) =
            (call.message.clone(), call.facts.recipient().cloned())
        else {
            return Ok(Err(
                "a program is run for one recipient, by the hook deliver".to_owned(),
            ));
        };
        call.programs += 1;
        if call.programs > RUNS {
            return Err(CallFailure::Budget(format!("more than {RUNS} programs")).into());
        }
        let missing = || Ok(Err("there is no such program".to_owned()));
        if !self
            .owner
            .grants
            .program
            .as_ref()
            .is_some_and(|labels| labels.allow(&label))
        {
            return missing();
        }
        let deadline = self.limits.program_wall();
        let facts = &self.call.facts;
        let message: Arc<dyn MessageSource> = message;
        let run = ProgramRun {
            label,
            message,
            reverse_path: facts.reverse_path().cloned().unwrap_or(ReversePath::Null),
            recipient,
            envelope: facts.envelope(),
            delivery_id: facts.delivery_id().to_owned(),
            attempt: facts.attempt(),
            deadline,
        };
        let clock = Arc::clone(&self.call.clock);
        let owner = Arc::clone(&self.owner);
        // The program has its own time: the deadline of the call moves by what it took, and until
        // that is known by the most it may take, and a little for its clean-up.
        let most = deadline + self.limits.wall();
        clock.move_deadline(most);
        let started = Instant::now();
        let ended = owner.capabilities.run_program(owner.tenant, run).await;
        clock.move_deadline_back(most.saturating_sub(started.elapsed()));
        match ended {
            Ok(mut ended) => {
                ended.output.truncate(OUTPUT_BYTES);
                Ok(Ok(self.push(EndedHandle(ended))?))
            }
            Err(ProgramRefusal::Label) => missing(),
            Err(ProgramRefusal::Unavailable(trouble)) => {
                Err(CallFailure::Host(trouble.to_string()).into())
            }
        }
    }
}

impl HostEnded for State {
    fn exit_code(&mut self, handle: Resource<EndedHandle>) -> Result<Option<i32>> {
        self.enter()?;
        Ok(self.get_mut(&handle)?.0.exit_code)
    }

    fn timed_out(&mut self, handle: Resource<EndedHandle>) -> Result<bool> {
        self.enter()?;
        Ok(self.get_mut(&handle)?.0.timed_out)
    }

    fn output(&mut self, handle: Resource<EndedHandle>) -> Result<Vec<u8>> {
        self.enter()?;
        Ok(self.get_mut(&handle)?.0.output.clone())
    }

    fn drop(&mut self, handle: Resource<EndedHandle>) -> Result<()> {
        self.delete(handle).map(drop)
    }
}
