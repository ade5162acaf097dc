//! Records of the journal, byte by byte. All numbers are little-endian.
//!
//! ```text
//! record header, 64 bytes
//!    0  u32  magic "PRec"
//!    4  u8   version, 1
//!    5  u8   kind: 1 commit, 2 snapshot (3 wrapped keys: reserved)
//!    6  u16  flags, 0
//!    8  u64  segment it was written to
//!   16  u64  sequence
//!   24  u64  highest sequence known to be synced when this was written
//!   32  u64  reserved, 0
//!   40  u32  payload length without padding
//!   44  u32  crc32c of the payload
//!   48  …    reserved, 0
//!   60  u32  crc32c of bytes 0..60
//! payload: sections; then zeros up to a multiple of 8
//!
//! section header, 32 bytes
//!    0  u8   kind: 1 rows, 2 body
//!    1  u8   codec of a body: 0 raw, 1 zstd; 0 for rows
//!    2  u8   cipher of a body: 0 none, 1 AES-256-GCM; 0 for rows, which are encrypted one by one
//!    3  u8   owner kind: 0 domain (1 person, 2 group: reserved for sections of one owner)
//!    4  u32  length of the content
//!    8  u64  domain
//!   16  u64  owner
//!   24  u64  key, 0 for none
//! rows: for each row  u8 (0 delete, 1 put), u32 key length, key, and for a put u32 value length, value
//! body: u64 id, u64 length, with a cipher 16 bytes of salt, frames
//! ```

#[cfg(test)]
mod tests;

use mail::BodyId;

use crate::embedded::frames::{Codec, EncodedBody, Encoding};
use crate::engine::Outcome;
use crate::keys;
use crate::rows::BodyAtRow;
use crate::view::Layer;

pub(crate) const HEADER: usize = 64;
const SECTION: usize = 32;
const MAGIC: [u8; 4] = *b"PRec";
const VERSION: u8 = 1;
const KIND_COMMIT: u8 = 1;
const KIND_SNAPSHOT: u8 = 2;
const ROWS: u8 = 1;
const BODY: u8 = 2;
/// Payload longer than this is not believed: bodies in a record are small, and one commit is
/// bounded by what one operation may carry.
pub(crate) const PAYLOAD_MAX: usize = 1 << 30;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// One operation, in the log.
    Commit = KIND_COMMIT,
    /// Rows and bodies that the collector moved, in a settled segment.
    Snapshot = KIND_SNAPSHOT,
}

/// A record header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) segment: u64,
    pub(crate) sequence: u64,
    pub(crate) synced: u64,
    pub(crate) length: usize,
    pub(crate) checksum: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|chunk| u64::from_le_bytes(*chunk))
}

impl Header {
    fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.kind as u8;
        bytes[8..16].copy_from_slice(&self.segment.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.synced.to_le_bytes());
        bytes[40..44].copy_from_slice(&(self.length as u32).to_le_bytes());
        bytes[44..48].copy_from_slice(&self.checksum.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// `None`: these 64 bytes are no record header.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER || bytes[..4] != MAGIC || bytes[4] != VERSION {
            return None;
        }
        let kind = match bytes[5] {
            KIND_COMMIT => Kind::Commit,
            KIND_SNAPSHOT => Kind::Snapshot,
            _ => return None,
        };
        if u32_at(bytes, 60)? != crc32c::crc32c(&bytes[..60]) {
            return None;
        }
        let length = u32_at(bytes, 40)? as usize;
        (length <= PAYLOAD_MAX).then_some(Self {
            kind,
            segment: u64_at(bytes, 8)?,
            sequence: u64_at(bytes, 16)?,
            synced: u64_at(bytes, 24)?,
            length,
            checksum: u32_at(bytes, 44)?,
        })
    }

    /// Bytes of the whole record.
    pub(crate) fn record_length(self) -> usize {
        HEADER + padded(self.length)
    }
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(8)
}

/// Where a body is inside a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyPlace {
    pub(crate) id: BodyId,
    /// Where its section begins, from the start of the payload.
    pub(crate) section: usize,
    /// Of the first frame, from the start of the payload.
    pub(crate) offset: usize,
    /// Where its section ends.
    pub(crate) end: usize,
    pub(crate) encoding: Encoding,
}

impl BodyPlace {
    /// The row that says where it is: in this segment, in the payload that begins at `payload`.
    pub(crate) fn row(&self, segment: u64, payload: u64) -> BodyAtRow {
        BodyAtRow::new(segment, payload + self.offset as u64, self.encoding)
    }
}

