//! Files that domains may write. A file cannot join the store's commit, so the attempt is
//! written down before, with the file's length; after a crash what was half written is taken
//! back, if nobody else changed the file.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use delivery::file::{FileSpec, LockedFile, MboxReader, Postmark, TakenBack};
use mail::{Outcome, words};
use plugin::{FileAppend, FileContent};
use store::{Content, Started};

use super::attempt::{Attempt, unreadable};
use super::effects::Applied;

/// How long a lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Appends to a file, durably, before the row is settled.
pub(super) async fn append(attempt: &mut Attempt<'_>, append: &FileAppend) -> Applied {
    let (folder, path) = locate(attempt, &append.label)?;
    let content = attempt
        .site
        .store
        .leased_content(attempt.lease)
        .map_err(|error| unreadable(&error))?;
    let opened = tokio::task::spawn_blocking({
        let (folder, path) = (folder, path);
        move || {
            std::fs::create_dir_all(&folder)?;
            LockedFile::open(&folder, &path, LOCK_WAIT)
        }
    })
    .await;
    let mut file = match opened {
        Ok(Ok(file)) => file,
        Ok(Err(error)) => return Err(Box::new(error.outcome(&append.label))),
        Err(_) => return Err(Box::new(broken(&append.label))),
    };
    let started = Started {
        attempt: attempt.lease.row.attempts + 1,
        label: append.label.clone(),
        file_length: Some(file.length()),
        at: attempt.now,
    };
    if let Err(error) = attempt
        .site
        .store
        .note_started(attempt.lease, started)
        .await
    {
        return Err(Box::new(unreadable(&error)));
    }
    let what = append.content.clone();
    let postmark = postmark(attempt);
    let written = tokio::task::spawn_blocking(move || match what {
        FileContent::Bytes(bytes) => file.append(bytes.as_slice()),
        FileContent::Mbox => file.append_message(&postmark, Reading::new(content)),
    })
    .await;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Box::new(error.outcome(&append.label))),
        Err(_) => Err(Box::new(broken(&append.label))),
    }
}

/// Looks at an attempt that a crash left open. `None`: the attempt may be made.
pub(super) async fn recover(attempt: &mut Attempt<'_>) -> Option<Outcome> {
    let started = attempt.lease.row.started.clone()?;
    let Some(length) = started.file_length else {
        return after_crash(attempt, &started.label);
    };
    let (folder, path) = match locate(attempt, &started.label) {
        Ok(found) => found,
        Err(outcome) => return Some(*outcome),
    };
    let content = match attempt.site.store.leased_content(attempt.lease) {
        Ok(content) => content,
        Err(error) => return Some(unreadable(&error)),
    };
    let postmark = postmark(attempt);
    let taken = tokio::task::spawn_blocking(move || {
        let mut file = LockedFile::open(&folder, &path, LOCK_WAIT)?;
        file.take_back(length, MboxReader::new(&postmark, Reading::new(content)))
    })
    .await;
    match taken {
        Ok(Ok(TakenBack::Nothing | TakenBack::Bytes(_))) => None,
        Ok(Ok(TakenBack::Changed)) => {
            let label = &started.label;
            attempt.park = Some(format!(
                "the file '{label}' was changed since the interrupted delivery"
            ));
            Some(words::FILE_CHANGED.outcome_with(&[("label", label)]))
        }
        Ok(Err(error)) => Some(error.outcome(&started.label)),
        Err(_) => Some(broken(&started.label)),
    }
}

/// A program that may have run already: what the operator chose for its label.
fn after_crash(attempt: &mut Attempt<'_>, label: &str) -> Option<Outcome> {
    let config = attempt
        .site
        .config
        .program
        .iter()
        .find(|program| program.label == label)?;
    match config.after_crash.as_str() {
        "fail" => {
            Some(words::PROGRAM_FAILED.outcome_with(&[("label", label), ("detail", "interrupted")]))
        }
        "park" => {
            attempt.park = Some(format!(
                "the program '{label}' was interrupted by a stop of the server"
            ));
            Some(
                words::PROGRAM_DEFERRED
                    .outcome_with(&[("label", label), ("detail", "interrupted")]),
            )
        }
        _ => None,
    }
}

/// Folder and path of a label: the operator maps labels, each domain has a folder of its own.
fn locate(attempt: &Attempt<'_>, label: &str) -> Result<(PathBuf, PathBuf), Box<Outcome>> {
    let unknown = || Box::new(words::FILE_NOT_APPROVED.outcome_with(&[("label", label)]));
    let file = attempt
        .site
        .config
        .file
        .iter()
        .find(|file| file.label == label)
        .ok_or_else(unknown)?;
    let spec = FileSpec {
        label: label.to_owned(),
        path: file.path.to_string_lossy().into_owned(),
    };
    let path = spec.path_for(attempt.lease.row.address.localpart());
    let path = path.map_err(|error| Box::new(error.outcome(label)))?;
    // By id: a domain that comes back under an old name finds no old files.
    let folder = attempt
        .site
        .config
        .data
        .join("files")
        .join(attempt.lease.row.domain.to_string());
    Ok((folder, path))
}

fn postmark(attempt: &Attempt<'_>) -> Postmark {
    let envelope = &attempt.lease.row.envelope;
    Postmark {
        sender: envelope.reverse_path.clone(),
        received: envelope.received,
    }
}

fn broken(label: &str) -> Outcome {
    words::FILE_DEFERRED.outcome_with(&[("label", label), ("detail", "the writer broke off")])
}

/// A stored message as a reader.
struct Reading {
    content: Content,
    offset: u64,
}

impl Reading {
    const fn new(content: Content) -> Self {
        Self { content, offset: 0 }
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self
            .content
            .read(self.offset, buffer.len())
            .map_err(io::Error::other)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }
}
