//! Rows as they are stored: a version byte, then postcard (varint) encoding of the struct.
//!
//! The order of fields is the format. A new field means a new version of that row, read by a
//! decoder for each version; `rows/tests.rs` holds the bytes of every row still.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use mail::{
    BodyId, DomainId, EmailId, EnhancedStatus, Envelope, ModSeq, RecipientId, ThreadId, Timestamp,
    Uid, UidValidity,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::cipher::{DerivingKey, KEY, Purpose};
use crate::embedded::Encoding;
use crate::keyring::Keyring;
use crate::keys;
use crate::{
    ContentId, Error, FeedCursor, Flags, Message, Owner, ParkedReason, QueueId, QueueRow,
    QueueState, Result,
};
use crate::{SpecialUse, Started, Status, TraceLine, Usage, Work};

const VERSION: u8 = 1;
/// In the place of the version: the row is encrypted as a whole.
const ENCRYPTED: u8 = 2;

/// A row's bytes.
pub(crate) fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    // Rows are plain data: no map, no failing `Serialize`; writing into a Vec cannot fail.
    postcard::to_extend(row, vec![VERSION]).expect("a row of plain data always encodes")
}

/// A row from its bytes.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest)
            .map_err(|error| Error::Damaged(format!("a row does not decode: {error}"))),
        Some((&ENCRYPTED, _)) => Err(Error::Damaged(
            "a row is encrypted, and its key is not there or does not fit".to_owned(),
        )),
        Some((version, _)) => Err(Error::Damaged(format!(
            "a row has the unknown version {version}"
        ))),
        None => Err(Error::Damaged("a row is empty".to_owned())),
    }
}

/// A row as only its owner's key shows it.
///
/// ```text
///   0  u8   2
///   1  u8   owner kind: 0 domain, 1 person, 2 group
///   2  u64  owner, big-endian; absent for a domain
///   …  16   salt
///   …       the row, encrypted, and 16 bytes of tag
/// ```
/// Associated data: the key of the row, then what is before the salt.
pub(crate) fn encrypt(key: &[u8], owner: Owner, with: &DerivingKey, plain: &[u8]) -> Vec<u8> {
    let (kind, id) = keys::owner_number(owner);
    let mut out = Vec::with_capacity(plain.len() + 48);
    out.extend_from_slice(&[ENCRYPTED, kind]);
    if owner != Owner::Domain {
        out.extend_from_slice(&id.to_be_bytes());
    }
    let associated = [key, &out].concat();
    with.encrypt_onto(&mut out, Purpose::Row, &associated, plain);
    out
}

/// The row in an encrypted one. `None`: it is not encrypted, or the key is not there.
fn decrypt(key: &[u8], value: &[u8], ring: &Keyring) -> Option<Vec<u8>> {
    let (head, sealed) = match value {
        [ENCRYPTED, 0, ..] => value.split_at(2),
        [ENCRYPTED, ..] => value.split_at_checked(10)?,
        _ => return None,
    };
    let owner = keys::owner_of(head[1], keys::number_of(&head[2..]))?;
    let with = ring.find(DomainId(keys::number_of(key)), owner)?;
    with.decrypt(Purpose::Row, &[key, head].concat(), sealed)
}

/// Is it a row that readers see as it is stored, because its key is gone?
pub(crate) fn is_locked(value: &[u8]) -> bool {
    value.first() == Some(&ENCRYPTED)
}

/// Whose key a row is encrypted with.
pub(crate) fn locked_owner(value: &[u8]) -> Option<Owner> {
    match value {
        [ENCRYPTED, kind, rest @ ..] => keys::owner_of(*kind, keys::number_of(rest)),
        _ => None,
    }
}

