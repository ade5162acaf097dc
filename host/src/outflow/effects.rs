//! What a delivery plugin wants to happen, as values of the store.

use std::sync::Arc;

use mail::{Body, Mailbox, Outcome, words};
use plugin::{Forward, Submission};
use routing::{Routed, Target};
use store::{Effect, Flags, NewMessage, Owner, Piece, Place};

use super::attempt::{Attempt, unreadable};
use crate::intake::internal::{self, Entered, Internal, Returned};
use crate::intake::{StoredMessage, Undeliverable, Vouched, quotas_of};
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
    let body = internal::body_of(attempt.site, &message)
        .await
        .map_err(|error| unreadable(&error))?;
    let kind = if message.is_ascii() {
        Body::SevenBit
    } else {
        Body::EightBitMime
    };
    let utf8 = submission.recipients.iter().any(Mailbox::is_utf8);
    let sender = submission.reverse_path.clone();
    let mail = Internal {
        envelope: internal::envelope(attempt.site, sender, kind, utf8),
        sent_by: attempt.own_domain(),
        // Null, or of the own domain: the plugin runtime has checked it.
        vouched: match submission.reverse_path.is_null() {
            true => Vouched::No,
            false => Vouched::Yes,
        },
        recipients: submission.recipients.clone(),
        pieces: vec![body.piece()],
        head: message,
        whole: Arc::new(StoredMessage::Arriving(body)),
    };
    send(attempt, mail).await
}

/// The message itself, to others: the same bytes.
pub(super) async fn forward(attempt: &mut Attempt<'_>, forward: &Forward) -> Applied {
    let head = attempt.head().map_err(|error| unreadable(&error))?;
    let row = &attempt.lease.row;
    let sender = forward.reverse_path.clone();
    // The original sender is known only of people that signed in; any other is an address of the
    // own domain.
    let is_original = sender == row.envelope.reverse_path;
    let is_known = !is_original || row.envelope.authenticated.is_some();
    let vouched = match is_known && !sender.is_null() {
        true => Vouched::Yes,
        false => Vouched::No,
    };
    let mail = Internal {
        envelope: internal::envelope(attempt.site, sender, row.envelope.body, row.utf8),
        sent_by: attempt.own_domain(),
        vouched,
        recipients: forward.recipients.clone(),
        pieces: vec![attempt.whole()],
        head,
        whole: stored(attempt)?,
    };
    send(attempt, mail).await
}

/// The row's recipient comes to its domain again, hooks and all. How the attempt ends.
pub(super) async fn enter(
    attempt: &mut Attempt<'_>,
    vouched: Vouched,
) -> Result<Outcome, Box<Outcome>> {
    let head = attempt.head().map_err(|error| unreadable(&error))?;
    let row = &attempt.lease.row;
    let mail = Internal {
        envelope: row.envelope.clone(),
        sent_by: None,
        vouched,
        recipients: vec![row.address.clone()],
        pieces: vec![attempt.whole()],
        head,
        whole: stored(attempt)?,
    };
    match internal::again(attempt.site, mail).await {
        Entered::Later(reply) | Entered::Never(reply) => Ok(internal::outcome(&reply)),
        Entered::In(accept, undeliverable) => {
            if let Some(accept) = accept {
                attempt.effects.push(Effect::Accept(Box::new(accept)));
            }
            let returned = attempt.returned().map_err(|error| unreadable(&error))?;
            tell(attempt, &undeliverable, returned).await?;
            let text = "it has passed the domain's plugins".to_owned();
            Ok(Outcome::Done { text })
        }
    }
}

/// The message of the row, for hooks.
fn stored(attempt: &Attempt<'_>) -> Result<Arc<StoredMessage>, Box<Outcome>> {
    let content = attempt.site.store.leased_content(attempt.lease);
    let content = content.map_err(|error| unreadable(&error))?;
    Ok(Arc::new(StoredMessage::Stored(content)))
}

/// A copy in a mailbox.
pub(super) fn file(
    attempt: &mut Attempt<'_>,
    place: Option<(Place, Owner)>,
    names: &[String],
) -> Applied {
    let Some((place, owner)) = place else {
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
    (message.owner_quota, message.domain_quota) = quotas_of(attempt.site, row.domain, owner);
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
    if let Some(accept) = accept {
        attempt.effects.push(Effect::Accept(Box::new(accept)));
    }
    let returned = attempt.returned().map_err(|error| unreadable(&error))?;
    tell(attempt, &undeliverable, returned).await
}

async fn send(attempt: &mut Attempt<'_>, mail: Internal) -> Applied {
    let reverse_path = mail.envelope.reverse_path.clone();
    let to: Vec<_> = mail.recipients.iter().map(ToString::to_string).collect();
    let sent = format!(
        "{} from {reverse_path} to {}",
        mail.envelope.id,
        to.join(", ")
    );
    let (accept, undeliverable) = internal::plan(attempt.site, mail).await;
    if let Some(accept) = accept {
        attempt.effects.push(Effect::Accept(Box::new(accept)));
    }
    let mut returned = attempt.returned().map_err(|error| unreadable(&error))?;
    // Who is told is who sends this message, not who sent the one it was made from.
    returned.envelope.reverse_path = reverse_path;
    tell(attempt, &undeliverable, returned).await?;
    attempt.note("send", sent);
    Ok(())
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
        attempt.trace.push(internal::report_line(&report));
        attempt.effects.push(Effect::Accept(Box::new(report)));
    }
    Ok(())
}

fn option_deferred(detail: &str) -> Outcome {
    words::OPTION_DEFERRED.outcome_with(&[("option", "submit"), ("detail", detail)])
}
