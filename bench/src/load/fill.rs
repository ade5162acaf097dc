//! Mailboxes with mail in them, by IMAP APPEND: the same for every server.

use std::net::SocketAddr;

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
