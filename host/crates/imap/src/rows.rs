//! The rows of a mailbox by position, in chunks: one that leaves moves its chunk's neighbours
//! and no others, so an expunge costs the same in a mailbox of a million messages as in one of a
//! thousand.
//!
//! It knows rows and their order; what a client was told of them is the view's.

use std::ops::Index;

use mail::Uid;

use crate::ask::Row;

/// Rows of a full chunk. Small enough to move within, large enough that there are few.
const CHUNK: usize = 2048;

/// Rows, ascending by UID.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// None is empty.
    chunks: Vec<Vec<Row>>,
    /// The position of the first row of each chunk.
    starts: Vec<usize>,
    length: usize,
}

impl Rows {
    /// Of rows in any order.
    pub(crate) fn new(mut rows: Vec<Row>) -> Self {
        rows.sort_unstable_by_key(|row| row.uid);
        let mut new = Self::default();
        rows.into_iter().for_each(|row| new.push(row));
        new
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn last(&self) -> Option<&Row> {
        self.chunks.last()?.last()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.chunks.iter().flatten()
    }

    /// Adds a row whose UID is above all others.
    pub(crate) fn push(&mut self, row: Row) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(row),
            _ => {
                self.starts.push(self.length);
                self.chunks.push(vec![row]);
            }
        }
        self.length += 1;
    }

    /// How many rows have a lower UID.
    pub(crate) fn first_not_below(&self, uid: u32) -> usize {
        let is_below = |row: &Row| row.uid.0 < uid;
        let chunk = self
            .chunks
            .partition_point(|chunk| chunk.last().is_some_and(is_below));
        match self.chunks.get(chunk) {
            Some(rows) => self.starts[chunk] + rows.partition_point(is_below),
            None => self.length,
        }
    }

    /// The position of a message.
    pub(crate) fn position(&self, uid: Uid) -> Option<usize> {
        let position = self.first_not_below(uid.0);
        (position < self.length && self[position].uid == uid).then_some(position)
    }

    /// The row at a position, to be changed; not its UID.
    pub(crate) fn at_mut(&mut self, position: usize) -> &mut Row {
        let (chunk, within) = self.place(position);
        &mut self.chunks[chunk][within]
    }

    /// Takes out the rows at these positions, ascending.
    pub(crate) fn remove(&mut self, positions: &[usize]) {
        let mut rest = positions;
        let (mut start, mut kept) = (0, 0);
        for chunk in &mut self.chunks {
            let end = start + chunk.len();
            let (here, behind) = rest.split_at(rest.partition_point(|at| *at < end));
            if !here.is_empty() {
                let (mut position, mut leaving) = (start, here.iter().peekable());
                chunk.retain(|_| {
                    let leaves = leaving.next_if(|at| **at == position).is_some();
                    position += 1;
                    !leaves
                });
            }
            (start, rest) = (end, behind);
            kept += chunk.len();
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.length = kept;
        let mut start = 0;
        self.starts.clear();
        for chunk in &self.chunks {
            self.starts.push(start);
            start += chunk.len();
        }
    }

    fn place(&self, position: usize) -> (usize, usize) {
        // The first chunk starts at 0, so at least one starts at or before any position.
        let chunk = self.starts.partition_point(|start| *start <= position) - 1;
        (chunk, position - self.starts[chunk])
    }
}

impl Index<usize> for Rows {
    type Output = Row;

    fn index(&self, position: usize) -> &Row {
        assert!(position < self.length, "a position behind the last row");
        let (chunk, within) = self.place(position);
        &self.chunks[chunk][within]
    }
}

#[cfg(test)]
mod tests;
