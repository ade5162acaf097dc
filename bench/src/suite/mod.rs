//! The benchmark: Postroom and its peers on one machine, one file system, the same messages.
//!
//! Every scenario has a new and empty Postroom; the peers are started once. Both sides take turns:
//! A B A B A B. Of three runs of each the median counts. While one is measured the other one idles.
//! A scenario that fails is named, and the others go on; what a scenario measured is on the page as
//! soon as it is over. At the end everything is stopped and removed, after Ctrl-C too.

mod facts;
mod page;
mod peers;
mod people;
mod postroom;
mod process;
mod rounds;
mod scenario;
mod table;

use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};

use self::facts::Facts;
use self::page::Page;
use self::peers::Peers;
use self::postroom::Certificate;
use self::scenario::{Bench, Scenario};
use crate::arguments::Suite;

/// Runs the scenarios and prints what they measured.
pub(crate) async fn run(options: &Suite) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    // What the scenarios hold is dropped, and so stopped, before this returns.
    tokio::select! {
        result = measure(options) => result,
        _ = tokio::signal::ctrl_c() => bail!("interrupted; everything was stopped and removed"),
        _ = terminate.recv() => bail!("terminated; everything was stopped and removed"),
    }
}

async fn measure(options: &Suite) -> anyhow::Result<()> {
    let scenarios = scenarios(&options.scenario)?;
    let folder = tempfile::Builder::new()
        .prefix("postroom-bench-")
        .tempdir_in(&options.folder)
        .with_context(|| format!("cannot make a folder in {}", options.folder.display()))?;
    let facts = Facts::gather(folder.path(), options)?;
    println!("{facts}");
    let certificate = Certificate::make(&options.server, folder.path()).await?;
    let peers = if scenarios.iter().any(|scenario| scenario.has_peers()) {
        Peers::start(&options.home, folder.path(), &certificate).await
    } else {
        Err("no scenario of this run has a peer".to_owned())
    };
    if let Err(reason) = &peers {
        println!("peers: {reason}\n");
    }
    let bench = Bench {
        options,
        folder: folder.path(),
        certificate: &certificate,
        peers: peers.as_ref(),
    };
    let mut page = options.page.as_deref().map(Page::open).transpose()?;
    let mut failed = Vec::new();
    for scenario in scenarios {
        let start = Instant::now();
        match scenario.run(&bench).await {
            Ok(text) => {
                println!("## {}\n\n{text}\n", scenario.title());
                if let Some(page) = &mut page {
                    page.put(scenario.name(), scenario.title(), &text, &facts);
                    page.save()?;
                }
            }
            Err(error) => {
                eprintln!("   failed: {error:#}");
                failed.push(format!("{}: {error:#}", scenario.name()));
            }
        }
        eprintln!(
            "   {} took {:.0} s",
            scenario.name(),
            start.elapsed().as_secs_f64()
        );
    }
    ensure!(
        failed.is_empty(),
        "without figures, the page keeps what it had:\n{}",
        failed.join("\n")
    );
    Ok(())
}

fn scenarios(names: &[String]) -> anyhow::Result<Vec<Scenario>> {
    if names.is_empty() {
        return Ok(Scenario::ALL.to_vec());
    }
    names
        .iter()
        .map(|name| {
            let all = Scenario::ALL;
            let found = all.iter().find(|scenario| scenario.name() == name);
            found.copied().with_context(|| {
                let known: Vec<_> = all.iter().map(|scenario| scenario.name()).collect();
                format!("there is no scenario '{name}', only {}", known.join(", "))
            })
        })
        .collect()
}
