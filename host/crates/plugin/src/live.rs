//! An instance: fresh, asked, and given up at the first sign of trouble.

use std::sync::Arc;

use wasmtime::component::{Instance, Resource, TypedFunc};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use crate::binding::Binding;
use crate::error::{CallFailure, LoadError};
use crate::handles::{ContextHandle, MessageHandle};
use crate::hook::Hook;
use crate::limits::CallLimits;
use crate::loaded::Loaded;
use crate::state::{Call, Owner, State};
use crate::verdict::{RawOutcome, RawVerdict, escaped};

/// Ticks of the epoch after which a guest is looked at.
const SLICE: u64 = 1;

type VerdictOf<Params> = TypedFunc<Params, (Resource<RawVerdict>,)>;
type SessionHook = VerdictOf<(Resource<ContextHandle>,)>;
type RecipientHook = VerdictOf<(Resource<ContextHandle>, String)>;
type DataHook = VerdictOf<(Resource<ContextHandle>, Resource<MessageHandle>)>;
type DeliverHook =
    TypedFunc<(Resource<ContextHandle>, Resource<MessageHandle>), (Resource<RawOutcome>,)>;
type StartHook = TypedFunc<(), (Result<(), String>,)>;
type CheckConfigHook = TypedFunc<(String,), (Result<(), String>,)>;

/// One instance of one binding, with a store of its own.
pub(crate) struct Live {
    store: Store<State>,
    instance: Instance,
    calls: u64,
}

/// What a hook is asked, beside what is in the [`Call`].
pub(crate) enum Question {
    /// `connect`, `ehlo`, `mail`, `data`, `deliver`: all is in the call.
    Plain,
    /// `rcpt`.
    Recipient(String),
    /// `check-config`.
    Config(String),
}

/// What it answers, unchecked.
pub(crate) enum RawAnswer {
    Verdict(RawVerdict),
    Outcome(RawOutcome),
    Checked(Result<(), String>),
}

impl Live {
    /// A fresh instance, started. `call` is the one it is made for.
    pub(crate) async fn start(binding: &Binding, call: Call) -> Result<Self, CallFailure> {
        let mut live = Self::instantiate(
            &binding.loaded,
            Arc::clone(&binding.owner),
            Arc::clone(&binding.limits),
            call,
        )
        .await?;
        if let Some(index) = binding.loaded.hooks.get(&Hook::Start) {
            let start: StartHook = live.function(index).map_err(|error| failure(&error))?;
            let (answer,) = start
                .call_async(&mut live.store, ())
                .await
                .map_err(|error| failure(&error))?;
            answer.map_err(|text| CallFailure::Start(escaped(&text, 300)))?;
        }
        Ok(live)
    }

    async fn instantiate(
        loaded: &Loaded,
        owner: Arc<Owner>,
        limits: Arc<CallLimits>,
        call: Call,
    ) -> Result<Self, CallFailure> {
        let engine = loaded.pre.engine();
        let (transfer_bytes, handles) = (limits.transfer_bytes, limits.handles);
        let mut store = Store::new(engine, State::new(owner, limits, call));
        store.limiter(|state| &mut state.bounds);
        store.set_hostcall_fuel(transfer_bytes);
        store.set_max_component_handles(handles);
        store.epoch_deadline_callback(|context| {
            context.data().call.clock.check_cpu()?;
            Ok(UpdateDeadline::Yield(SLICE))
        });
        store.set_epoch_deadline(SLICE);
        let instance = loaded
            .pre
            .instantiate_async(&mut store)
            .await
            .map_err(|error| failure(&error))?;
        Ok(Self {
            store,
            instance,
            calls: 0,
        })
    }

    /// Are all hooks of the types that the contract says? Asked once, when a component is installed.
    pub(crate) async fn try_out(
        loaded: &Loaded,
        owner: Arc<Owner>,
        limits: Arc<CallLimits>,
        call: Call,
    ) -> Result<(), LoadError> {
        let mut live = Self::instantiate(loaded, owner, limits, call)
            .await
            .map_err(LoadError::Start)?;
        for (&hook, index) in &loaded.hooks {
            let typed = match hook {
                Hook::Connect | Hook::Ehlo | Hook::Mail => live
                    .instance
                    .get_typed_func::<(Resource<ContextHandle>,), (Resource<RawVerdict>,)>(
                        &mut live.store,
                        index,
                    )
                    .map(drop),
                Hook::Rcpt => live
                    .function::<_, (Resource<RawVerdict>,)>(index)
                    .map(|_: RecipientHook| ()),
                Hook::Data => live
                    .function::<_, (Resource<RawVerdict>,)>(index)
                    .map(|_: DataHook| ()),
                Hook::Deliver => live
                    .function::<_, (Resource<RawOutcome>,)>(index)
                    .map(|_: DeliverHook| ()),
                Hook::Start => live
                    .function::<_, (Result<(), String>,)>(index)
                    .map(|_: StartHook| ()),
                Hook::CheckConfig => live
                    .function::<_, (Result<(), String>,)>(index)
                    .map(|_: CheckConfigHook| ()),
            };
            typed.map_err(|error| {
                LoadError::Type(format!(
                    "its hook {hook} is not as the contract has it: {}",
                    escaped(&format!("{error:#}"), 300)
                ))
            })?;
        }
        Ok(())
    }

