//! What the steps say, as the trace keeps it: each domain has what is its own.
//!
//! A domain reads about its recipients, what its own plugins said, and, where one of its people
//! sent the message, who it went to and what became of the copies that left this server. What
//! another domain's plugins said of the same message is that domain's.

use std::collections::BTreeSet;

use mail::message::Message;
use mail::{Access, DomainId, Envelope, RecipientId, Reply, Timestamp};
use store::{Accept, Effect, TraceKey, TraceLine, Traced};

use super::context::{MessageContext, StepSentence, Taken};
use crate::site::{self, Site};

/// The step that says who a recipient is; its text is the address, and what it was given as.
pub(crate) const RECIPIENT: &str = "intake.recipient";

/// Bytes of a Message-ID that is looked for (RFC 5322 §2.1.1: a line has at most 998).
const MESSAGE_ID_BYTES: usize = 998;

/// Trace lines of one recipient, or of the whole message.
pub(super) fn lines<'s>(
    sentences: impl IntoIterator<Item = &'s StepSentence>,
    recipient: Option<RecipientId>,
    at: Timestamp,
) -> impl Iterator<Item = TraceLine> {
    sentences.into_iter().map(move |sentence| TraceLine {
        at,
        recipient,
        step: format!("intake.{}", sentence.step),
        text: sentence.text.clone(),
    })
}

/// Who a recipient is.
pub(crate) fn recipient(
    id: RecipientId,
    address: &mail::Mailbox,
    original: &str,
    at: Timestamp,
) -> TraceLine {
    let address = address.to_string();
    let text = match original == address {
        true => address,
        false => format!("{address}, given as {original}"),
    };
    TraceLine {
        at,
        recipient: Some(id),
        step: RECIPIENT.to_owned(),
        text,
    }
}

/// The Message-ID of a header, without its brackets.
pub(crate) fn message_id(head: &[u8]) -> Option<String> {
    let message = Message::new(head);
    let id = message.header().first("message-id")?.unfolded();
    let id = String::from_utf8(id).ok()?;
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    (!id.is_empty() && id.len() <= MESSAGE_ID_BYTES).then(|| id.to_owned())
}

/// Everybody that a domain may look for: the sender, and recipients as given and as they are.
pub(super) fn addresses<'t>(
    envelope: &Envelope,
    recipients: impl IntoIterator<Item = &'t Taken>,
) -> Vec<TraceKey> {
    let mut keys: Vec<_> = envelope
        .reverse_path
        .mailbox()
        .cloned()
        .into_iter()
        .collect();
    for taken in recipients {
        keys.push(taken.address.clone());
        keys.extend(mail::Mailbox::parse(&taken.original).ok());
    }
    keys.into_iter().map(TraceKey::Address).collect()
}

/// A message that was not taken. What its domains' steps said is written behind the reply: the
/// peer need not wait for it.
pub(super) fn refused(context: &MessageContext<'_>, step: &str, reply: &Reply) {
    let transaction = &context.transaction;
    let sender = transaction.submitter.as_ref();
    let sender = sender.map(|(tenant, _)| tenant.domain());
    let of = |taken: &Taken| taken.domain.as_ref().map(|domain| domain.id);
    let concerned: BTreeSet<DomainId> = transaction
        .recipients
        .iter()
        .filter_map(of)
        .chain(sender)
        .collect();
    let at = site::now();
    // One reply answers all; its text may name what is another domain's.
    let bare = reply
        .enhanced()
        .map_or_else(String::new, |status| format!(" {status}"));
    let bare = format!("refused: {}{bare}", reply.code().number());
    let is_alone = concerned.len() == 1;
    for id in concerned {
        let is_own = |sentence: &&StepSentence, own| sentence.of.or(own) == Some(id);
        let own = |taken: &&Taken| of(taken) == Some(id) || sender == Some(id);
        let mut traced = Traced::new(transaction.envelope.id);
        for taken in transaction.recipients.iter().filter(own) {
            let (address, original) = (&taken.address, &taken.original);
            traced
                .lines
                .push(recipient(taken.id, address, original, at));
            let sentences = taken.sentences.iter();
            let sentences = sentences.filter(|sentence| is_own(sentence, of(taken)));
            traced.lines.extend(lines(sentences, Some(taken.id), at));
        }
        let sentences = context.sentences.iter();
        let sentences = sentences.filter(|sentence| is_own(sentence, Some(id)));
        traced.lines.extend(lines(sentences, None, at));
        let answer = match is_alone || sender == Some(id) {
            true => format!("refused: {reply}"),
            false => bare.clone(),
        };
        let answer = StepSentence::new(step, answer);
        traced.lines.extend(lines([&answer], None, at));
        traced.found_by = addresses(
            &transaction.envelope,
            transaction.recipients.iter().filter(own),
        );
        let message_id = context.message_id.clone();
        traced.found_by.extend(message_id.map(TraceKey::MessageId));
        traced.is_sender = sender == Some(id);
        if let Some(domain) = context.site.directory.known_domain(id) {
            write_behind(context.site, Access::system(domain.tenant()), traced);
        }
    }
}

/// The trace of a message of which nobody gets a copy.
pub(super) fn of_nobody(site: &Site, accept: &Accept) {
    for part in &accept.parts {
        let mut traced = Traced::new(accept.envelope.id);
        traced.lines.clone_from(&part.trace);
        for effect in &part.effects {
            if let Effect::Trace(more) = effect {
                traced.lines.extend(more.lines.iter().cloned());
                traced.found_by.extend(more.found_by.iter().cloned());
                traced.is_sender |= more.is_sender;
            }
        }
        write_behind(site, part.access, traced);
    }
}

fn write_behind(site: &Site, access: Access, traced: Traced) {
    if traced.lines.is_empty() {
        return;
    }
    let envelope = traced.envelope;
    let effects = vec![Effect::Trace(Box::new(traced))];
    let pending = site
        .store
        .commit(&access, site.store.operation_id(), effects);
    tokio::spawn(async move {
        if let Err(error) = pending.await {
            tracing::warn!(%envelope, %error, "the trace of a refused message was not kept");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::message_id;

    #[test]
    fn a_message_id_is_found_without_its_brackets() {
        let long = format!("Message-ID: <{}>\r\n\r\n", "x".repeat(999));
        for (head, expected) in [
            ("Message-ID: <a@b>\r\n\r\n", Some("a@b")),
            ("message-id:\r\n <a b@c>\r\n\r\n", Some("a b@c")),
            ("Message-Id: bare@c\r\n\r\n", Some("bare@c")),
            ("Message-Id: <>\r\n\r\n", None),
            ("Subject: x\r\n\r\nMessage-ID: <a@b>\r\n", None),
            (&long, None),
        ] {
            assert_eq!(message_id(head.as_bytes()).as_deref(), expected, "{head}");
        }
    }
}
