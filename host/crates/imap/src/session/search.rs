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
            self.found.sort_unstable();
        }
        if !self.write(view, context.out) {
            return Progress::Full;
        }
        Progress::Finish(ended(Finish::done("SEARCH"), self.numbering))
    }

    fn answer(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), Finish> {
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
    /// Looks at rows until the end, or until enough of them need their text looked at.
    fn look(&mut self, view: &View) {
        while self.next < view.rows().len() && self.candidates.len() < SEARCH_BATCH {
            let row = &view.rows()[self.next];
            match self.plan.evaluate(self.next, row, None) {
                Some(true) if !view.is_gone(row.uid) => self.found.push(self.next),
                None if !view.is_gone(row.uid) => self.candidates.push(self.next),
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
        out.end();
        true
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
