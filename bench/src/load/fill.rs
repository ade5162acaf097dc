//! Mailboxes with mail in them, by IMAP APPEND or by SMTP: the same for every server.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;

use super::{Outcome, accept};
use crate::arguments::Accept;
use crate::client::Imap;
use crate::message::{Kind, Messages};

/// Fills a person's INBOX until it has `count` messages.
pub(super) async fn fill(
    imaps: SocketAddr,
    user: &str,
    password: &str,
    count: usize,
    size: usize,
) -> anyhow::Result<()> {
    let mut imap = Imap::connect(imaps, user, password).await?;
    let there = imap.select().await?;
    let messages = Messages::new(Kind::Letters, size);
    for number in there..count {
        imap.append(&messages.of(number)).await?;
    }
    Ok(())
}

/// How often a server may say "later", and how long it is left alone then.
const TRIES: usize = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// Sends until so many messages were taken. A server that cannot keep up says so by 4xx
/// (RFC 5321 §4.2.1), and gets the rest later.
pub(crate) async fn by_smtp(options: &Accept) -> anyhow::Result<Outcome> {
    let mut outcome = accept::run(options).await?;
    for _ in 0..TRIES {
        if outcome.errors == 0 {
            return Ok(outcome);
        }
        let first = outcome.first_error.take().unwrap_or_default();
        ensure!(
            first.starts_with('4'),
            "{} messages were refused: {first}",
            outcome.errors
        );
        tokio::time::sleep(PAUSE).await;
        let rest = accept::run(&Accept {
            messages: outcome.errors,
            connections: options.connections.min(outcome.errors),
            ..options.clone()
        })
        .await?;
        outcome.messages += rest.messages;
        outcome.bytes += rest.bytes;
        outcome.errors = rest.errors;
        outcome.first_error = rest.first_error;
    }
    ensure!(
        outcome.errors == 0,
        "{} messages are refused again and again: {}",
        outcome.errors,
        outcome.first_error.unwrap_or_default()
    );
    Ok(outcome)
}
