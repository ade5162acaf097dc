//! What is on the disk, what is on its way there, and what a crash leaves of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::embedded::fault::{Dice, Pages};

#[derive(Debug, Clone)]
pub(crate) enum Unsynced {
    Write { offset: u64, bytes: Arc<[u8]> },
    Length(u64),
}

impl Unsynced {
    fn apply(&self, file: &mut Pages) {
        match self {
            Self::Write { offset, bytes } => file.write(*offset, bytes),
            Self::Length(length) => file.resize(*length),
        }
    }
}

/// A file, whatever its names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inode {
    durable: Pages,
    pub(crate) current: Pages,
    unsynced: Vec<Unsynced>,
    /// A failed sync forgot something: it is seen, and not on the disk.
    is_apart: bool,
}

impl Inode {
    fn on_disk(bytes: Pages) -> Self {
        Self {
            durable: bytes.clone(),
            current: bytes,
            ..Self::default()
        }
    }

    pub(crate) fn change(&mut self, unsynced: Unsynced) {
        unsynced.apply(&mut self.current);
        self.unsynced.push(unsynced);
    }

    pub(crate) fn sync(&mut self) {
        // What an earlier, failed sync forgot stays forgotten.
        for unsynced in std::mem::take(&mut self.unsynced) {
            unsynced.apply(&mut self.durable);
        }
    }

    /// As Linux does: the pages are dropped from the list, and the next sync succeeds.
    pub(crate) fn fail_sync(&mut self) {
        self.unsynced.clear();
        self.is_apart = true;
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Naming {
    Directory {
        path: String,
    },
    Link {
        path: String,
        inode: usize,
    },
    Unlink {
        path: String,
    },
    Rename {
        from: String,
        to: String,
        inode: usize,
    },
}

impl Naming {
    pub(crate) fn directory(&self) -> &str {
        match self {
            Self::Directory { path }
            | Self::Link { path, .. }
            | Self::Unlink { path }
            | Self::Rename { to: path, .. } => directory(path),
        }
    }
}

/// The directory of a path.
pub(crate) fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Names of files and directories.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) files: BTreeMap<String, usize>,
    pub(crate) directories: BTreeSet<String>,
}

impl Names {
    pub(crate) fn apply(&mut self, naming: &Naming) {
        match naming {
            Naming::Directory { path } => drop(self.directories.insert(path.clone())),
            Naming::Link { path, inode } => drop(self.files.insert(path.clone(), *inode)),
            Naming::Unlink { path } => drop(self.files.remove(path)),
            Naming::Rename { from, to, inode } => {
                self.files.remove(from);
                self.files.insert(to.clone(), *inode);
            }
        }
    }

    /// A directory that was lost took with it what was in it.
    fn without_lost_directories(mut self) -> Self {
        // A directory comes before what is in it.
        for path in std::mem::take(&mut self.directories) {
            let parent = directory(&path);
            if parent.is_empty() || self.directories.contains(parent) {
                self.directories.insert(path);
            }
        }
        let directories = &self.directories;
        let is_there = |path: &str| path.is_empty() || directories.contains(path);
        self.files.retain(|path, _| is_there(directory(path)));
        self
    }
}

/// Everything on the disk, and everything on its way there.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) inodes: Vec<Arc<Inode>>,
    pub(crate) durable: Names,
    pub(crate) current: Names,
    pub(crate) namings: Vec<Naming>,
}

/// How much of what was not synced a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// None of it: the disk lost power.
    All,
    /// All of it: the process was killed.
    Nothing,
    /// By dice from this seed: each write kept, lost or torn in sectors (of 512 or 4096 bytes),
    /// later ones without earlier ones; each name kept or lost.
    Some(u64),
}

impl State {
    /// What a crash leaves.
    pub(crate) fn image(&self, loss: Loss) -> Self {
        let mut dice = Dice(match loss {
            Loss::Some(seed) => seed,
            Loss::All | Loss::Nothing => 0,
        });
        let sector = if dice.roll(2) == 0 { 512 } else { 4096 };
        let mut names = self.durable.clone();
        for naming in &self.namings {
            if loss == Loss::Nothing || (loss != Loss::All && dice.roll(2) == 0) {
                names.apply(naming);
            }
        }
        let names = names.without_lost_directories();
        let mut after = |inode: &Arc<Inode>| {
            if inode.unsynced.is_empty() && !inode.is_apart {
                return Arc::clone(inode);
            }
            let mut bytes = inode.durable.clone();
            for unsynced in &inode.unsynced {
                match loss {
                    Loss::All => {}
                    Loss::Nothing => unsynced.apply(&mut bytes),
                    Loss::Some(_) => keep_some(&mut dice, sector, unsynced, &mut bytes),
                }
            }
            Arc::new(Inode::on_disk(bytes))
        };
        Self {
            inodes: self.inodes.iter().map(&mut after).collect(),
            durable: names.clone(),
            current: names,
            namings: Vec::new(),
        }
    }

    /// What a kill of the process leaves: everything written, synced or not, as it was.
    pub(crate) fn kill(&self) -> Self {
        self.clone()
    }

    /// Changes bytes of a file as a failing disk would.
    pub(crate) fn corrupt(&mut self, path: &str, offset: usize) {
        let inode = self.current.files[path];
        let mut bytes = self.inodes[inode].current.clone();
        let mut byte = [0];
        assert!(bytes.read(offset as u64, &mut byte), "{path} ends before");
        bytes.write(offset as u64, &[byte[0] ^ 0x40]);
        self.inodes[inode] = Arc::new(Inode::on_disk(bytes));
    }

    /// Puts a file there, durable.
    pub(crate) fn put(&mut self, path: &str, bytes: Pages) {
        let parent = directory(path);
        if !parent.is_empty() {
            self.durable.directories.insert(parent.to_owned());
            self.current.directories.insert(parent.to_owned());
        }
        self.inodes.push(Arc::new(Inode::on_disk(bytes)));
        let inode = self.inodes.len() - 1;
        self.durable.files.insert(path.to_owned(), inode);
        self.current.files.insert(path.to_owned(), inode);
    }

    /// Names of the files under a prefix.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        self.current
            .files
            .keys()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect()
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        self.inodes[self.current.files[path]].current.to_vec()
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.current.files.remove(path);
        self.durable.files.remove(path);
    }

    /// Writes the files into a folder of the real disk, to be looked at.
    pub(crate) fn save(&self, folder: &std::path::Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        for directory in &self.current.directories {
            std::fs::create_dir_all(folder.join(directory))?;
        }
        for name in self.names("") {
            std::fs::write(folder.join(&name), self.bytes(&name))?;
        }
        Ok(())
    }
}

fn keep_some(dice: &mut Dice, sector: usize, unsynced: &Unsynced, file: &mut Pages) {
    match (dice.roll(3), unsynced) {
        (0, _) => {}
        (1, unsynced) | (_, unsynced @ Unsynced::Length(_)) => unsynced.apply(file),
        (_, Unsynced::Write { offset, bytes }) => {
            let mut at = 0;
            while at < bytes.len() {
                // Sectors of the disk, not of the write.
                let end = ((*offset as usize + at) / sector + 1) * sector - *offset as usize;
                let end = end.min(bytes.len());
                if dice.roll(2) == 0 {
                    file.write(*offset + at as u64, &bytes[at..end]);
                }
                at = end;
            }
        }
    }
}
