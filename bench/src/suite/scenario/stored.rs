//! Accepting and delivering where much mail lies already.

use super::super::people;
use super::super::postroom::Postroom;
use super::super::rounds::Runs;
use super::super::table::whole;
use super::Bench;
use super::plugin::compared_to_first;
use super::sending::{MANY, SIZE, accept_options, accepted, deliver_run, fill};
use crate::arguments::Accept;

/// Bytes of the messages that lie there.
const LYING: usize = 4 * 1024;
/// Messages of a run: few beside what lies there.
const ACCEPTED: usize = 4000;
const DELIVERED: usize = 1000;

pub(super) async fn stored(bench: &Bench<'_>) -> anyhow::Result<String> {
    let (accepting, delivering) = (people::accept(), people::deliver());
    let everybody = [accepting.clone(), delivering.clone()].concat();
    let sizes: &[usize] = if bench.options.quick {
        &[1000]
    } else {
        &[10_000, 100_000]
    };
    let mut full = Vec::new();
    for &messages in sizes {
        let postroom = bench.postroom(&everybody).await?;
        fill(&postroom.target(), &everybody, LYING, messages).await?;
        full.push((postroom, Rows::new(&whole(messages as f64))));
    }
    let mut empty = Rows::new("nothing");
    let share = if bench.options.quick { 4 } else { 1 };
    for _ in 0..bench.rounds() {
        // What a round leaves would be no longer nothing.
        let fresh = bench.postroom(&everybody).await?;
        empty.run(&fresh, &accepting, &delivering, share).await?;
        for (postroom, rows) in &mut full {
            rows.run(postroom, &accepting, &delivering, share).await?;
        }
    }
    let (mut accepts, mut delivers) = (vec![empty.accept], vec![empty.deliver]);
    for (_, rows) in full {
        accepts.push(rows.accept);
        delivers.push(rows.deliver);
    }
    Ok(format!(
        "Servers with so many messages of {} KiB in {} mailboxes take turns with one that has none and is new in every round. What a run sends stays there too.\n\n### accept: {} messages of {} KiB over {MANY} connections\n\n{}\n### deliver: {} messages until IMAP says so\n\n{}",
        LYING / 1024,
        everybody.len(),
        ACCEPTED / share,
        SIZE / 1024,
        compared_to_first(&accepts),
        DELIVERED / share,
        compared_to_first(&delivers)
    ))
}

/// What one server did.
struct Rows {
    accept: Runs,
    deliver: Runs,
}

impl Rows {
    fn new(label: &str) -> Self {
        let label = format!("{label} stored");
        Self {
            accept: Runs::new(&label),
            deliver: Runs::new(&label),
        }
    }

    async fn run(
        &mut self,
        postroom: &Postroom,
        accepting: &[String],
        delivering: &[String],
        share: usize,
    ) -> anyhow::Result<()> {
        let target = postroom.target();
        let options = Accept {
            connections: MANY,
            messages: ACCEPTED / share,
            ..accept_options(&target, accepting, SIZE)
        };
        self.accept.push(accepted(&target, &options).await?);
        let delivered = deliver_run(&target, delivering, DELIVERED / share).await?;
        self.deliver.push(delivered);
        Ok(())
    }
}
