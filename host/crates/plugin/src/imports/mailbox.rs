//! `mailbox`: copies in mailboxes, recorded.

use std::sync::Arc;

use mail::limits;
use wasmtime::Result;
use wasmtime::component::Resource;

use super::interfaces::mailbox::Host;
use crate::effect::{Effect, MailboxAppend};
use crate::error::CallFailure;
use crate::handles::MessageHandle;
use crate::state::State;

/// Flags of one copy.
const FLAGS: usize = 32;
/// Flags of the system that a delivery may set (RFC 3501 §2.3.2); `\Recent` is the server's.
const SYSTEM_FLAGS: [&str; 5] = ["\\answered", "\\deleted", "\\draft", "\\flagged", "\\seen"];

impl Host for State {
    async fn append(
        &mut self,
        _: Resource<MessageHandle>,
        mailbox: String,
        flags: Vec<String>,
    ) -> Result<Result<(), String>> {
        self.must_be_granted("mailbox")?;
        let call = self.enter()?;
        let Some(recipient) = call.facts.recipient().cloned() else {
            return Ok(Err(
                "mail is filed for one recipient, by the hook deliver".to_owned()
            ));
        };
        if flags.len() > FLAGS || !flags.iter().all(|flag| is_flag(flag)) {
            return Ok(Err("these are no IMAP flags".to_owned()));
        }
        let missing = || Ok(Err("there is no such mailbox".to_owned()));
        if mailbox.is_empty()
            || mailbox.len() > limits::MAILBOX_NAME
            || mailbox.contains(char::is_control)
        {
            return missing();
        }
        let owner = Arc::clone(&self.owner);
        let accepts = owner
            .capabilities
            .mailbox_accepts(owner.tenant, &recipient, &mailbox)
            .await;
        if !accepts.map_err(|trouble| CallFailure::Host(trouble.to_string()))? {
            return missing();
        }
        self.call.spend(mailbox.len())?;
        self.call
            .effects
            .push(Effect::File(MailboxAppend { mailbox, flags }));
        Ok(Ok(()))
    }
}

/// ```text
/// flag = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword   ; RFC 3501 §9
/// ```
fn is_flag(flag: &str) -> bool {
    if flag.starts_with('\\') {
        return SYSTEM_FLAGS.contains(&flag.to_ascii_lowercase().as_str());
    }
    let is_atom = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
    (1..=64).contains(&flag.len()) && flag.bytes().all(is_atom)
}
