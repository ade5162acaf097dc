//! STORE and EXPUNGE (RFC 3501 §6.4.6, §6.4.3; UID EXPUNGE RFC 4315 §2.1).

use std::collections::VecDeque;

use mail::{Uid, limits, words};

use super::fetch::{Positions, positions};
use super::job::{Context, Finish, Job, Progress, Single};
use crate::ask::{Answer, Ask, FlagChange, Mode};
use crate::command::{FlagCommand, Report};
use crate::sequence::{Compressed, Numbering, SequenceSet};
use crate::view::View;

/// Messages in one ask: each is one commit.
const BATCH: usize = 4096;

pub(super) fn job(
    view: &View,
    numbering: Numbering,
    set: &SequenceSet,
    change: FlagCommand,
) -> Result<Box<dyn Job>, Finish> {
    if view.mode == Mode::ReadOnly {
        return Err(Finish::word(&words::IMAP_READ_ONLY));
    }
    let positions = positions(view, numbering, set)?;
    let new = change
        .keywords
        .iter()
        .filter(|keyword| !view.keywords().contains(keyword))
        .count();
    if view.keywords().len() + new > limits::IMAP_KEYWORDS {
        return Err(Finish::word(&words::IMAP_LIMIT));
    }
    Ok(Box::new(StoreJob {
        numbering,
        positions,
        change,
        asked: Vec::new(),
        told: VecDeque::new(),
        modified: Vec::new(),
        missing: false,
    }))
}

struct StoreJob {
    numbering: Numbering,
    positions: Positions,
    change: FlagCommand,
    /// UIDs of the last ask.
    asked: Vec<Uid>,
    /// Whose flags are to be written.
    told: VecDeque<FlagChange>,
    /// What had changed after `unchanged_since`.
    modified: Vec<Uid>,
    missing: bool,
}

impl Job for StoreJob {
    fn poll(&mut self, context: &mut Context<'_>) -> Progress {
        let Some(view) = context.view.as_deref_mut() else {
            return Progress::Finish(Finish::word(&words::IMAP_SERVER_TROUBLE));
        };
        while !self.told.is_empty() {
            if context.out.is_full() {
                return Progress::Full;
            }
            let Some(flags) = self.told.pop_front() else {
                break;
            };
            if self.change.report == Report::Silent {
                view.write_modseq(&flags, context.out);
                continue;
            }
            view.introduce(&flags.keywords, context.out);
            view.write_flags(&flags, context.out);
        }
        self.asked.clear();
        while self.asked.len() < BATCH
            && let Some(position) = self.positions.next()
        {
            let uid = view.uids().at(position);
            if view.is_gone(uid) {
                self.missing = true;
            } else {
                self.asked.push(uid);
            }
        }
        if self.asked.is_empty() {
            return Progress::Finish(self.finish(view));
        }
        Progress::Ask(Ask::StoreFlags {
            mailbox: view.mailbox,
            uids: self.asked.clone(),
            mode: self.change.mode,
            flags: self.change.flags,
            keywords: self.change.keywords.clone(),
            unchanged_since: self.change.unchanged_since,
        })
    }

    fn answer(&mut self, answer: Answer, context: &mut Context<'_>) -> Result<(), Finish> {
        let (stored, view) = match (answer, context.view.as_deref_mut()) {
            (Answer::Stored(stored), Some(view)) => (stored, view),
            (other, _) => {
                return Err(Finish::of_wrong_answer(&other, context.config).withholding());
            }
        };
        self.missing |= stored.changes.len() + stored.modified.len() < self.asked.len();
        self.modified.extend(&stored.modified);
        for change in stored.changes {
            view.set_flags(&change);
            if self.change.report == Report::Told {
                view.flags_told(&change);
            }
            if self.change.report == Report::Told || view.tells_modseqs() {
                self.told.push_back(change);
            }
        }
        Ok(())
    }
}

impl StoreJob {
    /// With what was left alone, where there is any (RFC 7162 §3.1.3). Its flags of now are told
    /// before.
    fn finish(&self, view: &View) -> Finish {
        let mut finish = finish("STORE", self.numbering, self.missing);
        if self.modified.is_empty() {
            return finish;
        }
        let number = |uid: &Uid| match self.numbering {
            Numbering::Uid => Some(uid.0),
            Numbering::Sequence => {
                let position = view.position(*uid)?;
                u32::try_from(position + 1).ok()
            }
        };
        let numbers: Vec<u32> = self.modified.iter().filter_map(number).collect();
        let status = finish.line.split(' ').next().unwrap_or("OK").to_owned();
        let text = words::IMAP_MODIFIED.text();
        finish.line = format!("{status} [MODIFIED {}] {text}", Compressed(&numbers));
        finish.looking()
    }
}

/// How FETCH and STORE end. By number, a message that is gone is worth a NO (RFC 2180 §4.1,
/// §4.2); by UID it is as if it had never been asked for (RFC 3501 §6.4.8).
pub(super) fn finish(command: &str, numbering: Numbering, missing: bool) -> Finish {
    match (numbering, missing) {
        (Numbering::Uid, _) => Finish::done(command),
        (Numbering::Sequence, false) => Finish::done(command).withholding(),
        (Numbering::Sequence, true) => Finish::word(&words::IMAP_EXPUNGED).withholding(),
    }
}

pub(super) fn expunge(view: &View, within: Option<SequenceSet>) -> Result<Box<dyn Job>, Finish> {
    if view.mode == Mode::ReadOnly {
        return Err(Finish::word(&words::IMAP_READ_ONLY));
    }
    let within = match within {
        Some(set) => {
            let positions = positions(view, Numbering::Uid, &set)?;
            Some(positions.map(|position| view.uids().at(position)).collect())
        }
        None => None,
    };
    let ask = Ask::Expunge {
        mailbox: view.mailbox,
        within,
    };
    Ok(Box::new(Single::new(
        ask,
        |answer, context: &mut Context<'_>| match (answer, context.view.as_deref_mut()) {
            (Answer::Expunged(uids), Some(view)) => {
                view.mark_gone(&uids);
                Finish::done("EXPUNGE")
            }
            (other, _) => Finish::of_wrong_answer(&other, context.config),
        },
    )))
}
