//! The messages of a session, and which are marked for deletion.

use mail::{EmailId, Uid};

/// A message, as the host knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Names it in questions to the host.
    pub uid: Uid,
    /// Its unique id for the peer: never used again, the same in every session.
    pub email: EmailId,
    /// Bytes.
    pub size: u64,
}

/// A message number, from 1 (RFC 1939 §5). The numbers do not change in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(pub(crate) usize);

/// The maildrop as it was when it was locked.
#[derive(Debug)]
pub(crate) struct Maildrop {
    rows: Vec<Row>,
    marked: Vec<bool>,
}

impl Maildrop {
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        let marked = vec![false; rows.len()];
        Self { rows, marked }
    }

    /// A message that is there and not marked.
    pub(crate) fn row(&self, number: Number) -> Option<Row> {
        let index = number.0.checked_sub(1)?;
        let row = self.rows.get(index)?;
        (!self.marked[index]).then_some(*row)
    }

    /// The messages that are not marked, after `after`.
    pub(crate) fn remaining(&self, after: Number) -> impl Iterator<Item = (Number, Row)> {
        let numbered = self.rows.iter().zip(&self.marked).enumerate().skip(after.0);
        numbered
            .filter(|(_, (_, marked))| !**marked)
            .map(|(index, (row, _))| (Number(index + 1), *row))
    }

    /// How many are not marked, and their bytes.
    pub(crate) fn totals(&self) -> (usize, u64) {
        self.remaining(Number(0))
            .fold((0, 0), |(count, bytes), (_, row)| {
                (count + 1, bytes + row.size)
            })
    }

    /// Marks a message that [`Maildrop::row`] found.
    pub(crate) fn mark(&mut self, number: Number) {
        if let Some(marked) = number
            .0
            .checked_sub(1)
            .and_then(|index| self.marked.get_mut(index))
        {
            *marked = true;
        }
    }

    pub(crate) fn unmark_all(&mut self) {
        self.marked.fill(false);
    }

    /// What QUIT deletes, ascending.
    pub(crate) fn marked(&self) -> Vec<Uid> {
        let marked = self
            .rows
            .iter()
            .zip(&self.marked)
            .filter(|(_, marked)| **marked);
        marked.map(|(row, _)| row.uid).collect()
    }
}
