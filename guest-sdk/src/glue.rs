//! The border of the component: what `wit_bindgen::generate!` writes, and thin functions over it.
//!
//! The generated code is unsafe (it lowers and lifts values through linear memory), so
//! `unsafe_code` is allowed on exactly the modules that hold nothing else.

use std::marker::PhantomData;
use std::sync::Once;

use crate::{Decision, Outcome, Settlement, Verdict};

pub(crate) mod border;

/// Imports: every capability and the resources that hooks are given.
#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all
)]
pub mod imports {
    wit_bindgen::generate!({ path: "../wit", world: "capabilities", generate_all });
}

use imports::postroom::plugin::message as wire_message;
use imports::postroom::plugin::types as wire;

/// One module for each hook, with the macro that exports it. The named interfaces are those of
/// `imports`.
macro_rules! hook {
    ($module:ident, $world:literal $(, $interface:literal as $types:ident)*) => {
        #[allow(unsafe_code, missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit",
                world: $world,
                pub_export_macro: true,
                with: { $($interface: crate::glue::imports::postroom::plugin::$types),* },
            });
        }
    };
}

hook!(
    connect,
    "hook-connect",
    "postroom:plugin/types@0.1.0" as types
);
hook!(ehlo, "hook-ehlo", "postroom:plugin/types@0.1.0" as types);
hook!(mail, "hook-mail", "postroom:plugin/types@0.1.0" as types);
hook!(rcpt, "hook-rcpt", "postroom:plugin/types@0.1.0" as types);
hook!(
    data,
    "hook-data",
    "postroom:plugin/types@0.1.0" as types,
    "postroom:plugin/message@0.1.0" as message
);
hook!(
    deliver,
    "hook-deliver",
    "postroom:plugin/types@0.1.0" as types,
    "postroom:plugin/message@0.1.0" as message
);
hook!(start, "hook-start");
hook!(check_config, "hook-check-config");

/// Stands between the generated traits and the ones of this crate.
#[derive(Debug)]
pub struct Adapter<Plugin>(PhantomData<Plugin>);

macro_rules! session_hook {
    ($module:ident, $trait:ident) => {
        impl<Plugin: crate::$trait> $module::exports::postroom::plugin::$module::Guest
            for Adapter<Plugin>
        {
            fn $module(context: &wire::Context) -> wire::Verdict {
                log_panics();
                lower_verdict(&Plugin::$module(&crate::Context(context)))
            }
        }
    };
}

session_hook!(connect, Connect);
session_hook!(ehlo, Ehlo);
session_hook!(mail, Mail);

impl<Plugin: crate::Rcpt> rcpt::exports::postroom::plugin::rcpt::Guest for Adapter<Plugin> {
    fn rcpt(context: &wire::Context, recipient: String) -> wire::Verdict {
        log_panics();
        lower_verdict(&Plugin::rcpt(&crate::Context(context), &recipient))
    }
}

impl<Plugin: crate::Data> data::exports::postroom::plugin::data::Guest for Adapter<Plugin> {
    fn data(context: &wire::Context, message: &wire_message::Message) -> wire::Verdict {
        log_panics();
        lower_verdict(&Plugin::data(
            &crate::Context(context),
            &crate::Message(message),
        ))
    }
}

impl<Plugin: crate::Deliver> deliver::exports::postroom::plugin::deliver::Guest
    for Adapter<Plugin>
{
    fn deliver(context: &wire::Context, message: &wire_message::Message) -> wire::Outcome {
        log_panics();
        lower_outcome(&Plugin::deliver(
            &crate::Context(context),
            &crate::Message(message),
        ))
    }
}

impl<Plugin: crate::Start> start::exports::postroom::plugin::start::Guest for Adapter<Plugin> {
    fn start() -> Result<(), String> {
        log_panics();
        Plugin::start()
    }
}

impl<Plugin: crate::CheckConfig> check_config::exports::postroom::plugin::check_config::Guest
    for Adapter<Plugin>
{
    fn check_config(config: String) -> Result<(), String> {
        log_panics();
        Plugin::check_config(&config)
    }
}

fn lower_verdict(verdict: &Verdict) -> wire::Verdict {
    let lowered = match verdict.decision() {
        Decision::Proceed => wire::Verdict::proceed(),
        Decision::Settle => wire::Verdict::settle(),
        Decision::Reject { code, status, text } => wire::Verdict::reject(*code, status, text),
        Decision::Defer { code, status, text } => wire::Verdict::defer(*code, status, text),
        Decision::Discard => wire::Verdict::discard(),
        Decision::Quarantine { reason } => wire::Verdict::quarantine(reason),
        Decision::Delay { ms } => wire::Verdict::delay(*ms),
        Decision::Score {
            symbol,
            points,
            reason,
        } => wire::Verdict::score(symbol, *points, reason),
        Decision::Disconnect { code, status, text } => {
            wire::Verdict::disconnect(*code, status, text)
        }
    };
    for sentence in verdict.explanations() {
        lowered.explain(sentence);
    }
    lowered
}

fn lower_outcome(outcome: &Outcome) -> wire::Outcome {
    let lowered = match outcome.settlement() {
        Settlement::Done { text } => wire::Outcome::done(text),
        Settlement::Deferred { status, text } => wire::Outcome::deferred(status, text),
        Settlement::Failed { status, text } => wire::Outcome::failed(status, text),
        Settlement::NotMine => wire::Outcome::not_mine(),
    };
    for sentence in outcome.explanations() {
        lowered.explain(sentence);
    }
    lowered
}

/// A panic would be a bare trap; its message goes to the log first.
fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| crate::log::error(&panic.to_string())));
    });
}
