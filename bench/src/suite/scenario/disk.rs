//! Room that mail takes on the disk.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::people;
use super::super::postroom::Postroom;
use super::super::rounds::Runs;
use super::super::table::fine;
use super::Bench;
use super::sending::{accept_options, accepted};
use crate::arguments::Accept;
use crate::cpu;
use crate::message::{Kind, Messages};

/// What is sent, and what it is called.
const KINDS: [(Kind, &str); 3] = [
    (Kind::Ordinary, "ordinary: text, HTML, replies"),
    (Kind::Attachments, "attachments of random bytes, base64"),
    (Kind::Noise, "random bytes, 8BITMIME"),
];
/// Bytes of a message that has no size of its own.
const SIZE: usize = 50 * 1024;
/// Bytes of each kind.
const BYTES: usize = 512 * 1024 * 1024;
/// The share of it in a quick run.
const QUICK: usize = 32;
const CONNECTIONS: usize = 16;
/// Longer than the server keeps rows in memory before they are written.
const AT_LEAST: Duration = Duration::from_secs(12);
/// Nothing has changed for so long: it has settled.
const QUIET: Duration = Duration::from_secs(3);
const QUIET_QUICK: Duration = Duration::from_secs(1);
const AT_MOST: Duration = Duration::from_secs(120);

pub(super) async fn disk(bench: &Bench<'_>) -> anyhow::Result<String> {
    let people = people::accept();
    let mut text = String::new();
    let mut compacted = true;
    for (kind, label) in KINDS {
        let postroom = bench.postroom(&people).await?;
        let before = used(&postroom.data());
        let messages = Messages::new(kind, SIZE);
        let mean = (0..100)
            .map(|number| messages.of(number).len())
            .sum::<usize>()
            / 100;
        let all = if bench.options.quick {
            BYTES / QUICK
        } else {
            BYTES
        };
        let target = postroom.target();
        let mut options = Accept {
            connections: CONNECTIONS,
            messages: all / mean,
            ..accept_options(&target, &people, SIZE)
        };
        options.sending.kind = kind;
        let cpu_before = cpu::of_trees(&target.pids);
        let outcome = accepted(&target, &options).await?;
        let loaded = used(&postroom.data()).saturating_sub(before);
        compacted &= settle(&postroom, bench.options.quick).await?;
        let settled = used(&postroom.data()).saturating_sub(before);
        let cpu = cpu::of_trees(&target.pids)
            .zip(cpu_before)
            .map(|(after, before)| after.saturating_sub(before));
        let each = |time: Duration| time.as_secs_f64() * 1e3 / outcome.messages as f64;
        let share = |bytes: u64| bytes as f64 / outcome.bytes as f64;
        text.push_str(&format!(
            "| {label} | {} | {:.1} | {:.0} | {:.3} | **{:.3}** | {} | {} |\n",
            outcome.messages,
            mean as f64 / 1024.0,
            outcome.bytes as f64 / 1e6,
            share(loaded),
            share(settled),
            outcome.server_ms().map_or_else(|| "?".to_owned(), fine),
            cpu.map_or_else(|| "?".to_owned(), |time| fine(each(time))),
        ));
        Runs::new(label).push(outcome);
    }
    let how = if compacted {
        "after `postroom store compact`"
    } else {
        "when the server does nothing more by itself (this one has no `store compact`)"
    };
    Ok(format!(
        "Bytes on the disk for a byte of mail, index included, room that is allocated ahead in the journal's last segment not: as soon as the last 250 was said, and {how}. Every message is another one.\n\n| mail | messages | KiB each | MB | under load | settled | CPU ms/message under load | until settled |\n|---|---:|---:|---:|---:|---:|---:|---:|\n{text}"
    ))
}

/// Waits until the server has tidied up; was it told to?
async fn settle(postroom: &Postroom, is_quick: bool) -> anyhow::Result<bool> {
    let start = Instant::now();
    let can_compact = postroom.command(&["store", "compact", "--help"]).is_ok();
    if !is_quick {
        tokio::time::sleep(AT_LEAST).await;
    }
    if can_compact {
        postroom.command(&["store", "compact"])?;
    }
    let quiet = if is_quick { QUIET_QUICK } else { QUIET };
    let (mut last, mut since) = (used(&postroom.data()), Instant::now());
    while since.elapsed() < quiet && start.elapsed() < AT_MOST {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = used(&postroom.data());
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(can_compact)
}

/// Bytes that files below a folder take on the disk, without what is only reserved.
pub(super) fn used(folder: &Path) -> u64 {
    // Files come and go while the server works.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_one = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => used(&entry.path()),
        Ok(metadata) => {
            let blocks = metadata.blocks() * 512;
            let is_segment = entry.path().extension().is_some_and(|end| end == "seg");
            if is_segment {
                blocks.saturating_sub(reserved(&entry.path()).unwrap_or(0))
            } else {
                blocks
            }
        }
        Err(_) => 0,
    });
    of_one.sum()
}

/// The zeros at the end of a file.
fn reserved(path: &Path) -> std::io::Result<u64> {
    const STEP: u64 = 64 * 1024;
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut end = length;
    let mut buffer = vec![0; STEP as usize];
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let piece = &mut buffer[..(end - start) as usize];
        file.read_exact_at(piece, start)?;
        if let Some(last) = piece.iter().rposition(|byte| *byte != 0) {
            return Ok(length - (start + last as u64 + 1));
        }
        end = start;
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_is_only_reserved_does_not_count() {
        let folder = tempfile::tempdir().expect("there is room");
        let inner = folder.path().join("journal");
        fs::create_dir(&inner).expect("a folder");
        let mut segment = vec![7; 200_000];
        segment.resize(1024 * 1024, 0);
        for (name, bytes, expected) in [("1.seg", &segment, 824 * 1024), ("1.body", &segment, 0)] {
            let path = inner.join(name);
            fs::write(&path, bytes).expect("it is written");
            File::open(&path)
                .and_then(|file| file.sync_all())
                .expect("it is synced");
            let zeros = reserved(&path).expect("it is read");
            assert_eq!(zeros, 1024 * 1024 - 200_000);
            let taken = used(folder.path());
            assert!(
                taken.abs_diff(1024 * 1024 - expected) < 64 * 1024,
                "{name}: {taken}"
            );
            fs::remove_file(&path).expect("it is removed");
        }
    }
}
