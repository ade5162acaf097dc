//! The bytes of a record, held still, and what is not taken for one.

use std::sync::Arc;

use super::*;
use crate::embedded::frames;

/// As format 1 wrote it.
fn plain() -> Arc<EncodedBody> {
    Arc::new(frames::encode(BodyId(7), b"hello", Codec::Raw, None).unwrap())
}

/// As it is written now.
fn encrypted() -> Arc<EncodedBody> {
    let key = frames::BodyKey::random();
    Arc::new(frames::encode(BodyId(7), b"hello", Codec::Zstd, Some(&key)).unwrap())
}

fn outcome() -> Outcome {
    let changes = Layer::from([
        (vec![0, 0, 0, 0, 0, 0, 0, 1, 3, 9], Some(vec![5, 6])),
        (vec![0, 0, 0, 0, 0, 0, 0, 2, 3], None),
    ]);
    Outcome {
        changes,
        bodies: vec![plain()],
        ..Outcome::default()
    }
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let outcome = outcome();
    let (payload, places) = encode_payload(&outcome);
    let mut bytes = Vec::new();
    write_record(&mut bytes, 3, 42, 41, &payload);
    assert_eq!(bytes.len() % 8, 0);
    let header = Header::decode(&bytes).unwrap();
    assert_eq!(
        (header.segment, header.sequence, header.synced),
        (3, 42, 41)
    );
    assert_eq!(header.record_length(), bytes.len());
    let (rows, bodies) = decode_payload(&bytes[HEADER..HEADER + header.length]).unwrap();
    assert_eq!((rows, &bodies), (outcome.changes, &places));
    let at = HEADER + bodies[0].offset + frames::HEADER;
    assert_eq!(&bytes[at..at + 5], b"hello");
}

#[test]
fn the_layout_is_the_documented_one() {
    let (payload, _) = encode_payload(&outcome());
    let mut bytes = Vec::new();
    write_record(&mut bytes, 3, 42, 41, &payload);
    assert_eq!(&bytes[..8], b"PRec\x01\x01\0\0");
    assert_eq!(bytes[8..16], 3_u64.to_le_bytes());
    assert_eq!(bytes[16..24], 42_u64.to_le_bytes());
    assert_eq!(bytes[24..32], 41_u64.to_le_bytes());
    assert_eq!(bytes[40..44], (payload.len() as u32).to_le_bytes());
    assert_eq!(bytes[44..48], crc32c::crc32c(&payload).to_le_bytes());
    // The body first: kind, raw, plain, no key; id, length, one frame.
    assert_eq!(payload[..8], [BODY, 0, 0, 0, 29, 0, 0, 0]);
    assert_eq!(payload[8..32], [0; 24]);
    assert_eq!(payload[32..40], 7_u64.to_le_bytes());
    assert_eq!(payload[40..48], 5_u64.to_le_bytes());
    // Then the rows of each domain in a section.
    let rows = &payload[61..];
    assert_eq!(rows[..8], [ROWS, 0, 0, 0, 21, 0, 0, 0]);
    assert_eq!(rows[8..16], 1_u64.to_le_bytes());
    assert_eq!(
        rows[32..53],
        [
            1, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 9, 2, 0, 0, 0, 5, 6
        ]
    );
    assert_eq!(rows[53..61], [ROWS, 0, 0, 0, 14, 0, 0, 0]);
}

#[test]
fn an_encrypted_body_has_its_salt_before_its_frames() {
    let body = encrypted();
    let salt = body.encoding.salt.unwrap();
    let mut payload = Vec::new();
    let place = encode_body(&mut payload, &body);
    assert_eq!(payload[..4], [BODY, 1, 1, 0]);
    assert_eq!(payload[40..48], 5_u64.to_le_bytes());
    assert_eq!(payload[48..64], salt);
    assert_eq!(payload[64..], body.frames);
    let (_, places) = decode_payload(&payload).unwrap();
    assert_eq!(places, [place]);
    let row = places[0].row(3, 1_000);
    let encoding = body.encoding;
    let expected = BodyAtRow::Encoded {
        segment: 3,
        offset: 1_064,
        encoding,
    };
    assert_eq!(row, expected);
    // Cut within id, length and salt.
    for length in 32..64 {
        let mut cut = payload[..length].to_vec();
        cut[4..8].copy_from_slice(&((length - 32) as u32).to_le_bytes());
        assert!(decode_payload(&cut).is_none(), "{length} bytes");
    }
}

#[test]
fn a_changed_header_is_no_header() {
    let mut bytes = Vec::new();
    write_record(&mut bytes, 3, 42, 41, b"payload");
    for at in 0..HEADER {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(Header::decode(&changed), None, "byte {at}");
    }
    assert_eq!(Header::decode(&bytes[..HEADER - 1]), None);
}

#[test]
fn a_payload_that_does_not_hold_together_is_refused() {
    let (payload, _) = encode_payload(&outcome());
    let mut unknown = payload.clone();
    unknown[1] = 2;
    assert!(
        decode_payload(&unknown).is_none(),
        "a codec this version does not know"
    );
    let mut unknown = payload.clone();
    unknown[2] = 2;
    assert!(
        decode_payload(&unknown).is_none(),
        "a cipher this version does not know"
    );
    // Cut anywhere but between sections.
    let ends = [0, 61, 61 + 53, payload.len()];
    for length in 0..payload.len() {
        assert_eq!(
            decode_payload(&payload[..length]).is_some(),
            ends.contains(&length),
            "{length} bytes"
        );
    }
}
