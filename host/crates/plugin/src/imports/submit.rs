//! `submit`: mail that the plugin sends, recorded.

use mail::header::HeaderBuilder;
use mail::{Mailbox, ReversePath};
use wasmtime::Result;
use wasmtime::component::Resource;

use super::interfaces::submit::{Host, HostDraft};
use crate::effect::{Effect, Forward, Submission};
use crate::handles::{DraftHandle, MessageHandle};
use crate::hook::Hook;
use crate::state::State;

/// Longest text in bytes.
const TEXT_BYTES: usize = 256 * 1024;
/// Recipients of one message.
const RECIPIENTS: usize = 1000;
/// Header fields of one draft.
const HEADERS: usize = 100;
/// Fields that the host writes.
const HOST_FIELDS: [&str; 5] = [
    "mime-version",
    "received",
    "return-path",
    "delivered-to",
    "bcc",
];

type Refusable = Result<Result<(), String>>;

impl State {
    fn draft(&mut self, handle: &Resource<DraftHandle>) -> Result<&mut Submission> {
        self.must_be_granted("submit")?;
        self.enter()?;
        Ok(&mut self.get_mut(handle)?.0)
    }

    /// A sender: null, or an address of the own domain.
    fn own_sender(&self, address: &str) -> Result<ReversePath, String> {
        if address.is_empty() {
            return Ok(ReversePath::Null);
        }
        let mailbox = parse(address)?;
        if !self.call.facts.is_own(mailbox.domain()) {
            return Err(format!(
                "the sender {mailbox} is not an address of this domain"
            ));
        }
        Ok(ReversePath::Mailbox(mailbox))
    }

    /// Counts one message to be sent.
    fn submit(&mut self, size: usize, effect: Effect) -> Refusable {
        let most = self.owner.grants.submit.unwrap_or_default().messages;
        if self.call.submitted >= most {
            return Ok(Err(format!("a call may send {most} messages")));
        }
        self.call.spend(size)?;
        self.call.submitted += 1;
        self.call.effects.push(effect);
        Ok(Ok(()))
    }
}

fn parse(address: &str) -> Result<Mailbox, String> {
    Mailbox::parse(address).map_err(|error| format!("this is not an address: {error}"))
}

fn check_field(name: &str, value: &str) -> Result<(), String> {
    let lower = name.to_ascii_lowercase();
    if HOST_FIELDS.contains(&lower.as_str()) || lower.starts_with("content-") {
        return Err(format!("the field {lower} is written by the host"));
    }
    HeaderBuilder::new()
        .text(name, value)
        .map(drop)
        .map_err(|error| error.to_string())
}

impl Host for State {
    fn send(&mut self, handle: Resource<DraftHandle>) -> Refusable {
        self.must_be_granted("submit")?;
        self.enter()?;
        let DraftHandle(submission) = self.delete(handle)?;
        if submission.recipients.is_empty() {
            return Ok(Err("the message has no recipient".to_owned()));
        }
        let headers: usize = submission
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.submit(headers + submission.text.len(), Effect::Submit(submission))
    }

    fn forward(
        &mut self,
        _: Resource<MessageHandle>,
        sender: String,
        recipients: Vec<String>,
    ) -> Refusable {
        self.must_be_granted("submit")?;
        let call = self.enter()?;
        if call.message.is_none() {
            return Ok(Err("this hook has no message to send on".to_owned()));
        }
        // Keeping the sender is what forwarding is; any other must be our own to give.
        let kept = call
            .facts
            .reverse_path()
            .filter(|kept| String::from((*kept).clone()) == sender)
            .cloned();
        let reverse_path = match kept.map_or_else(|| self.own_sender(&sender), Ok) {
            Ok(reverse_path) => reverse_path,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if recipients.is_empty() || recipients.len() > RECIPIENTS {
            return Ok(Err(format!("a message has 1 to {RECIPIENTS} recipients")));
        }
        let recipients = match recipients
            .iter()
            .map(|address| parse(address))
            .collect::<Result<Vec<_>, _>>()
        {
            Ok(recipients) => recipients,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.submit(
            recipients.len() * 64,
            Effect::Forward(Forward {
                reverse_path,
                recipients,
            }),
        )
    }
}

impl HostDraft for State {
    fn new(&mut self) -> Result<Resource<DraftHandle>> {
        self.must_be_granted("submit")?;
        self.enter()?;
        self.push(DraftHandle(Submission {
            reverse_path: ReversePath::Null,
            recipients: Vec::new(),
            headers: Vec::new(),
            text: String::new(),
            attach: false,
        }))
    }

    fn sender(&mut self, handle: Resource<DraftHandle>, address: String) -> Refusable {
        let sender = self.own_sender(&address);
        let draft = self.draft(&handle)?;
        Ok(sender.map(|sender| draft.reverse_path = sender))
    }

    fn recipient(&mut self, handle: Resource<DraftHandle>, address: String) -> Refusable {
        let draft = self.draft(&handle)?;
        if draft.recipients.len() >= RECIPIENTS {
            return Ok(Err(format!(
                "a message has at most {RECIPIENTS} recipients"
            )));
        }
        Ok(parse(&address).map(|mailbox| draft.recipients.push(mailbox)))
    }

    fn header(&mut self, handle: Resource<DraftHandle>, name: String, value: String) -> Refusable {
        let draft = self.draft(&handle)?;
        if draft.headers.len() >= HEADERS {
            return Ok(Err(format!("a draft has at most {HEADERS} fields")));
        }
        Ok(check_field(&name, &value).map(|()| draft.headers.push((name, value))))
    }

    fn text(&mut self, handle: Resource<DraftHandle>, text: String) -> Refusable {
        let draft = self.draft(&handle)?;
        if text.len() > TEXT_BYTES {
            return Ok(Err(format!("a text has at most {TEXT_BYTES} bytes")));
        }
        draft.text = text;
        Ok(Ok(()))
    }

    fn attach(&mut self, handle: Resource<DraftHandle>, _: Resource<MessageHandle>) -> Refusable {
        let has_message = matches!(self.call.hook, Hook::Data | Hook::Deliver);
        let draft = self.draft(&handle)?;
        if !has_message {
            return Ok(Err("this hook has no message to attach".to_owned()));
        }
        draft.attach = true;
        Ok(Ok(()))
    }

    fn drop(&mut self, handle: Resource<DraftHandle>) -> Result<()> {
        self.delete(handle).map(drop)
    }
}
