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
    /// Those that were called before: finding one compares its types with the contract's.
    functions: Vec<(Hook, Function)>,
    calls: u64,
}

/// The function of a hook, by what it takes and gives.
#[derive(Clone, Copy)]
enum Function {
    /// `connect`, `ehlo`, `mail`.
    Session(SessionHook),
    Recipient(RecipientHook),
    Data(DataHook),
    Deliver(DeliverHook),
    Start(StartHook),
    CheckConfig(CheckConfigHook),
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
        if binding.has(Hook::Start) {
            let answer = live.call(&binding.loaded, Hook::Start, Question::Plain);
            if let RawAnswer::Checked(Err(text)) = answer.await.map_err(|error| failure(&error))? {
                return Err(CallFailure::Start(escaped(&text, 300)));
            }
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
            functions: Vec::new(),
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
        for &hook in loaded.hooks.keys() {
            let typed = live.function(loaded, hook);
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
        self.call(loaded, hook, question)
            .await
            .map_err(|error| failure(&error))
    }

    async fn call(
        &mut self,
        loaded: &Loaded,
        hook: Hook,
        question: Question,
    ) -> wasmtime::Result<RawAnswer> {
        let function = self.function(loaded, hook)?;
        let answer = match (function, question) {
            (Function::Start(start), _) => {
                let (answer,) = start.call_async(&mut self.store, ()).await?;
                return Ok(RawAnswer::Checked(answer));
            }
            (Function::CheckConfig(check), Question::Config(config)) => {
                let (answer,) = check.call_async(&mut self.store, (config,)).await?;
                return Ok(RawAnswer::Checked(answer));
            }
            (function, question) => self.ask_about_mail(function, question).await?,
        };
        Ok(answer)
    }

    /// The hooks that are given the context, and some of them the message: the host's own entries,
    /// lent to the guest for the call.
    async fn ask_about_mail(
        &mut self,
        function: Function,
        question: Question,
    ) -> wasmtime::Result<RawAnswer> {
        let context = self.store.data_mut().push(ContextHandle)?;
        let message = self.store.data_mut().push(MessageHandle)?;
        let lent_context = Resource::new_borrow(context.rep());
        let lent_message = Resource::new_borrow(message.rep());
        let store = &mut self.store;
        let answer = match (function, question) {
            (Function::Session(session), _) => {
                let (verdict,) = session.call_async(&mut *store, (lent_context,)).await?;
                RawAnswer::Verdict(store.data_mut().delete(verdict)?)
            }
            (Function::Recipient(rcpt), Question::Recipient(recipient)) => {
                let asked = (lent_context, recipient);
                let (verdict,) = rcpt.call_async(&mut *store, asked).await?;
                RawAnswer::Verdict(store.data_mut().delete(verdict)?)
            }
            (Function::Data(data), _) => {
                let asked = (lent_context, lent_message);
                let (verdict,) = data.call_async(&mut *store, asked).await?;
                RawAnswer::Verdict(store.data_mut().delete(verdict)?)
            }
            (Function::Deliver(deliver), _) => {
                let asked = (lent_context, lent_message);
                let (outcome,) = deliver.call_async(&mut *store, asked).await?;
                RawAnswer::Outcome(store.data_mut().delete(outcome)?)
            }
            _ => return Err(CallFailure::Contract("it was asked nothing".to_owned()).into()),
        };
        self.store.data_mut().delete(context)?;
        self.store.data_mut().delete(message)?;
        Ok(answer)
    }

    /// The function of a hook, found at its first call.
    fn function(&mut self, loaded: &Loaded, hook: Hook) -> wasmtime::Result<Function> {
        let known = self.functions.iter().find(|(known, _)| *known == hook);
        if let Some((_, function)) = known {
            return Ok(*function);
        }
        let index = loaded
            .hooks
            .get(&hook)
            .ok_or_else(|| CallFailure::Contract(format!("it has no hook {hook}")))?;
        let (instance, store) = (&self.instance, &mut self.store);
        let function = match hook {
            Hook::Connect | Hook::Ehlo | Hook::Mail => {
                Function::Session(instance.get_typed_func(store, index)?)
            }
            Hook::Rcpt => Function::Recipient(instance.get_typed_func(store, index)?),
            Hook::Data => Function::Data(instance.get_typed_func(store, index)?),
            Hook::Deliver => Function::Deliver(instance.get_typed_func(store, index)?),
            Hook::Start => Function::Start(instance.get_typed_func(store, index)?),
            Hook::CheckConfig => Function::CheckConfig(instance.get_typed_func(store, index)?),
        };
        self.functions.push((hook, function));
        Ok(function)
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
