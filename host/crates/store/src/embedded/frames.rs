//! Bodies in frames of 64 KiB: compressed or not, encrypted or not, and each with a checksum over
//! what is stored.
//!
//! ```text
//!   0  u32  crc32c of: body id (u64), frame number (u64), codec unless it is 0, bytes as stored
//!   4  u24  length of the bytes as stored
//!   7  u8   codec of this frame: 0 raw, 1 zstd
//!   8  …    bytes as stored: of an encrypted body ciphertext and 16 bytes of tag
//! ```
//! First compressed, then encrypted, then summed: who looks for damage, or moves frames, needs no
//! key. A frame that compression does not make smaller stays raw, so the codec is the frame's own;
//! that of the [`Encoding`] says whether there may be compressed ones, and so whether the place of
//! a frame can be computed or has to be walked to.
//!
//! An encoding has a salt. The key of its frames is derived from the body's key with it, and the
//! nonce is the number of the frame: encoding a body again, with other bytes in its frames, never
//! uses a nonce twice under one key. Associated data: body, frame number, codec.
//!
//! How it fails: [`Error::Damaged`] for the frame that does not fit; never other bytes.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use mail::BodyId;
use serde::{Deserialize, Serialize};

use crate::cipher::{DerivingKey, Purpose, Salt, SecretKey, SingleKey, TAG, random};
use crate::content::ReadAt;
use crate::embedded::disk::DiskFile;
use crate::{Error, Result};

/// Bytes of a body in one frame.
pub(crate) const FRAME: usize = 64 * 1024;
/// Bytes before those of the body.
pub(crate) const HEADER: usize = 8;
/// Stored bytes of one frame at most: a compressed one is never larger than a raw one.
const STORED_MAX: usize = FRAME + TAG;
/// zstd's level: text at about a third of its size, 64 KiB in about half a millisecond.
const LEVEL: i32 = 3;

/// How the bytes of a frame are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Codec {
    /// As they are.
    Raw,
    /// Compressed where that makes them smaller.
    Zstd,
}

impl Codec {
    /// Its number on the disk.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }

    /// `None`: this version does not know it.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// How a body is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encoding {
    pub(crate) codec: Codec,
    /// Of the key of the frames; `None`: not encrypted.
    pub(crate) salt: Option<Salt>,
}

impl Encoding {
    /// That of format 1: raw and not encrypted.
    pub(crate) const PLAIN: Self = Self {
        codec: Codec::Raw,
        salt: None,
    };

    /// The cipher's number on the disk: 0 none, 1 AES-256-GCM.
    pub(crate) fn cipher(self) -> u8 {
        u8::from(self.salt.is_some())
    }
}

/// The key of a body. It lives as long as the body, whoever comes to share it.
#[derive(Debug, Clone)]
pub(crate) struct BodyKey {
    secret: SecretKey,
    deriving: DerivingKey,
}

impl PartialEq for BodyKey {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

impl From<SecretKey> for BodyKey {
    fn from(secret: SecretKey) -> Self {
        let deriving = secret.deriving();
        Self { secret, deriving }
    }
}

impl BodyKey {
    /// A new one.
    pub(crate) fn random() -> Self {
        SecretKey::random().into()
    }

    pub(crate) fn secret(&self) -> &SecretKey {
        &self.secret
    }
}

/// A body as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedBody {
    pub(crate) id: BodyId,
    /// Bytes of the body.
    pub(crate) length: u64,
    pub(crate) encoding: Encoding,
    pub(crate) frames: Vec<u8>,
}

/// An encoded body that is nowhere else, to be read like a file.
#[derive(Debug)]
pub(crate) struct Bytes(pub(crate) Arc<EncodedBody>);

impl DiskFile for Bytes {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self
            .0
            .frames
            .get(start..start.saturating_add(out.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.frames.len() as u64)
    }

