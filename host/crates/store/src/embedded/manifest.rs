//! `SEGMENTS`: which segments the store consists of, beside the log from its first one on.
//!
//! ```text
//! postroom segments
//! store 0123456789abcdef0123456789abcdef
//! log 7                                          first segment of the log
//! next 8000000000000003                          the next settled segment
//! rows 8000000000000001 2 123456 4000 0 kept     records, bytes, rows, -, state
//! bodies 8000000000000002 31 3000000 700 2998000 new
//! sum 1a2b3c4d                                   crc32c of the lines above
//! ```
//! It is written aside, synced, renamed, and its directory synced. What it names must be there:
//! a settled segment that is not is damage, and so is a gap in the log behind `log`. What it does
//! not name was on its way in or is on its way out, and is removed. Without the file (a store
//! that never collected) the log begins with segment 1.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::OpenError;
use crate::embedded::disk::{Disk, Mode};
use crate::embedded::format::StoreId;
use crate::embedded::segment;
use crate::rows::SETTLED;

pub(crate) const FILE: &str = "SEGMENTS";
pub(crate) const TEMPORARY: &str = "SEGMENTS.new";
const TITLE: &str = "postroom segments";

/// A settled segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) records: u64,
    /// Of the file.
    pub(crate) bytes: u64,
    /// Rows or bodies.
    pub(crate) count: u64,
    /// Bytes of the bodies as they were received; nothing for rows.
    pub(crate) raw: u64,
    /// Its collection was not finished: what of it is alive must be counted.
    pub(crate) is_new: bool,
}

/// Which segments there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The first segment of the log.
    pub(crate) log: u64,
    /// The number of the next settled segment.
    pub(crate) next: u64,
    /// Rows, older than the log; in this order (that of their numbers).
    pub(crate) rows: BTreeMap<u64, Settled>,
    /// Bodies, in no order that matters.
    pub(crate) bodies: BTreeMap<u64, Settled>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            log: 1,
            next: SETTLED | 1,
            rows: BTreeMap::new(),
            bodies: BTreeMap::new(),
        }
    }
}

impl Manifest {
    /// Every settled segment.
    pub(crate) fn settled(&self) -> impl Iterator<Item = (u64, &Settled)> {
        self.rows
            .iter()
            .chain(&self.bodies)
            .map(|(id, settled)| (*id, settled))
    }

    fn encode(&self, store: StoreId) -> String {
        let mut text = format!(
            "{TITLE}\nstore {:032x}\nlog {:x}\nnext {:x}\n",
            u128::from_be_bytes(store),
            self.log,
            self.next
        );
        for (kind, segments) in [("rows", &self.rows), ("bodies", &self.bodies)] {
            for (id, settled) in segments {
                let state = if settled.is_new { "new" } else { "kept" };
                let Settled {
                    records,
                    bytes,
                    count,
                    raw,
                    ..
                } = settled;
                // Writing into a String cannot fail.
                let _ = writeln!(
                    text,
                    "{kind} {id:x} {records} {bytes} {count} {raw} {state}"
                );
            }
        }
        let sum = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, "sum {sum:08x}");
        text
    }

    fn decode(text: &str, store: StoreId) -> Option<Self> {
        let (lines, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let sum = u32::from_str_radix(sum.strip_prefix("sum ")?, 16).ok()?;
        let (covered, _) = text.split_at(lines.len() + 1);
        if sum != crc32c::crc32c(covered.as_bytes()) {
            return None;
        }
        let mut lines = lines.lines();
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        if lines.next()? != TITLE {
            return None;
        }
        let id = lines.next()?.strip_prefix("store ")?;
        if u128::from_str_radix(id, 16).ok()? != u128::from_be_bytes(store) {
            return None;
        }
        let mut manifest = Self {
            log: hex(lines.next()?.strip_prefix("log ")?)?,
            next: hex(lines.next()?.strip_prefix("next ")?)?,
            ..Self::default()
        };
        for line in lines {
            let mut words = line.split(' ');
            let kind = words.next()?;
            let id = hex(words.next()?)?;
            let mut number = || words.next()?.parse().ok();
            let mut settled = Settled {
                records: number()?,
                bytes: number()?,
                count: number()?,
                raw: number()?,
                is_new: false,
            };
            settled.is_new = match words.next()? {
                "new" => true,
                "kept" => false,
                _ => return None,
            };
            match kind {
                "rows" => manifest.rows.insert(id, settled),
                "bodies" => manifest.bodies.insert(id, settled),
                _ => return None,
            };
        }
        Some(manifest)
    }
}