    /// The call that a used instance is to run now.
    pub(crate) fn begin(&mut self, call: Call) {
        self.store.data_mut().call = call;
        self.store.set_epoch_deadline(SLICE);
    }

    /// Asks a hook. After an error the instance must not be used again.
    pub(crate) async fn ask(
        &mut self,
        loaded: &Loaded,
        hook: Hook,
        question: Question,
    ) -> Result<RawAnswer, CallFailure> {
        self.calls += 1;
        let index = loaded
            .hooks
            .get(&hook)
            .ok_or_else(|| CallFailure::Contract(format!("it has no hook {hook}")))?;
        self.call(index, hook, question)
            .await
            .map_err(|error| failure(&error))
    }

    async fn call(
        &mut self,
        index: &wasmtime::component::ComponentExportIndex,
        hook: Hook,
        question: Question,
    ) -> wasmtime::Result<RawAnswer> {
        if hook == Hook::CheckConfig {
            let Question::Config(config) = question else {
                return Err(
                    CallFailure::Contract("check-config needs a configuration".to_owned()).into(),
                );
            };
            let check: CheckConfigHook = self.function(index)?;
            let (answer,) = check.call_async(&mut self.store, (config,)).await?;
            return Ok(RawAnswer::Checked(answer));
        }
        // The host's own entries; the guest gets them lent for the call.
        let context = self.store.data_mut().push(ContextHandle)?;
        let message = self.store.data_mut().push(MessageHandle)?;
        let lent_context = || Resource::new_borrow(context.rep());
        let lent_message = || Resource::new_borrow(message.rep());
        let answer = match (hook, question) {
            (Hook::Rcpt, Question::Recipient(recipient)) => {
                let rcpt: RecipientHook = self.function(index)?;
                let (verdict,) = rcpt
                    .call_async(&mut self.store, (lent_context(), recipient))
                    .await?;
                RawAnswer::Verdict(self.store.data_mut().delete(verdict)?)
            }
            (Hook::Data, _) => {
                let data: DataHook = self.function(index)?;
                let (verdict,) = data
                    .call_async(&mut self.store, (lent_context(), lent_message()))
                    .await?;
                RawAnswer::Verdict(self.store.data_mut().delete(verdict)?)
            }
            (Hook::Deliver, _) => {
                let deliver: DeliverHook = self.function(index)?;
                let (outcome,) = deliver
                    .call_async(&mut self.store, (lent_context(), lent_message()))
                    .await?;
                RawAnswer::Outcome(self.store.data_mut().delete(outcome)?)
            }
            _ => {
                let session: SessionHook = self.function(index)?;
                let (verdict,) = session
                    .call_async(&mut self.store, (lent_context(),))
                    .await?;
                RawAnswer::Verdict(self.store.data_mut().delete(verdict)?)
            }
        };
        self.store.data_mut().delete(context)?;
        self.store.data_mut().delete(message)?;
        Ok(answer)
    }

    fn function<Params, Results>(
        &mut self,
        index: &wasmtime::component::ComponentExportIndex,
    ) -> wasmtime::Result<TypedFunc<Params, Results>>
    where
        Params: wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
        Results: wasmtime::component::ComponentNamedList + wasmtime::component::Lift,
    {
        self.instance.get_typed_func(&mut self.store, index)
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.store.data_mut()
    }

    pub(crate) const fn calls(&self) -> u64 {
        self.calls
    }
}

/// What an error of wasmtime means.
fn failure(error: &wasmtime::Error) -> CallFailure {
    if let Some(own) = error.downcast_ref::<CallFailure>() {
        return own.clone();
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return CallFailure::Busy;
    }
    let cause = escaped(&error.root_cause().to_string(), 300);
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => CallFailure::Stack,
        Some(Trap::AllocationTooLarge) => CallFailure::Memory,
        Some(_) => CallFailure::Trap(cause),
        // Limits that wasmtime itself keeps have no type of their own.
        None if cause.contains("limit exceeded") || cause.contains("fuel") => {
            CallFailure::Budget(cause)
        }
        None => CallFailure::Trap(cause),
    }
}
