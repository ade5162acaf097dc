//! The bytes of frames, held still; and that nothing but the right bytes ever comes back.

use std::collections::HashSet;

use super::*;

const BODY: BodyId = BodyId(7);

fn key() -> BodyKey {
    SecretKey::from_bytes(&[1; 32]).unwrap().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

fn text(length: usize) -> Vec<u8> {
    b"Mail is what users cannot get back. "
        .iter()
        .copied()
        .cycle()
        .take(length)
        .collect()
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn read(body: EncodedBody, key: Option<&BodyKey>) -> Result<Vec<u8>> {
    let (id, length, encoding) = (body.id, body.length, body.encoding);
    let file = Arc::new(Bytes(Arc::new(body)));
    let frames = Frames::open(file, 0, id, length, encoding, key)?;
    let mut out = Vec::new();
    frames.read_at(0, length as usize, &mut out)?;
    Ok(out)
}

/// Made with other implementations of SHA-256, AES-GCM, CRC and zstd.
#[test]
fn frames_keep_their_bytes() {
    let key = key();
    let cases: &[(Codec, Option<&BodyKey>, &str)] = &[
        (
            Codec::Raw,
            None,
            "3100cdf22800000061616161616161616161616161616161616161616161616161616161616161616161616161616161",
        ),
        (
            Codec::Zstd,
            None,
            "0cf7f33a1100000128b52ffd005845000010616101001f8005",
        ),
        (
            Codec::Raw,
            Some(&key),
            "81ae0cd938000000d944c8842f86faf14f1f63d32edff767936504a39665c2f78f89f5964681fbc3c383cfb40ca72284c8364d21a5c2e27d7d66e174968a987f",
        ),
        (
            Codec::Zstd,
            Some(&key),
            "c0c8011921000001909086184ebfde902e6e63d34ebe8986f7b750f45f785156d36b0f114b57d7b621",
        ),
    ];
    for (codec, key, expected) in cases {
        let context = format!("{codec:?}, key {}", key.is_some());
        let mut encoder = Encoder::with_salt(BODY, *codec, *key, [2; 16]);
        let mut out = Vec::new();
        encoder.frame(&mut out, &[b'a'; 40]).unwrap();
        // What a compressor makes is its own affair; what it made must be read for ever.
        if *codec == Codec::Raw {
            assert_eq!(hex(&out), *expected, "{context}");
        }
        let stored = EncodedBody {
            id: BODY,
            length: 40,
            encoding: encoder.encoding,
            frames: unhex(expected),
        };
        assert_eq!(read(stored, *key).unwrap(), [b'a'; 40], "{context}");
    }
}

#[test]
fn every_encoding_gives_back_every_range() {
    let key = key();
    let bodies = [
        Vec::new(),
        text(1),
        text(FRAME),
        text(FRAME + 1),
        text(3 * FRAME + 77),
    ];
    let mixed = [text(FRAME), noise(FRAME), text(500)].concat();
    for bytes in bodies.iter().chain([&mixed]) {
        for codec in [Codec::Raw, Codec::Zstd] {
            for key in [None, Some(&key)] {
                let body = encode(BODY, bytes, codec, key).unwrap();
                assert_eq!(body.encoding.salt.is_some(), key.is_some());
                assert_eq!(&read(body.clone(), key).unwrap(), bytes);
                let (length, encoding) = (body.length, body.encoding);
                let file = Arc::new(Bytes(Arc::new(body)));
                let frames = Frames::open(file, 0, BODY, length, encoding, key).unwrap();
                // Backwards: the places of compressed frames are found from anywhere.
                for start in (0..bytes.len()).rev().step_by(9_973) {
                    let end = bytes.len().min(start + FRAME + 5);
                    let mut out = vec![7];
                    frames.read_at(start as u64, end - start, &mut out).unwrap();
                    assert_eq!(out[1..], bytes[start..end], "{start}..{end}");
                }
            }
        }
    }
}

#[test]
fn text_becomes_smaller_and_noise_hardly_larger() {
    let key = key();
    let small = encode(BODY, &text(FRAME), Codec::Zstd, Some(&key)).unwrap();
    assert!(small.frames.len() < FRAME / 10);
    let large = encode(BODY, &noise(FRAME), Codec::Zstd, Some(&key)).unwrap();
    assert_eq!(large.frames.len(), FRAME + HEADER + TAG);
}

#[test]
fn a_changed_byte_is_damage_and_never_other_bytes() {
    let key = key();
    let bytes = [text(FRAME), noise(100)].concat();
    for codec in [Codec::Raw, Codec::Zstd] {
        for key in [None, Some(&key)] {
            let body = encode(BODY, &bytes, codec, key).unwrap();
            for at in (0..body.frames.len()).filter(|at| at % 97 == 0 || *at < 40) {
                for bit in [1, 0x80] {
                    let mut changed = body.clone();
                    changed.frames[at] ^= bit;
                    let read = read(changed, key);
                    assert!(
                        matches!(read, Err(Error::Damaged(_))),
                        "{codec:?}, key {}, byte {at}",
                        key.is_some()
                    );
                }
            }
        }
    }
}

/// The checksum finds accidents; who changes it too is found by the tag.
#[test]
fn a_forged_checksum_does_not_help() {
    let key = key();
    let mut body = encode(BODY, &text(100), Codec::Raw, Some(&key)).unwrap();
    body.frames[HEADER + 3] ^= 1;
    let sum = checksum(BODY, 0, Codec::Raw, &body.frames[HEADER..]);
    body.frames[..4].copy_from_slice(&sum.to_le_bytes());
    assert!(matches!(read(body, Some(&key)), Err(Error::Damaged(_))));
}

#[test]
fn frames_belong_to_their_body_their_place_and_their_key() {
    let key = key();
    let bytes = [text(FRAME), noise(FRAME)].concat();
    let body = encode(BODY, &bytes, Codec::Raw, Some(&key)).unwrap();
    let is_damaged = |body: EncodedBody, key: Option<&BodyKey>| {
        matches!(read(body, key), Err(Error::Damaged(_)))
    };
    let mut renamed = body.clone();
    renamed.id = BodyId(8);
    assert!(is_damaged(renamed, Some(&key)));
    let half = body.frames.len() / 2;
    let mut swapped = body.clone();
    swapped.frames.rotate_left(half);
    assert!(is_damaged(swapped, Some(&key)));
    assert!(is_damaged(body.clone(), Some(&BodyKey::random())));
    assert!(is_damaged(body.clone(), None));
    let mut salted = body.clone();
    salted.encoding.salt = Some([0; 16]);
    assert!(is_damaged(salted, Some(&key)));
    assert_eq!(read(body, Some(&key)).unwrap(), bytes);
}

/// A body keeps its key when it is written again: then its frames have other bytes, and the
/// nonces count from zero again. So the key of the frames must be another.
#[test]
fn an_encoding_never_shares_its_key_stream_with_another() {
    let key = key();
    let bytes = noise(2_000);
    let mut salts = HashSet::new();
    let mut streams = HashSet::new();
    for round in 0..200 {
        let codec = if round % 2 == 0 {
            Codec::Raw
        } else {
            Codec::Zstd
        };
        let body = encode(BODY, &bytes, codec, Some(&key)).unwrap();
        assert!(
            salts.insert(body.encoding.salt.unwrap()),
            "a salt came twice"
        );
        let stream: Vec<u8> = body.frames[HEADER..HEADER + 16]
            .iter()
            .zip(&bytes)
            .map(|(stored, plain)| stored ^ plain)
            .collect();
        assert!(streams.insert(stream), "a key stream came twice");
    }
    // Within an encoding each frame has its own nonce.
    let body = encode(BODY, &[0; 2 * FRAME], Codec::Raw, Some(&key)).unwrap();
    let half = body.frames.len() / 2;
    assert_ne!(body.frames[HEADER..half], body.frames[half + HEADER..]);
}

/// Whoever reads piece by piece has each frame read and decrypted once, and what was read out is
/// not kept.
#[test]
fn a_frame_that_was_read_in_part_is_kept_until_it_is_read_out() {
    let key = key();
    for codec in [Codec::Raw, Codec::Zstd] {
        let bytes = text(2 * FRAME + 10_000);
        let body = encode(BODY, &bytes, codec, Some(&key)).unwrap();
        let (length, encoding) = (body.length, body.encoding);
        let file = Arc::new(Bytes(Arc::new(body)));
        let frames = Frames::open(file, 0, BODY, length, encoding, Some(&key)).unwrap();
        let kept = || {
            frames
                .last
                .lock()
                .unwrap()
                .as_ref()
                .map(|(number, _)| *number)
        };
        let mut out = Vec::new();
        let piece = 30_000;
        for at in (0..bytes.len()).step_by(piece) {
            let count = piece.min(bytes.len() - at);
            frames.read_at(at as u64, count, &mut out).unwrap();
            let end = at + count;
            let expected = (end < bytes.len()).then_some((end / FRAME) as u64);
            assert_eq!(kept(), expected, "behind {end}");
        }
        assert_eq!(out, bytes);
        // One that is kept and not wanted makes room; one that is read out goes.
        for (at, count, expected) in [
            (5, 10, Some(0)),
            (FRAME, 7, Some(1)),
            (20, 1, Some(0)),
            (0, FRAME, None),
        ] {
            let mut out = Vec::new();
            frames.read_at(at as u64, count, &mut out).unwrap();
            assert_eq!(out, bytes[at..at + count]);
            assert_eq!(kept(), expected);
        }
    }
}
