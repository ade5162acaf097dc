//! `postroom backup`, `postroom restore`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use hyper::Method;
use serde_json::{Value, json};

use super::args::{Arguments, Command};
use super::progress::Progress;
use super::streams;
use crate::backup::{self, Folder, Note, Source, SourceFile};
use crate::config::Config;

/// The commands that work on the files of this machine; `None` for the others.
pub(super) async fn local(arguments: &Arguments) -> Option<anyhow::Result<Value>> {
    match &arguments.command {
        Command::Backup { folder } => Some(take(arguments, folder).await),
        Command::Restore {
            folder,
            accept_older,
        } => Some(restore(arguments, folder.as_deref(), *accept_older).await),
        _ => None,
    }
}

fn only_here(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(
        arguments.remote.server.is_none(),
        "this works on files: run it on the machine of the server, without --server"
    );
    Ok(())
}

async fn take(arguments: &Arguments, folder: &Path) -> anyhow::Result<Value> {
    only_here(arguments)?;
    let config = arguments.load_config()?;
    let path = folder.to_owned();
    outside(&path, &config.data)?;
    let folder = blocking(move || Folder::make(&path)).await?;
    let mut answer = streams::call(config.admin_socket(), Method::POST, "/v1/backup").await?;
    let source = source(&mut answer, arguments, &config).await?;
    let copied = blocking(move || backup::take(&source, &folder, &Progress::new()));
    // While this side copies, the other keeps; if it cannot any more, what was copied may miss
    // something.
    let taken = tokio::select! {
        taken = copied => taken?,
        ended = answer.ended() => {
            ended?;
            anyhow::bail!("the server stopped before everything was copied: start it and run the same command again, it goes on where it stopped");
        }
    };
    let went_back = if taken.went_back {
        ". The store is older than in that backup: it was set back, so all of it was copied again"
    } else {
        ""
    };
    Ok(json!({
        "message": format!(
            "Copied {} of {} files ({} of {} MiB); the backup before is replaced{went_back}",
            taken.copied_files, taken.files, taken.copied_bytes >> 20, taken.bytes >> 20
        ),
        "files": taken.files,
        "bytes": taken.bytes,
        "copied_files": taken.copied_files,
        "copied_bytes": taken.copied_bytes,
        "removed_files": taken.removed_files,
    }))
}

/// What the server says is to be copied, and what it does not know of.
async fn source(
    answer: &mut streams::Answer,
    arguments: &Arguments,
    config: &Config,
) -> anyhow::Result<Source> {
    let broken = "the answer of the server is not understood";
    let first = answer.line().await?.context(broken)?;
    let text = |name: &str| first[name].as_str().context(broken);
    let data = PathBuf::from(text("data")?);
    // The server may name it from where it was started.
    let data = if data.is_absolute() {
        data
    } else {
        config.data.clone()
    };
    let mut source = Source {
        head: text("head")?
            .parse()
            .map_err(|error| anyhow::anyhow!("{broken}: {error}"))?,
        hostname: text("hostname")?.to_owned(),
        files: Vec::new(),
    };
    loop {
        let line = answer.line().await?.context(broken)?;
        let Some(path) = line["path"].as_str() else {
            break;
        };
        source.files.push(SourceFile {
            path: format!("store/{path}"),
            at: data.join("store").join(path),
            length: line["length"].as_u64(),
            is_final: line["final"].as_bool().unwrap_or(false),
            may_vanish: path.starts_with("bodies/"),
        });
    }
    let copy = Path::new(text("directory")?).file_name().context(broken)?;
    source
        .files
        .push(whole("directory.redb".to_owned(), data.join(copy)));
    add_rest(&mut source, &data)?;
    add_configuration(&mut source, arguments, config);
    Ok(source)
}

fn whole(path: String, at: PathBuf) -> SourceFile {
    SourceFile {
        path,
        at,
        length: None,
        is_final: false,
        may_vanish: false,
    }
}

/// A backup in the data directory would hold itself, and be lost together with it.
fn outside(folder: &Path, data: &Path) -> anyhow::Result<()> {
    let data = data
        .canonicalize()
        .with_context(|| format!("cannot read {}", data.display()))?;
    let whole = std::path::absolute(folder)?;
    // What is not there yet will be in what is.
    let there = whole.ancestors().find_map(|path| path.canonicalize().ok());
    ensure!(
        !there.is_some_and(|there| there.starts_with(&data)),
        "{} is in the data directory {}: name a folder elsewhere, best on another disk",
        folder.display(),
        data.display()
    );
    Ok(())
}

