//! The few things the embedded backend asks of a file system, so that tests can take them away.
//!
//! Paths are relative to the data directory and use `/`.

use std::fmt::Debug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It must be there.
    Read,
    /// It must be there.
    Write,
    /// It is made, or emptied.
    Create,
    /// It is made if it is not there.
    WriteOrCreate,
}

/// Keeps the directory for this process until it is dropped.
pub(crate) type Lock = Box<dyn Send + Sync>;

/// A directory tree.
pub(crate) trait Disk: Send + Sync + Debug {
    /// Makes a directory; one that is there is fine. Durable after [`Disk::sync_dir`] of its parent.
    fn create_dir(&self, path: &str) -> io::Result<()>;
    /// Names in a directory.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
    fn open(&self, path: &str, mode: Mode) -> io::Result<Arc<dyn DiskFile>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// A second name for a file that is there. Fails where the name is taken.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, path: &str) -> io::Result<()>;
    /// Free and total bytes.
    fn space(&self) -> io::Result<(u64, u64)>;
    /// `None`: another process has it.
    fn lock(&self, path: &str) -> io::Result<Option<Lock>>;
}

/// An open file, read and written by position.
pub(crate) trait DiskFile: Send + Sync + Debug {
    /// Fills `out` or fails.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    fn length(&self) -> io::Result<u64>;
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Makes the file at least so long, with room on the disk behind it; new bytes are zero.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// `fdatasync`: the bytes and the length are on the disk when this returns.
    fn sync(&self) -> io::Result<()>;
}

/// The real one.
#[derive(Debug)]
pub(crate) struct RealDisk {
    root: PathBuf,
    /// The room that was found last, and when.
    space: Mutex<Option<(Instant, (u64, u64))>>,
}

/// How long a look at the room on the disk holds. Every message asks, and what a disk takes in
/// this time is far below any reserve.
const SPACE_HOLDS: Duration = Duration::from_millis(50);

impl RealDisk {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            space: Mutex::default(),
        }
    }
}

impl Disk for RealDisk {
    fn create_dir(&self, path: &str) -> io::Result<()> {
        match std::fs::create_dir(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            done => done,
        }
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.root.join(path))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn open(&self, path: &str, mode: Mode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            Mode::Read => {}
            Mode::Write => drop(options.write(true)),
            Mode::Create => drop(options.write(true).create(true).truncate(true)),
            Mode::WriteOrCreate => drop(options.write(true).create(true).truncate(false)),
        }
        Ok(Arc::new(RealFile(options.open(self.root.join(path))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.root.join(from), self.root.join(to))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::hard_link(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        std::fs::remove_file(self.root.join(path))
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        File::open(self.root.join(path))?.sync_all()
    }

    fn space(&self) -> io::Result<(u64, u64)> {
        let mut known = self.space.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((looked, space)) = *known
            && looked.elapsed() < SPACE_HOLDS
        {
            return Ok(space);
        }
        let stat = rustix::fs::statvfs(&self.root)?;
        let space = (
            stat.f_bavail.saturating_mul(stat.f_frsize),
            stat.f_blocks.saturating_mul(stat.f_frsize),
        );
        *known = Some((Instant::now(), space));
        Ok(space)
    }

    fn lock(&self, path: &str) -> io::Result<Option<Lock>> {
        let path = self.root.join(path);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {
                // For the one who is refused; nothing hangs on it.
                let pid = std::process::id().to_string();
                file.set_len(0)?;
                file.write_all_at(pid.as_bytes(), 0)?;
                Ok(Some(Box::new(file)))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let flags = rustix::fs::FallocateFlags::empty();
        match rustix::fs::fallocate(&self.0, flags, 0, length) {
            // A file system that cannot reserve room ahead: it is found missing later.
            Err(rustix::io::Errno::OPNOTSUPP) if length > self.length()? => self.set_length(length),
            Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
            done => done.map_err(io::Error::from),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Did it fail because too many files are open, in this process or on the machine?
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    let number = error
        .raw_os_error()
        .map(rustix::io::Errno::from_raw_os_error);
    matches!(
        number,
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)
    )
}

/// Did it fail for want of room (or of quota)?
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
