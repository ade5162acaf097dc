//! `postroom domain export|import`, `postroom user export|import`

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::Method;
use hyper::body::Frame;
use mail::words;
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::args::{Arguments, Command, DomainCommand, MailFiles, UserCommand};
use super::client::segment;
use super::progress::Progress;
use super::streams::{self, Answer};
use super::{mail_files, output};
use crate::moving::{self, Begun, PipeReader, PipeWriter, Reader, Resume, pipe};

/// Bytes read from a file at a time.
const CHUNK: usize = 64 * 1024;

/// The commands that carry archives; `None` for the others.
pub(super) async fn local(arguments: &Arguments) -> Option<anyhow::Result<()>> {
    match &arguments.command {
        Command::Domain {
            command: DomainCommand::Export { name, file },
        } => Some(export_domain(arguments, name, file).await),
        Command::Domain {
            command: DomainCommand::Import { file },
        } => Some(import_domain(arguments, file).await),
        Command::User {
            command: UserCommand::Export { address, files },
        } => Some(export_person(arguments, address, files).await),
        Command::User {
            command: UserCommand::Import { address, files },
        } => Some(import_person(arguments, address, files).await),
        _ => None,
    }
}

fn socket(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    ensure!(
        arguments.remote.server.is_none(),
        words::CLI_HERE_ONLY.text()
    );
    Ok(arguments.load_config()?.admin_socket())
}

async fn export_domain(arguments: &Arguments, name: &str, file: &Path) -> anyhow::Result<()> {
    let socket = socket(arguments)?;
    let shown = file.display().to_string();
    ensure!(
        !file.exists(),
        words::CLI_EXPORT_THERE.text_with(&[("file", &shown)])
    );
    let mut partial = file.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let kept = {
        let (partial, name) = (partial.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || Kept::open(&partial, &name)).await?
    };
    let Kept { mut out, begun } =
        kept.with_context(|| format!("cannot write {}", partial.display()))?;
    if begun != Begun::Whole {
        let called = streams::call(socket, Method::GET, &path_behind(name, &begun)).await;
        if called.is_err() && begun == Begun::Nothing {
            // Nothing was begun. What is left is made anew by the next try.
            let _ = std::fs::remove_file(&partial);
        }
        receive(called?, &mut out)
            .await
            .with_context(|| words::CLI_EXPORT_BROKE.text_with(&[("file", &shown)]))?;
    }
    let synced = move || {
        // An earlier try may have ended between its last byte and this.
        out.sync_all()?;
        checked(out)
    };
    let (size, items) = tokio::task::spawn_blocking(synced).await??;
    std::fs::rename(&partial, file)?;
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    let kib = size.div_ceil(1024).to_string();
    let resumed = match &begun {
        Begun::Part(part) => part.length,
        _ => 0,
    };
    let done = json!({
        "message": words::CLI_EXPORTED.text_with(&[("name", name), ("file", &shown), ("kib", &kib)]),
        "file": file, "bytes": size, "items": items, "kept_bytes": resumed,
    });
    output::show_done(&done, arguments.json);
    Ok(())
}

/// The file that an export is written to, at the end of what is whole of it.
struct Kept {
    out: File,
    begun: Begun,
}

impl Kept {
    /// What an earlier try left is kept as far as it is whole.
    fn open(path: &Path, name: &str) -> std::io::Result<Self> {
        let Some(mut out) = own(path)? else {
            return Ok(Self {
                out: begun_anew(path)?,
                begun: Begun::Nothing,
            });
        };
        let progress = Progress::new();
        let begun = moving::begun(&out, "domain", name, &|bytes| {
            progress.show(&|| format!("{} MiB are there from before", bytes >> 20));
        });
        progress.end();
        let length = match &begun {
            Begun::Nothing => 0,
            Begun::Part(part) => part.length,
            Begun::Whole => out.metadata()?.len(),
        };
        out.set_len(length)?;
        out.seek(SeekFrom::Start(length))?;
        Ok(Self { out, begun })
    }
}