/// The payload of an operation's changes, and where its bodies are in it.
pub(crate) fn encode_payload(outcome: &Outcome) -> (Vec<u8>, Vec<BodyPlace>) {
    let bodies: usize = outcome
        .bodies
        .iter()
        .map(|body| body.frames.len() + 128)
        .sum();
    let mut out = Vec::with_capacity(bodies + outcome.changes.len() * 128);
    let places = outcome
        .bodies
        .iter()
        .map(|body| encode_body(&mut out, body))
        .collect();
    // Keys begin with their domain, so the rows of a domain lie together.
    let mut rows = outcome.changes.iter().peekable();
    while let Some((first, _)) = rows.peek() {
        let domain = keys::number_of(first);
        let start = begin_section(&mut out, [ROWS, 0, 0], domain);
        while let Some((key, value)) = rows.next_if(|(key, _)| keys::number_of(key) == domain) {
            encode_row(&mut out, key, value.as_deref());
        }
        end_section(&mut out, start);
    }
    (out, places)
}

/// Appends the section of a body.
pub(crate) fn encode_body(out: &mut Vec<u8>, body: &EncodedBody) -> BodyPlace {
    let encoding = body.encoding;
    let start = begin_section(out, [BODY, encoding.codec.number(), encoding.cipher()], 0);
    out.extend_from_slice(&body.id.0.to_le_bytes());
    out.extend_from_slice(&body.length.to_le_bytes());
    out.extend_from_slice(encoding.salt.as_ref().map_or(&[], |salt| &salt[..]));
    let offset = out.len();
    out.extend_from_slice(&body.frames);
    end_section(out, start);
    BodyPlace {
        id: body.id,
        section: start,
        offset,
        end: out.len(),
        encoding,
    }
}

fn begin_section(out: &mut Vec<u8>, [kind, codec, cipher]: [u8; 3], domain: u64) -> usize {
    let start = out.len();
    out.extend_from_slice(&[kind, codec, cipher, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&domain.to_le_bytes());
    out.extend_from_slice(&[0; 16]);
    start
}

fn end_section(out: &mut [u8], start: usize) {
    let length = (out.len() - start - SECTION) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
}

fn encode_row(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    out.push(u8::from(value.is_some()));
    out.extend_from_slice(&(key.len() as u32).to_le_bytes());
    out.extend_from_slice(key);
    if let Some(value) = value {
        out.extend_from_slice(&(value.len() as u32).to_le_bytes());
        out.extend_from_slice(value);
    }
}

/// Appends a record: header, payload, padding.
pub(crate) fn write_record(
    out: &mut Vec<u8>,
    segment: u64,
    sequence: u64,
    synced: u64,
    payload: &[u8],
) {
    write_kind(out, Kind::Commit, segment, sequence, synced, payload);
}

/// The same, of any kind.
pub(crate) fn write_kind(
    out: &mut Vec<u8>,
    kind: Kind,
    segment: u64,
    sequence: u64,
    synced: u64,
    payload: &[u8],
) {
    let checksum = crc32c::crc32c(payload);
    let header = Header {
        kind,
        segment,
        sequence,
        synced,
        length: payload.len(),
        checksum,
    };
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(payload);
    out.resize(out.len() + padded(payload.len()) - payload.len(), 0);
}

/// Rows and bodies of a payload. `None`: it does not hold together, or has a kind, codec or
/// cipher this version does not know.
pub(crate) fn decode_payload(payload: &[u8]) -> Option<(Layer, Vec<BodyPlace>)> {
    let mut rows = Layer::new();
    let mut bodies = Vec::new();
    let mut at = 0;
    while at < payload.len() {
        let header = payload.get(at..at + SECTION)?;
        let length = u32_at(header, 4)? as usize;
        let start = at + SECTION;
        let content = payload.get(start..start.checked_add(length)?)?;
        match header[..3] {
            [ROWS, 0, 0] => decode_rows(content, &mut rows)?,
            [BODY, codec, cipher] => bodies.push(decode_body(content, at, codec, cipher)?),
            _ => return None,
        }
        at = start + length;
    }
    Some((rows, bodies))
}

/// The place of the body in a section that begins at `section`.
fn decode_body(content: &[u8], section: usize, codec: u8, cipher: u8) -> Option<BodyPlace> {
    let codec = Codec::from_number(codec)?;
    let (salt, head) = match cipher {
        0 => (None, 16),
        1 => (Some(*content.get(16..)?.first_chunk()?), 32),
        _ => return None,
    };
    content.get(..head)?;
    Some(BodyPlace {
        id: BodyId(u64_at(content, 0)?),
        section,
        offset: section + SECTION + head,
        end: section + SECTION + content.len(),
        encoding: Encoding { codec, salt },
    })
}

fn decode_rows(mut content: &[u8], rows: &mut Layer) -> Option<()> {
    while let Some((operation, rest)) = content.split_first() {
        let (key, rest) = split_bytes(rest)?;
        let (value, rest) = match operation {
            0 => (None, rest),
            1 => {
                let (value, rest) = split_bytes(rest)?;
                (Some(value.to_vec()), rest)
            }
            _ => return None,
        };
        rows.insert(key.to_vec(), value);
        content = rest;
    }
    Some(())
}

fn split_bytes(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32_at(content, 0)? as usize;
    content.get(4..)?.split_at_checked(length)
}
