//! FETCH (RFC 3501 §6.4.5), message by message.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use mail::{MailboxId, ModSeq, Uid, words};

use super::job::{Context, Finish, Job, Progress};
use super::store::finish;
use crate::ask::{
    Answer, Ask, Depth, Mode, OPEN_BATCH, ROWS_BATCH, Reading, Row, SendMessage, StoreMode,
};
use crate::command::{Effect, Item, Label, SectionItem};
use crate::output::Output;
use crate::parse::ParseError;
use crate::section::{cut, total};
use crate::sequence::{Numbering, SequenceSet};
use crate::shape::Shape;
use crate::view::View;
use crate::{Flags, Keywords};

/// Positions of a command's messages. They stay right while it runs: rows leave a view only at
/// its end.
pub(super) type Positions = std::iter::Flatten<std::vec::IntoIter<Range<usize>>>;

/// The messages a command names.
pub(super) fn positions(
    view: &View,
    numbering: Numbering,
    set: &SequenceSet,
) -> Result<Positions, Finish> {
    let ranges = match numbering {
        Numbering::Uid => set.uid_positions(view),
        Numbering::Sequence => set
            .positions(view.uids().len())
            .ok_or_else(|| Finish::line(ParseError::MessageSet.line()).withholding())?,
    };
    Ok(ranges.into_iter().flatten())
}

pub(super) fn job(
    view: &View,
    numbering: Numbering,
    set: &SequenceSet,
    items: Vec<Item>,
    changed_since: Option<ModSeq>,
) -> Result<Box<dyn Job>, Finish> {
    let positions = positions(view, numbering, set)?;
    let sets_seen = view.mode == Mode::ReadWrite && items.iter().any(sets_seen);
    let section = |item: &Item| matches!(item, Item::Section(_));
    let reading = if items.iter().any(section) {
        Reading::Bytes
    } else {
        Reading::Shapes
    };
    Ok(Box::new(FetchJob {
        numbering,
        positions,
        depth: items.iter().filter_map(depth).max(),
        reading,
        sets_seen,
        items,
        changed_since,
        changed: VecDeque::new(),
        stage: Stage::Next,
        ready: VecDeque::new(),
        current: None,
        missing: false,
    }))
}

struct FetchJob {
    numbering: Numbering,
    positions: Positions,
    items: Vec<Item>,
    /// How much of the messages must be looked at; `None` where the rows are enough.
    depth: Option<Depth>,
    reading: Reading,
    sets_seen: bool,
    /// Only what changed after this is wanted.
    changed_since: Option<ModSeq>,
    /// Messages that did, and are to be opened.
    changed: VecDeque<Uid>,
    stage: Stage,
    /// Messages that can be written.
    ready: VecDeque<Ready>,
    current: Option<Current>,
    missing: bool,
}

enum Stage {
    /// Ready for the next messages.
    Next,
    /// The rows of so many are read, to find those that changed.
    Sifting(usize),
    /// So many are being opened, or their rows are read.
    Opening(usize),
    /// They are open; `\Seen` is to be set.
    Opened,
    /// It is being set.
    Marking,
}

struct Ready {
    row: Row,
    shape: Option<Arc<Shape>>,
    /// `\Seen` was set by this command.
    marked: bool,
}

/// The message being written.
struct Current {
    ready: Ready,
    /// The next item.
    item: usize,
    begun: bool,
}

impl Job for FetchJob {
    fn poll(&mut self, context: &mut Context<'_>) -> Progress {
        let Some(view) = context.view.as_deref_mut() else {
            return Progress::Finish(Finish::word(&words::IMAP_SERVER_TROUBLE));
        };
        loop {
            if let Some(current) = &mut self.current {
                match current.write(&self.items, view, context.out) {
                    Written::All => self.current = None,
                    Written::Full => return Progress::Full,
                    Written::UpTo(send) => return Progress::Send(send),
                }
            } else if let Some(ready) = self.ready_message() {
                self.current = Some(Current {
                    ready,
                    item: 0,
                    begun: false,
                });
            } else if let Some(progress) = self.next_messages(view) {
                return progress;
            }
        }
    }

