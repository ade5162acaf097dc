//! What the disk can do: one write and one `fdatasync`, in a file whose room was reserved.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// A file that records are appended to. It is removed when this is dropped.
pub(crate) struct Probe {
    file: File,
    path: PathBuf,
    record: Vec<u8>,
    end: u64,
}

impl Probe {
    /// A file in `folder` with room for `count` records of `size` bytes.
    pub(crate) fn new(folder: &Path, size: usize, count: usize) -> anyhow::Result<Self> {
        let path = folder.join(format!("fdatasync-{}", std::process::id()));
        let file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        let length = (size * count) as u64;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length)
            .context("the file system reserves no room ahead")?;
        file.sync_all()?;
        let mut record = vec![0; size];
        for (index, byte) in record.iter_mut().enumerate() {
            *byte = (index % 251) as u8;
        }
        Ok(Self {
            file,
            path,
            record,
            end: 0,
        })
    }

    /// Appends one record and syncs it.
    pub(crate) fn once(&mut self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.file.write_all_at(&self.record, self.end)?;
        self.file.sync_data()?;
        let took = start.elapsed();
        self.end += self.record.len() as u64;
        Ok(took)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_follow_each_other_in_the_room_that_was_reserved() {
        let folder = tempfile::tempdir().expect("there is room");
        let mut probe = Probe::new(folder.path(), 300, 3).expect("a probe");
        let path = probe.path.clone();
        for _ in 0..3 {
            probe.once().expect("it is written");
        }
        let written = std::fs::read(&path).expect("it is there");
        assert_eq!(written, probe.record.repeat(3));
        drop(probe);
        assert!(!path.exists());
    }
}