/// A file that is the caller's alone, if there is one: nobody else has put there what would become
/// part of the archive.
fn own(path: &Path) -> std::io::Result<Option<File>> {
    let is_own = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        found => is_callers(&found?),
    };
    if !is_own {
        return Ok(None);
    }
    let file = File::options().read(true).write(true).open(path)?;
    Ok(is_callers(&file.metadata()?).then_some(file))
}

fn is_callers(found: &std::fs::Metadata) -> bool {
    found.is_file()
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.mode() & 0o077 == 0
        && found.nlink() == 1
}

/// A file of nobody but the caller: what somebody else put there goes.
fn begun_anew(path: &Path) -> std::io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options()
        .write(true)
        .read(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Where the server has what comes behind what is there.
fn path_behind(name: &str, begun: &Begun) -> String {
    let query = match begun {
        Begun::Part(part) => format!("?behind={}", segment(&Resume::of(part).to_string())),
        _ => String::new(),
    };
    format!("/v1/domains/{}/archive{query}", segment(name))
}

/// Writes it there.
async fn receive(mut answer: Answer, out: &mut File) -> anyhow::Result<()> {
    let progress = Progress::new();
    let mut size = out.stream_position()?;
    while let Some(chunk) = answer.chunk().await? {
        out.write_all(&chunk)?;
        size += chunk.len() as u64;
        progress.show(&|| format!("{} MiB written", size >> 20));
    }
    progress.end();
    Ok(out.sync_all()?)
}

/// Reads all of it again, from the disk, up to the end: size and items.
fn checked(mut file: File) -> anyhow::Result<(u64, u64)> {
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let progress = Progress::new();
    let mut reader = Reader::new(&file)?;
    let mut items = 0;
    while let Some(item) = reader.next()? {
        reader.skip(&item)?;
        items = item.number;
        progress.show(&|| format!("{items} items checked"));
    }
    progress.end();
    Ok((size, items))
}

async fn import_domain(arguments: &Arguments, file: &Path) -> anyhow::Result<()> {
    let socket = socket(arguments)?;
    let mut from = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let size = from.metadata()?.len();
    let answer = send(
        socket,
        "/v1/archives",
        move |out, sent| {
            let mut buffer = vec![0; CHUNK];
            loop {
                let read = from.read(&mut buffer)?;
                if read == 0 {
                    return Ok(());
                }
                out.write_all(&buffer[..read])?;
                sent.fetch_add(read as u64, Ordering::Relaxed);
            }
        },
        |sent| {
            format!(
                "{} of {} MiB, {} %",
                sent >> 20,
                size >> 20,
                sent * 100 / size.max(1)
            )
        },
    )
    .await?;
    output::show_done(&answer.json().await?, arguments.json);
    Ok(())
}

async fn export_person(
    arguments: &Arguments,
    address: &str,
    files: &MailFiles,
) -> anyhow::Result<()> {
    let socket = socket(arguments)?;
    let mut target = mail_files::Target::open(files)?;
    // An mbox is one mailbox.
    let mailbox = match (&files.mailbox, &files.mbox) {
        (None, Some(_)) => Some("INBOX"),
        (named, _) => named.as_deref(),
    };
    let query = mailbox.map_or_else(String::new, |name| format!("?mailbox={}", segment(name)));
    let path = format!("/v1/users/{}/mail{query}", segment(address));
    let mut answer = streams::call(socket, Method::GET, &path).await?;
    let (sender, receiver) = pipe();
    let writing = tokio::task::spawn_blocking(move || {
        let progress = Progress::new();
        let mut reader = Reader::new(PipeReader::new(receiver))?;
        let mut count = 0_u64;
        while let Some(item) = reader.next()? {
            if item.path.starts_with("mail/") {
                target.put(&mut reader, &item)?;
                count += 1;
                progress.show(&|| format!("{count} messages"));
            } else {
                reader.skip(&item)?;
            }
        }
        target.finish()?;
        anyhow::Ok(count)
    });
    let mut broken = None;
    loop {
        let piece = match answer.chunk().await {
            Ok(Some(chunk)) => Ok(chunk),
            Ok(None) => break,
            Err(error) => {
                let text = format!("{error:#}");
                broken = Some(error);
                Err(std::io::Error::other(text))
            }
        };
        let is_last = piece.is_err();
        // When the writer has gone it has said why.
        if sender.send(piece).await.is_err() || is_last {
            break;
        }
    }
    drop(sender);
    let count = match (writing.await?, broken) {
        (_, Some(error)) => return Err(error),
        (written, None) => written?,
    };
    let done = json!({
        "message": words::CLI_MAIL_EXPORTED.text_with(&[
            ("count", &count.to_string()),
            ("address", address),
            ("place", &files.place().display().to_string()),
        ]),
        "messages": count,
    });
    output::show_done(&done, arguments.json);
    Ok(())
}

async fn import_person(
    arguments: &Arguments,
    address: &str,
    files: &MailFiles,
) -> anyhow::Result<()> {
    let socket = socket(arguments)?;
    let source = mail_files::Source::open(files)?;
    let path = format!("/v1/users/{}/mail", segment(address));
    let bad = Arc::new(std::sync::Mutex::new(Vec::new()));
    let found = Arc::clone(&bad);
    let answer = send(
        socket,
        &path,
        move |out, sent| {
            let skipped = source.write(out, &|| {
                sent.fetch_add(1, Ordering::Relaxed);
            })?;
            // Assigned in one step.
            *found
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = skipped;
            Ok(())
        },
        |sent| format!("{sent} messages read"),
    )
    .await?;
    let mut done = answer.json().await?;
    let skipped = std::mem::take(
        &mut *bad
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner),
    );
    let imported = done["imported"].as_u64().unwrap_or(0);
    let known = done["known"].as_u64().unwrap_or(0);
    if let Some(refused) = done["refused"].as_array_mut() {
        refused.extend(
            skipped
                .into_iter()
                .map(|(file, why)| json!({ "file": file, "why": why })),
        );
    }
    let refused = done["refused"].as_array().cloned().unwrap_or_default();
    done["message"] = words::CLI_MAIL_IMPORTED
        .text_with(&[
            ("count", &imported.to_string()),
            ("address", address),
            ("known", &known.to_string()),
        ])
        .into();
    output::show_done(&done, arguments.json);
    if refused.is_empty() {
        return Ok(());
    }
    if !arguments.json {
        for one in &refused {
            let values = [("file", text(&one["file"])), ("detail", text(&one["why"]))];
            eprintln!("{}", words::CLI_MAIL_NOT_IMPORTED.text_with(&values));
        }
    }
    bail!(words::CLI_MAIL_SOME_NOT_IMPORTED.text_with(&[("count", &refused.len().to_string())]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Sends what `write` writes, and shows how far that is.
async fn send(
    socket: PathBuf,
    path: &str,
    write: impl FnOnce(&mut PipeWriter, &AtomicU64) -> anyhow::Result<()> + Send + 'static,
    line: impl Fn(u64) -> String,
) -> anyhow::Result<Answer> {
    let (sender, receiver) = pipe();
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let writing = tokio::task::spawn_blocking(move || {
        let mut out = PipeWriter::new(sender);
        let written = write(&mut out, &counted).and_then(|()| Ok(out.flush()?));
        if let Err(error) = &written {
            out.fail(error);
        }
        written
    });
    let frames = ReceiverStream::new(receiver).map(|piece| piece.map(Frame::<Bytes>::data));
    let progress = Progress::new();
    let mut answering = Box::pin(streams::send(
        socket,
        Method::POST,
        path,
        StreamBody::new(frames),
    ));
    let answer = loop {
        tokio::select! {
            answer = &mut answering => break answer,
            () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {
                progress.show(&|| line(sent.load(Ordering::Relaxed)));
            }
        }
    };
    progress.end();
    match answer {
        Ok(answer) => {
            writing.await??;
            Ok(answer)
        }
        // What the server says counts; where it broke off, why the writer did.
        Err(error) if error.is::<super::client::Refused>() => Err(error),
        Err(error) => match writing.await? {
            Err(cause)
                if cause
                    .downcast_ref::<std::io::Error>()
                    .is_none_or(|cause| cause.kind() != std::io::ErrorKind::BrokenPipe) =>
            {
                Err(cause)
            }
            _ => Err(error),
        },
    }
}
