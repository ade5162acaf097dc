//! What a start reads, by a disk that counts.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::Store;
use crate::embedded::disk::{Disk, DiskFile, Lock, Mode};
use crate::embedded::fault::{FaultDisk, State};
use crate::embedded::open_on;
use crate::embedded::tests::script::{Log, append, check, config, keys_on, master, open};

/// A disk that counts what is read of which files.
#[derive(Debug, Clone)]
struct Counting {
    disk: FaultDisk,
    read: Arc<Mutex<Vec<(String, u64)>>>,
}

#[derive(Debug)]
struct CountingFile {
    file: Arc<dyn DiskFile>,
    path: String,
    read: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Disk for Counting {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.disk.list(path)
    }
    fn open(&self, path: &str, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CountingFile {
            file: self.disk.open(path, mode)?,
            path: path.to_owned(),
            read: Arc::clone(&self.read),
        }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.link(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn space(&self) -> io::Result<(u64, u64)> {
        self.disk.space()
    }
    fn lock(&self, path: &str) -> io::Result<Option<Lock>> {
        self.disk.lock(path)
    }
}

impl DiskFile for CountingFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut read = self.read.lock().unwrap();
        read.push((self.path.clone(), out.len() as u64));
        self.file.read_at(offset, out)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }
    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[test]
fn f10_a_start_reads_no_settled_segment_and_no_log_before_the_checkpoint() {
    let disk = FaultDisk::new(State::default());
    let log = Log::default();
    let store = open(&disk).unwrap();
    for seed in 0..60 {
        append(&store, &log, seed, 8_000).unwrap();
        if seed == 40 {
            store.compact(&mut |_| {}).unwrap();
        }
    }
    store.close().unwrap();
    let segments = disk.state().names("journal/");
    assert!(segments.len() > 3, "{segments:?}");
    let counting = Counting {
        disk: disk.clone(),
        read: Arc::default(),
    };
    let read = Arc::clone(&counting.read);
    let keys = keys_on(&disk, master());
    let store = open_on(Arc::new(counting), keys, Path::new("data"), &config()).unwrap();
    let read = std::mem::take(&mut *read.lock().unwrap());
    for (path, bytes) in &read {
        assert!(!path.starts_with("settled/"), "{bytes} bytes of {path}");
        assert!(
            !path.starts_with("journal/") || Some(path) == segments.last(),
            "{bytes} bytes of {path}"
        );
    }
    assert!(read.iter().any(|(path, _)| path == "SEGMENTS"));
    check(&store, &log.first(log.len()), "opened");
}
