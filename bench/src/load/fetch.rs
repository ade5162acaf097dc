//! IMAP FETCH of a whole mailbox.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::fill::fill;
use super::{Meter, Outcome, Part};
use crate::arguments::Fetch;
use crate::client::Imap;

/// What is asked for. `BODY.PEEK[]` leaves the flags alone, so every round is the same.
pub(crate) const KINDS: [(&str, &str); 4] = [
    ("fetch flags", "FETCH 1:* (FLAGS)"),
    ("fetch envelopes", "FETCH 1:* (ENVELOPE)"),
    ("fetch structures", "FETCH 1:* (BODYSTRUCTURE)"),
    ("fetch bodies", "FETCH 1:* (BODY.PEEK[])"),
];

/// Fills the mailbox once, then fetches all of it again and again by one connection; one outcome
/// for each of [`KINDS`]. The first round of each is not counted: caches fill.
pub(crate) async fn run(options: &Fetch) -> anyhow::Result<Vec<Outcome>> {
    let (user, password) = (options.user.as_str(), options.password.as_str());
    fill(
        options.imaps,
        user,
        password,
        options.messages,
        options.size,
    )
    .await?;
    let mut imap = Imap::connect(options.imaps, user, password).await?;
    let count = imap.select().await?;
    let mut outcomes = Vec::new();
    for (what, command) in KINDS {
        imap.run(command).await?;
        let meter = Meter::start(&options.pid);
        let end = Instant::now() + Duration::from_secs_f64(options.seconds);
        let mut part = Part::default();
        while Instant::now() < end {
            let start = Instant::now();
            let counted = imap.run(command).await?;
            ensure!(
                counted.messages == count,
                "{command}: {} responses for {count} messages, {} bytes",
                counted.messages,
                counted.bytes
            );
            part.messages += counted.messages;
            part.latencies.record(start.elapsed());
        }
        outcomes.push(meter.stop(what, part));
    }
    Ok(outcomes)
}
