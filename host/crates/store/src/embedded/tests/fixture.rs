//! A data directory as one small file: blocks of zeros are left out.
//!
//! ```text
//! file NAME LENGTH BLOCKS\n     then so many times: block number u32, 512 bytes
//! ```

use crate::embedded::fault::{Pages, State};

const BLOCK: usize = 512;

/// Packs the files of a disk.
pub(crate) fn pack(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    for name in state.names("") {
        let bytes = state.bytes(&name);
        let blocks: Vec<(usize, &[u8])> = bytes
            .chunks(BLOCK)
            .enumerate()
            .filter(|(_, block)| block.iter().any(|byte| *byte != 0))
            .collect();
        out.extend_from_slice(format!("file {name} {} {}\n", bytes.len(), blocks.len()).as_bytes());
        for (number, block) in blocks {
            out.extend_from_slice(&(number as u32).to_le_bytes());
            out.extend_from_slice(block);
            out.resize(out.len() + BLOCK - block.len(), 0);
        }
    }
    out
}

/// The disk of a pack.
pub(crate) fn unpack(mut packed: &[u8]) -> State {
    let mut state = State::default();
    while !packed.is_empty() {
        let end = packed
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a line");
        let line = String::from_utf8(packed[..end].to_vec()).expect("it is text");
        packed = &packed[end + 1..];
        let words: Vec<&str> = line.split(' ').collect();
        let [_, name, length, blocks] = words[..] else {
            panic!("not a file's line: {line}");
        };
        let mut pages = Pages::default();
        for _ in 0..blocks.parse().expect("a number") {
            let (number, rest) = packed.split_first_chunk::<4>().expect("a block");
            let at = u64::from(u32::from_le_bytes(*number)) * BLOCK as u64;
            pages.write(at, &rest[..BLOCK]);
            packed = &rest[BLOCK..];
        }
        pages.resize(length.parse().expect("a number"));
        state.put(name, pages);
    }
    state
}
