//! Delivery option `autoreply`: answers for a person who is away.
//!
//! ```text
//! header, envelope, settings ──> rules (may it be answered?) ──> memory (was it before?) ──> reply (what to say)
//! ```
//!
//! Invariants: the reply goes to the envelope sender and nobody else, has the null sender itself,
//! and each person answers a sender once a period, an hour at the least. How it fails: it does
//! not; whatever speaks against a reply ends in `done` with the reason in the trace, because a
//! delivery must not come back for want of a reply. It does not know the mailbox.

mod addresses;
mod dates;
mod memory;
mod reply;
mod rules;
mod settings;

use postroom_sdk::submit::Draft;
use postroom_sdk::{Context, Deliver, Message, Outcome, clock, config, kv, log};

use crate::memory::{Memory, Turn};
use crate::reply::Reply;
use crate::rules::Incoming;
use crate::settings::Settings;

/// The plugin.
#[derive(Debug)]
pub struct Autoreply;

postroom_sdk::export!(Autoreply: Deliver);

/// What `replies_per_hour` is when it is not set.
const REPLIES_PER_HOUR: u64 = 100;

impl Deliver for Autoreply {
    fn deliver(context: &Context<'_>, message: &Message<'_>) -> Outcome {
        match answer(context, message) {
            Ok(recipient) => Outcome::done("Replied").explain(format!("Replied to {recipient}")),
            Err(reason) => Outcome::done("No reply").explain(format!("No reply: {reason}")),
        }
    }
}

/// Answers, and returns to whom; or why not.
fn answer(context: &Context<'_>, message: &Message<'_>) -> Result<String, String> {
    let now_ms = clock::now_ms();
    let settings = Settings::read(&|name| context.settings(name))?;
    settings.check_date(now_ms)?;

    let incoming = Incoming {
        sender: context.get("sender").unwrap_or_default(),
        own: own_addresses(context),
        header: header(message),
    };
    rules::check(&incoming)?;

    let internal = own_domains(context)
        .iter()
        .any(|domain| rules::is_of_domain(&incoming.sender, domain));
    let person = incoming.own.first().cloned().unwrap_or_default();
    let reply = Reply::new(
        &settings,
        &incoming,
        &person,
        message.header("Subject").as_deref(),
        internal,
    )?;

    let confirmed = message
        .auth_results()
        .iter()
        .any(|result| result == "spf=pass" || result == "dkim=pass");
    let rate = if internal || confirmed {
        None
    } else {
        Some(limit())
    };
    let memory = Memory::new(&person, &incoming.sender);
    remember(&memory, settings.window_ms(), rate, now_ms)?;
    send(&reply, settings.echo.then_some(message)).map_err(|refusal| {
        log::warn(&format!("the host refused the reply: {refusal}"));
        refusal
    })?;
    Ok(incoming.sender)
}

/// Notes the reply before it is sent. Both happen together, when the call has returned.
fn remember(memory: &Memory, window_ms: u64, rate: Option<u64>, now_ms: u64) -> Result<(), String> {
    let before = kv::get(&memory.sender_key);
    if memory::turn(before.as_deref(), window_ms, now_ms) == Turn::Wait {
        return Err("this sender was answered before".to_owned());
    }
    if let Some(limit) = rate {
        let count = kv::get(&memory.rate_key);
        let next = memory::counted(count.as_deref(), limit, now_ms)
            .ok_or("too many replies in this hour")?;
        kv::compare_and_set(
            &memory.rate_key,
            count.as_deref(),
            next.as_bytes(),
            Some(memory::HOUR_MS / 1000),
        );
    }
    // Two messages of one sender at once: the slower call is run again and sees the faster.
    let value = now_ms.to_string();
    kv::compare_and_set(
        &memory.sender_key,
        before.as_deref(),
        value.as_bytes(),
        Some(window_ms / 1000),
    );
    Ok(())
}

fn send(reply: &Reply, echo: Option<&Message<'_>>) -> Result<(), String> {
    let draft = Draft::new();
    // RFC 3834 §3.3: nobody is to answer or bounce an answer.
    draft.sender("")?;
    draft.recipient(&reply.recipient)?;
    for (name, value) in &reply.header {
        draft.header(name, value)?;
    }
    draft.text(&reply.text)?;
    if let Some(message) = echo {
        draft.attach(message)?;
    }
    draft.send()
}

/// The person's addresses, the primary one first, the one that was written to last.
fn own_addresses(context: &Context<'_>) -> Vec<String> {
    let attributes = ["mail", "mailAlternateAddress", "mailEquivalentAddress"];
    let known = attributes.iter().flat_map(|name| context.settings(name));
    known.chain(context.get("recipient")).collect()
}

fn own_domains(context: &Context<'_>) -> Vec<String> {
    context
        .get("domain")
        .into_iter()
        .chain(config::all("own_domains"))
        .collect()
}

fn header(message: &Message<'_>) -> Vec<(String, String)> {
    let fields = message.raw_headers();
    fields
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect()
}

fn limit() -> u64 {
    config::number("replies_per_hour").unwrap_or(REPLIES_PER_HOUR)
}

#[cfg(test)]
mod tests;
