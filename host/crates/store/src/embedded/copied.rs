//! Looking at a copied segment without opening the store it belongs to.

use std::io;
use std::path::Path;

use crate::embedded::disk::{Disk as _, Mode, RealDisk};
use crate::embedded::segment::{self, Reader, Rest};

/// What a segment was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedSegment {
    /// Bytes up to the end of its last record.
    pub length: u64,
    /// Records, each with a right checksum.
    pub records: u64,
}

/// Reads a segment of the journal from front to back: are all records whole? With `length` they
/// must fill it to exactly there; without, up to where nothing was ever written.
///
/// # Errors
/// The outer error is the system's; the inner one says what is damaged.
pub fn check_segment(
    path: &Path,
    length: Option<u64>,
) -> io::Result<Result<CheckedSegment, String>> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let disk = RealDisk::new(folder);
    let segment = match segment::of_file(disk.open(&name, Mode::Read)?)? {
        Ok(segment) => segment,
        Err(what) => return Ok(Err(what)),
    };
    let mut reader = Reader::new(&segment)?;
    while length.is_none_or(|length| reader.offset < length) {
        if reader.next()?.is_none() {
            break;
        }
    }
    let checked = CheckedSegment {
        length: reader.offset,
        records: reader.expected - segment.first,
    };
    let whole = match length {
        Some(length) if reader.offset != length => Err(format!(
            "record {} cannot be read, and more was written",
            reader.expected
        )),
        Some(_) => Ok(checked),
        None => match reader.rest()? {
            Rest::Damage { missing, .. } => Err(format!("record {missing} cannot be read")),
            Rest::Zeros | Rest::Torn => Ok(checked),
        },
    };
    Ok(whole)
}