/// A row as readers see it. One whose key is gone stays as it is, and fails where it is decoded:
/// then it is that reader's trouble, and who only counts or removes rows goes on.
pub(crate) fn reveal<'a>(key: &[u8], value: Cow<'a, [u8]>, ring: &Keyring) -> Cow<'a, [u8]> {
    match keys::is_encrypted(key) {
        true => decrypt(key, &value, ring).map_or(value, Cow::Owned),
        false => value,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MailboxRow {
    pub(crate) owner: Owner,
    /// Zero at the top.
    pub(crate) parent: u64,
    /// This level alone, NFC.
    pub(crate) name: String,
    pub(crate) special_use: Option<SpecialUse>,
    pub(crate) uid_validity: UidValidity,
    pub(crate) uid_next: Uid,
    pub(crate) highest_modseq: ModSeq,
    pub(crate) messages: u32,
    pub(crate) unseen: u32,
    pub(crate) deleted: u32,
    pub(crate) bytes: u64,
    pub(crate) keywords: Vec<String>,
    /// Expunges up to here are no longer in the log.
    pub(crate) expunge_floor: ModSeq,
    /// UIDs in the log.
    pub(crate) expunge_log: u32,
}

impl MailboxRow {
    pub(crate) fn status(&self) -> Status {
        Status {
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            highest_modseq: self.highest_modseq,
            messages: self.messages,
            unseen: self.unseen,
            deleted: self.deleted,
            bytes: self.bytes,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MessageRow {
    pub(crate) email: EmailId,
    pub(crate) thread: ThreadId,
    pub(crate) created: ModSeq,
    pub(crate) changed: ModSeq,
    pub(crate) internal_date: Timestamp,
    pub(crate) internal_offset_minutes: i16,
    pub(crate) received: Timestamp,
    pub(crate) saved: Timestamp,
    pub(crate) size: u64,
    pub(crate) utf8: bool,
    pub(crate) flags: Flags,
    /// Numbers in the mailbox's table, ascending.
    pub(crate) keywords: Vec<u16>,
    pub(crate) content: ContentId,
    /// Of a copy: the EMAILID of what was copied. Absent from the bytes of all others, and of
    /// rows from before it was kept.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "at_end")]
    pub(crate) copied: Option<EmailId>,
}

/// The last field of a row, which may be absent.
fn at_end<'de, D: Deserializer<'de>>(row: D) -> std::result::Result<Option<EmailId>, D::Error> {
    Ok(Option::deserialize(row).unwrap_or_default())
}

impl MessageRow {
    /// RFC 8474 §5.1: a copy has the EMAILID of its source.
    pub(crate) fn object(&self) -> EmailId {
        self.copied.unwrap_or(self.email)
    }

    pub(crate) fn message(self, uid: Uid, table: &[String]) -> Message {
        let keywords = self
            .keywords
            .iter()
            .filter_map(|number| table.get(usize::from(*number)).cloned())
            .collect();
        Message {
            uid,
            object: self.object(),
            email: self.email,
            thread: self.thread,
            created: self.created,
            changed: self.changed,
            internal_date: self.internal_date,
            internal_offset_minutes: self.internal_offset_minutes,
            received: self.received,
            saved: self.saved,
            size: self.size,
            utf8: self.utf8,
            flags: self.flags,
            keywords,
            content: self.content,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ExtentRow {
    /// Bytes as they are: format 1.
    Private(Vec<u8>),
    Body {
        body: BodyId,
        offset: u64,
        length: u64,
    },
    /// So many private bytes, in the row's secret.
    Hidden { length: u64 },
    /// The secret, the last of a row's extents and of no length: private bytes and the keys of
    /// bodies, encrypted with the key of the content.
    Secret(Vec<u8>),
}

impl ExtentRow {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Private(bytes) => bytes.len() as u64,
            Self::Body { length, .. } | Self::Hidden { length } => *length,
            Self::Secret(_) => 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContentRow {
    /// Message and queue rows that name it; at zero it goes.
    pub(crate) references: u32,
    pub(crate) size: u64,
    pub(crate) extents: Vec<ExtentRow>,
}

impl ContentRow {
    /// The encrypted part; `None`: format 1, which had none.
    pub(crate) fn secret(&self) -> Option<&[u8]> {
        match self.extents.last() {
            Some(ExtentRow::Secret(secret)) => Some(secret),
            _ => None,
        }
    }
}

/// What the secret of a content says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Secret {
    /// The bytes of the hidden extents, one behind the other.
    pub(crate) private: Vec<u8>,
    /// Of each encrypted body among the extents.
    pub(crate) keys: Vec<(BodyId, [u8; KEY])>,
}

/// The key of a content, for one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContentKeyRow {
    /// Message and queue rows of this owner that name the content; at zero it goes.
    pub(crate) rows: u32,
    /// Encrypted with the owner's key.
    pub(crate) wrapped: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BodyRow {
    /// Contents that name it; at zero it goes.
    pub(crate) references: u32,
    pub(crate) length: u64,
}

/// The bit in the number of a segment that the collector wrote.
pub(crate) const SETTLED: u64 = 1 << 63;

/// Did the collector write this segment?
pub(crate) const fn is_settled(segment: u64) -> bool {
    segment & SETTLED != 0
}

/// Where a body's frames are. Written when its record is applied, never in the record itself:
/// recovery and garbage collection move records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BodyAtRow {
    /// Frames at this offset of a segment of the log, or of a settled one.
    Segment { segment: u64, offset: u64 },
    /// A body segment of its own, whose header says how it is encoded.
    File,
    /// As `Segment`, for frames that are compressed or encrypted.
    Encoded {
        segment: u64,
        offset: u64,
        encoding: Encoding,
    },
}

impl BodyAtRow {
    /// The segment it is in; `None`: it has a file of its own.
    pub(crate) fn segment(&self) -> Option<u64> {
        match self {
            Self::Segment { segment, .. } | Self::Encoded { segment, .. } => Some(*segment),
            Self::File => None,
        }
    }

    /// Frames at this offset of a journal segment.
    pub(crate) fn new(segment: u64, offset: u64, encoding: Encoding) -> Self {
        if encoding == Encoding::PLAIN {
            return Self::Segment { segment, offset };
        }
        Self::Encoded {
            segment,
            offset,
            encoding,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkRow {
    pub(crate) envelope: Envelope,
    pub(crate) recipient: RecipientId,
    pub(crate) original: String,
    pub(crate) address: mail::Mailbox,
    pub(crate) work: Work,
    pub(crate) parked: Option<(ParkedReason, String)>,
    pub(crate) due: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) last: Option<(Option<EnhancedStatus>, String)>,
    pub(crate) started: Option<Started>,
    pub(crate) delay_told: bool,
    pub(crate) content: ContentId,
    pub(crate) size: u64,
    pub(crate) utf8: bool,
    pub(crate) thread: Option<ThreadId>,
}

impl WorkRow {
    pub(crate) fn public(self, id: QueueId, domain: DomainId, leased: bool) -> QueueRow {
        let state = match (&self.parked, leased) {
            (_, true) => QueueState::Leased,
            (Some((reason, _)), false) => QueueState::Parked(*reason),
            (None, false) => QueueState::Ready,
        };
        QueueRow {
            id,
            domain,
            envelope: self.envelope,
            recipient: self.recipient,
            original: self.original,
            address: self.address,
            work: self.work,
            state,
            parked: self.parked.map(|(_, text)| text),
            due: self.due,
            attempts: self.attempts,
            created: self.created,
            expires: self.expires,
            last: self.last,
            started: self.started,
            delay_told: self.delay_told,
            content: self.content,
            size: self.size,
            utf8: self.utf8,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct DepthRow {
    pub(crate) rows: u64,
    pub(crate) parked: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KvRow {
    pub(crate) expires: Option<Timestamp>,
    pub(crate) value: Vec<u8>,
}

/// A mailbox in the change feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedRow {
    pub(crate) owner: Owner,
}

/// The log of mailboxes that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct GoneRow {
    pub(crate) length: u32,
    /// The last entry that was dropped from it.
    pub(crate) floor: FeedCursor,
}

/// Somebody whose mail was refused for want of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FullRow {
    pub(crate) since: Timestamp,
    /// What was used then. Another usage says that something was stored or removed since.
    pub(crate) usage: Usage,
}

/// A node of the agenda.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeRow {
    /// Its first child: time and number.
    pub(crate) first: (Timestamp, u64),
    /// When a row below it had its turn last.
    pub(crate) served: Timestamp,
}

impl NodeRow {
    /// Its time in the node above.
    pub(crate) fn at(&self) -> Timestamp {
        self.first.0.max(self.served)
    }
}

/// The trace lines that one operation wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TraceRow {
    pub(crate) lines: Vec<TraceLine>,
}

/// A remembered answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OperationRow {
    pub(crate) answer: Vec<u8>,
}

/// How far the durable index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct CheckpointRow {
    /// The last record applied.
    pub(crate) sequence: u64,
    /// The segment it is in; replay begins there.
    pub(crate) segment: u64,
    /// The first byte behind it.
    pub(crate) offset: u64,
}