    fn answer(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), Finish> {
        let Some(view) = context.view.as_deref_mut() else {
            return Err(Finish::word(&words::IMAP_SERVER_TROUBLE));
        };
        match (std::mem::replace(&mut self.stage, Stage::Next), answer) {
            (Stage::Sifting(asked), Answer::Rows(rows)) => {
                self.missing |= rows.len() < asked;
                let changed = rows.into_iter().filter(|row| self.is_wanted(row));
                let changed: Vec<Uid> = changed.map(|row| row.uid).collect();
                self.changed.extend(changed);
                Ok(())
            }
            (Stage::Opening(asked), Answer::Rows(mut rows)) => {
                self.missing |= rows.len() < asked;
                rows.retain(|row| self.is_wanted(row));
                self.ready.extend(rows.into_iter().map(|row| Ready {
                    row,
                    shape: None,
                    marked: false,
                }));
                Ok(())
            }
            (Stage::Opening(asked), Answer::Opened(opened)) => {
                self.missing |= opened.len() < asked;
                self.ready.extend(opened.into_iter().map(|opened| Ready {
                    row: opened.row,
                    shape: opened.shape,
                    marked: false,
                }));
                if self.sets_seen {
                    self.stage = Stage::Opened;
                }
                Ok(())
            }
            (Stage::Marking, Answer::Stored(stored)) => {
                for change in &stored.changes {
                    view.set_flags(change);
                    view.flags_told(change);
                    let ready = self.ready.iter_mut();
                    for ready in ready.filter(|ready| ready.row.uid == change.uid) {
                        ready.row.flags = change.flags;
                        ready.row.keywords = change.keywords.clone();
                        ready.row.modseq = change.modseq;
                        ready.marked = true;
                    }
                }
                Ok(())
            }
            // Reading is what was asked for; it does not fail because marking did.
            (Stage::Marking, Answer::Refused(_)) => Ok(()),
            (_, other) => Err(Finish::of_wrong_answer(&other, context.config).withholding()),
        }
    }
}

impl FetchJob {
    fn ready_message(&mut self) -> Option<Ready> {
        if matches!(self.stage, Stage::Next) {
            self.ready.pop_front()
        } else {
            None
        }
    }

    fn is_wanted(&self, row: &Row) -> bool {
        self.changed_since.is_none_or(|since| row.modseq > since)
    }

    /// Gets the next messages ready, or ends.
    fn next_messages(&mut self, view: &View) -> Option<Progress> {
        let mailbox = view.mailbox;
        if matches!(self.stage, Stage::Opened) {
            return self.mark(mailbox);
        }
        // Of many messages few may have changed: none is opened for nothing.
        let sifts = self.changed_since.is_some() && self.depth.is_some();
        let opens = self.depth.is_some() && (!sifts || !self.changed.is_empty());
        let batch = if opens { OPEN_BATCH } else { ROWS_BATCH };
        let uids: Vec<Uid> = if sifts && opens {
            let count = batch.min(self.changed.len());
            self.changed.drain(..count).collect()
        } else {
            let positions = self.positions.by_ref().take(batch);
            positions.map(|at| view.uids().at(at)).collect()
        };
        if uids.is_empty() {
            return Some(Progress::Finish(finish(
                "FETCH",
                self.numbering,
                self.missing,
            )));
        }
        self.stage = match sifts && !opens {
            true => Stage::Sifting(uids.len()),
            false => Stage::Opening(uids.len()),
        };
        Some(Progress::Ask(match self.depth.filter(|_| opens) {
            Some(depth) => Ask::Open {
                mailbox,
                uids,
                depth,
                reading: self.reading,
            },
            None => Ask::Rows { mailbox, uids },
        }))
    }

    /// Sets `\Seen` on what was opened and does not have it.
    fn mark(&mut self, mailbox: MailboxId) -> Option<Progress> {
        let rows = self.ready.iter().map(|ready| &ready.row);
        let unseen = rows.filter(|row| !row.flags.contains(Flags::SEEN));
        let uids: Vec<Uid> = unseen.map(|row| row.uid).collect();
        if uids.is_empty() {
            self.stage = Stage::Next;
            return None;
        }
        self.stage = Stage::Marking;
        Some(Progress::Ask(Ask::StoreFlags {
            mailbox,
            uids,
            mode: StoreMode::Add,
            flags: Flags::SEEN,
            keywords: Keywords::NONE,
            unchanged_since: None,
        }))
    }
}

enum Written {
    All,
    Full,
    UpTo(SendMessage),
}

