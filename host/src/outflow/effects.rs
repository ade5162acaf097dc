//! What a delivery plugin wants to happen, as values of the store.

use mail::{Body, Mailbox, Outcome, words};
use plugin::{Forward, Submission};
use routing::{Routed, Target};
use store::{Effect, Flags, NewMessage, Piece, Place};

use super::attempt::{Attempt, unreadable};
use crate::intake::Undeliverable;
use crate::intake::internal::{self, Internal, Returned};
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

/// The message to those that its recipient stands for by now.
pub(super) async fn split(
    attempt: &mut Attempt<'_>,
    routed: Routed,
    targets: Vec<Target>,
) -> Applied {
    let row = &attempt.lease.row;
    let pieces = vec![attempt.whole()];
    let (accept, undeliverable) = internal::split(attempt.site, row, routed, targets, pieces);
    if !accept.parts.is_empty() {
        attempt.effects.push(Effect::Accept(Box::new(accept)));
    }
    let returned = attempt.returned().map_err(|error| unreadable(&error))?;
    tell(attempt, &undeliverable, returned).await
}

async fn send(attempt: &mut Attempt<'_>, mail: Internal) -> Applied {
    let reverse_path = mail.reverse_path.clone();
    let (accept, undeliverable) = internal::plan(attempt.site, mail).await;
    if let Some(accept) = accept {
        attempt.effects.push(Effect::Accept(Box::new(accept)));
    }
    let mut returned = attempt.returned().map_err(|error| unreadable(&error))?;
    // Who is told is who sends this message, not who sent the one it was made from.
    returned.envelope.reverse_path = reverse_path;
    tell(attempt, &undeliverable, returned).await
}

/// A report about what could not be delivered.
async fn tell(
    attempt: &mut Attempt<'_>,
    undeliverable: &[Undeliverable],
    returned: Returned,
) -> Applied {
    for failed in undeliverable {
        attempt.note("internal", format!("{}: {}", failed.address, failed.reply));
    }
    if undeliverable.is_empty() {
        return Ok(());
    }
    let report = internal::report(attempt.site, undeliverable, &returned)
        .await
        .map_err(|error| unreadable(&error))?;
    if let Some(report) = report {
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
