//! Which UIDs of a mailbox are there, and which of them are not seen: in blocks of 1,024 UIDs,
//! so that opening a mailbox reads a row for each thousand messages and not one for each.
//!
//! A block that has no row has no messages, or is from a time before there were blocks: whoever
//! needs it makes it from the messages' rows. A mailbox whose blocks do not add up to its
//! counters is read from these, and gets its blocks with its next opening.

use mail::{Access, DomainId, MailboxId, ModSeq, Uid, Uids};
use serde::{Deserialize, Serialize};

use crate::engine::Tx;
use crate::engine::access::mailbox;
use crate::engine::reads;
use crate::keys::{self, Key};
use crate::rows::{MailboxRow, MessageRow, decode};
use crate::view::{Order, View, ViewExt, Walk};
use crate::{Error, Flags, Result, Rights, Survey};

/// UIDs of a block.
const BLOCK: u32 = 1024;

/// Runs of a row beyond which it is shorter to write a bit for each UID.
const RUNS_MAX: usize = 64;

/// A block in memory: one bit a UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Block {
    there: Bits,
    unseen: Bits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bits([u64; BLOCK as usize / 64]);

/// A block as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockRow {
    pub(crate) there: BitsRow,
    /// Without `\Seen`.
    pub(crate) unseen: BitsRow,
}

/// A bit for each UID of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BitsRow {
    /// How many are clear, then how many set, and so on; the rest is clear.
    Runs(Vec<u16>),
    /// 128 bytes, the lowest UID in the lowest bit of the first.
    Map(Vec<u8>),
}

/// The number of the block of a UID.
pub(crate) const fn block_of(uid: Uid) -> u32 {
    uid.0 / BLOCK
}

impl Block {
    /// Notes a message as it is now; `None`: it is not there.
    pub(crate) fn note(&mut self, uid: Uid, flags: Option<Flags>) {
        let at = (uid.0 % BLOCK) as usize;
        self.there.set(at, flags.is_some());
        let unseen = flags.is_some_and(|flags| !flags.contains(Flags::SEEN));
        self.unseen.set(at, unseen);
    }

    const fn is_empty(&self) -> bool {
        self.there.count() == 0
    }

    fn row(&self) -> BlockRow {
        BlockRow {
            there: self.there.row(),
            unseen: self.unseen.row(),
        }
    }
}

impl From<BlockRow> for Block {
    fn from(row: BlockRow) -> Self {
        Self {
            there: row.there.into(),
            unseen: row.unseen.into(),
        }
    }
}

impl Bits {
    const fn set(&mut self, at: usize, on: bool) {
        let bit = 1 << (at % 64);
        if on {
            self.0[at / 64] |= bit;
        } else {
            self.0[at / 64] &= !bit;
        }
    }

    const fn count(&self) -> u32 {
        let (mut at, mut count) = (0, 0);
        while at < self.0.len() {
            count += self.0[at].count_ones();
            at += 1;
        }
        count
    }

    /// The first place at or behind `from` that is as `on` says; the end where there is none.
    fn next(&self, from: u32, on: bool) -> u32 {
        let mut at = from;
        while at < BLOCK {
            let word = self.0[(at / 64) as usize];
            let word = if on { word } else { !word } >> (at % 64);
            if word != 0 {
                return at + word.trailing_zeros();
            }
            at = (at / 64 + 1) * 64;
        }
        BLOCK
    }

    /// Where each run of set ones begins, and how long it is.
    fn runs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut end = 0;
        std::iter::from_fn(move || {
            let first = self.next(end, true);
            end = self.next(first, false);
            (first < BLOCK).then_some((first, end - first))
        })
    }

    fn row(&self) -> BitsRow {
        let (mut lengths, mut end) = (Vec::new(), 0);
        for (first, count) in self.runs() {
            // Both are at most the length of a block.
            lengths.extend([(first - end) as u16, count as u16]);
            end = first + count;
        }
        if lengths.len() <= RUNS_MAX {
            return BitsRow::Runs(lengths);
        }
        BitsRow::Map(self.0.iter().flat_map(|word| word.to_le_bytes()).collect())
    }
}

impl From<BitsRow> for Bits {
    fn from(row: BitsRow) -> Self {
        let mut bits = Self::default();
        match row {
            BitsRow::Runs(lengths) => {
                let mut at = 0;
                for (number, length) in lengths.iter().enumerate() {
                    let end = (at + usize::from(*length)).min(BLOCK as usize);
                    if number % 2 == 1 {
                        (at..end).for_each(|at| bits.set(at, true));
                    }
                    at = end;
                }
            }
            BitsRow::Map(bytes) => {
                for (word, bytes) in bits.0.iter_mut().zip(bytes.chunks_exact(8)) {
                    // Eight bytes each.
                    *word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
                }
            }
        }
        bits
    }
}

