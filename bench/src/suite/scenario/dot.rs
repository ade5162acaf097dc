//! What the server adds to one sync of the disk.

use super::super::people;
use super::super::rounds::Runs;
use super::{Bench, Size};
use crate::arguments::{Dot, Sending};
use crate::latency::milliseconds;
use crate::load::dot as dot_load;
use crate::message::Kind;

/// Sizes, and how many messages of each.
const SIZES: [(Size, usize); 4] = [
    (Size::Kib4, 1000),
    (Size::Kib10, 1000),
    (Size::Kib100, 300),
    (Size::Mib5, 20),
];

pub(super) async fn dot(bench: &Bench<'_>) -> anyhow::Result<String> {
    let people = people::accept();
    let postroom = bench.postroom(&people).await?;
    let mut text = "One connection; what the client sees. The dot comes alone, when the server has read everything before it, or in one piece with the message (then the way of the message counts too). Beside it, message by message, a record of the size of the message is written and synced by `fdatasync` in a file whose room was reserved, on the same file system. Medians.\n\n\
| message | dot alone, p50 ms | with the message, p50 ms | fdatasync, p50 ms | dot alone to fdatasync | with the message to fdatasync | p99 ms: alone, with, fdatasync |\n\
|---:|---:|---:|---:|---:|---:|---|\n"
        .to_owned();
    for (size, messages) in SIZES {
        let outcomes = dot_load::run(&Dot {
            sending: Sending {
                smtp: postroom.target().smtp,
                to: people.clone(),
                size: size.bytes(),
                kind: Kind::Letters,
            },
            messages: if bench.options.quick {
                messages / 10
            } else {
                messages
            },
            folder: bench.folder.to_owned(),
        })
        .await?;
        let mut all = Vec::new();
        for outcome in outcomes {
            all.push(outcome.latencies.percentiles());
            Runs::new(format!("{} KiB", size.bytes() / 1024)).push(outcome);
        }
        let [alone, together, sync] = all[..] else {
            anyhow::bail!("{} figures instead of three", all.len());
        };
        let ratio = |p50: std::time::Duration| {
            p50.as_secs_f64() / sync.p50.as_secs_f64().max(f64::MIN_POSITIVE)
        };
        text.push_str(&format!(
            "| {} KiB | {} | {} | {} | **{:.2}x** | {:.2}x | {}, {}, {} |\n",
            size.bytes() / 1024,
            milliseconds(alone.p50),
            milliseconds(together.p50),
            milliseconds(sync.p50),
            ratio(alone.p50),
            ratio(together.p50),
            milliseconds(alone.p99),
            milliseconds(together.p99),
            milliseconds(sync.p99),
        ));
    }
    Ok(text)
}