/// What the directory says; `None`: nothing was ever collected.
pub(crate) fn read(
    disk: &dyn Disk,
    root: &Path,
    store: StoreId,
) -> Result<Option<Manifest>, OpenError> {
    let io = |error| OpenError::Io {
        path: root.join(FILE),
        error,
    };
    let damaged = |what: &str| OpenError::Damaged {
        path: root.join(FILE),
        what: what.to_owned(),
    };
    let file = match disk.open(FILE, Mode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // It is made before the first settled segment.
            let settled = disk.list(segment::SETTLED_DIRECTORY).unwrap_or_default();
            if settled.is_empty() {
                return Ok(None);
            }
            return Err(damaged("it is missing, and there are settled segments"));
        }
        Err(error) => return Err(io(error)),
    };
    let mut bytes = vec![0; usize::try_from(file.length().map_err(io)?).unwrap_or(0)];
    file.read_at(0, &mut bytes).map_err(io)?;
    let text = String::from_utf8_lossy(&bytes);
    Manifest::decode(&text, store)
        .map(Some)
        .ok_or_else(|| damaged("its checksum or form is wrong, or it is of another store"))
}

/// Why it was not written.
#[derive(Debug)]
pub(crate) struct WriteError {
    pub(crate) error: io::Error,
    /// The one before certainly holds.
    pub(crate) is_clean: bool,
}

/// Writes it, durably.
pub(crate) fn write(
    disk: &dyn Disk,
    store: StoreId,
    manifest: &Manifest,
) -> Result<(), WriteError> {
    let text = manifest.encode(store);
    let aside = || {
        let file = disk.open(TEMPORARY, Mode::Create)?;
        file.write_at(0, text.as_bytes())?;
        file.sync()
    };
    aside().map_err(|error| {
        // The error that matters is the first; what is left is written over.
        let _ = disk.remove(TEMPORARY);
        WriteError {
            error,
            is_clean: true,
        }
    })?;
    disk.rename(TEMPORARY, FILE)
        .and_then(|()| disk.sync_dir(""))
        .map_err(|error| WriteError {
            error,
            is_clean: false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let settled = |count, is_new| Settled {
            records: 2,
            bytes: 500,
            count,
            raw: 400,
            is_new,
        };
        Manifest {
            log: 17,
            next: SETTLED | 4,
            rows: BTreeMap::from([(SETTLED | 1, settled(9, false))]),
            bodies: BTreeMap::from([
                (SETTLED | 2, settled(3, false)),
                (SETTLED | 3, settled(1, true)),
            ]),
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let text = manifest().encode([7; 16]);
        assert_eq!(Manifest::decode(&text, [7; 16]), Some(manifest()));
        assert_eq!(Manifest::decode(&text, [8; 16]), None, "of another store");
        assert!(text.contains("\nbodies 8000000000000003 2 500 1 400 new\n"));
    }

    #[test]
    fn any_changed_byte_is_refused() {
        let text = manifest().encode([7; 16]);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert_ne!(
                Manifest::decode(&changed, [7; 16]),
                Some(manifest()),
                "{at}"
            );
            assert_eq!(Manifest::decode(&text[..at], [7; 16]), None, "cut at {at}");
        }
    }
}
