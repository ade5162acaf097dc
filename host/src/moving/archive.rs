//! An archive: items with facts and bytes, each with a hash, in one stream.

use std::io::{Read, Write};

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Content;

use super::tar::{self, Head};

/// Facts of an item, as JSON.
const FACTS: &str = "POSTROOM.facts";
/// Bytes of facts. A reader takes a little more, with path and hash.
const FACTS_MAX: usize = tar::PAX_MAX as usize - 64 * 1024;
/// The hash over path, facts and bytes.
const HASH: &str = "POSTROOM.hash";
/// The last item.
const END: &str = "end";
/// Bytes on their way.
const CHUNK: usize = 128 * 1024;
/// zstd's own default: most of what is to be had for little.
const LEVEL: i32 = 3;

/// The bytes of an item.
pub(crate) enum Bytes<'a> {
    Here(&'a [u8]),
    Stored(&'a Content),
}

impl Bytes<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Here(bytes) => bytes.len() as u64,
            Self::Stored(content) => content.size(),
        }
    }

    fn each(&self, visit: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match self {
            Self::Here(bytes) => visit(bytes),
            Self::Stored(content) => {
                let mut at = 0;
                while at < content.size() {
                    let bytes = content.read(at, CHUNK)?;
                    ensure!(!bytes.is_empty(), "a message is shorter than it says");
                    at += bytes.len() as u64;
                    visit(&bytes)?;
                }
                Ok(())
            }
        }
    }
}

/// Writes an archive.
pub(crate) struct Writer<W: Write> {
    out: zstd::stream::write::Encoder<'static, W>,
    items: u64,
    all: blake3::Hasher,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> anyhow::Result<Self> {
        let mut out = zstd::stream::write::Encoder::new(out, LEVEL)?;
        out.include_checksum(true)?;
        Ok(Self {
            out,
            items: 0,
            all: blake3::Hasher::new(),
        })
    }

    /// Writes an item. The bytes are read twice: the hash stands before them.
    pub(crate) fn put(
        &mut self,
        path: &str,
        facts: &impl Serialize,
        bytes: &Bytes<'_>,
    ) -> anyhow::Result<()> {
        let facts = serde_json::to_string(facts)?;
        ensure!(
            facts.len() <= FACTS_MAX,
            "'{path}' is described by {} bytes, more than {FACTS_MAX}",
            facts.len()
        );
        let mut hasher = begin_hash(path, &facts);
        bytes.each(&mut |part| {
            hasher.update(part);
            Ok(())
        })?;
        let hash = hasher.finalize();
        self.all.update(hash.as_bytes());
        self.items += 1;
        let head = Head {
            path: path.to_owned(),
            size: bytes.size(),
            facts: [
                (FACTS.to_owned(), facts),
                (HASH.to_owned(), hash.to_hex().to_string()),
            ]
            .into(),
        };
        tar::write_head(&mut self.out, &head)?;
        bytes.each(&mut |part| Ok(self.out.write_all(part)?))?;
        tar::write_padding(&mut self.out, head.size)?;
        Ok(())
    }

    /// Writes the end; without it an archive is not whole.
    pub(crate) fn finish(mut self) -> anyhow::Result<W> {
        let all = self.all.finalize().to_hex().to_string();
        self.put(END, &(self.items, all), &Bytes::Here(&[]))?;
        tar::write_end(&mut self.out)?;
        Ok(self.out.finish()?)
    }
}

fn begin_hash(path: &str, facts: &str) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    for text in [path, facts] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher
}

/// What is known of an item before its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Counts from 1.
    pub(crate) number: u64,
    pub(crate) path: String,
    facts: String,
    size: u64,
    hash: String,
}

impl Item {
    /// Its facts.
    pub(crate) fn facts<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_str(&self.facts)
            .with_context(|| format!("the facts of '{}' are not understood", self.path))
    }

    /// What it takes until it is written: facts and bytes.
    pub(super) const fn waiting(&self) -> u64 {
        self.size + self.facts.len() as u64
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }
}

/// Reads an archive.
pub(crate) struct Reader<R: Read> {
    input: zstd::stream::read::Decoder<'static, std::io::BufReader<R>>,
    items: u64,
    all: blake3::Hasher,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(input: R) -> anyhow::Result<Self> {
        Ok(Self {
            input: zstd::stream::read::Decoder::new(input)?,
            items: 0,
            all: blake3::Hasher::new(),
        })
    }

