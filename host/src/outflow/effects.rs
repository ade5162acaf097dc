//! What a delivery plugin wants to happen, as values of the store.

use mail::{Body, Mailbox, Outcome, words};
use plugin::{Forward, Submission};
use store::{Effect, Flags, NewMessage, Piece, Place};

use super::attempt::{Attempt, unreadable};
use crate::intake::internal::{self, Internal};
use crate::site;

/// How an effect that cannot be applied ends the attempt.
pub(super) type Applied = Result<(), Box<Outcome>>;

/// Most bytes of a message that is attached to another.
const ATTACHED: usize = 1024 * 1024;

/// A new message.
pub(super) async fn submit(attempt: &mut Attempt<'_>, submission: &Submission) -> Applied {
    let original = match submission.attach {
        true => {
            let content = attempt
                .site
                .store
                .leased_content(attempt.lease)
                .map_err(|error| unreadable(&error))?;
            content
                .read(0, ATTACHED)
                .map_err(|error| unreadable(&error))?
        }
        false => Vec::new(),
    };
    let id = attempt.site.store.envelope_id();
    let message_id = format!("{id}.{}@{}", attempt.lease.row.id, attempt.site.hostname);
    let boundary = format!("postroom-{id}-{}", attempt.lease.row.id);
    let from = attempt.lease.row.address.clone();
    let message = submission
        .render(site::now(), &message_id, &from, &original, &boundary)
        .map_err(|error| option_deferred(&error.to_string()))?;
    let (pieces, body) = body_of(attempt, &message)?;
    let mail = Internal {
        reverse_path: submission.reverse_path.clone(),
        recipients: submission.recipients.clone(),
        pieces,
        head: message,
        body,
        utf8: submission.recipients.iter().any(Mailbox::is_utf8),
    };
    send(attempt, mail).await
}

/// The message itself, to others: the same bytes.
pub(super) async fn forward(attempt: &mut Attempt<'_>, forward: &Forward) -> Applied {
    let head = attempt.head().map_err(|error| unreadable(&error))?;
    let row = &attempt.lease.row;
    let mail = Internal {
        reverse_path: forward.reverse_path.clone(),
        recipients: forward.recipients.clone(),
        pieces: vec![attempt.whole()],
        head,
        body: row.envelope.body,
        utf8: row.utf8,
    };
    send(attempt, mail).await
}

/// A copy in a mailbox.
pub(super) fn file(attempt: &mut Attempt<'_>, place: Option<Place>, names: &[String]) -> Applied {
    let Some(place) = place else {
        return Err(Box::new(option_deferred("the mailbox is gone")));
    };
    let row = &attempt.lease.row;
    // RFC 5321 §4.4: final delivery writes who gets the reports.
    let trace = mail::trace::return_path(&row.envelope.reverse_path);
    let mut message = NewMessage::new(vec![Piece::Private(trace), attempt.whole()]);
    for name in names {
        match Flags::parse(name) {
            Some(flag) => message.flags = message.flags.union(flag),
            None => message.keywords.push(name.clone()),
        }
    }
    message.received = Some(row.envelope.received);
    message.utf8 = row.utf8;
    attempt.effects.push(Effect::Append {
        place,
        message: Box::new(message),
    });
    Ok(())
}

async fn send(attempt: &mut Attempt<'_>, mail: Internal) -> Applied {
    let (accept, undeliverable) = internal::plan(attempt.site, mail).await;
    if let Some(accept) = accept {
        attempt.effects.push(Effect::Accept(Box::new(accept)));
    }
    for failed in &undeliverable {
        attempt.note("internal", format!("{}: {}", failed.address, failed.reply));
    }
    if undeliverable.is_empty() {
        return Ok(());
    }
    let returned = attempt.returned().map_err(|error| unreadable(&error))?;
    if let Some(report) = internal::report(attempt.site, &undeliverable, &returned).await {
        attempt.effects.push(Effect::Accept(Box::new(report)));
    }
    Ok(())
}

fn body_of(attempt: &Attempt<'_>, message: &[u8]) -> Result<(Vec<Piece>, Body), Box<Outcome>> {
    let mut writer = attempt
        .site
        .store
        .begin_body()
        .map_err(|error| unreadable(&error))?;
    writer.write(message).map_err(|error| unreadable(&error))?;
    let body = writer.finish().map_err(|error| unreadable(&error))?;
    let kind = if message.is_ascii() {
        Body::SevenBit
    } else {
        Body::EightBitMime
    };
    Ok((vec![body.piece()], kind))
}

fn option_deferred(detail: &str) -> Outcome {
    words::OPTION_DEFERRED.outcome_with(&[("option", "submit"), ("detail", detail)])
}
