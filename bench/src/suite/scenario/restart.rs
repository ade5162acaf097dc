//! How long a server that was killed takes to come back, and whether everything is there.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::super::people;
use super::super::postroom::Postroom;
use super::super::process::PATIENCE;
use super::Bench;
use super::sending::{MANY, SIZE, accept_options, accept_run, fill};
use super::swap::stored;
use crate::arguments::Accept;
use crate::client::{Sent, Smtp, transaction};
use crate::load::accept as accept_load;
use crate::message::{Kind, Messages};

/// Bytes of the messages that lie there.
const LYING: usize = 100 * 1024;
/// How much lies there, unless it is said otherwise.
const GIGABYTES: f64 = 10.0;
const GIGABYTES_QUICK: f64 = 1.0;
/// Between two tries to reach the server.
const PAUSE: Duration = Duration::from_millis(2);

pub(super) async fn restart(bench: &Bench<'_>) -> anyhow::Result<String> {
    let usual = if bench.options.quick {
        GIGABYTES_QUICK
    } else {
        GIGABYTES
    };
    let gigabytes = bench.options.gigabytes.unwrap_or(usual);
    let people = people::accept();
    let mut postroom = bench.postroom(&people).await?;
    let messages = (gigabytes * 1e9 / LYING as f64).ceil().max(1.0) as usize;
    let target = postroom.target();
    let mut accepted = fill(&target, &people, LYING, messages).await?.messages;
    let mut text = format!(
        "{gigabytes} GB in messages of {} KiB. Then, again and again: mail of {} KiB over {MANY} connections, `kill -9` in the middle of it, start. The memory of the system keeps what it has of the files.\n\n| | greeting after s | mail accepted after s | acknowledged | in the mailboxes |\n|---|---:|---:|---:|---:|\n",
        LYING / 1024,
        SIZE / 1024
    );
    for round in 1..=bench.rounds() {
        accepted += accept_run(&target, &people, MANY, SIZE, bench.seconds())
            .await?
            .messages;
        kill_under_load(&mut postroom, &people).await?;
        let (greeting, first) = come_back(&mut postroom, &people[0]).await?;
        accepted += 1;
        let found = stored(target.imaps, &people).await?;
        eprintln!("   start {round}: greeting after {greeting:?}, mail after {first:?}");
        ensure!(
            found >= accepted,
            "{accepted} messages were acknowledged, {found} are in the mailboxes"
        );
        text.push_str(&format!(
            "| start {round} | {:.2} | **{:.2}** | {accepted} | {found} |\n",
            greeting.as_secs_f64(),
            first.as_secs_f64()
        ));
        // What was on its way when it was killed may have come in, unanswered.
        accepted = found;
    }
    Ok(text)
}

/// Kills it while mail comes in, of which nobody knows how much was acknowledged.
async fn kill_under_load(postroom: &mut Postroom, people: &[String]) -> anyhow::Result<()> {
    let options = Accept {
        connections: MANY,
        messages: usize::MAX,
        ..accept_options(&postroom.target(), people, SIZE)
    };
    let load = accept_load::run(&options);
    tokio::select! {
        ended = load => { ended.context("the load ended before the server was killed")?; }
        () = tokio::time::sleep(Duration::from_millis(500)) => {}
    }
    postroom.kill()
}

/// Starts it; how long until it greets, and until it has taken a message.
async fn come_back(postroom: &mut Postroom, person: &str) -> anyhow::Result<(Duration, Duration)> {
    let address = postroom.target().smtp;
    let start = Instant::now();
    postroom.start_again()?;
    let mut smtp = loop {
        match Smtp::connect(address).await {
            Ok(smtp) => break smtp,
            Err(error) => {
                postroom.is_running()?;
                ensure!(
                    start.elapsed() < PATIENCE * 4,
                    "no greeting after {:?}: {error:#}",
                    start.elapsed()
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    let greeting = start.elapsed();
    let messages = Messages::new(Kind::Letters, SIZE);
    let sent = smtp
        .send(&transaction(&[person]), 1, &messages.data(0))
        .await?;
    let first = start.elapsed();
    smtp.quit().await;
    match sent {
        Sent::Accepted(_) => Ok((greeting, first)),
        Sent::Refused(text) => anyhow::bail!("the first message was refused: {text}"),
    }
}
