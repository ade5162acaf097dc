//! The data directory, the space it has, and how many files may be open.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use super::{Finding, Subject};
use crate::backup::Note;

const CHECK: &str = "disk";
/// Files that are open without any connection: journal, index, plugins, listeners.
const OWN_FILES: u64 = 128;

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let data = &subject.config.data;
    let mut found = vec![directory(data), space(subject)];
    found.extend(trouble(subject));
    found.extend(note(subject));
    found.extend(privacy(data));
    found.extend(open_files(subject));
    found
}

/// The directory, or the nearest one above it that is there.
fn nearest(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|above| above.exists());
    match there {
        Some(above) if !above.as_os_str().is_empty() => above.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn directory(data: &Path) -> Finding {
    let shown = data.display();
    let base = nearest(data);
    if data.exists() && !data.is_dir() {
        return Finding::failed(
            CHECK,
            format!("{shown} is not a directory"),
            "name a directory by data = \"…\" in postroom.toml",
        );
    }
    // By trying: rights, read-only mounts and ACLs in one question.
    match tempfile_in(&base) {
        Err(error) => Finding::failed(
            CHECK,
            format!("cannot write in {}: {error}", base.display()),
            format!(
                "give it to the user that serves: chown postroom: {}",
                base.display()
            ),
        ),
        Ok(()) if data.join("store").exists() => {
            Finding::ok(CHECK, format!("the data directory is {shown}"))
        }
        Ok(()) => Finding::ok(
            CHECK,
            format!("the data directory {shown} will be made at the first start"),
        ),
    }
}

fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".postroom-check-{}", std::process::id()));
    fs::File::options()
        .write(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(&path)
}

fn space(subject: &Subject) -> Finding {
    let base = nearest(&subject.config.data);
    let limits = &subject.config.limits;
    let stat = match rustix::fs::statvfs(&base) {
        Ok(stat) => stat,
        Err(error) => {
            return Finding::failed(
                CHECK,
                format!(
                    "cannot ask for the free space of {}: {error}",
                    base.display()
                ),
                "look at the file system: df, dmesg",
            );
        }
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let size = stat.f_blocks.saturating_mul(stat.f_frsize);
    let share = size / 100 * u64::from(limits.disk_reserve_percent);
    let reserve = limits.disk_reserve_bytes.max(share);
    let text = format!(
        "{} MiB are free, {} MiB of them are the reserve",
        free >> 20,
        reserve >> 20
    );
    if free <= reserve {
        Finding::failed(
            CHECK,
            format!("{text}: all mail would be answered 452"),
            "make room, or lower limits.disk_reserve_bytes and limits.disk_reserve_percent",
        )
    } else if free < reserve.saturating_mul(2) {
        Finding::warning(
            CHECK,
            text,
            "make room soon: below the reserve mail is answered 452",
        )
    } else {
        Finding::ok(CHECK, text)
    }
}

/// A store that takes no changes: a write failed, or it is older than the one served last.
fn trouble(subject: &Subject) -> Option<Finding> {
    let trouble = subject.trouble.as_ref()?;
    Some(Finding::failed(
        CHECK,
        trouble.clone(),
        "look at the log of the server; docs/operations.md, \"Backup and moving\"",
    ))
}

/// Where it is noted how far the store was.
fn note(subject: &Subject) -> Option<Finding> {
    let path = Note::at(subject.config.head_note()).path().to_owned();
    let base = nearest(path.parent().unwrap_or(&path));
    let error = tempfile_in(&base).err()?;
    Some(Finding::warning(
        CHECK,
        format!(
            "how far the store is cannot be noted in {} ({error}), so an older copy of it would not be found out",
            base.display()
        ),
        "name a file that the server may write by head_note = \"…\"",
    ))
}

/// Mail and keys are nobody else's business.
fn privacy(data: &Path) -> Option<Finding> {
    let mode = fs::metadata(data).ok()?.permissions().mode();
    let owner = fs::metadata(data).ok()?.uid();
    if mode & 0o007 != 0 {
        return Some(Finding::warning(
            CHECK,
            format!(
                "other users of this machine can look into {}",
                data.display()
            ),
            format!("chmod 700 {}", data.display()),
        ));
    }
    let own = rustix::process::geteuid().as_raw();
    (owner != own && own != 0).then(|| {
        Finding::failed(
            CHECK,
            format!("{} belongs to another user (uid {owner})", data.display()),
            "run this as the user that serves: sudo -u postroom postroom check",
        )
    })
}

fn open_files(subject: &Subject) -> Option<Finding> {
    let limit = getrlimit(Resource::Nofile).current?;
    // A connection, and a body that it reads or writes.
    let wanted = (subject.config.limits.connections as u64) * 2 + OWN_FILES;
    (limit < wanted).then(|| {
        Finding::warning(
            CHECK,
            format!(
                "{limit} files may be open here, {} connections want {wanted}",
                subject.config.limits.connections
            ),
            format!("ulimit -n {wanted}, or LimitNOFILE={wanted} in the service, as packaging/postroom.service has it"),
        )
    })
}
