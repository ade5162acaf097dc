//! POP3 until the maildrops are empty.

use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::fill::fill;
use super::{Meter, Outcome, Part};
use crate::arguments::Drain;
use crate::client::Pop3;

/// Fills every maildrop, then takes all messages out, one connection a person: RETR and DELE for
/// each, then QUIT. A message counts when QUIT is answered: only then it is gone.
pub(crate) async fn run(options: &Drain) -> anyhow::Result<Outcome> {
    let (imaps, password) = (options.imaps, &options.password);
    for user in &options.user {
        fill(imaps, user, password, options.messages, options.size).await?;
    }
    let ready = Arc::new(Barrier::new(options.user.len() + 1));
    let mut tasks = JoinSet::new();
    for user in &options.user {
        let pop3 = Pop3::connect(options.pop3s, user, password).await?;
        tasks.spawn(drain(pop3, options.messages, Arc::clone(&ready)));
    }
    ready.wait().await;
    let meter = Meter::start(&options.pid);
    let mut part = Part::default();
    while let Some(ended) = tasks.join_next().await {
        part.merge(ended??);
    }
    Ok(meter.stop("drain", part))
}

async fn drain(mut pop3: Pop3, expected: usize, ready: Arc<Barrier>) -> anyhow::Result<Part> {
    ready.wait().await;
    let mut part = Part::default();
    let count = pop3.count().await?;
    ensure!(count >= expected, "{count} messages, not {expected}");
    for number in 1..=count {
        let start = Instant::now();
        pop3.retrieve(number).await?;
        pop3.delete(number).await?;
        part.latencies.record(start.elapsed());
    }
    pop3.quit().await?;
    part.messages = count;
    Ok(part)
}
