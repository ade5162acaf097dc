//! What one message costs in a mailbox of many.

use super::super::people::{self, PASSWORD};
use super::super::rounds::Runs;
use super::super::table::{fine, whole};
use super::Bench;
use crate::arguments::Mailbox;
use crate::latency::milliseconds;
use crate::load::{Outcome, mailbox as mailbox_load};

/// Messages in the largest mailbox, unless it is said otherwise.
const LARGEST: usize = 1_000_000;
const LARGEST_QUICK: usize = 10_000;
/// Bytes of a message.
const SIZE: usize = 1024;
/// How often each is done.
const TIMES: usize = 300;

pub(super) async fn mailbox(bench: &Bench<'_>) -> anyhow::Result<String> {
    let is_quick = bench.options.quick;
    let usual = if is_quick { LARGEST_QUICK } else { LARGEST };
    let sizes = sizes(bench.options.mailbox.unwrap_or(usual));
    let people: Vec<String> = sizes.iter().map(|size| people::mailbox(*size)).collect();
    let postroom = bench.postroom(&people).await?;
    let target = postroom.target();
    let times = if is_quick { TIMES / 6 } else { TIMES };
    let mut rows: Vec<(usize, Vec<Outcome>)> = Vec::new();
    for (size, person) in sizes.into_iter().zip(people) {
        let outcomes = mailbox_load::run(&Mailbox {
            smtp: target.smtp,
            imaps: target.imaps,
            user: person,
            password: PASSWORD.to_owned(),
            messages: size,
            times: times.min(size),
            size: SIZE,
            pid: target.pids.clone(),
        })
        .await;
        match outcomes {
            Ok(outcomes) => {
                for outcome in &outcomes {
                    Runs::new(whole(size as f64)).push(outcome.clone());
                }
                rows.push((size, outcomes));
            }
            // Half a curve is one too.
            Err(error) if !rows.is_empty() => {
                eprintln!("   {size} messages: failed: {error:#}");
                rows.push((size, Vec::new()));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(format!(
        "Messages of {SIZE} bytes in one INBOX, by one IMAP connection (TLS) that has it open; each {times} times, all over the mailbox, or as often as 8 s allow. Median in ms (p99), and the server's processor time for one.\n\n{}",
        curve(&rows)
    ))
}

/// Every power of ten from a thousand on below the largest, and the largest.
fn sizes(largest: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = (3..8)
        .map(|exponent| 10_usize.pow(exponent))
        .take_while(|size| *size < largest)
        .collect();
    sizes.push(largest.max(1));
    sizes
}

fn curve(rows: &[(usize, Vec<Outcome>)]) -> String {
    let mut text =
        "| messages | SELECT, once | append | CPU | flag | CPU | expunge | CPU |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for (size, outcomes) in rows {
        let Some((select, others)) = outcomes.split_first() else {
            text.push_str(&format!("| {} | not measured |\n", whole(*size as f64)));
            continue;
        };
        let select = milliseconds(select.latencies.percentiles().p50);
        text.push_str(&format!("| {} | {select} |", whole(*size as f64)));
        for outcome in others {
            let of = outcome.latencies.percentiles();
            let cpu = outcome.server_ms().map_or_else(|| "?".to_owned(), fine);
            let (p50, p99) = (milliseconds(of.p50), milliseconds(of.p99));
            text.push_str(&format!(" {p50} ({p99}) | {cpu} |"));
        }
        text.push('\n');
    }
    text + &ends(rows)
}

/// The largest to the smallest.
fn ends(rows: &[(usize, Vec<Outcome>)]) -> String {
    let measured: Vec<_> = rows.iter().filter(|(_, all)| !all.is_empty()).collect();
    let [(small, first), .., (large, last)] = measured[..] else {
        return String::new();
    };
    let ratios = first.iter().zip(last).skip(1).map(|(first, last)| {
        let p50 = |outcome: &Outcome| outcome.latencies.percentiles().p50.as_secs_f64();
        let ratio = p50(last) / p50(first).max(f64::MIN_POSITIVE);
        format!("{} **{ratio:.2}x**", first.what)
    });
    let (large, small) = (whole(*large as f64), whole(*small as f64));
    let ratios: Vec<String> = ratios.collect();
    format!("\n{large} messages to {small}: {}\n", ratios.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_a_point_for_every_power_of_ten() {
        assert_eq!(sizes(10_000), [1000, 10_000]);
        assert_eq!(sizes(25_000), [1000, 10_000, 25_000]);
        assert_eq!(sizes(200), [200]);
        assert_eq!(sizes(0), [1]);
    }
}
