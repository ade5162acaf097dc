//! Just enough of tar (POSIX.1-2001 pax) for archives of ours: regular files, each with a pax
//! header that has the path and facts. `tar --zstd -tf` shows them.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

const BLOCK: usize = 512;
/// A pax header longer than this is not believed.
pub(super) const PAX_MAX: u64 = 4 * 1024 * 1024;
/// What eleven octal digits hold.
const SIZE_MAX: u64 = (1 << 33) - 1;

/// What stands before the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) facts: BTreeMap<String, String>,
}

/// Writes what stands before the bytes of a file; the bytes, then [`write_padding`], come next.
pub(super) fn write_head(out: &mut impl Write, head: &Head) -> io::Result<()> {
    let mut pax = Vec::new();
    let path = ("path".to_owned(), head.path.clone());
    for (key, value) in std::iter::once((&path.0, &path.1)).chain(&head.facts) {
        push_record(&mut pax, key, value);
    }
    out.write_all(&header("pax", pax.len() as u64, b'x')?)?;
    out.write_all(&pax)?;
    write_padding(out, pax.len() as u64)?;
    out.write_all(&header(&head.path, head.size, b'0')?)
}

/// Fills the last block of a file.
pub(super) fn write_padding(out: &mut impl Write, size: u64) -> io::Result<()> {
    out.write_all(&[0; BLOCK][..padding(size)])
}

/// Two empty blocks end an archive.
pub(super) fn write_end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

/// Reads what stands before the bytes of the next file; `None` at the end.
pub(super) fn read_head(input: &mut impl Read) -> io::Result<Option<Head>> {
    let mut facts = BTreeMap::new();
    loop {
        let mut block = [0; BLOCK];
        input.read_exact(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if checksum(&block) != octal(&block[148..156])? {
            return Err(damaged("a header is damaged"));
        }
        let size = octal(&block[124..136])?;
        match block[156] {
            b'x' if size <= PAX_MAX => {
                let mut pax = vec![0; size as usize];
                input.read_exact(&mut pax)?;
                read_padding(input, size)?;
                facts = read_records(&pax)?;
            }
            b'0' => {
                let path = facts.remove("path").unwrap_or_default();
                return Ok(Some(Head { path, size, facts }));
            }
            _ => return Err(damaged("it has something that no archive of ours has")),
        }
    }
}

/// Passes over the rest of the last block of a file.
pub(super) fn read_padding(input: &mut impl Read, size: u64) -> io::Result<()> {
    input.read_exact(&mut [0; BLOCK][..padding(size)])
}

pub(super) fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn padding(size: u64) -> usize {
    (size.next_multiple_of(BLOCK as u64) - size) as usize
}

/// `LENGTH KEY=VALUE\n`, the length counting itself.
fn push_record(out: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
}

fn read_records(mut pax: &[u8]) -> io::Result<BTreeMap<String, String>> {
    let wrong = || damaged("a pax header is damaged");
    let mut facts = BTreeMap::new();
    while !pax.is_empty() {
        let space = pax
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or_else(wrong)?;
        let length: usize = std::str::from_utf8(&pax[..space])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(wrong)?;
        let record = pax.get(space + 1..length).ok_or_else(wrong)?;
        let record = std::str::from_utf8(record).map_err(|_| wrong())?;
        let (key, value) = record
            .strip_suffix('\n')
            .and_then(|record| record.split_once('='))
            .ok_or_else(wrong)?;
        facts.insert(key.to_owned(), value.to_owned());
        pax = &pax[length..];
    }
    Ok(facts)
}

fn header(path: &str, size: u64, kind: u8) -> io::Result<[u8; BLOCK]> {
    if size > SIZE_MAX {
        return Err(damaged("a file is larger than 8 GiB"));
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    let name: Vec<u8> = path.bytes().filter(u8::is_ascii).take(99).collect();
    put(0, &name);
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum = checksum(&block);
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

/// The sum of all bytes, those of the sum itself counted as spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = block[148..156].iter().map(|byte| u64::from(*byte)).sum();
    sum - own + 8 * u64::from(b' ')
}

fn octal(field: &[u8]) -> io::Result<u64> {
    let text = std::str::from_utf8(field).unwrap_or("-");
    let text = text.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).map_err(|_| damaged("a header is damaged"))
}

#[cfg(test)]
mod tests {
    use super::{Head, read_head, read_padding, write_end, write_head, write_padding};

    #[test]
    fn heads_read_back_whatever_their_length() {
        for length in (0..1200).step_by(7) {
            let head = Head {
                path: "ä/".repeat(length / 3),
                size: length as u64,
                facts: [("POSTROOM.facts".to_owned(), "x=\n".repeat(length))].into(),
            };
            let mut bytes = Vec::new();
            write_head(&mut bytes, &head).expect("a vector takes all");
            bytes.extend(vec![b'y'; length]);
            write_padding(&mut bytes, head.size).expect("a vector takes all");
            write_end(&mut bytes).expect("a vector takes all");
            assert_eq!(bytes.len() % 512, 0);
            let mut input = &bytes[..];
            assert_eq!(read_head(&mut input).expect("whole"), Some(head));
            input = &input[length..];
            read_padding(&mut input, length as u64).expect("whole");
            assert_eq!(read_head(&mut input).expect("whole"), None);
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let mut bytes = Vec::new();
        let head = Head {
            path: "a".to_owned(),
            ..Head::default()
        };
        write_head(&mut bytes, &head).expect("a vector takes all");
        for at in [0, 124, 150, 156, 300, 512, 1024, 1100] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x41;
            assert!(read_head(&mut &damaged[..]).is_err(), "byte {at}");
        }
        assert!(read_head(&mut &bytes[..700]).is_err());
    }
}
