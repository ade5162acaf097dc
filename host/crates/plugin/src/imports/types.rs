//! `types`: context, verdict, outcome.

use wasmtime::Result;
use wasmtime::component::Resource;

use super::interfaces::types::{Host, HostContext, HostOutcome, HostVerdict};
use crate::error::CallFailure;
use crate::facts::Notes;
use crate::handles::ContextHandle;
use crate::state::State;
use crate::verdict::{RawKind, RawOutcome, RawSettlement, RawVerdict};

impl Host for State {}

impl HostContext for State {
    fn get(&mut self, _: Resource<ContextHandle>, key: String) -> Result<Option<String>> {
        let call = self.enter()?;
        Ok(call.facts.value(&key))
    }

    fn all(&mut self, _: Resource<ContextHandle>, key: String) -> Result<Vec<String>> {
        let call = self.enter()?;
        Ok(call.facts.values(&key))
    }

    fn setting(&mut self, _: Resource<ContextHandle>, name: String) -> Result<Option<String>> {
        let call = self.enter()?;
        Ok(call.facts.settings(&name).first().cloned())
    }

    fn settings(&mut self, _: Resource<ContextHandle>, name: String) -> Result<Vec<String>> {
        let call = self.enter()?;
        Ok(call.facts.settings(&name).to_vec())
    }

    fn remember(&mut self, _: Resource<ContextHandle>, name: String, value: String) -> Result<()> {
        let call = self.enter()?;
        call.notes.insert(name, value);
        let size: usize = call
            .notes
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if size > Notes::BYTES {
            return Err(
                CallFailure::Budget(format!("more than {} bytes of notes", Notes::BYTES)).into(),
            );
        }
        Ok(())
    }

    fn recall(&mut self, _: Resource<ContextHandle>, name: String) -> Result<Option<String>> {
        let call = self.enter()?;
        Ok(call.notes.get(&name).cloned())
    }

    fn drop(&mut self, handle: Resource<ContextHandle>) -> Result<()> {
        self.delete(handle).map(drop)
    }
}

impl State {
    fn verdict(&mut self, kind: RawKind) -> Result<Resource<RawVerdict>> {
        self.enter()?;
        self.push(RawVerdict {
            kind,
            explanations: Vec::new(),
        })
    }

    fn outcome(&mut self, kind: RawSettlement) -> Result<Resource<RawOutcome>> {
        self.enter()?;
        self.push(RawOutcome {
            kind,
            explanations: Vec::new(),
        })
    }
}

impl HostVerdict for State {
    fn proceed(&mut self) -> Result<Resource<RawVerdict>> {
        self.verdict(RawKind::Proceed)
    }

    fn settle(&mut self) -> Result<Resource<RawVerdict>> {
        self.verdict(RawKind::Settle)
    }

    fn reject(&mut self, code: u16, status: String, text: String) -> Result<Resource<RawVerdict>> {
        self.verdict(RawKind::Reject(code, status, text))
    }

    fn defer(&mut self, code: u16, status: String, text: String) -> Result<Resource<RawVerdict>> {
        self.verdict(RawKind::Defer(code, status, text))
    }

    fn discard(&mut self) -> Result<Resource<RawVerdict>> {
        self.verdict(RawKind::Discard)
    }

    fn quarantine(&mut self, reason: String) -> Result<Resource<RawVerdict>> {
        self.verdict(RawKind::Quarantine(reason))
    }

    fn delay(&mut self, ms: u32) -> Result<Resource<RawVerdict>> {
        self.verdict(RawKind::Delay(ms))
    }

    fn score(
        &mut self,
        symbol: String,
        points: f64,
        reason: String,
    ) -> Result<Resource<RawVerdict>> {
        self.verdict(RawKind::Score(symbol, points, reason))
    }

    fn disconnect(
        &mut self,
        code: u16,
        status: String,
        text: String,
    ) -> Result<Resource<RawVerdict>> {
        self.verdict(RawKind::Disconnect(code, status, text))
    }

    fn explain(&mut self, handle: Resource<RawVerdict>, sentence: String) -> Result<()> {
        self.enter()?;
        let explanations = &mut self.get_mut(&handle)?.explanations;
        push_sentence(explanations, sentence)
    }

    fn drop(&mut self, handle: Resource<RawVerdict>) -> Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostOutcome for State {
    fn done(&mut self, text: String) -> Result<Resource<RawOutcome>> {
        self.outcome(RawSettlement::Done(text))
    }

    fn deferred(&mut self, status: String, text: String) -> Result<Resource<RawOutcome>> {
        self.outcome(RawSettlement::Deferred(status, text))
    }

    fn failed(&mut self, status: String, text: String) -> Result<Resource<RawOutcome>> {
        self.outcome(RawSettlement::Failed(status, text))
    }

    fn not_mine(&mut self) -> Result<Resource<RawOutcome>> {
        self.outcome(RawSettlement::NotMine)
    }

    fn explain(&mut self, handle: Resource<RawOutcome>, sentence: String) -> Result<()> {
        self.enter()?;
        let explanations = &mut self.get_mut(&handle)?.explanations;
        push_sentence(explanations, sentence)
    }

    fn drop(&mut self, handle: Resource<RawOutcome>) -> Result<()> {
        self.delete(handle).map(drop)
    }
}

/// Sentences are counted and measured when the answer is checked; here only so that they cannot
/// fill the host's memory.
fn push_sentence(explanations: &mut Vec<String>, sentence: String) -> Result<()> {
    if explanations.len() >= 64 || sentence.len() > 64 * 1024 {
        return Err(CallFailure::Budget("too many or too long explanations".to_owned()).into());
    }
    explanations.push(sentence);
    Ok(())
}
