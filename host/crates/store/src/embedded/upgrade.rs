//! Data of an older format becomes data of this one, with a way back.
//!
//! ```text
//! 1  before-format-N/   links to what is never written again, copies of the rest; its FORMAT
//!                       comes last: with it the copy is whole
//! 2  UPGRADE            "from 1": an upgrade is under way
//! 3  FORMAT             the new number: from here on an older postroom refuses the directory
//! 4  the steps, in order; each can be run again from any point at which a crash left it
//! 5  UPGRADE is removed
//! ```
//! Each of the five is durable before the next begins. A crash leaves what was there, or an
//! upgrade that the next start takes up: what is done is done again or found done.
//!
//! The copy is a data directory of its own, as a crash would have left the old one. Nobody
//! removes it but the operator: until then it takes the room of what has been deleted since, and
//! holds mail that was erased since.
//!
//! How it fails: no room for the copy, or an error of the disk, ends the start with an error, and
//! the next start goes on.

use std::io;
use std::path::Path;

use crate::OpenError;
use crate::embedded::disk::{Disk, DiskFile, Mode};
use crate::embedded::format::{self, Found, StoreId};
use crate::embedded::{bodies, index, manifest, segment};

/// Says that an upgrade is under way.
const UNDER_WAY: &str = "UPGRADE";
/// Bytes copied at a time.
const CHUNK: usize = 1 << 20;

/// One thing that has to be changed. It may find that a crash left it half done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// For the log.
    pub(crate) name: &'static str,
    pub(crate) run: fn(&dyn Disk, StoreId) -> io::Result<()>,
}

/// From one format to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upgrade {
    pub(crate) from: u32,
    pub(crate) steps: &'static [Step],
}

/// Every upgrade there is, oldest first.
///
/// Format 2 reads the rows and bodies of format 1 as they are, and writes its own encrypted: only
/// the number changes, so that an older postroom refuses what it cannot read.
const UPGRADES: &[Upgrade] = &[Upgrade {
    from: 1,
    steps: &[],
}];

/// A format to be reached, and the way there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) format: u32,
    /// The oldest postroom that reads it.
    pub(crate) needs: &'static str,
    pub(crate) upgrades: &'static [Upgrade],
}

impl Target {
    /// What this version writes.
    pub(crate) const OURS: Self = Self {
        format: format::FORMAT,
        needs: format::NEEDS,
        upgrades: UPGRADES,
    };

    /// Brings a directory there, from wherever it is.
    pub(crate) fn reach(
        &self,
        disk: &dyn Disk,
        root: &Path,
        found: Found,
    ) -> Result<StoreId, OpenError> {
        let io = |error| OpenError::Io {
            path: root.to_owned(),
            error,
        };
        let Some(from) = self.begin(disk, found).map_err(io)? else {
            return Ok(found.store);
        };
        for upgrade in self.upgrades.iter().filter(|upgrade| upgrade.from >= from) {
            for step in upgrade.steps {
                tracing::info!(
                    from = upgrade.from,
                    step = step.name,
                    "upgrading the data directory"
                );
                (step.run)(disk, found.store).map_err(io)?;
            }
        }
        finish(disk).map_err(io)?;
        tracing::info!(
            from,
            to = self.format,
            copy = copy_name(from),
            "the data directory is upgraded; the copy is the way back"
        );
        Ok(found.store)
    }

    /// Steps 1 to 3. The format from which to go; `None`: it is there.
    fn begin(&self, disk: &dyn Disk, found: Found) -> io::Result<Option<u32>> {
        if let Some(from) = under_way(disk)? {
            if found.format < self.format {
                format::write(disk, found.store, self.format, self.needs)?;
            }
            return Ok(Some(from));
        }
        if found.format >= self.format {
            return Ok(None);
        }
        let copy = copy_name(found.format);
        tracing::info!(
            copy,
            "keeping a copy of the data directory before its upgrade"
        );
        keep_copy(disk, &copy)?;
        let note = format!("from {}\n", found.format);
        format::replace(disk, UNDER_WAY, note.as_bytes())?;
        format::write(disk, found.store, self.format, self.needs)?;
        Ok(Some(found.format))
    }
}

