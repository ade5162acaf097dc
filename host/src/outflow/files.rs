//! Files that domains may write. A file cannot join the store's commit, so the attempt is
//! written down before, with the file's length; after a crash what was half written is taken
//! back, if nobody else changed the file.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use delivery::file::{FileError, FileSpec, LockedFile, MboxReader, Postmark, TakenBack};
use mail::{Access, Outcome, words};
use plugin::{FileAppend, FileContent};
use store::{
    Content, Lease, Parked, ParkedReason, QueueRow, Settled, Settlement, Source, Started, TraceLine,
};

use super::attempt::{Attempt, unreadable};
use super::effects::Applied;
use crate::site::{self, Site};

/// How long a lock is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Appends to a file, durably, before the row is settled.
pub(super) async fn append(attempt: &mut Attempt<'_>, append: &FileAppend) -> Applied {
    let (folder, path) = locate(attempt.site, &attempt.lease.row, &append.label)?;
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
    let postmark = postmark(&attempt.lease.row);
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

/// What was found in a file of an attempt that a crash left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nothing of the message stands there (any more): the attempt may be made.
    Clean,
    /// All of it stands there: the attempt had done its work.
    Whole,
    /// Somebody else changed the file: a person should look.
    Changed,
}

impl Found {
    /// For the trace.
    const fn text(self) -> &'static str {
        match self {
            Self::Clean => "a delivery was cut by a stop of the server: it is made again",
            Self::Whole => "a delivery was whole when the server stopped",
            Self::Changed => "kept aside: somebody changed the file of an interrupted delivery",
        }
    }
}

/// Looks at every file that an attempt was writing when the server died, before any new attempt
/// is made: once somebody has appended behind half a message, it could not be taken back. The
/// last one to begin is looked at first, since a file is cut from its end. What was found is
/// settled durably, so that the next crash does not ask again about a file that has grown.
pub(super) async fn recover_all(site: &Site) {
    let mut open = Vec::new();
    let mut after = None;
    // As many as were under way, whatever waits.
    loop {
        let leases = site
            .store
            .claim_started("recovery", site::now(), RECOVERY_SECONDS, after, PAGE)
            .unwrap_or_else(|error| {
                tracing::error!(%error, "interrupted deliveries cannot be looked for");
                Vec::new()
            });
        let Some(last) = leases.last() else { break };
        after = Some(last.row.id);
        for lease in leases {
            let started = lease.row.started.as_ref();
            match started.and_then(|started| started.file_length) {
                Some(length) => open.push((length, lease)),
                None => give_back(site, &lease),
            }
        }
    }
    open.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    for (length, lease) in open {
        let found = look(site, &lease.row, length).await;
        tracing::info!(row = %lease.row.id, ?found, "an interrupted delivery to a file");
        let settled = settled(&lease, found);
        let mut settlement = Settlement::new(site.store.operation_id(), settled);
        settlement.trace.push(TraceLine {
            at: site::now(),
            recipient: Some(lease.row.recipient),
            step: "outflow.recovery".to_owned(),
            text: found.text().to_owned(),
        });
        if let Err(error) = site.store.complete(&lease, settlement).await {
            tracing::error!(row = %lease.row.id, %error, "an interrupted delivery could not be settled");
            give_back(site, &lease);
        }
    }
}

/// Rows read at a time.
const PAGE: usize = 256;

/// How long the look at all files may take.
const RECOVERY_SECONDS: i64 = 3600;

fn give_back(site: &Site, lease: &Lease) {
    if let Err(error) = site.store.give_back(lease) {
        // Its lease runs out in time.
        tracing::error!(row = %lease.row.id, %error, "a queue row could not be given back");
    }
}

fn settled(lease: &Lease, found: Found) -> Settled {
    let label = lease
        .row
        .started
        .as_ref()
        .map_or("", |started| started.label.as_str());
    match found {
        Found::Whole => Settled::Done,
        Found::Clean => Settled::Retry {
            due: site::now(),
            status: None,
            text: "the server stopped during the delivery".to_owned(),
            delay_told: lease.row.delay_told,
        },
        Found::Changed => Settled::Parked(Parked {
            reason: ParkedReason::Circuit,
            text: format!("the file '{label}' was changed since the interrupted delivery"),
            resume: lease.row.work.clone(),
            expires: None,
        }),
    }
}

async fn look(site: &Site, row: &QueueRow, length: u64) -> Found {
    let label = row
        .started
        .as_ref()
        .map_or("", |started| started.label.as_str());
    let Ok((folder, path)) = locate(site, row, label) else {
        return Found::Changed;
    };
    let Ok(domain) = site.directory.domain_by_id(row.domain).await else {
        return Found::Changed;
    };
    let content = site
        .store
        .content(&Access::system(domain.tenant()), Source::Queue(row.id));
    let Ok(content) = content else {
        return Found::Changed;
    };
    let postmark = postmark(row);
    let looked = tokio::task::spawn_blocking(move || {
        let mut file = LockedFile::open(&folder, &path, LOCK_WAIT)?;
        let intended = || MboxReader::new(&postmark, Reading::new(content.clone()));
        Ok::<_, FileError>(match file.take_back(length, intended())? {
            TakenBack::Nothing | TakenBack::Bytes(_) => Found::Clean,
            TakenBack::Changed if file.holds_whole(length, intended())? => Found::Whole,
            TakenBack::Changed => Found::Changed,
        })
    })
    .await;
    match looked {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            tracing::error!(row = %row.id, %error, "an interrupted delivery to a file cannot be looked at");
            Found::Changed
        }
        Err(_) => Found::Changed,
    }
}

/// What to do with an attempt that a crash left open. `None`: it may be made. Files were looked
/// at when the server started.
pub(super) fn recover(attempt: &mut Attempt<'_>) -> Option<Outcome> {
    let started = attempt.lease.row.started.clone()?;
    if started.file_length.is_some() {
        return None;
    }
    after_crash(attempt, &started.label)
}

/// A program that may have run already: what the operator chose for its label.
fn after_crash(attempt: &mut Attempt<'_>, label: &str) -> Option<Outcome> {
    let settings = attempt.site.settings();
    let config = settings
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
fn locate(site: &Site, row: &QueueRow, label: &str) -> Result<(PathBuf, PathBuf), Box<Outcome>> {
    let unknown = || Box::new(words::FILE_NOT_APPROVED.outcome_with(&[("label", label)]));
    let settings = site.settings();
    let mut files = settings.config.file.iter();
    let file = files.find(|file| file.label == label).ok_or_else(unknown)?;
    let spec = FileSpec {
        label: label.to_owned(),
        path: file.path.to_string_lossy().into_owned(),
    };
    let path = spec.path_for(row.address.localpart());
    let path = path.map_err(|error| Box::new(error.outcome(label)))?;
    // By id: a domain that comes back under an old name finds no old files.
    let folder = settings
        .config
        .data
        .join("files")
        .join(row.domain.to_string());
    Ok((folder, path))
}

fn postmark(row: &QueueRow) -> Postmark {
    Postmark {
        sender: row.envelope.reverse_path.clone(),
        received: row.envelope.received,
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
