//! One connection: from the final dot until 250, and what the disk alone takes.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::{Meter, Outcome, Part};
use crate::arguments::Dot;
use crate::client::{Begun, Sent, Smtp, transaction};
use crate::latency::Latencies;
use crate::message::Messages;
use crate::sync::Probe;

/// Messages and syncs before anything counts.
const WARMING: usize = 10;
/// Between a message and its dot, and more for each byte: the server has read everything else by
/// then.
const PAUSE: Duration = Duration::from_millis(2);
const PAUSE_FOR_A_BYTE: Duration = Duration::from_nanos(10);

/// What is measured, in the order of [`run`]'s outcomes.
pub(crate) const KINDS: [&str; 3] = ["dot alone", "dot with the message", "fdatasync"];

/// Three figures that take turns message by message, so that a disk that changes its pace changes
/// it for all: the dot sent by itself, the message sent in one piece with its dot, and a record of
/// the size of the message written and synced in a file whose room was reserved.
pub(crate) async fn run(options: &Dot) -> anyhow::Result<Vec<Outcome>> {
    ensure!(options.messages > 0, "--messages must be at least 1");
    let messages = Messages::new(options.sending.kind, options.sending.size);
    let count = options.messages + WARMING;
    let mut probe = Probe::new(&options.folder, messages.of(0).len(), count)?;
    let mut smtp = Smtp::connect(options.sending.smtp).await?;
    let meter = Meter::start(&[]);
    let mut latencies = [const { Vec::new() }; 3];
    let people = &options.sending.to;
    for number in 0..count {
        let envelope = transaction(&[&people[number % people.len()]]);
        let data = messages.data(number);
        let alone = send(&mut smtp, &envelope, &data, true).await?;
        let together = send(&mut smtp, &envelope, &data, false).await?;
        let took = [alone, together, probe.once()?];
        if number >= WARMING {
            latencies
                .iter_mut()
                .zip(took)
                .for_each(|(all, took)| all.push(took));
        }
    }
    smtp.quit().await;
    let outcome = meter.stop("", Part::default());
    let outcomes = KINDS.iter().zip(latencies).map(|(what, all)| Outcome {
        what: (*what).to_owned(),
        messages: all.len(),
        elapsed: all.iter().sum(),
        latencies: Latencies::from_iter(all),
        ..outcome.clone()
    });
    Ok(outcomes.collect())
}

async fn send(
    smtp: &mut Smtp,
    envelope: &[u8],
    data: &[u8],
    is_dot_alone: bool,
) -> anyhow::Result<Duration> {
    match smtp.begin(envelope, 1).await? {
        Begun::All => {}
        Begun::Some(text) | Begun::Refused(text) => bail!("refused: {text}"),
    }
    let sent = if is_dot_alone {
        let (message, dot) = data.split_at(data.len() - 3);
        smtp.write(message).await?;
        wait(PAUSE + PAUSE_FOR_A_BYTE * message.len() as u32).await;
        smtp.end(dot).await?
    } else {
        smtp.end(data).await?
    };
    match sent {
        Sent::Accepted(took) => Ok(took),
        Sent::Refused(text) => bail!("refused: {text}"),
    }
}

/// Exactly, without a timer that puts the processor to sleep: what follows is measured in
/// microseconds. The server has a processor of its own.
async fn wait(pause: Duration) {
    let end = Instant::now() + pause;
    while Instant::now() < end {
        tokio::task::yield_now().await;
    }
}
