//! SEARCH (RFC 3501 §6.4.4, RFC 4731).

use std::sync::Arc;

use mail::words;

use super::job::{Context, Finish, Job, Progress};
use crate::TextKey;
use crate::ask::{Answer, Ask, SEARCH_BATCH};
use crate::output::Output;
use crate::parse::ParseError;
use crate::search::{Plan, Query, Return};
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
    if query.weight.saturating_mul(view.rows().len()) > BUDGET {
        return Err(ended(Finish::word(&words::IMAP_LIMIT), numbering));
    }
    let plan = Plan::resolve(query.key, view)
        .ok_or_else(|| ended(Finish::line(ParseError::MessageSet.line()), numbering))?;
    Ok(Box::new(SearchJob {
        tag: tag.to_owned(),
        numbering,
        result: query.result,
        plan,
        texts: query.texts,
        tells_modseq: query.modseq,
        slice: (SLICE / query.weight.max(1)).max(1),
        text_work: 0,
        next: 0,
        candidates: Vec::new(),
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
    /// The next position to look at.
    next: usize,
    /// Positions whose text must be looked at.
    candidates: Vec<usize>,
    /// Positions that match.
    found: Vec<usize>,
    /// How many numbers are written, once writing has begun.
    written: Option<usize>,
}

impl Job for SearchJob {
    fn poll(&mut self, context: &mut Context<'_>) -> Progress {
        let Some(view) = context.view.as_deref() else {
            return Progress::Finish(Finish::word(&words::IMAP_SERVER_TROUBLE));
        };
        if self.written.is_none() {
            self.look(view);
            if self.text_work > TEXT_BUDGET {
                return Progress::Finish(ended(Finish::word(&words::IMAP_LIMIT), self.numbering));
            }
            if !self.candidates.is_empty() {
                let uids = self
                    .candidates
                    .iter()
                    .map(|&at| view.rows()[at].uid)
                    .collect();
                let keys = Arc::clone(&self.texts);
                return Progress::Ask(Ask::SearchText {
                    mailbox: view.mailbox,
                    uids,
                    keys,
                });
            }
            if self.next < view.rows().len() {
                return Progress::Ask(Ask::Pause);
            }
            self.found.sort_unstable();
        }
        if !self.write(view, context.out) {
            return Progress::Full;
        }
        Progress::Finish(ended(Finish::done("SEARCH"), self.numbering))
    }

    fn answer(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), Finish> {
        if self.candidates.is_empty() && answer == Answer::Done {
            return Ok(());
        }
        let (Answer::Matches(matches), Some(view)) = (&answer, context.view.as_deref()) else {
            return Err(ended(
                Finish::of_wrong_answer(&answer, context.config),
                self.numbering,
            ));
        };
        for position in std::mem::take(&mut self.candidates) {
            let row = &view.rows()[position];
            let verdicts = matches
                .iter()
                .find(|(uid, _)| *uid == row.uid)
                .map(|(_, verdicts)| verdicts);
            // A message that is gone matches nothing.
            let Some(verdicts) = verdicts else { continue };
            if self.plan.evaluate(position, row, Some(verdicts)) == Some(true) {
                self.found.push(position);
            }
        }
        Ok(())
    }
}

impl SearchJob {
    /// Looks at rows until the end, or the end of the slice, or until enough of them need their
    /// text looked at.
    fn look(&mut self, view: &View) {
        let end = view.rows().len().min(self.next.saturating_add(self.slice));
        while self.next < end && self.candidates.len() < SEARCH_BATCH {
            let row = &view.rows()[self.next];
            match self.plan.evaluate(self.next, row, None) {
                Some(true) if !view.is_gone(row.uid) => self.found.push(self.next),
                None if !view.is_gone(row.uid) => {
                    let work = row.size.saturating_mul(self.texts.len() as u64);
                    self.text_work = self.text_work.saturating_add(work);
                    self.candidates.push(self.next);
                }
                _ => {}
            }
            self.next += 1;
        }
    }

    fn number(&self, view: &View, position: usize) -> u32 {
        match self.numbering {
            Numbering::Uid => view.rows()[position].uid.0,
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
            for &position in &self.found[written..end] {
                out.text(" ");
                out.number(self.number(view, position));
            }
            written = end;
        }
        if let Some(highest) = self.highest(view, self.found.iter()) {
            out.text(&format!(" (MODSEQ {highest})"));
        }
        out.end();
        true
    }

    /// The highest modification sequence of these messages, where MODSEQ was asked for and there
    /// are any (RFC 7162 §3.1.6).
    fn highest<'a>(&self, view: &View, positions: impl Iterator<Item = &'a usize>) -> Option<u64> {
        let highest = positions.map(|&at| view.rows()[at].modseq.0).max();
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
                out.text(&format!(" MIN {}", self.number(view, first)));
            }
            if result.max {
                out.text(&format!(" MAX {}", self.number(view, last)));
            }
            if result.all {
                let numbers: Vec<u32> =
                    self.found.iter().map(|&at| self.number(view, at)).collect();
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
            if let Some(highest) = self.highest(view, told.iter()) {
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
