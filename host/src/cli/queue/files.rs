//! `postroom queue export` and `import`: files on this side.
//!
//! A file is written aside, synced, renamed, and its folder synced; only then is anything taken
//! out of the queue. A file that is there already is never replaced.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::args::Entries;
use super::super::client::{Client, Refused};
use super::{is_all, list, path};

/// Every entry, as far as one answer goes.
const MOST: usize = 100_000;

pub(super) async fn export(
    client: &Client,
    entries: &Entries,
    folder: &Path,
    remove: bool,
) -> anyhow::Result<Value> {
    let found = found(client, entries).await?;
    if entries.dry_run {
        let ids: Vec<_> = found.iter().map(|entry| &entry.id).collect();
        let text = format!("{} would be exported", ids.len());
        return Ok(json!({ "message": text, "entries": ids }));
    }
    let mut done = Done::default();
    for of_message in found.chunk_by(|one, other| one.message == other.message) {
        let mut left = of_message.to_vec();
        if remove {
            hold(client, &mut left, &mut done).await?;
        }
        let written = write_all(client, &mut left, folder, remove, &mut done).await;
        for entry in left.iter().filter(|entry| entry.is_held) {
            release(client, &entry.id).await;
        }
        written?;
    }
    let text = match remove {
        true => "exported and removed",
        false => "exported",
    };
    let message = format!("{} {text}", done.entries);
    Ok(json!({ "message": message, "files": done.files, "skipped": done.skipped }))
}

/// An entry to export.
#[derive(Debug, Clone)]
struct Found {
    id: String,
    message: String,
    is_parked: bool,
    /// Kept aside for the export alone.
    is_held: bool,
}

#[derive(Default)]
struct Done {
    entries: usize,
    files: Vec<Value>,
    skipped: Vec<String>,
}

/// Those that are meant, message by message.
async fn found(client: &Client, entries: &Entries) -> anyhow::Result<Vec<Found>> {
    let rows = match entries.ids.is_empty() || is_all(entries) {
        true => {
            let listed = list(client, &entries.which, Some(MOST), None).await?;
            listed.as_array().cloned().unwrap_or_default()
        }
        false => {
            let mut rows = Vec::new();
            for id in &entries.ids {
                rows.push(client.get(&path(id)).await?);
            }
            rows
        }
    };
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = rows
        .iter()
        .map(|row| Found {
            id: text(row, "id"),
            message: text(row, "message"),
            is_parked: text(row, "state").starts_with("parked"),
            is_held: false,
        })
        .collect();
    found.sort_by(|one, other| one.message.cmp(&other.message));
    Ok(found)
}

/// Keeps them where they are. Those that a worker has, or that went, are left out.
async fn hold(client: &Client, left: &mut Vec<Found>, done: &mut Done) -> anyhow::Result<()> {
    let mut kept = Vec::new();
    for mut entry in std::mem::take(left) {
        if !entry.is_parked {
            let hold = format!("{}/hold", path(&entry.id));
            match client.post(&hold, &json!({})).await {
                Ok(_) => entry.is_held = true,
                Err(error) if is_busy(&error) => {
                    done.skipped.push(format!("{}: {error}", entry.id));
                    continue;
                }
                Err(error) => {
                    *left = kept;
                    return Err(error);
                }
            }
        }
        kept.push(entry);
    }
    *left = kept;
    Ok(())
}

/// What was held for an export that failed goes on.
async fn release(client: &Client, id: &str) {
    let release = format!("{}/release", path(id));
    if let Err(error) = client.post(&release, &json!({})).await {
        eprintln!("postroom: {id} is still held: {error:#}");
    }
}

/// The entries of one message: a file for each copy.
async fn write_all(
    client: &Client,
    left: &mut Vec<Found>,
    folder: &Path,
    remove: bool,
    done: &mut Done,
) -> anyhow::Result<()> {
    while let Some(first) = left.first().cloned() {
        let (names, file) = match write(client, left, folder).await {
            Ok(written) => written,
            Err(error) if is_busy(&error) && left.len() > 1 => {
                // One of them went: each by itself then.
                let mut alone = vec![left.remove(0)];
                Box::pin(write_all(client, &mut alone, folder, remove, done)).await?;
                continue;
            }
            Err(error) if is_busy(&error) => {
                done.skipped.push(format!("{}: {error}", first.id));
                left.remove(0);
                if first.is_held {
                    release(client, &first.id).await;
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        done.entries += names.len();
        for name in names.iter().filter(|_| remove) {
            client.delete(&path(name)).await?;
        }
        left.retain(|entry| !names.contains(&entry.id));
        done.files
            .push(json!({ "file": file.display().to_string(), "entries": names }));
    }
    Ok(())
}

/// Writes the file of the first entry; what is in it, and its path.
async fn write(
    client: &Client,
    left: &[Found],
    folder: &Path,
) -> anyhow::Result<(Vec<String>, PathBuf)> {
    let ids = |held: bool| {
        let meant = left.iter().filter(move |entry| entry.is_held || !held);
        meant.map(|entry| entry.id.as_str()).collect::<Vec<_>>()
    };
    let body = json!({ "entries": ids(false), "held": ids(true) });
    let (names, bytes) = client.file("/v1/queue/export", &body).await?;
    let names: Vec<_> = names.split(',').map(str::to_owned).collect();
    let (first, message) = (&left[0].id, &left[0].message);
    let path = folder.join(format!("{message}-{first}.mail"));
    keep(folder, &path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok((names, path))
}

/// On the disk when this returns.
fn keep(folder: &Path, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let aside = path.with_extension("mail.new");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        // It is mail.
        .mode(0o600)
        .open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link, unlike a name, never takes the place of what is there.
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside)?;
    linked.context("it may be there already: move it away, or name another --folder")?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Gone, or in the hands of a worker.
fn is_busy(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| matches!(refused.status, 404 | 409))
}

pub(super) async fn import(client: &Client, files: &[PathBuf]) -> anyhow::Result<Value> {
    let mut said = Vec::new();
    for path in files {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let answer = client.upload("/v1/queue/import", bytes).await;
        said.push(answer.with_context(|| path.display().to_string())?);
    }
    Ok(match <[Value; 1]>::try_from(said) {
        Ok([only]) => only,
        Err(said) => said.into(),
    })
}
