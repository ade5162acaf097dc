//! SEARCH (RFC 3501 §6.4.4, RFC 4731).

use std::collections::VecDeque;
use std::sync::Arc;

use mail::words;

use super::job::{Context, Finish, Job, Progress};
use crate::TextKey;
use crate::ask::{Answer, Ask, ROWS_BATCH, Row, SEARCH_BATCH};
use crate::output::Output;
use crate::parse::ParseError;
use crate::search::{At, Plan, Query, Return};
use crate::sequence::{Compressed, Numbering};
use crate::view::{Expunges, View};

/// Keys times messages that one SEARCH may look at (I07): some tenths of a second of work.
const BUDGET: usize = 64_000_000;

/// Keys times messages that are looked at before others have their turn: some milliseconds.
const SLICE: usize = 1_000_000;

/// Bytes times texts that one SEARCH may look through (I07): some minutes of work.
const TEXT_BUDGET: u64 = 64 << 30;

/// Numbers in one piece of an answer.
const PIECE: usize = 1000;

pub(super) fn job(
    tag: &str,
    view: &View,
    numbering: Numbering,
    query: Query,
) -> Result<Box<dyn Job>, Finish> {
    if query.weight.saturating_mul(view.uids().len()) > BUDGET {
        return Err(ended(Finish::word(&words::IMAP_LIMIT), numbering));
    }
    let plan = Plan::resolve(query.key, view)
        .ok_or_else(|| ended(Finish::line(ParseError::MessageSet.line()), numbering))?;
    Ok(Box::new(SearchJob {
        tag: tag.to_owned(),
        numbering,
        result: query.result,
        stage: if plan.asks_marks() {
            Stage::Marks
        } else {
            Stage::Look
        },
        plan,
        texts: query.texts,
        tells_modseq: query.modseq,
        slice: (SLICE / query.weight.max(1)).max(1),
        text_work: 0,
        next: 0,
        rows: VecDeque::new(),
        found: Vec::new(),
        written: None,
    }))
}

struct SearchJob {
    tag: String,
    numbering: Numbering,
    result: Option<Return>,
    plan: Plan,
    texts: Arc<[TextKey]>,
    /// Is MODSEQ among the keys?
    tells_modseq: bool,
    /// Messages in one slice.
    slice: usize,
    /// Bytes of messages to look through so far, once for each text.
    text_work: u64,
    stage: Stage,
    /// The next position to look at.
    next: usize,
    /// Rows to look at, with their positions.
    rows: VecDeque<(usize, Row)>,
    found: Vec<Found>,
    /// How many numbers are written, once writing has begun.
    written: Option<usize>,
}

/// A message that matches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    position: usize,
    /// Where MODSEQ was asked for; else 0.
    modseq: u64,
}

enum Stage {
    /// Which messages are marked is asked for.
    Marks,
    /// Positions, then rows, are looked at.
    Look,
    /// The rows at these positions are asked for.
    Rows(Vec<usize>),
    /// What is in these is asked for.
    Texts(Vec<(usize, Row)>),
    /// Others have their turn.
    Pause,
}

impl Job for SearchJob {
    fn poll(&mut self, context: &mut Context<'_>) -> Progress {
        let Some(view) = context.view.as_deref() else {
            return Progress::Finish(Finish::word(&words::IMAP_SERVER_TROUBLE));
        };
        if self.written.is_none() {
            if let Some(ask) = self.look(view) {
                return Progress::Ask(ask);
            }
            if self.text_work > TEXT_BUDGET {
                return Progress::Finish(ended(Finish::word(&words::IMAP_LIMIT), self.numbering));
            }
            self.found.sort_unstable();
        }
        if !self.write(view, context.out) {
            return Progress::Full;
        }
        Progress::Finish(ended(Finish::done("SEARCH"), self.numbering))
    }

    fn answer(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), Finish> {
        match (std::mem::replace(&mut self.stage, Stage::Look), answer) {
            (Stage::Marks, Answer::Marked(marked)) => {
                let (unseen, deleted) = (Arc::new(marked.unseen), Arc::new(marked.deleted));
                self.plan.know_marks(&unseen, &deleted);
            }
            (Stage::Rows(positions), Answer::Rows(rows)) => {
                let Some(view) = context.view.as_deref() else {
                    return Err(Finish::word(&words::IMAP_SERVER_TROUBLE));
                };
                // Both ascend; a message that is gone matches nothing.
                let mut rows = rows.into_iter().peekable();
                for position in positions {
                    let uid = view.uids().at(position);
                    while rows.next_if(|row| row.uid < uid).is_some() {}
                    if let Some(row) = rows.next_if(|row| row.uid == uid) {
                        self.rows.push_back((position, row));
                    }
                }
            }
            (Stage::Texts(rows), Answer::Matches(matches)) => {
                for (position, row) in rows {
                    let verdicts = matches.iter().find(|(uid, _)| *uid == row.uid);
                    // A message that is gone matches nothing.
                    let Some((_, verdicts)) = verdicts else {
                        continue;
                    };
                    let uid = row.uid;
                    let at = At { position, uid };
                    if self.plan.evaluate(at, Some(&row), Some(verdicts)) == Some(true) {
                        self.find(position, Some(&row));
                    }
                }
            }
            (Stage::Pause, Answer::Done) => {}
            (_, other) => {
                let finish = Finish::of_wrong_answer(&other, context.config);
                return Err(ended(finish, self.numbering));
            }
        }
        Ok(())
    }
}

