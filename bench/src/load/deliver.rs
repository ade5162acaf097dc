//! SMTP until the message is seen by IMAP.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{Meter, Outcome, Part};
use crate::arguments::Deliver;
use crate::client::{Imap, Sent, Smtp, transaction};
use crate::message::Messages;

/// When the messages of one mailbox, not seen yet, were begun. The n-th that is seen counts as the
/// n-th that was sent: a server may change their order, which moves time between two messages and
/// leaves the sum.
type Begun = Arc<Mutex<VecDeque<Instant>>>;

/// Sends everything and waits until everything is seen.
pub(crate) async fn run(options: &Deliver) -> anyhow::Result<Outcome> {
    let people = &options.sending.to;
    let messages = Arc::new(Messages::new(options.sending.kind, options.sending.size));
    let ready = Arc::new(Barrier::new(people.len() * 2 + 1));
    let mut tasks = JoinSet::new();
    for (index, person) in people.iter().enumerate() {
        let share = (index..options.messages).step_by(people.len()).count();
        let begun = Begun::default();
        let mut imap = Imap::connect(options.imaps, person, &options.password).await?;
        let before = imap.select().await?;
        imap.idle().await?;
        tasks.spawn(watch(
            imap,
            before,
            share,
            Arc::clone(&begun),
            Arc::clone(&ready),
        ));
        let smtp = Smtp::connect(options.sending.smtp).await?;
        let envelope = transaction(&[person]);
        tasks.spawn(send(
            smtp,
            envelope,
            share,
            Arc::clone(&messages),
            begun,
            Arc::clone(&ready),
        ));
    }
    ready.wait().await;
    let meter = Meter::start(&options.pid);
    let mut part = Part::default();
    while let Some(ended) = tasks.join_next().await {
        part.merge(ended??);
    }
    Ok(meter.stop("deliver", part))
}

async fn send(
    mut smtp: Smtp,
    envelope: Vec<u8>,
    share: usize,
    messages: Arc<Messages>,
    begun: Begun,
    ready: Arc<Barrier>,
) -> anyhow::Result<Part> {
    ready.wait().await;
    for number in 0..share {
        push(&begun, Instant::now());
        let sent = smtp.send(&envelope, 1, &messages.data(number)).await?;
        if let Sent::Refused(text) = sent {
            // The other end waits for this message: it never comes.
            anyhow::bail!("refused: {text}");
        }
    }
    smtp.quit().await;
    Ok(Part::default())
}

async fn watch(
    mut imap: Imap,
    before: usize,
    share: usize,
    begun: Begun,
    ready: Arc<Barrier>,
) -> anyhow::Result<Part> {
    ready.wait().await;
    let mut part = Part::default();
    while part.messages < share {
        let exists = imap.exists().await?;
        let now = Instant::now();
        while part.messages < exists.saturating_sub(before) {
            let Some(start) = pop(&begun) else { break };
            part.latencies.record(now - start);
            part.messages += 1;
        }
    }
    Ok(part)
}

fn push(begun: &Begun, start: Instant) {
    let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
    begun.push_back(start);
}

fn pop(begun: &Begun) -> Option<Instant> {
    let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
    begun.pop_front()
}