fn copy_name(from: u32) -> String {
    format!("before-format-{}", from + 1)
}

/// The format from which an upgrade began that did not end.
fn under_way(disk: &dyn Disk) -> io::Result<Option<u32>> {
    let file = match disk.open(UNDER_WAY, Mode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; usize::try_from(file.length()?).unwrap_or(0).min(4096)];
    file.read_at(0, &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let from = text
        .trim()
        .strip_prefix("from ")
        .and_then(|from| from.parse().ok());
    from.map(Some)
        .ok_or_else(|| io::Error::other(format!("the file {UNDER_WAY} names no format")))
}

fn finish(disk: &dyn Disk) -> io::Result<()> {
    disk.remove(UNDER_WAY)?;
    disk.sync_dir("")
}

/// Makes the copy, unless it is there and whole.
fn keep_copy(disk: &dyn Disk, copy: &str) -> io::Result<()> {
    let mark = format!("{copy}/{}", format::FILE);
    if disk.open(&mark, Mode::Read).is_ok() {
        return Ok(());
    }
    let there = disk.list("")?;
    let mut subdirectories = vec![segment::DIRECTORY, bodies::DIRECTORY];
    if there.iter().any(|name| name == segment::SETTLED_DIRECTORY) {
        subdirectories.push(segment::SETTLED_DIRECTORY);
    }
    disk.create_dir(copy)?;
    for directory in &subdirectories {
        disk.create_dir(&format!("{copy}/{directory}"))?;
    }
    disk.sync_dir("")?;
    disk.sync_dir(copy)?;
    let names = disk.list(segment::DIRECTORY)?;
    let last = names
        .iter()
        .filter(|name| segment::id_of(name).is_some())
        .max();
    for name in names.iter().filter(|name| segment::id_of(name).is_some()) {
        let path = format!("{}/{name}", segment::DIRECTORY);
        if Some(name) == last {
            copy_file(disk, &path, &format!("{copy}/{path}"))?;
        } else {
            link(disk, &path, &format!("{copy}/{path}"))?;
        }
    }
    // All but the journal's: written once, and never again under their names.
    for directory in &subdirectories[1..] {
        for name in disk.list(directory)?.iter().filter(|name| *name != "new") {
            let path = format!("{directory}/{name}");
            link(disk, &path, &format!("{copy}/{path}"))?;
        }
    }
    for file in [index::FILE, manifest::FILE] {
        if there.iter().any(|name| name == file) {
            copy_file(disk, file, &format!("{copy}/{file}"))?;
        }
    }
    for directory in subdirectories {
        disk.sync_dir(&format!("{copy}/{directory}"))?;
    }
    disk.sync_dir(copy)?;
    let half = format!("{mark}.new");
    copy_file(disk, format::FILE, &half)?;
    disk.rename(&half, &mark)?;
    disk.sync_dir(copy)
}

/// A second name; one that an unfinished copy left is the same file, or is made anew.
fn link(disk: &dyn Disk, from: &str, to: &str) -> io::Result<()> {
    match disk.remove(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.link(from, to)
}

fn copy_file(disk: &dyn Disk, from: &str, to: &str) -> io::Result<()> {
    let source = disk.open(from, Mode::Read)?;
    let target = disk.open(to, Mode::Create)?;
    copy_bytes(&*source, &*target)?;
    target.sync()
}

fn copy_bytes(source: &dyn DiskFile, target: &dyn DiskFile) -> io::Result<()> {
    let length = source.length()?;
    target.set_length(length)?;
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < length {
        let take = (length - at).min(CHUNK as u64) as usize;
        source.read_at(at, &mut buffer[..take])?;
        // Room that was only allocated stays a hole.
        if buffer[..take].iter().any(|byte| *byte != 0) {
            target.write_at(at, &buffer[..take])?;
        }
        at += take as u64;
    }
    Ok(())
}