    fn set_length(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Encodes a body that is in memory. For garbage collection: each call has a new salt, so a body
/// may be encoded again with another codec under its key.
pub(crate) fn encode(
    id: BodyId,
    bytes: &[u8],
    codec: Codec,
    key: Option<&BodyKey>,
) -> Result<EncodedBody> {
    let mut encoder = Encoder::new(id, codec, key);
    let count = bytes.len().div_ceil(FRAME);
    let mut frames = Vec::with_capacity(bytes.len() + count * (HEADER + TAG));
    for frame in bytes.chunks(FRAME) {
        encoder.frame(&mut frames, frame)?;
    }
    Ok(EncodedBody {
        id,
        length: bytes.len() as u64,
        encoding: encoder.encoding,
        frames,
    })
}

/// Encodes one body, frame after frame.
pub(crate) struct Encoder {
    body: BodyId,
    pub(crate) encoding: Encoding,
    key: Option<SingleKey>,
    /// The next frame, and its nonce: only ever counted up, and the key is this encoder's alone.
    number: u64,
    /// Behind a lock only because the library's cannot be shared; nobody shares it.
    compressor: Mutex<Option<zstd::bulk::Compressor<'static>>>,
}

impl Encoder {
    /// An encoder with a salt of its own.
    pub(crate) fn new(body: BodyId, codec: Codec, key: Option<&BodyKey>) -> Self {
        Self::with_salt(body, codec, key, random())
    }

    fn with_salt(body: BodyId, codec: Codec, key: Option<&BodyKey>, salt: Salt) -> Self {
        Self {
            body,
            encoding: Encoding {
                codec,
                salt: key.map(|_| salt),
            },
            key: key.map(|key| key.deriving.single(Purpose::Frames, &salt)),
            number: 0,
            compressor: Mutex::default(),
        }
    }

    /// Appends the next frame: [`FRAME`] bytes, fewer only in the last.
    ///
    /// # Errors
    /// [`Error::Busy`]: no memory for the compressor. Nothing was appended.
    pub(crate) fn frame(&mut self, out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
        let compressed = match self.encoding.codec {
            Codec::Raw => None,
            Codec::Zstd => self.compress(bytes)?,
        };
        let (codec, coded) = match &compressed {
            Some(smaller) => (Codec::Zstd, smaller.as_slice()),
            None => (Codec::Raw, bytes),
        };
        let head = out.len();
        out.extend_from_slice(&[0; HEADER]);
        out.extend_from_slice(coded);
        if let Some(key) = &self.key {
            let associated = associated(self.body, self.number, codec);
            key.encrypt(self.number, &associated, out, head + HEADER);
        }
        let stored = &out[head + HEADER..];
        let sum = checksum(self.body, self.number, codec, stored);
        let length = (stored.len() as u32).to_le_bytes();
        out[head..head + 4].copy_from_slice(&sum.to_le_bytes());
        out[head + 4..head + 7].copy_from_slice(&length[..3]);
        out[head + 7] = codec.number();
        self.number += 1;
        Ok(())
    }

    /// The bytes compressed, if that is less.
    fn compress(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>> {
        let body = self.body;
        let failed = |error: io::Error| {
            tracing::warn!(%body, %error, "a body cannot be compressed now");
            Error::Busy
        };
        let compressor = self
            .compressor
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let compressor = match compressor {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(LEVEL).map_err(failed)?),
        };
        let compressed = compressor.compress(bytes).map_err(failed)?;
        Ok((compressed.len() < bytes.len()).then_some(compressed))
    }
}

fn checksum(body: BodyId, number: u64, codec: Codec, stored: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&body.0.to_le_bytes());
    let mut sum = crc32c::crc32c_append(sum, &number.to_le_bytes());
    // Format 1 knew no codec.
    if codec != Codec::Raw {
        sum = crc32c::crc32c_append(sum, &[codec.number()]);
    }
    crc32c::crc32c_append(sum, stored)
}

fn associated(body: BodyId, number: u64, codec: Codec) -> [u8; 17] {
    let mut bytes = [0; 17];
    bytes[..8].copy_from_slice(&body.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16] = codec.number();
    bytes
}

/// The first eight bytes of a frame.
#[derive(Debug, Clone, Copy)]
struct Head {
    sum: u32,
    /// Bytes that follow.
    stored: usize,
    codec: Codec,
}

impl Head {
    fn parse(bytes: [u8; HEADER]) -> Option<Self> {
        let [a, b, c, d, low, middle, high, codec] = bytes;
        let stored = u32::from_le_bytes([low, middle, high, 0]) as usize;
        (stored <= STORED_MAX).then_some(Self {
            sum: u32::from_le_bytes([a, b, c, d]),
            stored,
            codec: Codec::from_number(codec)?,
        })
    }
}

/// Reads a body by position. Holds its file open.
pub(crate) struct Frames {
    file: Arc<dyn DiskFile>,
    body: BodyId,
    length: u64,
    codec: Codec,
    key: Option<SingleKey>,
    /// Where frames begin, as far as it is known: the first of them always.
    places: Mutex<Vec<u64>>,
    /// The frame of which only a part was read, so that who reads on does not read and decrypt it
    /// again.
    last: Mutex<Option<(u64, Vec<u8>)>>,
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frames({}, {} bytes)", self.body, self.length)
    }
}

impl Frames {
    /// A body of `length` bytes whose first frame is at `offset`.
    ///
    /// # Errors
    /// [`Error::Damaged`]: it is encrypted and there is no key.
    pub(crate) fn open(
        file: Arc<dyn DiskFile>,
        offset: u64,
        body: BodyId,
        length: u64,
        encoding: Encoding,
        key: Option<&BodyKey>,
    ) -> Result<Self> {
        let key = match (encoding.salt, key) {
            (None, _) => None,
            (Some(salt), Some(key)) => Some(key.deriving.single(Purpose::Frames, &salt)),
            (Some(_), None) => {
                let what = format!("body {body} is encrypted and its key is not there");
                return Err(Error::Damaged(what));
            }
        };
        Ok(Self {
            file,
            body,
            length,
            codec: encoding.codec,
            key,
            places: Mutex::new(vec![offset]),
            last: Mutex::new(None),
        })
    }

