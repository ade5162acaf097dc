//! Settled segments: written once by the collector, whole, and only then named.

use std::io;
use std::sync::Arc;

use crate::embedded::disk::{Disk, DiskFile, Mode};
use crate::embedded::format::StoreId;
use crate::embedded::manifest::Settled;
use crate::embedded::record::{self, Kind, write_kind};
use crate::embedded::segment::{self, SETTLED_DIRECTORY};

/// One being written, under a temporary name.
pub(crate) struct Output {
    disk: Arc<dyn Disk>,
    pub(crate) id: u64,
    file: Arc<dyn DiskFile>,
    offset: u64,
    records: u64,
}

/// Temporary name of a settled segment.
pub(crate) const TEMPORARY: &str = "settled/new";

impl Output {
    pub(crate) fn begin(disk: &Arc<dyn Disk>, store: StoreId, id: u64) -> io::Result<Self> {
        let file = disk.open(TEMPORARY, Mode::Create)?;
        let output = Self {
            disk: Arc::clone(disk),
            id,
            file,
            offset: segment::HEADER as u64,
            records: 0,
        };
        output
            .file
            .write_at(0, &segment::encode_header(store, id, 1))?;
        Ok(output)
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.offset
    }

    /// Adds a record; answers where its payload begins.
    pub(crate) fn record(&mut self, payload: &[u8]) -> io::Result<u64> {
        let mut bytes = Vec::with_capacity(payload.len() + record::HEADER + 8);
        let sequence = self.records + 1;
        write_kind(&mut bytes, Kind::Snapshot, self.id, sequence, 0, payload);
        self.file.write_at(self.offset, &bytes)?;
        let start = self.offset + record::HEADER as u64;
        self.offset += bytes.len() as u64;
        self.records = sequence;
        Ok(start)
    }

    /// Makes it durable under its name.
    pub(crate) fn finish(self, count: u64, raw: u64) -> io::Result<Settled> {
        self.file.sync()?;
        self.disk.rename(TEMPORARY, &segment::path(self.id))?;
        self.disk.sync_dir(SETTLED_DIRECTORY)?;
        Ok(Settled {
            records: self.records,
            bytes: self.offset,
            count,
            raw,
            is_new: true,
        })
    }

    /// Gives it up.
    pub(crate) fn abandon(self) {
        // What is left is written over, or removed at the next start.
        let _ = self.disk.remove(TEMPORARY);
    }
}