impl SearchJob {
    /// Looks at messages until something must be asked for; `None` at the end.
    fn look(&mut self, view: &View) -> Option<Ask> {
        let mailbox = view.mailbox;
        if matches!(self.stage, Stage::Marks) {
            return Some(Ask::Marked { mailbox });
        }
        if !self.rows.is_empty() {
            let unknown = self.look_at_rows();
            if self.text_work > TEXT_BUDGET {
                return None;
            }
            if !unknown.is_empty() {
                let uids = unknown.iter().map(|(_, row)| row.uid).collect();
                let keys = Arc::clone(&self.texts);
                self.stage = Stage::Texts(unknown);
                return Some(Ask::SearchText {
                    mailbox,
                    uids,
                    keys,
                });
            }
        }
        let unknown = self.look_at_positions(view);
        if !unknown.is_empty() {
            let uids = unknown.iter().map(|&at| view.uids().at(at)).collect();
            self.stage = Stage::Rows(unknown);
            return Some(Ask::Rows { mailbox, uids });
        }
        (self.next < view.uids().len()).then(|| {
            self.stage = Stage::Pause;
            Ask::Pause
        })
    }

    /// Looks at UIDs until the end, or the end of the slice, or until enough of them need their
    /// rows looked at, which are answered.
    fn look_at_positions(&mut self, view: &View) -> Vec<usize> {
        let end = view.uids().len().min(self.next.saturating_add(self.slice));
        let mut unknown = Vec::new();
        while self.next < end && unknown.len() < ROWS_BATCH {
            let position = self.next;
            let uid = view.uids().at(position);
            self.next += 1;
            if view.is_gone(uid) {
                continue;
            }
            match self.plan.evaluate(At { position, uid }, None, None) {
                Some(false) => {}
                Some(true) if !self.tells_modseq => self.find(position, None),
                _ => unknown.push(position),
            }
        }
        unknown
    }

    /// Looks at rows until enough of them need their text looked at, which are answered.
    fn look_at_rows(&mut self) -> Vec<(usize, Row)> {
        let mut unknown = Vec::new();
        while unknown.len() < SEARCH_BATCH
            && let Some((position, row)) = self.rows.pop_front()
        {
            let uid = row.uid;
            match self.plan.evaluate(At { position, uid }, Some(&row), None) {
                Some(false) => {}
                Some(true) => self.find(position, Some(&row)),
                None => {
                    let work = row.size.saturating_mul(self.texts.len() as u64);
                    self.text_work = self.text_work.saturating_add(work);
                    unknown.push((position, row));
                }
            }
        }
        unknown
    }

    fn find(&mut self, position: usize, row: Option<&Row>) {
        let modseq = row.map_or(0, |row| row.modseq.0);
        self.found.push(Found { position, modseq });
    }

    fn number(&self, view: &View, position: usize) -> u32 {
        match self.numbering {
            Numbering::Uid => view.uids().at(position).0,
            // A mailbox has fewer messages than there are UIDs.
            Numbering::Sequence => u32::try_from(position + 1).unwrap_or(u32::MAX),
        }
    }

    /// Writes piece by piece; is everything written?
    fn write(&mut self, view: &View, out: &mut Output) -> bool {
        if let Some(result) = self.result {
            self.write_extended(result, view, out);
            return true;
        }
        let mut written = self.written.unwrap_or_else(|| {
            out.text("* SEARCH");
            0
        });
        while written < self.found.len() {
            if out.is_full() {
                self.written = Some(written);
                return false;
            }
            let end = self.found.len().min(written + PIECE);
            for found in &self.found[written..end] {
                out.text(" ");
                out.number(self.number(view, found.position));
            }
            written = end;
        }
        if let Some(highest) = self.highest(&self.found) {
            out.text(&format!(" (MODSEQ {highest})"));
        }
        out.end();
        true
    }

    /// The highest modification sequence of these messages, where MODSEQ was asked for and there
    /// are any (RFC 7162 §3.1.6).
    fn highest(&self, found: &[Found]) -> Option<u64> {
        let highest = found.iter().map(|found| found.modseq).max();
        highest.filter(|_| self.tells_modseq)
    }

    /// `* ESEARCH (TAG "a") UID COUNT 3 ALL 1:3` (RFC 4731 §3.1). MIN, MAX and ALL are left out
    /// where nothing was found.
    fn write_extended(&self, result: Return, view: &View, out: &mut Output) {
        out.text(&format!("* ESEARCH (TAG \"{}\")", self.tag));
        if self.numbering == Numbering::Uid {
            out.text(" UID");
        }
        if result.count {
            out.text(&format!(" COUNT {}", self.found.len()));
        }
        if let (Some(&first), Some(&last)) = (self.found.first(), self.found.last()) {
            if result.min {
                out.text(&format!(" MIN {}", self.number(view, first.position)));
            }
            if result.max {
                out.text(&format!(" MAX {}", self.number(view, last.position)));
            }
            if result.all {
                let positions = self.found.iter().map(|found| found.position);
                let numbers: Vec<u32> = positions.map(|at| self.number(view, at)).collect();
                out.text(" ALL ");
                out.number(Compressed(&numbers));
            }
            // RFC 7162 §3.1.10: of what is told, and COUNT and ALL tell of everything.
            let ends = [first, last];
            let told = match (result.min, result.max) {
                _ if result.all || result.count => &self.found[..],
                (true, false) => &ends[..1],
                (false, true) => &ends[1..],
                _ => &ends[..],
            };
            if let Some(highest) = self.highest(told) {
                out.text(&format!(" MODSEQ {highest}"));
            }
        }
        out.end();
    }
}

fn ended(mut finish: Finish, numbering: Numbering) -> Finish {
    if numbering == Numbering::Sequence {
        finish.expunges = Expunges::Withheld;
    }
    finish
}
