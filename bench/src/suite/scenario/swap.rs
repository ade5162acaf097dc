//! A plugin is swapped again and again while mail flows through it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

use super::super::people::PASSWORD;
use super::super::postroom::Postroom;
use super::super::rounds::Runs;
use super::super::table::table;
use super::Bench;
use super::sending::{SIZE, accept_run};
use crate::client::Imap;
use crate::latency::milliseconds;

const DOMAIN: &str = "swap.bench.test";
const CONNECTIONS: usize = 64;
/// Between two swaps.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn swap(bench: &Bench<'_>) -> anyhow::Result<String> {
    let people: Vec<String> = (1..=4).map(|n| format!("pat{n}@{DOMAIN}")).collect();
    let postroom = bench.postroom(&people).await?;
    for name in ["swap-v1", "swap-v2"] {
        let file = bench.options.fixtures.join(format!("{name}.wasm"));
        postroom.command(&["plugin", "install", path(&file)?])?;
    }
    let deploy = ["plugin", "deploy", DOMAIN, "swap@1.0.0"];
    postroom.command(&deploy)?;
    let target = postroom.target();
    let mut quiet = Runs::new("no swaps");
    let mut swapped = Runs::new("swaps");
    let mut swaps = 0;
    for _ in 0..bench.rounds() {
        quiet.push(accept_run(&target, &people, CONNECTIONS, SIZE, bench.seconds()).await?);
        let load = accept_run(&target, &people, CONNECTIONS, SIZE, bench.seconds());
        let (outcome, made) = while_swapping(&postroom, load).await?;
        swapped.push(outcome);
        swaps += made;
    }
    let accepted = quiet.messages() + swapped.messages();
    let stored = stored(target.imaps, &people).await?;
    let errors = quiet.errors() + swapped.errors();
    let p99 = |runs: &Runs| {
        let percentiles = runs.median().map(|outcome| outcome.latencies.percentiles());
        percentiles.map_or(Duration::ZERO, |percentiles| percentiles.p99)
    };
    Ok(format!(
        "{CONNECTIONS} connections through the plugin `swap` (hooks `rcpt` and `data`, which adds a header field; fresh instances), beside it `postroom plugin deploy` of the other version every {} ms.\n\n{}\n{swaps} swaps, **{errors} errors**; {accepted} messages accepted, {stored} in the mailboxes. p99 with swaps {} ms, without {} ms.\n",
        PAUSE.as_millis(),
        table(&[&quiet, &swapped]),
        milliseconds(p99(&swapped)),
        milliseconds(p99(&quiet)),
    ))
}

/// Runs a load, and swaps until it is over; how often.
async fn while_swapping<T>(
    postroom: &Postroom,
    load: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, usize)> {
    let mut load = std::pin::pin!(load);
    let mut swaps = 0;
    let mut next = Instant::now() + PAUSE;
    loop {
        tokio::select! {
            outcome = &mut load => return Ok((outcome?, swaps)),
            () = tokio::time::sleep_until(next.into()) => {}
        }
        let version = if swaps % 2 == 0 {
            "swap@2.0.0"
        } else {
            "swap@1.0.0"
        };
        let mut deploy = Command::from(postroom.postroom());
        deploy
            .args(["plugin", "deploy", DOMAIN, version])
            .kill_on_drop(true);
        let done = tokio::select! {
            outcome = &mut load => return Ok((outcome?, swaps)),
            done = deploy.output() => done?,
        };
        let error = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "a swap failed: {}", error.trim());
        swaps += 1;
        next = Instant::now() + PAUSE;
    }
}

/// Messages in everybody's INBOX.
pub(super) async fn stored(
    imaps: std::net::SocketAddr,
    people: &[String],
) -> anyhow::Result<usize> {
    let mut sum = 0;
    for person in people {
        let mut imap = Imap::connect(imaps, person, PASSWORD).await?;
        sum += imap.select().await?;
    }
    Ok(sum)
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .context("the path of the fixtures is not UTF-8")
}
