//! Opening files beneath a folder without following anything out of it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2};
use rustix::io::Errno;

use super::FileError;

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// Is this a path that stays beneath a folder, as it is written?
pub(super) fn check(path: &Path) -> Result<(), FileError> {
    let mut components = path.components().peekable();
    let plain =
        components.peek().is_some() && components.all(|part| matches!(part, Component::Normal(_)));
    if plain && path.file_name().is_some() {
        Ok(())
    } else {
        Err(FileError::Refused(
            "the path leads out of the folder of the domain".to_owned(),
        ))
    }
}

/// The folder of a domain.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Opens it, and makes it where it is missing. Its own path is the operator's.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        std::fs::create_dir_all(path)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// The file at `path`, made where it is missing with the folders above it, for reading and
    /// writing.
    pub(super) fn open_file(&self, path: &Path) -> Result<File, FileError> {
        match self.open_existing(path) {
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.make_parents(path)?;
                let exists = || io::Error::from(io::ErrorKind::AlreadyExists);
                let file = self.create_new(path)?.ok_or_else(exists)?;
                self.sync_parent(path)?;
                Ok(file)
            }
            other => other,
        }
    }

    /// The file at `path`, for reading and writing.
    pub(super) fn open_existing(&self, path: &Path) -> Result<File, FileError> {
        check(path)?;
        // A look first: opening a device or a pipe can do something by itself.
        let seen = self.look(path)?;
        let flags =
            OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = self.openat2(path, flags, Mode::empty())?;
        let stat = fstat(&file)?;
        check_regular(&stat)?;
        if !same(&seen, &stat) {
            return Err(FileError::Io(io::Error::other(
                "the file was exchanged meanwhile",
            )));
        }
        Ok(File::from(file))
    }

    /// A file that must not be there yet. `None` where it is.
    pub(super) fn create_new(&self, path: &Path) -> Result<Option<File>, FileError> {
        check(path)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self.openat2(path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(Some(File::from(file))),
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What stands at `path`, without opening it.
    pub(super) fn look(&self, path: &Path) -> Result<Stat, FileError> {
        let file = self.openat2(
            path,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let stat = fstat(&file)?;
        check_regular(&stat)?;
        Ok(stat)
    }

    /// Removes a name in the folder that holds `path`.
    pub(super) fn remove(&self, path: &Path) -> Result<(), FileError> {
        check(path)?;
        let name = path.file_name().unwrap_or_default();
        rustix::fs::unlinkat(self.parent(path)?, name, rustix::fs::AtFlags::empty())?;
        Ok(())
    }

    /// The folders between this one and `path`, each made beneath the one before.
    fn make_parents(&self, path: &Path) -> Result<(), FileError> {
        check(path)?;
        let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
        // The last of them is the empty path: this folder.
        folders.pop();
        for folder in folders.into_iter().rev() {
            let name = folder.file_name().unwrap_or_default();
            let parent = self.parent(folder)?;
            match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
                Err(Errno::EXIST) => {}
                Ok(()) => rustix::fs::fsync(&parent)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Makes a new name last: it is in the folder, not in the file.
    fn sync_parent(&self, path: &Path) -> Result<(), FileError> {
        Ok(rustix::fs::fsync(self.parent(path)?)?)
    }

    /// The folder that holds `path`.
    fn parent(&self, path: &Path) -> Result<OwnedFd, FileError> {
        let parent = path.parent().unwrap_or_else(|| Path::new(""));
        let parent = if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.openat2(parent, flags, Mode::empty())
    }

    /// The folder again, for a value that outlives this one.
    pub(super) fn duplicate(&self) -> Result<Self, FileError> {
        Ok(Self(self.0.try_clone()?))
    }

    fn openat2(&self, path: &Path, flags: OFlags, mode: Mode) -> Result<OwnedFd, FileError> {
        for _ in 0..8 {
            match openat2(&self.0, path, flags, mode, RESOLVE) {
                // The kernel could not be sure while names were moved about (openat2(2)).
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::LOOP) => {
                    return Err(FileError::Refused(
                        "there is a symbolic link in the path".to_owned(),
                    ));
                }
                Err(Errno::XDEV) => {
                    return Err(FileError::Refused(
                        "the path leads out of the folder of the domain".to_owned(),
                    ));
                }
                Err(Errno::ISDIR | Errno::NXIO | Errno::NODEV) => {
                    return Err(FileError::Refused("it is no regular file".to_owned()));
                }
                other => return Ok(other?),
            }
        }
        Err(FileError::Io(io::Error::other(
            "the names in the folder do not hold still",
        )))
    }
}

pub(super) fn check_regular(stat: &Stat) -> Result<(), FileError> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FileError::Refused("it is no regular file".to_owned()));
    }
    // Another name of the file may be outside of the folder. None at all: it was just removed.
    if stat.st_nlink > 1 {
        return Err(FileError::Refused(
            "the file has more than one name".to_owned(),
        ));
    }
    Ok(())
}

pub(super) fn same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}