    /// The next item; its bytes must be read before the one behind it. `None`: the end, and all
    /// of it was right.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Item>> {
        let items = self.items;
        let damaged = move || format!("the archive is damaged behind item {items}");
        let head = tar::read_head(&mut self.input)
            .with_context(damaged)?
            .with_context(damaged)?;
        let mut facts = head.facts;
        let item = Item {
            number: self.items + 1,
            path: head.path,
            facts: facts.remove(FACTS).with_context(damaged)?,
            size: head.size,
            hash: facts.remove(HASH).with_context(damaged)?,
        };
        if item.path != END {
            return Ok(Some(item));
        }
        let all = self.all.clone();
        self.read(&item, &mut |_| Ok(()))?;
        let said: (u64, String) = item.facts()?;
        ensure!(
            said == (items, all.finalize().to_hex().to_string()),
            "the archive has not all that belongs to it"
        );
        // Up to the end of the stream, where zstd has a checksum of its own.
        std::io::copy(&mut self.input, &mut std::io::sink()).with_context(damaged)?;
        Ok(None)
    }

    /// Reads the bytes of an item and checks its hash.
    pub(crate) fn read(
        &mut self,
        item: &Item,
        visit: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let damaged = || format!("the archive is damaged at '{}'", item.path);
        let mut hasher = begin_hash(&item.path, &item.facts);
        let mut buffer = vec![0; CHUNK];
        let mut left = item.size;
        while left > 0 {
            let part = &mut buffer[..left.min(CHUNK as u64) as usize];
            self.input.read_exact(part).with_context(damaged)?;
            hasher.update(part);
            left -= part.len() as u64;
            visit(part)?;
        }
        tar::read_padding(&mut self.input, item.size).with_context(damaged)?;
        let hash = hasher.finalize();
        if hash.to_hex().as_str() != item.hash {
            bail!("{}", damaged());
        }
        self.all.update(hash.as_bytes());
        self.items += 1;
        Ok(())
    }

    /// All bytes of an item that is known to be small.
    pub(crate) fn read_all(&mut self, item: &Item, most: u64) -> anyhow::Result<Vec<u8>> {
        ensure!(
            item.size <= most,
            "'{}' has {} bytes, more than the {most} that are taken",
            item.path,
            item.size
        );
        let mut bytes = Vec::new();
        self.read(item, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Passes over the bytes of an item.
    pub(crate) fn skip(&mut self, item: &Item) -> anyhow::Result<()> {
        self.read(item, &mut |_| Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Reader, Writer};

    fn archive() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).expect("a vector takes all");
        for (path, bytes) in [("a", &b""[..]), ("b/ä", b"bytes"), ("c", &[b'x'; 3000])] {
            writer
                .put(path, &(path, bytes.len()), &Bytes::Here(bytes))
                .expect("a vector takes all");
        }
        writer.finish().expect("a vector takes all")
    }

    fn read(bytes: &[u8]) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let mut reader = Reader::new(bytes)?;
        let mut found = Vec::new();
        while let Some(item) = reader.next()? {
            let (path, length): (String, usize) = item.facts()?;
            let bytes = reader.read_all(&item, 4096)?;
            assert_eq!((&path, length), (&item.path, bytes.len()));
            found.push((path, bytes));
        }
        Ok(found)
    }

    #[test]
    fn an_archive_reads_back() {
        let found = read(&archive()).expect("it is whole");
        let paths: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a", "b/ä", "c"]);
        assert_eq!(found[1].1, b"bytes");
    }

    #[test]
    fn every_damage_is_found() {
        let whole = archive();
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            // zstd may not mind one bit of its own frame header; then nothing else changed.
            if let Ok(found) = read(&damaged) {
                assert_eq!(found, read(&whole).expect("it is whole"), "byte {at}");
            }
        }
    }

    #[test]
    fn an_item_that_is_too_large_is_not_read() {
        let whole = archive();
        let mut reader = Reader::new(&whole[..]).expect("it is whole");
        let item = reader.next().expect("whole").expect("there");
        reader.skip(&item).expect("whole");
        let item = reader.next().expect("whole").expect("there");
        assert_eq!((item.number, item.size()), (2, 5));
        assert!(reader.read_all(&item, 4).is_err());
    }
}
