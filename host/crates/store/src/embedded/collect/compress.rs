//! Bodies come in raw, and are compressed when the collector moves them: there it delays nobody.
//!
//! A body is decoded, encoded again with a new salt, and kept so where that is worth it. One that
//! is compressed already, damaged, of a key that nobody has, or hardly smaller stays as it is. So
//! does one with a file of its own: those are attachments, compressed by whoever made them, and
//! nothing moves them.
//!
//! How it fails: it does not; what cannot be compressed is moved as it is.

use std::sync::Arc;

use mail::BodyId;

use crate::content::ReadAt as _;
use crate::embedded::frames::{self, BodyKey, Bytes, Codec, EncodedBody, Encoding, Frames};
use crate::rows::is_settled;

/// A compressed body saves at least one byte in so many: reading it costs a little more than
/// reading a raw one.
const WORTH: usize = 8;

/// A body in the segment that is being collected.
pub(super) struct Stored<'a> {
    pub(super) id: BodyId,
    /// Bytes of the body.
    pub(super) length: u64,
    pub(super) encoding: Encoding,
    pub(super) frames: &'a [u8],
}

/// May bodies of this segment be raw because nobody tried to compress them? Those of the log are;
/// so are those that were settled before the collector compressed, below `compressed_from`.
pub(super) fn is_untried(segment: u64, compressed_from: u64) -> bool {
    !is_settled(segment) || segment < compressed_from
}

/// The body compressed, if that is worth it and can be done.
pub(super) fn compress(body: &Stored<'_>, key: Option<&BodyKey>) -> Option<EncodedBody> {
    if body.encoding.codec != Codec::Raw {
        return None;
    }
    // A body of format 1 is not encrypted, and stays so: rows that name it have no key for it.
    let key = match body.encoding.salt {
        Some(_) => Some(key?),
        None => None,
    };
    let stored = EncodedBody {
        id: body.id,
        length: body.length,
        encoding: body.encoding,
        frames: body.frames.to_vec(),
    };
    // What is damaged is told by whoever reads it, and by a check, at its new place too.
    let plain = decoded(&stored, key)?;
    let encoded = frames::encode(body.id, &plain, Codec::Zstd, key).ok()?;
    let most = body.frames.len() - body.frames.len() / WORTH;
    if encoded.frames.len() >= most {
        return None;
    }
    // The other copy goes for good: what takes its place is read before it does.
    (decoded(&encoded, key)? == plain).then_some(encoded)
}

fn decoded(body: &EncodedBody, key: Option<&BodyKey>) -> Option<Vec<u8>> {
    let file = Arc::new(Bytes(Arc::new(body.clone())));
    let frames = Frames::open(file, 0, body.id, body.length, body.encoding, key).ok()?;
    let mut plain = Vec::new();
    let length = usize::try_from(body.length).ok()?;
    frames.read_at(0, length, &mut plain).ok()?;
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::SETTLED;

    const BODY: BodyId = BodyId(7);

    fn text(length: usize) -> Vec<u8> {
        let lines = (0..).flat_map(|line: u32| format!("Line {line} of a letter\r\n").into_bytes());
        lines.take(length).collect()
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn compressed(body: &EncodedBody, key: Option<&BodyKey>) -> Option<EncodedBody> {
        let stored = Stored {
            id: body.id,
            length: body.length,
            encoding: body.encoding,
            frames: &body.frames,
        };
        compress(&stored, key)
    }

    fn read(body: EncodedBody, key: Option<&BodyKey>) -> Vec<u8> {
        let (length, encoding) = (body.length, body.encoding);
        let file = Arc::new(Bytes(Arc::new(body)));
        let frames = Frames::open(file, 0, BODY, length, encoding, key).unwrap();
        let mut plain = Vec::new();
        frames.read_at(0, length as usize, &mut plain).unwrap();
        plain
    }

    #[test]
    fn what_gets_smaller_is_compressed_under_a_salt_of_its_own() {
        let key = BodyKey::random();
        for length in [200, 5_000, frames::FRAME + 1, 200_000] {
            for key in [None, Some(&key)] {
                let raw = frames::encode(BODY, &text(length), Codec::Raw, key).unwrap();
                let once = compressed(&raw, key).expect("text gets smaller");
                let again = compressed(&raw, key).expect("it still does");
                assert!(once.frames.len() < raw.frames.len() * 7 / 8);
                assert_eq!(once.encoding.codec, Codec::Zstd);
                assert_eq!(once.encoding.salt.is_some(), key.is_some());
                if key.is_some() {
                    // Else other bytes would meet the same numbers under one key.
                    assert_ne!(once.encoding.salt, raw.encoding.salt);
                    assert_ne!(once.encoding.salt, again.encoding.salt);
                }
                assert_eq!(read(once.clone(), key), text(length));
                assert_eq!(compressed(&once, key), None, "it is compressed already");
            }
        }
    }

    #[test]
    fn what_hardly_gets_smaller_stays() {
        let key = BodyKey::random();
        let mixed = [noise(60_000), text(3_000)].concat();
        for bytes in [Vec::new(), b"short".to_vec(), noise(100_000), mixed] {
            let raw = frames::encode(BODY, &bytes, Codec::Raw, Some(&key)).unwrap();
            assert_eq!(compressed(&raw, Some(&key)), None, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn what_cannot_be_read_stays() {
        let key = BodyKey::random();
        let raw = frames::encode(BODY, &text(5_000), Codec::Raw, Some(&key)).unwrap();
        assert_eq!(compressed(&raw, None), None, "nobody's key opens it");
        assert_eq!(compressed(&raw, Some(&BodyKey::random())), None);
        for at in (0..raw.frames.len()).step_by(501) {
            let mut damaged = raw.clone();
            damaged.frames[at] ^= 1;
            assert_eq!(compressed(&damaged, Some(&key)), None, "flipped at {at}");
        }
        let mut cut = raw.clone();
        cut.frames.truncate(3_000);
        assert_eq!(compressed(&cut, Some(&key)), None);
        let mut longer = raw;
        longer.length += 1;
        assert_eq!(compressed(&longer, Some(&key)), None);
    }

    #[test]
    fn the_log_and_segments_of_before_are_tried() {
        let from = SETTLED | 9;
        assert!(is_untried(1_000, from));
        assert!(is_untried(SETTLED | 8, from));
        assert!(!is_untried(from, from));
    }
}
