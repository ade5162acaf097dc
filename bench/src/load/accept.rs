//! SMTP until 250.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{Meter, Outcome, Part};
use crate::arguments::Accept;
use crate::client::{Sent, Smtp, transaction};
use crate::message::Messages;

/// Sends everything.
pub(crate) async fn run(options: &Accept) -> anyhow::Result<Outcome> {
    ensure!(options.connections > 0, "--connections must be at least 1");
    ensure!(
        options.rate.is_none_or(|rate| rate >= 0.01),
        "--rate must be at least 0.01"
    );
    ensure!(
        (1..=options.sending.to.len()).contains(&options.recipients),
        "--recipients must be from 1 to the number of --to"
    );
    let work = Arc::new(Work {
        address: options.sending.smtp,
        people: options.sending.to.clone(),
        recipients: options.recipients,
        messages: Messages::new(options.sending.kind, options.sending.size),
        next: AtomicUsize::new(0),
        end: options.messages,
        time: options.seconds.map(Duration::from_secs_f64),
        pause: options
            .rate
            .map(|rate| Duration::from_secs_f64(rate.recip())),
    });
    let ready = Arc::new(Barrier::new(options.connections + 1));
    let mut connections = JoinSet::new();
    for _ in 0..options.connections {
        connections.spawn(connection(Arc::clone(&work), Arc::clone(&ready)));
    }
    // A connection that fails never gets to the barrier.
    let first = tokio::select! {
        _ = ready.wait() => None,
        first = connections.join_next() => first,
    };
    if let Some(failed) = first {
        failed??;
    }
    let meter = Meter::start(&options.pid);
    let mut part = Part::default();
    while let Some(ended) = connections.join_next().await {
        part.merge(ended??);
    }
    Ok(meter.stop("accept", part))
}

/// Shared by all connections.
struct Work {
    address: SocketAddr,
    people: Vec<String>,
    recipients: usize,
    messages: Messages,
    /// The number of the next message that nobody has.
    next: AtomicUsize,
    end: usize,
    time: Option<Duration>,
    /// Between the starts of two messages over all connections.
    pause: Option<Duration>,
}

async fn connection(work: Arc<Work>, ready: Arc<Barrier>) -> anyhow::Result<Part> {
    let mut smtp = Smtp::connect(work.address).await?;
    ready.wait().await;
    let start = Instant::now();
    let end = work.time.map(|time| start + time);
    let mut part = Part::default();
    while end.is_none_or(|end| Instant::now() < end) {
        let number = work.next.fetch_add(1, Ordering::Relaxed);
        if number >= work.end {
            break;
        }
        if let Some(pause) = work.pause {
            let turn = start + pause.saturating_mul(number.try_into().unwrap_or(u32::MAX));
            tokio::time::sleep_until(turn.into()).await;
        }
        let recipients: Vec<&str> = (number..number + work.recipients)
            .map(|index| work.people[index % work.people.len()].as_str())
            .collect();
        let envelope = transaction(&recipients);
        let data = work.messages.data(number);
        match smtp.send(&envelope, recipients.len(), &data).await {
            Ok(Sent::Accepted(took)) => {
                part.bytes += data.len() as u64;
                part.latencies.record(took);
                part.messages += 1;
            }
            Ok(Sent::Refused(text)) => part.failed(text),
            Err(error) => {
                part.failed(format!("{error:#}"));
                smtp = Smtp::connect(work.address).await?;
            }
        }
    }
    smtp.quit().await;
    Ok(part)
}