impl Current {
    /// `* n FETCH (…)`, item by item.
    fn write(&mut self, items: &[Item], view: &mut View, out: &mut Output) -> Written {
        let row = &self.ready.row;
        let Some(position) = view.position(row.uid) else {
            // Messages leave only at the end of a command.
            return Written::All;
        };
        if !self.begun {
            if out.is_full() {
                return Written::Full;
            }
            view.introduce(&row.keywords, out);
            self.begun = true;
            out.text("* ");
            out.number(position + 1);
            out.text(" FETCH (");
        }
        while let Some(item) = items.get(self.item) {
            if out.is_full() {
                return Written::Full;
            }
            if self.item > 0 {
                out.text(" ");
            }
            self.item += 1;
            if let Some(ranges) = write_item(item, row, self.ready.shape.as_deref(), out) {
                let (uid, email) = (row.uid, row.email);
                return Written::UpTo(SendMessage {
                    mailbox: view.mailbox,
                    uid,
                    email,
                    ranges,
                });
            }
        }
        // RFC 3501 §6.4.5: the flags are told where reading has changed them.
        if self.ready.marked && !items.contains(&Item::Flags) {
            out.text(" FLAGS ");
            out.flags(row.flags, &row.keywords);
        }
        if self.ready.marked && view.tells_modseqs() && !items.contains(&Item::ModSeq) {
            out.text(" ");
            out.modseq(row.modseq);
        }
        out.text(")");
        out.end();
        let tells = |item| items.contains(item);
        if tells(&Item::Flags) && (tells(&Item::ModSeq) || !view.tells_modseqs()) {
            view.flags_told(&row.into());
        }
        Written::All
    }
}

/// Writes an item. Where its end is bytes of the message, these come back.
fn write_item(
    item: &Item,
    row: &Row,
    shape: Option<&Shape>,
    out: &mut Output,
) -> Option<Vec<Range<u64>>> {
    let ready = |name: &str, bytes: Option<&[u8]>, out: &mut Output| {
        out.text(name);
        out.bytes(bytes.unwrap_or(b"NIL"));
    };
    match item {
        Item::Flags => {
            out.text("FLAGS ");
            out.flags(row.flags, &row.keywords);
        }
        Item::Uid => {
            out.text("UID ");
            out.number(row.uid.0);
        }
        Item::InternalDate => {
            out.text("INTERNALDATE \"");
            out.text(&row.date.at.imap(row.date.offset_minutes));
            out.text("\"");
        }
        Item::Size => {
            out.text("RFC822.SIZE ");
            out.number(row.size);
        }
        Item::ModSeq => out.modseq(row.modseq),
        Item::EmailId => {
            out.text("EMAILID (");
            out.number(row.email);
            out.text(")");
        }
        // Nothing tells here which messages belong together.
        Item::ThreadId => out.text("THREADID NIL"),
        Item::Envelope => ready("ENVELOPE ", shape.map(Shape::envelope), out),
        Item::Body => ready("BODY ", shape.and_then(Shape::body), out),
        Item::BodyStructure => ready("BODYSTRUCTURE ", shape.and_then(Shape::body_structure), out),
        Item::Section(section) => return write_section(section, row, shape, out),
    }
    None
}

fn write_section(
    item: &SectionItem,
    row: &Row,
    shape: Option<&Shape>,
    out: &mut Output,
) -> Option<Vec<Range<u64>>> {
    match item.label {
        Label::Body => {
            out.text("BODY[");
            out.number(&item.section);
            out.text("]");
        }
        Label::Old(name) => out.text(name),
    }
    if let Some((start, _)) = item.partial {
        out.text("<");
        out.number(start);
        out.text(">");
    }
    let Some(ranges) = item.section.ranges(shape, row.size) else {
        out.text(" NIL");
        return None;
    };
    let ranges = match item.partial {
        Some((start, count)) => cut(ranges, start, count),
        None => ranges,
    };
    let length = total(&ranges);
    if length == 0 {
        out.text(" \"\"");
        return None;
    }
    out.text(" {");
    out.number(length);
    out.text("}");
    out.end();
    Some(ranges)
}

fn sets_seen(item: &Item) -> bool {
    matches!(item, Item::Section(section) if section.effect == Effect::SetsSeen)
}

/// What an item needs to be opened for.
fn depth(item: &Item) -> Option<Depth> {
    match item {
        Item::Flags
        | Item::Uid
        | Item::InternalDate
        | Item::Size
        | Item::ModSeq
        | Item::EmailId
        | Item::ThreadId => None,
        Item::Envelope => Some(Depth::Header),
        Item::Body | Item::BodyStructure => Some(Depth::Parts),
        Item::Section(section) => Some(section.section.depth()),
    }
}
