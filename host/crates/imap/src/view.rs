//! The selected mailbox as this client sees it.
//!
//! A message sequence number is a position in `uids`, and means to the client what it meant when
//! it was last told. So a message that is gone from the mailbox stays here, marked, until its
//! EXPUNGE may be written; and everything told is made here: [`View::updates`] gives EXPUNGE,
//! EXISTS and FETCH in the one order that keeps both sides counting alike.
//!
//! Of messages it has their UIDs alone, as runs: a mailbox of a million takes no more memory and
//! no longer to open than one of a thousand. Rows are asked for by the commands that need them.
//!
//! It knows nothing of commands; it is told what changed and whether EXPUNGE may be reported.

use std::collections::{BTreeMap, BTreeSet};

use mail::{MailboxId, ModSeq, Uid, Uids};

use crate::ask::{Changes, FlagChange, Mode, Selected};
use crate::output::Output;
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
    /// The highest change that is known.
    pub(crate) modseq: ModSeq,
    uids: Uids,
    /// Gone from the mailbox, still in `uids`.
    gone: BTreeSet<Uid>,
    /// Flags changed by others, not yet told.
    changed: BTreeMap<Uid, FlagChange>,
    /// Flags that the client was told of before it was looked for changes: they are no news.
    known: BTreeSet<(ModSeq, Uid)>,
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
    fetches: Vec<FlagChange>,
    /// How far [`Updates::write`] has come.
    written: usize,
}

impl View {
    pub(crate) fn new(selected: Selected) -> Self {
        let mut view = Self {
            mailbox: selected.mailbox,
            mode: selected.mode,
            modseq: selected.modseq,
            told: selected.uids.len(),
            uids: selected.uids,
            gone: BTreeSet::new(),
            changed: BTreeMap::new(),
            known: BTreeSet::new(),
            keywords: Vec::new(),
            modseqs: false,
        };
        view.learn(&selected.keywords);
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

    /// The messages, in the order of their numbers.
    pub(crate) const fn uids(&self) -> &Uids {
        &self.uids
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
        self.uids.position(uid)
    }

    /// What others did, or what came in.
    pub(crate) fn apply(&mut self, changes: Changes) {
        self.modseq = self.modseq.max(changes.modseq);
        for row in &changes.rows {
            if !self.uids.contains(row.uid) {
                // UIDs ascend, so what is new is behind all that is known. Anything else would
                // move numbers that the client knows, and is left out.
                self.uids.push(row.uid);
            } else if self.known.contains(&(row.modseq, row.uid)) {
                self.changed.remove(&row.uid);
            } else {
                self.changed.insert(row.uid, row.into());
            }
        }
        let next = ModSeq(self.modseq.0.saturating_add(1));
        self.known = self.known.split_off(&(next, Uid(0)));
        self.mark_gone(&changes.expunged);
        if let Some(existing) = changes.existing {
            let gone: Vec<Uid> = self
                .uids
                .iter()
                .filter(|uid| !existing.contains(*uid))
                .collect();
            self.mark_gone(&gone);
        }
    }

    /// Messages were expunged.
    pub(crate) fn mark_gone(&mut self, uids: &[Uid]) {
        for &uid in uids {
            if self.uids.contains(uid) {
                self.gone.insert(uid);
            }
        }
    }

    /// Flags changed by this session, which tells the client itself or was told by it.
    pub(crate) fn set_flags(&mut self, change: &FlagChange) {
        self.know(change);
        // What others did before is still to be told, as it is now.
        if let Some(untold) = self.changed.get_mut(&change.uid) {
            untold.clone_from(change);
        }
    }

    /// The client was told the flags of a message by other means.
    pub(crate) fn flags_told(&mut self, told: &FlagChange) {
        self.know(told);
        let is_over = |untold: &FlagChange| untold.modseq <= told.modseq;
        if self.changed.get(&told.uid).is_some_and(is_over) {
            self.changed.remove(&told.uid);
        }
    }

    fn know(&mut self, flags: &FlagChange) {
        if flags.modseq > self.modseq {
            self.known.insert((flags.modseq, flags.uid));
        }
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

    /// Takes what is to be told; the messages that leave are gone from here on.
    pub(crate) fn updates(&mut self, expunges: Expunges) -> Updates {
        let mut updates = Updates::default();
        if expunges == Expunges::Told && !self.gone.is_empty() {
            let gone = std::mem::take(&mut self.gone);
            let positions = gone.iter().filter_map(|uid| self.position(*uid));
            // What the client was never told of, it need not be told to forget.
            let told = positions.take_while(|at| *at < self.told);
            let numbers = told.enumerate().map(|(before, at)| at - before + 1);
            updates.expunges.extend(numbers);
            self.changed.retain(|uid, _| !gone.contains(uid));
            self.uids.remove(&gone.into_iter().collect::<Vec<_>>());
            self.told -= updates.expunges.len();
        }
        if self.told != self.uids.len() {
            self.told = self.uids.len();
            updates.exists = Some(self.told);
        }
        updates.fetches = std::mem::take(&mut self.changed).into_values().collect();
        for change in &updates.fetches {
            updates.flags |= self.learn(&change.keywords);
        }
        updates
    }

    /// `* n FETCH (UID u FLAGS (…))`. The UID always comes along: a client may be waiting with
    /// UID commands only (RFC 3501 §6.4.8).
    pub(crate) fn write_flags(&self, flags: &FlagChange, out: &mut Output) {
        if !self.begin_fetch(flags.uid, out) {
            return;
        }
        out.text(" FLAGS ");
        out.flags(flags.flags, &flags.keywords);
        if self.modseqs {
            out.text(" ");
            out.modseq(flags.modseq);
        }
        out.text(")");
        out.end();
    }

    /// `* n FETCH (UID u MODSEQ (m))`, for those who want no flags (RFC 7162 §3.1.3).
    pub(crate) fn write_modseq(&self, flags: &FlagChange, out: &mut Output) {
        if !self.begin_fetch(flags.uid, out) {
            return;
        }
        out.text(" ");
        out.modseq(flags.modseq);
        out.text(")");
        out.end();
    }

    /// `* n FETCH (UID u`, for a message that has a number.
    fn begin_fetch(&self, uid: Uid, out: &mut Output) -> bool {
        let Some(position) = self.position(uid) else {
            return false;
        };
        out.text("* ");
        out.number(position + 1);
        out.text(" FETCH (UID ");
        out.number(uid.0);
        true
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
        while let Some(flags) = self.fetches.get(self.written - self.expunges.len()) {
            if out.is_full() {
                return false;
            }
            view.write_flags(flags, out);
            self.written += 1;
        }
        true
    }
}

impl UidList for View {
    fn count(&self) -> usize {
        self.uids.len()
    }

    fn uid(&self, position: usize) -> u32 {
        self.uids.at(position).0
    }

    fn first_not_below(&self, uid: u32) -> usize {
        self.uids.first_not_below(Uid(uid))
    }
}

#[cfg(test)]
mod tests;
