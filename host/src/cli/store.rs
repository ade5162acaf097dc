//! `postroom store …`: by the server that runs, or on the data directory of one that does not.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use store::{Embedded, Engine, Step, Store as _};

use super::args::{Arguments, StoreCommand};
use super::client::{Client, NoServer};
use super::owned::ensure_owner;
use crate::admin::{compacted, show_checked, show_stats};

/// How often the server is asked how far it is.
const ASK: Duration = Duration::from_millis(200);

/// A check found something. It was shown.
#[derive(Debug, thiserror::Error)]
#[error("the store has problems")]
pub(super) struct Unsound;

/// By the server that runs, wherever it is.
pub(super) async fn run(client: &Client, command: &StoreCommand) -> anyhow::Result<Value> {
    let begun = match command {
        StoreCommand::Stats => client.post("/v1/store/stats", &json!({})).await?,
        StoreCommand::Check { deep } => {
            let wanted = json!({ "deep": deep });
            client.post("/v1/store/check", &wanted).await?
        }
        StoreCommand::Compact => client.post("/v1/store/compact", &json!({})).await?,
        StoreCommand::Repair => {
            // Whoever answers here runs.
            client.get("/v1/status").await?;
            bail!(
                "the server runs, and repair makes a new index: stop it first with `postroom stop`"
            );
        }
    };
    let mut line = Line::new();
    let mut task = begun;
    loop {
        match task["state"].as_str() {
            Some("done") => return Ok(task["answer"].take()),
            Some("failed") => bail!("{}", task["error"].as_str().unwrap_or("it failed")),
            _ => {}
        }
        line.show(
            task["what"].as_str().unwrap_or("rows"),
            task["done"].as_u64().unwrap_or(0),
            task["total"].as_u64().unwrap_or(0),
        );
        tokio::time::sleep(ASK).await;
        task = client.get("/v1/store/task").await?;
    }
}

/// On this machine: by the server if one runs, else without.
pub(super) async fn here(arguments: &Arguments, command: &StoreCommand) -> anyhow::Result<Value> {
    let config = arguments.load_config()?;
    let asked = run(&Client::at(config.admin_socket()), command).await;
    match asked {
        Err(error) if is_stopped(&error) => {
            let path = config.data.join("store");
            anyhow::ensure!(
                path.join("FORMAT").exists(),
                "no server answers at {}, and there is no store in {}: name the data directory with --data",
                config.admin_socket().display(),
                config.data.display()
            );
            let command = command.clone();
            let keys = config.store_settings()?;
            tokio::task::spawn_blocking(move || stopped(&path, keys, &command)).await?
        }
        asked => asked,
    }
}

fn is_stopped(error: &anyhow::Error) -> bool {
    let unreachable = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<NoServer>());
    unreachable.is_some_and(|cause| !cause.is_forbidden())
}

fn stopped(
    path: &std::path::Path,
    keys: store::Config,
    command: &StoreCommand,
) -> anyhow::Result<Value> {
    ensure_owner(path)?;
    // Nothing happens beside what was asked for.
    let settings = store::Config {
        collect: false,
        disk_reserve_bytes: 0,
        disk_reserve_percent: 0,
        ..keys
    };
    let mut line = Line::new();
    let mut told = |step: Step| line.show(step.what, step.done, step.total);
    if matches!(command, StoreCommand::Repair) {
        let engine = Embedded::repair(path, settings)?;
        let checked = engine.check(false, &mut told)?;
        engine.close()?;
        return Ok(show_checked(&checked));
    }
    let engine = Embedded::open(path, settings.clone())?;
    let answer = match command {
        StoreCommand::Stats => show_stats(&engine.stats(&mut told)?),
        StoreCommand::Check { deep } => show_checked(&engine.check(*deep, &mut told)?),
        StoreCommand::Compact => compact(engine, path, settings, &mut told)?,
        StoreCommand::Repair => Value::Null,
    };
    Ok(answer)
}

/// Collects, then makes the index as small as it gets.
fn compact(
    engine: Engine,
    path: &std::path::Path,
    settings: store::Config,
    told: &mut dyn FnMut(Step),
) -> anyhow::Result<Value> {
    let mut answer = compacted(&engine, told)?;
    engine.close()?;
    drop(engine);
    let (before, after) =
        Embedded::compact_index(path, &settings).context("compacting the index")?;
    answer["index_before"] = before.into();
    answer["index"] = after.into();
    Ok(answer)
}

/// Does the answer of this command say that something is wrong?
pub(super) fn verdict(command: &StoreCommand, answer: &Value) -> anyhow::Result<()> {
    let is_check = matches!(command, StoreCommand::Check { .. } | StoreCommand::Repair);
    if is_check && answer["problems"].as_u64().unwrap_or(0) > 0 {
        return Err(Unsound.into());
    }
    Ok(())
}

/// One line on the terminal that says how far it is.
struct Line {
    is_shown: bool,
    last: Option<Instant>,
}

impl Line {
    fn new() -> Self {
        Self {
            is_shown: std::io::stderr().is_terminal(),
            last: None,
        }
    }

    fn show(&mut self, what: &str, done: u64, total: u64) {
        let is_early = self.last.is_some_and(|last| last.elapsed() < ASK);
        if !self.is_shown || is_early {
            return;
        }
        self.last = Some(Instant::now());
        let percent = done.saturating_mul(100).checked_div(total);
        let percent = percent
            .map(|percent| format!(" ({percent} %)"))
            .unwrap_or_default();
        eprint!("\r{done} {what}{percent}    ");
        // Only for the eye.
        let _ = std::io::stderr().flush();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.last.is_some() {
            eprint!("\r{:40}\r", "");
        }
    }
}
