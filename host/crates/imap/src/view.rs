//! The selected mailbox as this client sees it.
//!
//! A message sequence number is a position in `rows`, and means to the client what it meant when
//! it was last told. So a row that is gone from the mailbox stays here, marked, until its
//! EXPUNGE may be written; and everything told is made here: [`View::updates`] gives EXPUNGE,
//! EXISTS and FETCH in the one order that keeps both sides counting alike.
//!
//! It knows nothing of commands; it is told what changed and whether EXPUNGE may be reported.

use std::collections::BTreeSet;

use mail::{MailboxId, ModSeq, Uid};

use crate::ask::{Changes, FlagChange, Mode, Selected};
use crate::output::Output;
use crate::rows::Rows;
use crate::sequence::UidList;
use crate::{Flags, Keyword, Keywords};

/// May EXPUNGE be reported now? Not while a command runs that gives message numbers: FETCH,
/// STORE, SEARCH (RFC 3501 §7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expunges {
    Told,
    Withheld,
}

/// A mailbox as it was last told to the client.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) mailbox: MailboxId,
    pub(crate) mode: Mode,
    /// The highest change that is in `rows`.
    pub(crate) modseq: ModSeq,
    rows: Rows,
    /// Gone from the mailbox, still in `rows`.
    gone: BTreeSet<Uid>,
    /// Flags changed by others, not yet told.
    changed: BTreeSet<Uid>,
    /// How many messages the client was told of.
    told: usize,
    /// Keywords the client was told of.
    keywords: Vec<Keyword>,
    /// Are flags told with their modification sequence? (RFC 7162 §3.1: once CONDSTORE is
    /// enabled, with every change.)
    modseqs: bool,
}

/// What is to be told, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Updates {
    /// Numbers, each as it is when those before it are gone.
    expunges: Vec<usize>,
    exists: Option<usize>,
    /// New keywords came up.
    flags: bool,
    fetches: Vec<Uid>,
    /// How far [`Updates::write`] has come.
    written: usize,
}

impl View {
    pub(crate) fn new(selected: Selected) -> Self {
        let mut view = Self {
            mailbox: selected.mailbox,
            mode: selected.mode,
            modseq: selected.modseq,
            told: selected.rows.len(),
            rows: Rows::new(selected.rows),
            gone: BTreeSet::new(),
            changed: BTreeSet::new(),
            keywords: Vec::new(),
            modseqs: false,
        };
        for position in 0..view.rows.len() {
            let keywords = view.rows[position].keywords.clone();
            view.learn(&keywords);
        }
        view
    }

    /// From here on flags are told with their modification sequence.
    pub(crate) const fn tell_modseqs(&mut self) {
        self.modseqs = true;
    }

    /// Are they?
    pub(crate) const fn tells_modseqs(&self) -> bool {
        self.modseqs
    }

    pub(crate) const fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(crate) fn keywords(&self) -> &[Keyword] {
        &self.keywords
    }

    /// Was it expunged, and the client not told?
    pub(crate) fn is_gone(&self, uid: Uid) -> bool {
        self.gone.contains(&uid)
    }

    /// The position of a message.
    pub(crate) fn position(&self, uid: Uid) -> Option<usize> {
        self.rows.position(uid)
    }

    /// The number of the first message that was not seen.
    pub(crate) fn first_unseen(&self) -> Option<usize> {
        self.rows
            .iter()
            .position(|row| !row.flags.contains(Flags::SEEN))
            .map(|position| position + 1)
    }

    /// What others did, or what came in.
    pub(crate) fn apply(&mut self, changes: Changes) {
        self.modseq = self.modseq.max(changes.modseq);
        for row in changes.rows {
            match self.position(row.uid) {
                Some(position) => {
                    let known = self.rows.at_mut(position);
                    let same = (known.flags, &known.keywords) == (row.flags, &row.keywords);
                    // To and fro between two looks: the sequence is news all the same.
                    if !same || self.modseqs && known.modseq != row.modseq {
                        self.changed.insert(row.uid);
                    }
                    *known = row;
                }
                // UIDs ascend, so what is new is behind all that is known. Anything else would
                // move numbers that the client knows.
                None if self.rows.last().is_none_or(|last| last.uid < row.uid) => {
                    self.rows.push(row);
                }
                None => {}
            }
        }
        self.mark_gone(&changes.expunged);
        if let Some(existing) = changes.existing {
            let uids = self.rows.iter().map(|row| row.uid);
            let gone: Vec<Uid> = uids
                .filter(|uid| existing.binary_search(uid).is_err())
                .collect();
            self.mark_gone(&gone);
        }
    }

    /// Messages were expunged.
    pub(crate) fn mark_gone(&mut self, uids: &[Uid]) {
        for &uid in uids {
            if self.position(uid).is_some() {
                self.gone.insert(uid);
            }
        }
    }

