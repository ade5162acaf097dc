//! An archive: items with facts and bytes, each with a hash, in one stream.

use std::io::{BufReader, Read, Write};

use anyhow::{Context as _, bail, ensure};
use mail::{limits, words};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

/// The first item.
pub(super) const FIRST: &str = "postroom";
/// The last item of a part.
pub(super) const MARK: &str = "mark";

/// How far an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    /// Items.
    pub(super) items: u64,
    /// A hash over the hashes of all of them, in their order.
    pub(super) all: [u8; 32],
}

impl Extent {
    pub(super) const NOTHING: Self = Self {
        items: 0,
        all: [0; 32],
    };

    fn add(&mut self, hash: &blake3::Hash) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.all);
        hasher.update(hash.as_bytes());
        self.all = *hasher.finalize().as_bytes();
        self.items += 1;
    }
}

/// Where a part of an archive ends, and what comes behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct MarkFacts {
    /// What stands before the mark.
    pub(super) extent: Extent,
    /// For whoever writes on; nobody else reads it.
    pub(super) cursor: Value,
}

/// Writes an archive. It consists of parts, each a zstd stream of its own with a mark at its
/// end: one that was cut short is gone on with behind the last whole part.
pub(crate) struct Writer<W: Write> {
    /// `None` after an error: what is written then is no archive.
    out: Option<zstd::stream::write::Encoder<'static, W>>,
    extent: Extent,
    /// Bytes in this part.
    size: u64,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> anyhow::Result<Self> {
        Self::behind(out, Extent::NOTHING)
    }

    /// Goes on behind a part.
    pub(super) fn behind(out: W, extent: Extent) -> anyhow::Result<Self> {
        Ok(Self {
            out: Some(encoder(out)?),
            extent,
            size: 0,
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
        self.extent.add(&hash);
        self.size += bytes.size() + facts.len() as u64;
        let head = Head {
            path: path.to_owned(),
            size: bytes.size(),
            facts: [
                (FACTS.to_owned(), facts),
                (HASH.to_owned(), hash.to_hex().to_string()),
            ]
            .into(),
        };
        let out = self.out.as_mut().context("the archive broke off before")?;
        tar::write_head(out, &head)?;
        bytes.each(&mut |part| Ok(out.write_all(part)?))?;
        tar::write_padding(out, head.size)?;
        Ok(())
    }

    /// Ends the part, where it is large enough.
    pub(super) fn pass(&mut self, cursor: impl FnOnce() -> Value) -> anyhow::Result<()> {
        if self.size < limits::ARCHIVE_PART {
            return Ok(());
        }
        let facts = MarkFacts {
            extent: self.extent,
            cursor: cursor(),
        };
        self.put(MARK, &facts, &Bytes::Here(&[]))?;
        let part = self.out.take().context("the archive broke off before")?;
        let mut out = part.finish()?;
        out.flush()?;
        self.out = Some(encoder(out)?);
        self.size = 0;
        Ok(())
    }

    /// Writes the end; without it an archive is not whole.
    pub(crate) fn finish(mut self) -> anyhow::Result<W> {
        let extent = self.extent;
        self.put(END, &extent, &Bytes::Here(&[]))?;
        let mut out = self.out.context("the archive broke off before")?;
        tar::write_end(&mut out)?;
        Ok(out.finish()?)
    }
}

fn encoder<W: Write>(out: W) -> std::io::Result<zstd::stream::write::Encoder<'static, W>> {
    let mut out = zstd::stream::write::Encoder::new(out, LEVEL)?;
    out.include_checksum(true)?;
    Ok(out)
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
    /// Without compression.
    input: R,
    extent: Extent,
}

impl<R: Read> Reader<zstd::stream::read::Decoder<'static, BufReader<R>>> {
    pub(crate) fn new(input: R) -> anyhow::Result<Self> {
        Ok(Self {
            input: zstd::stream::read::Decoder::new(input)?,
            extent: Extent::NOTHING,
        })
    }
}

impl<R: Read> Reader<R> {
    /// Reads one part, behind others.
    pub(super) const fn behind(input: R, extent: Extent) -> Self {
        Self { input, extent }
    }

    pub(super) const fn extent(&self) -> Extent {
        self.extent
    }

    /// Reads up to the end of the stream, where zstd has a checksum of its own.
    pub(super) fn drain(&mut self) -> std::io::Result<u64> {
        std::io::copy(&mut self.input, &mut std::io::sink())
    }

    /// The next item; its bytes must be read before the one behind it. `None`: the end, and all
    /// of it was right.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Item>> {
        let extent = self.extent;
        let damaged =
            move || words::CLI_ARCHIVE_DAMAGED.text_with(&[("item", &extent.items.to_string())]);
        let head = tar::read_head(&mut self.input)
            .with_context(damaged)?
            .with_context(damaged)?;
        let mut facts = head.facts;
        let item = Item {
            number: extent.items + 1,
            path: head.path,
            facts: facts.remove(FACTS).with_context(damaged)?,
            size: head.size,
            hash: facts.remove(HASH).with_context(damaged)?,
        };
        if item.path != END {
            return Ok(Some(item));
        }
        self.read(&item, &mut |_| Ok(()))?;
        let said: Extent = item.facts()?;
        ensure!(said == extent, words::CLI_ARCHIVE_NOT_WHOLE.text());
        self.drain().with_context(damaged)?;
        Ok(None)
    }

    /// Reads the bytes of an item and checks its hash.
    pub(crate) fn read(
        &mut self,
        item: &Item,
        visit: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let damaged = || words::CLI_ARCHIVE_DAMAGED_AT.text_with(&[("path", &item.path)]);
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
        self.extent.add(&hash);
        Ok(())
    }

    /// All bytes of an item that is known to be small.
    pub(crate) fn read_all(&mut self, item: &Item, most: u64) -> anyhow::Result<Vec<u8>> {
        ensure!(
            item.size <= most,
            words::CLI_ARCHIVE_ITEM.text_with(&[
                ("path", &item.path),
                ("bytes", &item.size.to_string()),
                ("most", &most.to_string()),
            ])
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
