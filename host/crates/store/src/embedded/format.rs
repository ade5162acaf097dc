//! The `FORMAT` file: what the directory is, and who can read it.
//!
//! ```text
//! postroom data directory
//! format 2
//! needs 0.1.0
//! store 0123456789abcdef0123456789abcdef
//! ```
//! `format` is the number of the layout, `needs` the oldest postroom that reads it, `store` a
//! random id that ties segments to their directory.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;

use crate::OpenError;
use crate::embedded::disk::{Disk, Mode};

/// The newest format this version reads, and the one it writes.
/// 2: rows and bodies are encrypted with keys of their owners.
pub(crate) const FORMAT: u32 = 2;
/// The oldest postroom that reads what this version writes.
pub(crate) const NEEDS: &str = "0.1.0";
const TITLE: &str = "postroom data directory";
pub(crate) const FILE: &str = "FORMAT";

/// The id of a store.
pub(crate) type StoreId = [u8; 16];

/// What a directory says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) format: u32,
    pub(crate) store: StoreId,
}

/// A new one. Not secret, only different from others.
pub(crate) fn new_id() -> StoreId {
    let mut id = [0; 16];
    for half in id.chunks_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    id
}

/// What the directory says it is; `None`: it says nothing.
pub(crate) fn read(disk: &dyn Disk, root: &Path) -> Result<Option<Found>, OpenError> {
    read_up_to(disk, root, FORMAT)
}

/// As [`read`], for one who reads up to `newest`.
pub(crate) fn read_up_to(
    disk: &dyn Disk,
    root: &Path,
    newest: u32,
) -> Result<Option<Found>, OpenError> {
    let io = |error| OpenError::Io {
        path: root.join(FILE),
        error,
    };
    let file = match disk.open(FILE, Mode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let length = usize::try_from(file.length().map_err(io)?)
        .unwrap_or(usize::MAX)
        .min(4096);
    let mut bytes = vec![0; length];
    file.read_at(0, &mut bytes).map_err(io)?;
    parse(&String::from_utf8_lossy(&bytes), root, newest).map(Some)
}

fn parse(text: &str, root: &Path, newest: u32) -> Result<Found, OpenError> {
    let damaged = |what: &str| OpenError::Damaged {
        path: root.join(FILE),
        what: what.to_owned(),
    };
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(damaged("the FORMAT file does not begin as one"));
    }
    let (mut format, mut needs, mut store) = (None, None, None);
    for line in lines {
        match line.split_once(' ') {
            Some(("format", value)) => format = value.parse::<u32>().ok(),
            Some(("needs", value)) => needs = Some(value.to_owned()),
            Some(("store", value)) => store = u128::from_str_radix(value, 16).ok(),
            // Lines of newer versions, which say nothing to this one.
            _ => {}
        }
    }
    let format = format.ok_or_else(|| damaged("the FORMAT file names no format"))?;
    if format > newest {
        let needs = needs.unwrap_or_else(|| "a newer version".to_owned());
        return Err(OpenError::Newer {
            path: root.to_owned(),
            format,
            needs,
            ours: newest,
        });
    }
    if format == 0 {
        return Err(damaged("the FORMAT file names format 0, which never was"));
    }
    let store = store
        .map(u128::to_be_bytes)
        .ok_or_else(|| damaged("the FORMAT file names no store"))?;
    Ok(Found { format, store })
}

/// Writes it: the last step of making a directory.
pub(crate) fn write(disk: &dyn Disk, store: StoreId, format: u32, needs: &str) -> io::Result<()> {
    let id = u128::from_be_bytes(store);
    let text = format!("{TITLE}\nformat {format}\nneeds {needs}\nstore {id:032x}\n");
    replace(disk, FILE, text.as_bytes())
}

/// Puts a small file into the place of another: after a crash it is the one or the other.
pub(crate) fn replace(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{path}.new");
    let file = disk.open(&temporary, Mode::Create)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    disk.rename(&temporary, path)?;
    disk.sync_dir("")
}