    /// Bytes of the body.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes of a frame.
    fn frame(&self, number: u64, buffer: &mut Vec<u8>) -> Result<()> {
        let start = number * FRAME as u64;
        let length = (self.length - start).min(FRAME as u64) as usize;
        let at = self.place(number)?;
        let head = self.stored(number, at, length, buffer)?;
        if head.sum != checksum(self.body, number, head.codec, buffer) {
            return Err(self.damaged(number, "wrong checksum"));
        }
        if let Some(key) = &self.key {
            let associated = associated(self.body, number, head.codec);
            let plain = key
                .decrypt(number, &associated, buffer)
                .map(|plain| plain.len())
                .ok_or_else(|| self.damaged(number, "it does not decrypt"))?;
            buffer.truncate(plain);
        }
        if head.codec == Codec::Zstd {
            *buffer = zstd::bulk::decompress(buffer, length)
                .map_err(|error| self.damaged(number, &error.to_string()))?;
        }
        if buffer.len() == length {
            Ok(())
        } else {
            Err(self.damaged(number, "wrong length"))
        }
    }

    /// Head and stored bytes of the frame at `at`. A raw one has a length that is known, so one
    /// read is enough; what is shorter is behind it in the same read.
    fn stored(&self, number: u64, at: u64, length: usize, buffer: &mut Vec<u8>) -> Result<Head> {
        let failed = |error: io::Error| self.damaged(number, &error.to_string());
        let tag = if self.key.is_some() { TAG } else { 0 };
        let mut bytes = [0; HEADER];
        if self.codec == Codec::Raw {
            buffer.resize(HEADER + length + tag, 0);
            self.file.read_at(at, buffer).map_err(failed)?;
            bytes.copy_from_slice(&buffer[..HEADER]);
            buffer.drain(..HEADER);
        } else {
            self.file.read_at(at, &mut bytes).map_err(failed)?;
        }
        let head = Head::parse(bytes)
            .filter(|head| self.codec == Codec::Zstd || head.codec == Codec::Raw)
            .ok_or_else(|| self.damaged(number, "wrong head"))?;
        if self.codec == Codec::Raw {
            if head.stored != buffer.len() {
                return Err(self.damaged(number, "wrong stored length"));
            }
        } else {
            buffer.resize(head.stored, 0);
            self.file
                .read_at(at + HEADER as u64, buffer)
                .map_err(failed)?;
        }
        Ok(head)
    }

    /// Where a frame begins. Raw ones are all of one size; to others one walks, from the last
    /// place that is known.
    fn place(&self, number: u64) -> Result<u64> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if self.codec == Codec::Raw {
            let tag = if self.key.is_some() { TAG } else { 0 };
            return Ok(places[0] + number * (FRAME + HEADER + tag) as u64);
        }
        while places.len() as u64 <= number {
            let last = places.len() - 1;
            let mut bytes = [0; HEADER];
            self.file
                .read_at(places[last], &mut bytes)
                .map_err(|error| self.damaged(last as u64, &error.to_string()))?;
            let head = Head::parse(bytes).ok_or_else(|| self.damaged(last as u64, "wrong head"))?;
            let next = places[last] + (HEADER + head.stored) as u64;
            places.push(next);
        }
        Ok(places[number as usize])
    }

    fn damaged(&self, number: u64, what: &str) -> Error {
        tracing::error!(body = %self.body, frame = number, what, "a stored body is damaged");
        Error::Damaged(format!("body {}, frame {number}: {what}", self.body))
    }
}

impl ReadAt for Frames {
    fn read_at(&self, offset: u64, length: usize, out: &mut Vec<u8>) -> Result<()> {
        let end = offset + length as u64;
        if end > self.length {
            return Err(self.damaged(0, "the body is shorter than its row says"));
        }
        let last = self.last.lock().ok().and_then(|mut last| last.take());
        let (mut held, mut buffer) = last.unzip();
        let buffer = buffer.get_or_insert_default();
        let mut at = offset;
        while at < end {
            let number = at / FRAME as u64;
            let start = number * FRAME as u64;
            if held != Some(number) {
                self.frame(number, buffer)?;
                held = Some(number);
            }
            let first = (at - start) as usize;
            let last = buffer.len().min((end - start) as usize);
            out.extend_from_slice(&buffer[first..last]);
            at += (last - first) as u64;
        }
        let is_read_out = end.is_multiple_of(FRAME as u64) || end == self.length;
        if let (Some(number), false, Ok(mut last)) = (held, is_read_out, self.last.lock()) {
            *last = Some((number, std::mem::take(buffer)));
        }
        Ok(())
    }
}