    /// Flags changed by this session, which tells the client itself.
    pub(crate) fn set_flags(&mut self, change: &FlagChange) {
        if let Some(position) = self.position(change.uid) {
            let row = self.rows.at_mut(position);
            row.flags = change.flags;
            row.keywords = change.keywords.clone();
            row.modseq = change.modseq;
        }
    }

    /// The client was told the flags of a message by other means.
    pub(crate) fn flags_told(&mut self, uid: Uid) {
        self.changed.remove(&uid);
    }

    /// Makes sure the client is told of these keywords before it sees them.
    fn learn(&mut self, keywords: &Keywords) -> bool {
        let before = self.keywords.len();
        for keyword in keywords.iter() {
            if !self.keywords.contains(keyword) {
                self.keywords.push(keyword.clone());
            }
        }
        self.keywords.len() > before
    }

    /// Takes what is to be told; the rows that leave are gone from here on.
    pub(crate) fn updates(&mut self, expunges: Expunges) -> Updates {
        let mut updates = Updates::default();
        if expunges == Expunges::Told && !self.gone.is_empty() {
            let gone = std::mem::take(&mut self.gone);
            let positions: Vec<usize> = gone.iter().filter_map(|uid| self.position(*uid)).collect();
            // What the client was never told of, it need not be told to forget.
            let told = positions.iter().take_while(|at| **at < self.told);
            let numbers = told.enumerate().map(|(before, at)| at - before + 1);
            updates.expunges.extend(numbers);
            self.rows.remove(&positions);
            self.changed.retain(|uid| !gone.contains(uid));
            self.told -= updates.expunges.len();
        }
        if self.told != self.rows.len() {
            self.told = self.rows.len();
            updates.exists = Some(self.told);
        }
        updates.fetches = std::mem::take(&mut self.changed).into_iter().collect();
        for position in 0..updates.fetches.len() {
            let keywords = self
                .position(updates.fetches[position])
                .map(|at| self.rows[at].keywords.clone());
            updates.flags |= keywords.is_some_and(|keywords| self.learn(&keywords));
        }
        updates
    }

    /// `* n FETCH (UID u FLAGS (…))`. The UID always comes along: a client may be waiting with
    /// UID commands only (RFC 3501 §6.4.8).
    pub(crate) fn write_flags(&self, position: usize, out: &mut Output) {
        let row = &self.rows[position];
        out.text("* ");
        out.number(position + 1);
        out.text(" FETCH (UID ");
        out.number(row.uid.0);
        out.text(" FLAGS ");
        out.flags(row.flags, &row.keywords);
        if self.modseqs {
            out.text(" ");
            out.modseq(row.modseq);
        }
        out.text(")");
        out.end();
    }

    /// `* n FETCH (UID u MODSEQ (m))`, for those who want no flags (RFC 7162 §3.1.3).
    pub(crate) fn write_modseq(&self, position: usize, out: &mut Output) {
        let row = &self.rows[position];
        out.text("* ");
        out.number(position + 1);
        out.text(" FETCH (UID ");
        out.number(row.uid.0);
        out.text(" ");
        out.modseq(row.modseq);
        out.text(")");
        out.end();
    }

    /// `* FLAGS (…)`: the flags in use.
    pub(crate) fn write_known_flags(&self, out: &mut Output) {
        out.text("* FLAGS ");
        out.flag_list(!Flags::NONE, self.keywords.iter(), "");
        out.end();
    }

    /// Announces keywords that are about to be shown.
    pub(crate) fn introduce(&mut self, keywords: &Keywords, out: &mut Output) {
        if self.learn(keywords) {
            self.write_known_flags(out);
        }
    }
}

impl Updates {
    /// Writes until `out` is full; is everything written?
    pub(crate) fn write(&mut self, view: &View, out: &mut Output) -> bool {
        while self.written < self.expunges.len() {
            if out.is_full() {
                return false;
            }
            out.text("* ");
            out.number(self.expunges[self.written]);
            out.text(" EXPUNGE");
            out.end();
            self.written += 1;
        }
        if let Some(exists) = self.exists.take() {
            out.text("* ");
            out.number(exists);
            out.text(" EXISTS");
            out.end();
        }
        if std::mem::take(&mut self.flags) {
            view.write_known_flags(out);
        }
        while let Some(&uid) = self.fetches.get(self.written - self.expunges.len()) {
            if out.is_full() {
                return false;
            }
            if let Some(position) = view.position(uid) {
                view.write_flags(position, out);
            }
            self.written += 1;
        }
        true
    }
}

impl UidList for View {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn uid(&self, position: usize) -> u32 {
        self.rows[position].uid.0
    }

    fn first_not_below(&self, uid: u32) -> usize {
        self.rows.first_not_below(uid)
    }
}

#[cfg(test)]
mod tests;
