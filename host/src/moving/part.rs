//! An archive that was cut short: what of it is whole.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use serde_json::Value;
use zstd::stream::read::Decoder;

use super::archive::{Extent, FIRST, MARK, MarkFacts, Reader};
use super::entries::ArchiveFacts;

/// How far a file is an archive.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Begun {
    /// No part of it is whole, or it is of something else.
    Nothing,
    /// Up to the end of a part.
    Part(Part),
    /// All of it is there.
    Whole,
}

/// See [`Begun::Part`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// Bytes of the file.
    pub(crate) length: u64,
    /// What is in them.
    pub(crate) extent: Extent,
    /// What comes next, for the server.
    pub(crate) cursor: Value,
}

/// Reads a file as the archive of this kind and name, part by part, as far as they are right.
/// `each` is told how many bytes were read.
pub(crate) fn begun(file: &File, kind: &str, name: &str, each: &dyn Fn(u64)) -> Begun {
    let mut input = Counted {
        input: BufReader::new(file),
        count: 0,
    };
    let mut found = Begun::Nothing;
    let mut extent = Extent::NOTHING;
    // What cannot be read, for whatever reason, is made anew.
    while let Ok(decoder) = Decoder::with_buffer(&mut input) {
        let mut reader = Reader::behind(decoder.single_frame(), extent);
        let end = whole_part(&mut reader, kind, name);
        extent = reader.extent();
        drop(reader);
        match end {
            Ok(Some(cursor)) => {
                let length = input.count;
                found = Begun::Part(Part {
                    length,
                    extent,
                    cursor,
                });
                each(length);
            }
            Ok(None) => return Begun::Whole,
            Err(_) => return found,
        }
    }
    found
}

/// Reads a part; `None`: it is the last one.
fn whole_part<R: Read>(
    reader: &mut Reader<R>,
    kind: &str,
    name: &str,
) -> anyhow::Result<Option<Value>> {
    loop {
        let before = reader.extent();
        let Some(item) = reader.next()? else {
            return Ok(None);
        };
        if before == Extent::NOTHING {
            let facts: ArchiveFacts = item.facts()?;
            anyhow::ensure!(
                item.path == FIRST && facts.kind == kind && facts.name == name,
                "it is of something else"
            );
        }
        reader.skip(&item)?;
        if item.path == MARK {
            let mark: MarkFacts = item.facts()?;
            anyhow::ensure!(mark.extent == before, "it is no mark of this archive");
            anyhow::ensure!(reader.drain()? == 0, "a part ends with its mark");
            return Ok(Some(mark.cursor));
        }
    }
}

/// Counts what was used of a stream.
struct Counted<R> {
    input: R,
    count: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.count += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.count += count as u64;
        self.input.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};

    use mail::limits;
    use serde_json::{Value, json};

    use super::{Begun, File, begun};
    use crate::moving::archive::{Bytes, Extent, FIRST, Reader, Writer};
    use crate::moving::entries::{ArchiveFacts, FORMAT};

    /// Items that each fill a part.
    const ITEMS: u64 = 4;

    fn facts() -> ArchiveFacts {
        let text = String::new;
        ArchiveFacts {
            format: FORMAT,
            id: text(),
            kind: "domain".to_owned(),
            name: "abc.test".to_owned(),
            made: text(),
            version: text(),
            hostname: text(),
        }
    }

    /// Writes items behind `cursor`.
    fn write(writer: &mut Writer<&File>, cursor: &Value) {
        let bytes = vec![b'x'; usize::try_from(limits::ARCHIVE_PART).expect("a length")];
        for number in cursor.as_u64().expect("a number")..ITEMS {
            let put = writer.put(&format!("item/{number}"), &number, &Bytes::Here(&bytes));
            put.expect("the file is ours");
            let passed = writer.pass(|| json!(number + 1));
            passed.expect("the file is ours");
        }
    }

    fn whole(file: &File) {
        let mut writer = Writer::new(file).expect("the file is ours");
        let first = writer.put(FIRST, &facts(), &Bytes::Here(&[]));
        first.expect("the file is ours");
        write(&mut writer, &json!(0));
        writer.finish().expect("the file is ours");
    }

    /// Numbers of the items of an archive that is whole.
    fn items(file: &mut File) -> Vec<u64> {
        file.seek(SeekFrom::Start(0)).expect("the file is ours");
        let mut reader = Reader::new(&*file).expect("it is zstd");
        let mut found = Vec::new();
        while let Some(item) = reader.next().expect("it is whole") {
            if item.path.starts_with("item/") {
                found.push(item.facts().expect("a number"));
            }
            reader.skip(&item).expect("it is whole");
        }
        found
    }

    #[test]
    fn wherever_it_was_cut_an_archive_goes_on_behind_its_last_whole_part() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        whole(&file);
        let length = file.metadata().expect("it is there").len();
        let bytes = {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0)).expect("the file is ours");
            std::io::Read::read_to_end(&mut file, &mut bytes).expect("the file is ours");
            bytes
        };
        let mut begins = std::collections::BTreeSet::new();
        for cut in (0..length).step_by(211).chain([length - 1]) {
            let mut file = tempfile::tempfile().expect("a temporary file");
            file.write_all(&bytes[..usize::try_from(cut).expect("a length")])
                .expect("the file is ours");
            file.seek(SeekFrom::Start(0)).expect("the file is ours");
            let (from, extent, cursor) = match begun(&file, "domain", "abc.test", &|_| {}) {
                Begun::Nothing => (0, Extent::NOTHING, json!(0)),
                Begun::Part(part) => (part.length, part.extent, part.cursor),
                Begun::Whole => panic!("cut at {cut} of {length}"),
            };
            assert!(from <= cut);
            file.set_len(from).expect("the file is ours");
            file.seek(SeekFrom::Start(from)).expect("the file is ours");
            let mut writer = Writer::behind(&file, extent).expect("the file is ours");
            if extent == Extent::NOTHING {
                let first = writer.put(FIRST, &facts(), &Bytes::Here(&[]));
                first.expect("the file is ours");
            }
            write(&mut writer, &cursor);
            writer.finish().expect("the file is ours");
            assert_eq!(items(&mut file), [0, 1, 2, 3], "cut at {cut}");
            begins.insert(cursor.as_u64());
        }
        assert_eq!(begins.len(), ITEMS as usize + 1, "{begins:?}");
    }

    #[test]
    fn a_whole_one_and_one_of_something_else_are_told_apart() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        whole(&file);
        for (kind, name, expected) in [
            ("domain", "abc.test", Begun::Whole),
            ("domain", "xyz.test", Begun::Nothing),
            ("mail", "abc.test", Begun::Nothing),
        ] {
            file.seek(SeekFrom::Start(0)).expect("the file is ours");
            assert_eq!(begun(&file, kind, name, &|_| {}), expected, "{kind} {name}");
        }
    }
}
