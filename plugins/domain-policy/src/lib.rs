//! Policy of a domain: sizes, senders, recipients, attachments, words.
//!
//! Invariants: what is not configured is not refused; every refusal is permanent and names the
//! rule, this plugin and its version. How it fails: it has nothing that can be away; a message
//! whose structure cannot be read has no attachments. It does not know people: who exists is the
//! host's to say.

mod pattern;
mod policy;

use std::borrow::Cow;
use std::sync::OnceLock;

use postroom_sdk::{Context, Data, Mail, Message, Rcpt, Verdict, config};

use crate::pattern::Pattern;
use crate::policy::{Policy, Refusal};

/// The plugin.
#[derive(Debug)]
pub struct DomainPolicy;

postroom_sdk::export!(DomainPolicy: Mail, Rcpt, Data);

/// Name and version, for the reason of a refusal.
const SELF: &str = concat!("domain-policy ", env!("CARGO_PKG_VERSION"));

/// Texts over this are not searched, in bytes.
const TEXT: u64 = 1024 * 1024;

impl Mail for DomainPolicy {
    fn mail(context: &Context<'_>) -> Verdict {
        let policy = policy();
        let declared = || {
            let size = context.get("declared-size")?;
            size.parse().ok()
        };
        verdict(
            policy
                .sender(|| context.get("sender").unwrap_or_default())
                .and_then(|()| policy.size(|| declared().unwrap_or(0))),
        )
    }
}

impl Rcpt for DomainPolicy {
    fn rcpt(context: &Context<'_>, recipient: &str) -> Verdict {
        let is_inside = || {
            context.get("authenticated").is_some()
                || context.get("direction").as_deref() == Some("internal")
        };
        verdict(policy().recipient(recipient, is_inside))
    }
}

impl Data for DomainPolicy {
    fn data(_: &Context<'_>, message: &Message<'_>) -> Verdict {
        verdict(message_allowed(&policy(), message))
    }
}

/// The cheap rules first: what is not configured is not even read. A question to the host costs
/// more than most rules.
fn message_allowed(policy: &Policy, message: &Message<'_>) -> Result<(), Refusal> {
    policy.size(|| message.size())?;
    if policy.reads_subject() {
        let subject = message.header("Subject").unwrap_or_default();
        policy.subject(&subject)?;
        policy.text(&subject)?;
    }
    if !policy.reads_parts() {
        return Ok(());
    }
    for part in message.parts() {
        if let Some(name) = part.name() {
            policy.attachment(&name)?;
        }
        if policy.reads_text() && part.media_type().starts_with("text/") && part.size() <= TEXT {
            policy.text(&part.text())?;
        }
    }
    Ok(())
}

/// An instance belongs to one binding, whose configuration never changes: it is asked for once.
/// Natively each test has one of its own.
fn policy() -> Cow<'static, Policy> {
    static OF_INSTANCE: OnceLock<Policy> = OnceLock::new();
    if cfg!(target_family = "wasm") {
        Cow::Borrowed(OF_INSTANCE.get_or_init(configured))
    } else {
        Cow::Owned(configured())
    }
}

fn configured() -> Policy {
    Policy {
        max_size: config::number("max_size"),
        allowed_senders: patterns("allowed_senders"),
        denied_senders: patterns("denied_senders"),
        denied_recipients: patterns("denied_recipients"),
        internal_recipients: patterns("internal_recipients"),
        refused_extensions: config::all("refused_extensions"),
        refused_words: config::all("refused_words"),
        required_words: config::all("required_words"),
    }
}

fn patterns(key: &str) -> Vec<Pattern> {
    let texts = config::all(key);
    texts.iter().map(|text| Pattern::new(text)).collect()
}

fn verdict(checked: Result<(), Refusal>) -> Verdict {
    let Err(refusal) = checked else {
        return Verdict::proceed();
    };
    let text = policy::reason(SELF, &refusal.text, config::get("reason").as_deref());
    Verdict::reject(refusal.code, refusal.status, text.clone()).explain(text)
}

#[cfg(test)]
mod tests;
