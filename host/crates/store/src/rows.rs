//! Rows as they are stored: a version byte, then postcard (varint) encoding of the struct.
//!
//! The order of fields is the format. A new field means a new version of that row, read by a
//! decoder for each version; `rows/tests.rs` holds the bytes of every row still.

#[cfg(test)]
mod tests;

use mail::{
    BodyId, DomainId, EmailId, EnhancedStatus, Envelope, ModSeq, RecipientId, ThreadId, Timestamp,
    Uid, UidValidity,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{
    ContentId, Error, FeedCursor, Flags, Message, Owner, ParkedReason, QueueId, QueueRow,
    QueueState, Result,
};
use crate::{SpecialUse, Started, Status, TraceLine, Usage, Work};

const VERSION: u8 = 1;

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
        Some((version, _)) => Err(Error::Damaged(format!(
            "a row has the unknown version {version}"
        ))),
        None => Err(Error::Damaged("a row is empty".to_owned())),
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
}

impl MessageRow {
    pub(crate) fn message(self, uid: Uid, table: &[String]) -> Message {
        let keywords = self
            .keywords
            .iter()
            .filter_map(|number| table.get(usize::from(*number)).cloned())
            .collect();
        Message {
            uid,
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
    Private(Vec<u8>),
    Body {
        body: BodyId,
        offset: u64,
        length: u64,
    },
}

impl ExtentRow {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Private(bytes) => bytes.len() as u64,
            Self::Body { length, .. } => *length,
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
    /// A body segment of its own.
    File,
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
