//! Opening what lies in somebody's folder without being led out of it.
//!
//! Whoever runs the command may read more than whoever the folder belongs to: a link in it would
//! bring other people's files in as mail, and a pipe would wait for ever.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);
/// What is no file is found on the open descriptor, so opening must not wait.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// A folder; everything beneath it is named from here.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// The path itself is the caller's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, FOLDER, Mode::empty())?))
    }

    /// A regular file.
    pub(super) fn file(&self, path: &Path) -> io::Result<File> {
        regular(self.beneath(path, FILE)?)
    }

    pub(super) fn has_folder(&self, path: &Path) -> bool {
        // Also one that cannot be read, so that reading it says so.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.beneath(path, flags).is_ok()
    }

    /// The names in a folder, sorted.
    pub(super) fn names(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        use std::os::unix::ffi::OsStrExt as _;

        let mut names = Vec::new();
        for entry in Dir::new(self.beneath(path, FOLDER)?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(PathBuf::from(std::ffi::OsStr::from_bytes(name)));
            }
        }
        names.sort();
        Ok(names)
    }

    fn beneath(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        for _ in 0..8 {
            match openat2(&self.0, path, flags, Mode::empty(), RESOLVE) {
                // The kernel could not be sure while names were moved about (openat2(2)).
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::LOOP | Errno::XDEV) => return Err(io::Error::other("it is a link")),
                opened => return Ok(opened?),
            }
        }
        Err(io::Error::other(
            "the names in the folder do not hold still",
        ))
    }
}

/// A regular file that is no link.
pub(super) fn file(path: &Path) -> io::Result<File> {
    match rustix::fs::open(path, FILE.union(OFlags::NOFOLLOW), Mode::empty()) {
        Err(Errno::LOOP) => Err(io::Error::other("it is a link")),
        opened => regular(opened?),
    }
}

fn regular(file: OwnedFd) -> io::Result<File> {
    let file = File::from(file);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no file"))
    }
}
