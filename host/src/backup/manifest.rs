//! Which file of the data directory is where in a backup.
//!
//! Text, one line each: the title, the head of the store, facts, then `final` or `last`, size,
//! hash, with `final` the stamp of the file it was copied from, and path of each file in the order of paths, then the hash of all lines above. So a
//! manifest that was cut short or changed is no manifest.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, bail, ensure};
use store::Head;

const TITLE: &str = "postroom backup manifest 1";

/// A file of the data directory as it was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its bytes.
    pub(crate) size: u64,
    /// Of its bytes.
    pub(crate) hash: blake3::Hash,
    /// Of the file it was copied from, where that never changes under its path in this life of
    /// the store: the same file is not read again.
    pub(crate) stamp: Option<Stamp>,
}

/// Tells whether a path has the file that it had: a machine that was set back may have another one
/// there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    modified: (i64, i64),
    length: u64,
}

impl Stamp {
    pub(crate) fn of(meta: &std::fs::Metadata) -> Self {
        Self {
            inode: meta.ino(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            length: meta.len(),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split(':');
        let stamp = Self {
            inode: parts.next()?.parse().ok()?,
            modified: (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?),
            length: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(stamp)
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, nanoseconds) = self.modified;
        write!(f, "{}:{seconds}:{nanoseconds}:{}", self.inode, self.length)
    }
}

impl Entry {
    /// As it stands in a line, without path.
    fn line(&self, path: &str) -> String {
        let Self { size, hash, stamp } = self;
        match stamp {
            Some(stamp) => format!("final {size} {hash} {stamp} {path}\n"),
            None => format!("last {size} {hash} {path}\n"),
        }
    }

    /// A line of a manifest or of the progress.
    pub(super) fn parse(line: &str) -> Option<(String, Self)> {
        let (kind, rest) = line.split_once(' ')?;
        let (size, rest) = rest.split_once(' ')?;
        let (hash, rest) = rest.split_once(' ')?;
        let (stamp, path) = match kind {
            "final" => {
                let (stamp, path) = rest.split_once(' ')?;
                (Some(Stamp::parse(stamp)?), path)
            }
            "last" => (None, rest),
            _ => return None,
        };
        let entry = Self {
            size: size.parse().ok()?,
            hash: blake3::Hash::from_hex(hash).ok()?,
            stamp,
        };
        is_inside(path).then(|| (path.to_owned(), entry))
    }
}

/// Does it name something beneath a folder, and nothing else?
fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && path
            .split('/')
            .all(|level| !matches!(level, "" | "." | ".."))
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// How far the store was.
    pub(crate) head: Head,
    /// When it was made.
    pub(crate) made: String,
    /// The version that made it.
    pub(crate) version: String,
    /// The name of the server.
    pub(crate) hostname: String,
    /// The files by path.
    pub(crate) files: BTreeMap<String, Entry>,
}

impl Manifest {
    /// Its text.
    pub(crate) fn encode(&self) -> String {
        let mut text = format!("{TITLE}\n");
        for line in self.head.to_string().lines().skip(1) {
            let _ = writeln!(text, "{line}");
        }
        let _ = writeln!(text, "made {}", self.made);
        let _ = writeln!(text, "version {}", self.version);
        let _ = writeln!(text, "hostname {}", self.hostname);
        for (path, entry) in &self.files {
            text.push_str(&entry.line(path));
        }
        let hash = blake3::hash(text.as_bytes());
        let _ = writeln!(text, "end {hash}");
        text
    }

    /// Reads a text; what is not whole is refused.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let (above, end) = text
            .trim_end_matches('\n')
            .rsplit_once('\n')
            .context("it is empty")?;
        let above = &text[..=above.len()];
        let hash = end.strip_prefix("end ").context("its end is missing")?;
        ensure!(
            blake3::Hash::from_hex(hash).is_ok_and(|hash| hash == blake3::hash(above.as_bytes())),
            "it was changed"
        );
        let mut lines = above.lines();
        ensure!(
            lines.next() == Some(TITLE),
            "it was made by a newer version"
        );
        let mut head = "postroom head\n".to_owned();
        let mut facts = BTreeMap::new();
        let mut files = BTreeMap::new();
        for line in lines {
            if let Some((path, entry)) = Entry::parse(line) {
                files.insert(path, entry);
            } else if let Some((name, value)) = line.split_once(' ') {
                ensure!(
                    !matches!(name, "final" | "last"),
                    "the line '{line}' cannot be read"
                );
                let _ = writeln!(head, "{line}");
                facts.insert(name, value.to_owned());
            } else {
                bail!("the line '{line}' cannot be read");
            }
        }
        let mut fact = |name: &str| facts.remove(name).unwrap_or_default();
        Ok(Self {
            head: head
                .parse()
                .map_err(|error: String| anyhow::anyhow!(error))?,
            made: fact("made"),
            version: fact("version"),
            hostname: fact("hostname"),
            files,
        })
    }

    /// Names this very manifest.
    pub(crate) fn id(&self) -> blake3::Hash {
        blake3::hash(self.encode().as_bytes())
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|entry| entry.size).sum()
    }
}

/// A line of the progress.
pub(super) fn progress_line(path: &str, entry: &Entry) -> String {
    entry.line(path)
}

#[cfg(test)]
mod tests {
    use super::{Entry, Head, Manifest, Stamp, is_inside};

    fn manifest() -> Manifest {
        let entry = |text: &str, is_final: bool| Entry {
            size: text.len() as u64,
            hash: blake3::hash(text.as_bytes()),
            stamp: is_final.then_some(Stamp {
                inode: 7,
                modified: (-1, 5),
                length: 64,
            }),
        };
        Manifest {
            head: Head {
                store: 9,
                life: 1,
                sequence: 2,
                ids: 3,
                uid_validity: 4,
            },
            made: "2030-01-02T03:04:05Z".to_owned(),
            version: "0.1.0".to_owned(),
            hostname: "mail.abc.test".to_owned(),
            files: [
                ("store/FORMAT".to_owned(), entry("format", false)),
                ("store/journal/1.seg".to_owned(), entry("one", true)),
                ("plugins/with space.wasm".to_owned(), entry("", false)),
            ]
            .into(),
        }
    }

    #[test]
    fn a_manifest_reads_back() {
        let text = manifest().encode();
        assert_eq!(Manifest::parse(&text).expect("it is whole"), manifest());
    }

    #[test]
    fn what_is_not_whole_is_no_manifest() {
        let text = manifest().encode();
        for end in 0..text.len() - 1 {
            assert!(Manifest::parse(&text[..end]).is_err(), "cut at {end}");
        }
        for at in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).expect("still ASCII");
            assert!(Manifest::parse(&changed).is_err(), "changed at {at}");
        }
    }

    #[test]
    fn a_path_stays_inside() {
        assert!(is_inside("store/journal/1.seg"));
        for path in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a"] {
            assert!(!is_inside(path), "{path}");
        }
    }
}
