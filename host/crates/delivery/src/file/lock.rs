//! Locks on files that other programs may lock too.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

use super::FileError;
use super::beneath::{Folder, check_regular, same};

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// A foreign `.lock` file older than this is left over.
const LEFT_OVER: Duration = Duration::from_secs(10 * 60);

/// What our own `.lock` files begin with.
const SIGNATURE: &str = "postroom ";

/// Opens and locks. Two locks, in this order: `flock` on the file, which the kernel frees
/// whatever becomes of us, then `FILE.lock`, which other mail programs respect. Whoever has the
/// first knows that a `.lock` of our own making is left over from a process that died.
pub(super) fn acquire(
    folder: &Folder,
    path: &Path,
    wait: Duration,
) -> Result<(File, DotLock), FileError> {
    let deadline = Instant::now() + wait;
    let mut held = None;
    loop {
        if held.is_none() {
            held = try_flock(folder, path)?;
        }
        if held.is_some()
            && let Some(lock) = DotLock::try_new(folder, path)?
            && let Some(file) = held.take()
        {
            return Ok((file, lock));
        }
        if Instant::now() >= deadline {
            return Err(FileError::Locked);
        }
        std::thread::sleep(PAUSE);
    }
}

/// `None` where another process has it, or the file at `path` is another one by now: a program
/// that rewrites an mbox puts a new file in its place.
fn try_flock(folder: &Folder, path: &Path) -> Result<Option<File>, FileError> {
    let file = match folder.open_file(path) {
        Ok(file) => file,
        // Two made it at the same time; the next try finds it.
        Err(FileError::Io(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let ours = fstat(&file)?;
    check_regular(&ours)?;
    match folder.look(path) {
        Ok(there) if same(&ours, &there) => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(FileError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// `FILE.lock`; dropping it removes it.
#[derive(Debug)]
pub(super) struct DotLock {
    folder: Folder,
    path: PathBuf,
}

impl DotLock {
    fn try_new(folder: &Folder, file: &Path) -> Result<Option<Self>, FileError> {
        let mut name: OsString = file.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        match folder.create_new(&path)? {
            Some(mut lock) => {
                let lock_file = Self {
                    folder: folder.duplicate()?,
                    path,
                };
                writeln!(lock, "{SIGNATURE}{}", std::process::id())?;
                Ok(Some(lock_file))
            }
            None => {
                if is_left_over(folder, &path)? {
                    // The next try takes it, unless another program was faster.
                    folder.remove(&path)?;
                }
                Ok(None)
            }
        }
    }
}

impl Drop for DotLock {
    fn drop(&mut self) {
        if let Err(error) = self.folder.remove(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a lock file could not be removed");
        }
    }
}

fn is_left_over(folder: &Folder, path: &Path) -> Result<bool, FileError> {
    let file = match folder.open_existing(path) {
        Ok(file) => file,
        Err(FileError::Io(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut beginning = Vec::new();
    let age = file
        .metadata()?
        .modified()
        .map(|at| SystemTime::now().duration_since(at));
    file.take(SIGNATURE.len() as u64)
        .read_to_end(&mut beginning)?;
    let old = age.is_ok_and(|age| age.is_ok_and(|age| age > LEFT_OVER));
    Ok(beginning == SIGNATURE.as_bytes() || old)
}