/// What is made again, belongs to the running process, or is copied in another way: names at the
/// top of the data directory. Below it, where people's files are, nothing is left out.
fn is_skipped(name: &str) -> bool {
    matches!(
        name,
        "store"
            | "cache"
            | "cache.key"
            | "cache.new"
            | "directory.redb"
            | "lost+found"
            | "RESTORING"
            | "RESTORING.new"
    ) || name.starts_with("directory.backup-")
}

/// Everything else of a data directory: plugins, certificate, files that people may write.
fn add_rest(source: &mut Source, data: &Path) -> anyhow::Result<()> {
    let mut folders = vec![(String::new(), data.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if prefix.is_empty() && is_skipped(&name) {
                continue;
            }
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push((format!("{path}/"), entry.path()));
            } else if kind.is_file() {
                let file = whole(path, entry.path());
                source.files.push(SourceFile {
                    may_vanish: true,
                    ..file
                });
            }
        }
    }
    Ok(())
}

/// The configuration and the certificate it names, for whoever sets the next machine up.
fn add_configuration(source: &mut Source, arguments: &Arguments, config: &Config) {
    let files = [
        (
            Config::file(arguments.config.as_deref()),
            "config/postroom.toml",
        ),
        (config.tls.certificate.clone(), "config/certificate.pem"),
        (config.tls.key.clone(), "config/key.pem"),
    ];
    for (at, path) in files {
        if let Some(at) = at.filter(|at| at.exists()) {
            source.files.push(whole(path.to_owned(), at));
        }
    }
}

async fn restore(
    arguments: &Arguments,
    folder: Option<&Path>,
    accept_older: bool,
) -> anyhow::Result<Value> {
    only_here(arguments)?;
    let config = arguments.load_config()?;
    let note = Note::at(config.head_note());
    let settings = config.store_settings()?;
    let data = config.data.clone();
    if accept_older {
        super::owned::ensure_owner(&data.join("store"))?;
        let restored = blocking(move || backup::accept_older(&data, &note, settings)).await?;
        return Ok(json!({
            "message": format!(
                "The older store is accepted: {} mailboxes have a new UIDVALIDITY, {} queued messages wait for `postroom queue release`",
                restored.mailboxes, restored.parked
            ),
            "mailboxes": restored.mailboxes,
            "parked": restored.parked,
        }));
    }
    let path = folder
        .context("name the folder of the backup, or --accept-older")?
        .to_owned();
    let shown = config.data.display().to_string();
    let back = blocking(move || {
        let folder = Folder::open(&path)?;
        backup::restore(&folder, &data, &note, settings, &Progress::new())
    })
    .await?;
    let owner = if rustix::process::geteuid().is_root() {
        format!(". Give it to the user that serves: chown -R postroom: {shown}")
    } else {
        String::new()
    };
    Ok(json!({
        "message": format!(
            "Restored the backup of {} into {shown}: {} mailboxes have a new UIDVALIDITY, {} queued messages wait for `postroom queue release`{owner}",
            back.manifest.made, back.restored.mailboxes, back.restored.parked
        ),
        "made": back.manifest.made,
        "mailboxes": back.restored.mailboxes,
        "parked": back.restored.parked,
        "files": back.manifest.files.len(),
        "bytes": back.manifest.bytes(),
    }))
}

/// Work that waits for disks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Source, add_rest, outside};

    fn file(data: &Path, path: &str) {
        let path = data.join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("the folder is ours");
        fs::write(path, "x").expect("the folder is ours");
    }

    #[test]
    fn names_of_the_server_are_left_out_at_the_top_alone() {
        let data = tempfile::tempdir().expect("a temporary folder");
        for path in [
            "store/FORMAT",
            "cache/a",
            "cache.key",
            "directory.redb",
            "directory.backup-1",
            "plugins/a.wasm",
            "files/abc.test/store",
            "files/abc.test/cache/list.new",
            "files/abc.test/directory.redb",
            "notes.new",
        ] {
            file(data.path(), path);
        }
        let mut source = Source {
            head: store::Head::default(),
            hostname: String::new(),
            files: Vec::new(),
        };
        add_rest(&mut source, data.path()).expect("it can be read");
        let mut found: Vec<_> = source.files.into_iter().map(|file| file.path).collect();
        found.sort();
        assert_eq!(
            found,
            [
                "files/abc.test/cache/list.new",
                "files/abc.test/directory.redb",
                "files/abc.test/store",
                "notes.new",
                "plugins/a.wasm",
            ]
        );
    }

    #[test]
    fn a_backup_is_not_in_what_it_is_of() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("the folder is ours");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&data, &link).expect("the folder is ours");
        for inside in [data.clone(), data.join("a/b"), link.join("backup")] {
            assert!(outside(&inside, &data).is_err(), "{}", inside.display());
        }
        outside(&folder.path().join("data-backup"), &data).expect("it is beside");
    }
}