impl Tx<'_> {
    /// Keeps the lists of a mailbox that spare a look at all its messages: those with
    /// `\Deleted`, and the blocks. `before` and `after` are the flags of a message before and
    /// after a change; `None`: it is not there. For each message that comes, goes, or changes.
    pub(crate) fn index_message(
        &mut self,
        (domain, id, uid): (DomainId, MailboxId, Uid),
        size: u64,
        before: Option<Flags>,
        after: Option<Flags>,
    ) -> Result<()> {
        let has = |flags: Option<Flags>, flag| flags.is_some_and(|flags| flags.contains(flag));
        if has(after, Flags::DELETED) {
            self.put(keys::deleted_at(domain, id, uid), &size);
        } else if has(before, Flags::DELETED) {
            self.delete(keys::deleted_at(domain, id, uid));
        }
        let same_seen = has(before, Flags::SEEN) == has(after, Flags::SEEN);
        if before.is_some() == after.is_some() && same_seen {
            return Ok(());
        }
        let key = keys::presence_at(domain, id, block_of(uid));
        let mut block = match self.row::<BlockRow>(&key) {
            Ok(Some(row)) => row.into(),
            // It is derived: a damaged one holds up no delivery.
            Ok(None) | Err(Error::Damaged(_)) => made(self, domain, id, block_of(uid))?,
            Err(error) => return Err(error),
        };
        block.note(uid, after);
        self.put_block(key, &block);
        Ok(())
    }

    fn put_block(&mut self, key: Key, block: &Block) {
        if block.is_empty() {
            self.delete(key);
        } else {
            self.put(key, &block.row());
        }
    }

    /// Writes blocks that were made from the messages of a mailbox, unless it changed meanwhile.
    pub(crate) fn keep_blocks(
        &mut self,
        domain: DomainId,
        id: MailboxId,
        seen: ModSeq,
        blocks: &[(u32, Block)],
    ) -> Result<()> {
        let Some(row) = self.readable_mailbox(domain, id)? else {
            return Ok(());
        };
        if row.highest_modseq == seen {
            for (number, block) in blocks {
                self.put_block(keys::presence_at(domain, id, *number), block);
            }
        }
        Ok(())
    }
}

/// A block as the rows of its messages say.
fn made(view: &dyn View, domain: DomainId, id: MailboxId, number: u32) -> Result<Block> {
    let first = number * BLOCK;
    let from = keys::message(domain, id, Uid(first));
    let to = match first.checked_add(BLOCK) {
        Some(end) => keys::message(domain, id, Uid(end)),
        None => keys::after(&keys::messages(domain, id)),
    };
    let mut block = Block::default();
    view.walk(&from, &to, Order::Ascending, &mut |key, value| {
        // A row that cannot be read is told of by whoever reads it, and by a check.
        if let Ok(message) = decode::<MessageRow>(value) {
            block.note(keys::uid_of(key), Some(message.flags));
        }
        Ok(Walk::Continue(()))
    })?;
    Ok(block)
}

/// What there is to know of a mailbox that is opened, and blocks it should have and has not.
pub(crate) struct Surveyed {
    pub(crate) survey: Survey,
    pub(crate) missing: Vec<(u32, Block)>,
}

pub(crate) fn survey(view: &dyn View, access: &Access, id: MailboxId) -> Result<Surveyed> {
    let row = mailbox(view, access, id, Rights::READ)?;
    let domain = access.domain();
    let kept = kept(view, domain, id)?;
    let (blocks, missing) = if adds_up(&kept, &row) {
        (kept, Vec::new())
    } else {
        let made = all_made(view, domain, id)?;
        (made.clone(), made)
    };
    let (mut uids, mut unseen) = (Uids::new(), Uids::new());
    for (number, block) in &blocks {
        let first = number * BLOCK;
        for (bits, uids) in [(&block.there, &mut uids), (&block.unseen, &mut unseen)] {
            bits.runs()
                .for_each(|(at, count)| uids.push_run(Uid(first + at), count));
        }
    }
    let survey = Survey {
        mailbox: reads::mailbox(view, access, id)?,
        uids,
        unseen,
    };
    Ok(Surveyed { survey, missing })
}

/// The blocks that have rows.
fn kept(view: &dyn View, domain: DomainId, id: MailboxId) -> Result<Vec<(u32, Block)>> {
    let prefix = keys::presence(domain, id);
    let mut blocks = Vec::new();
    view.walk(
        &prefix,
        &keys::after(&prefix),
        Order::Ascending,
        &mut |key, value| {
            // Without one that is damaged they do not add up, and are made again.
            if let Ok(row) = decode::<BlockRow>(value) {
                blocks.push((keys::uid_of(key).0, row.into()));
            }
            Ok(Walk::Continue(()))
        },
    )?;
    Ok(blocks)
}

fn adds_up(blocks: &[(u32, Block)], row: &MailboxRow) -> bool {
    let (mut messages, mut unseen) = (0, 0);
    for (_, block) in blocks {
        messages += block.there.count();
        unseen += block.unseen.count();
    }
    (messages, unseen) == (row.messages, row.unseen)
}

/// All blocks, from the rows of the messages.
fn all_made(view: &dyn View, domain: DomainId, id: MailboxId) -> Result<Vec<(u32, Block)>> {
    let mut blocks: Vec<(u32, Block)> = Vec::new();
    let messages = keys::messages(domain, id);
    let end = keys::after(&messages);
    view.walk(&messages, &end, Order::Ascending, &mut |key, value| {
        let message: MessageRow = decode(value)?;
        let uid = keys::uid_of(key);
        if blocks.last().is_none_or(|(last, _)| *last != block_of(uid)) {
            blocks.push((block_of(uid), Block::default()));
        }
        if let Some((_, block)) = blocks.last_mut() {
            block.note(uid, Some(message.flags));
        }
        Ok(Walk::Continue(()))
    })?;
    Ok(blocks)
}

#[cfg(test)]
mod tests;
