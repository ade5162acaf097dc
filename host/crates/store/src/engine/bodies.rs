//! Contents: lists of extents over bodies, counted by who names them.

use std::sync::Arc;

use mail::{BodyId, DomainId, limits};

use crate::body::{BodyRef, Piece};
use crate::engine::Tx;
use crate::rows::{BodyAtRow, BodyRow, ContentRow, ExtentRow, is_settled};
use crate::view::{View, ViewExt};
use crate::{ContentId, Error, Result, keys};

/// Private bytes of one message.
const PRIVATE_MAX: usize = limits::BODY_IN_MEMORY;

impl Tx<'_> {
    /// Writes a content of these pieces, named by nobody yet. Contents in `pieces` are those of
    /// the domain `source`.
    pub(crate) fn new_content(
        &mut self,
        domain: DomainId,
        source: DomainId,
        prefix: &[u8],
        pieces: &[Piece],
    ) -> Result<(ContentId, u64)> {
        let mut extents = Vec::new();
        push_private(&mut extents, prefix);
        for piece in pieces {
            self.push_piece(&mut extents, source, piece)?;
        }
        let private: usize = extents.iter().map(private_length).sum();
        if private > PRIVATE_MAX {
            return Err(Error::Invalid(format!(
                "a message has over {PRIVATE_MAX} private bytes"
            )));
        }
        for extent in &extents {
            if let ExtentRow::Body { body, .. } = extent {
                self.count_body(*body, 1)?;
            }
        }
        self.outcome.grows = true;
        let size = extents.iter().map(ExtentRow::length).sum();
        let id = ContentId(self.ids.next());
        self.put(
            keys::content(domain, id),
            &ContentRow {
                references: 0,
                size,
                extents,
            },
        );
        Ok((id, size))
    }

    fn push_piece(
        &mut self,
        extents: &mut Vec<ExtentRow>,
        source: DomainId,
        piece: &Piece,
    ) -> Result<()> {
        match piece {
            Piece::Private(bytes) => push_private(extents, bytes),
            Piece::Body {
                body,
                offset,
                length,
            } => {
                check_range(*offset, *length, body.len())?;
                if *length > 0 {
                    let body = self.body_id(body)?;
                    extents.push(ExtentRow::Body {
                        body,
                        offset: *offset,
                        length: *length,
                    });
                }
            }
            Piece::Content {
                content,
                offset,
                length,
            } => {
                let row: ContentRow = self
                    .row(&keys::content(source, *content))?
                    .ok_or(Error::NotFound)?;
                check_range(*offset, *length, row.size)?;
                push_range(extents, &row.extents, *offset, *length);
            }
        }
        Ok(())
    }

    /// The id under which rows name this body; the first to ask makes it part of the commit.
    fn body_id(&mut self, body: &BodyRef) -> Result<BodyId> {
        if let Some(id) = body.0.spilled() {
            if !self.exists(&keys::body(id))? {
                self.put(
                    keys::body(id),
                    &BodyRow {
                        references: 0,
                        length: body.len(),
                    },
                );
                self.put(keys::body_at(id), &BodyAtRow::File);
                self.outcome.kept.push(body.clone());
            }
            return Ok(id);
        }
        let bytes = body
            .0
            .in_memory()
            .ok_or_else(|| Error::Invalid("the body is of another store".to_owned()))?;
        if let Some((id, _)) = self
            .outcome
            .bodies
            .iter()
            .find(|(_, known)| Arc::ptr_eq(known, bytes))
        {
            return Ok(*id);
        }
        let id = BodyId(self.ids.next());
        self.put(
            keys::body(id),
            &BodyRow {
                references: 0,
                length: bytes.len() as u64,
            },
        );
        self.outcome.bodies.push((id, Arc::clone(bytes)));
        Ok(id)
    }

    fn count_body(&mut self, id: BodyId, by: i64) -> Result<()> {
        let key = keys::body(id);
        let mut row: BodyRow = self
            .row(&key)?
            .ok_or_else(|| Error::Damaged(format!("the body {id} has no row")))?;
        row.references = count(row.references, by)?;
        if row.references > 0 {
            self.put(key, &row);
            return Ok(());
        }
        self.delete(key);
        let at: Option<BodyAtRow> = self.row(&keys::body_at(id))?;
        if let Some(BodyAtRow::Segment { segment, .. }) = at
            && is_settled(segment)
        {
            self.add_dead(segment, row.length)?;
        }
        self.delete(keys::body_at(id));
        match self
            .outcome
            .kept
            .iter()
            .position(|body| body.0.spilled() == Some(id))
        {
            // Named and dropped in one commit: as if it had never been named.
            Some(index) => drop(self.outcome.kept.remove(index)),
            None => self.outcome.dropped.push(id),
        }
        Ok(())
    }

    /// So many more bytes of a settled segment are named by nobody.
    pub(crate) fn add_dead(&mut self, segment: u64, bytes: u64) -> Result<()> {
        let key = keys::dead(segment);
        let dead: u64 = self.row(&key)?.unwrap_or_default();
        self.put(key, &(dead + bytes));
        Ok(())
    }

    /// One more row names this content.
    pub(crate) fn name_content(&mut self, domain: DomainId, id: ContentId) -> Result<()> {
        let key = keys::content(domain, id);
        let mut row: ContentRow = self.row(&key)?.ok_or(Error::NotFound)?;
        row.references = count(row.references, 1)?;
        self.put(key, &row);
        Ok(())
    }

    /// One row less names this content; without any it goes, and its bodies with it.
    pub(crate) fn drop_content(&mut self, domain: DomainId, id: ContentId) -> Result<()> {
        let key = keys::content(domain, id);
        let mut row: ContentRow = self
            .row(&key)?
            .ok_or_else(|| Error::Damaged("a content has no row".to_owned()))?;
        row.references = row.references.saturating_sub(1);
        if row.references > 0 {
            self.put(key, &row);
            return Ok(());
        }
        self.delete(key);
        for extent in row.extents {
            if let ExtentRow::Body { body, .. } = extent {
                self.count_body(body, -1)?;
            }
        }
        Ok(())
    }

    /// Forgets a content that no row came to name.
    pub(crate) fn drop_if_unnamed(&mut self, domain: DomainId, id: ContentId) -> Result<()> {
        let row: Option<ContentRow> = self.row(&keys::content(domain, id))?;
        match row {
            Some(row) if row.references == 0 => self.drop_content(domain, id),
            _ => Ok(()),
        }
    }
}

fn count(references: u32, by: i64) -> Result<u32> {
    u32::try_from(i64::from(references) + by)
        .map_err(|_| Error::Invalid("too many copies of one body".to_owned()))
}

fn check_range(offset: u64, length: u64, size: u64) -> Result<()> {
    match offset.checked_add(length) {
        Some(end) if end <= size => Ok(()),
        _ => Err(Error::Invalid(
            "a piece reaches behind the end of its body".to_owned(),
        )),
    }
}

fn private_length(extent: &ExtentRow) -> usize {
    match extent {
        ExtentRow::Private(bytes) => bytes.len(),
        ExtentRow::Body { .. } => 0,
    }
}

fn push_private(extents: &mut Vec<ExtentRow>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    match extents.last_mut() {
        Some(ExtentRow::Private(last)) => last.extend_from_slice(bytes),
        _ => extents.push(ExtentRow::Private(bytes.to_vec())),
    }
}

/// Adds the part `offset..offset + length` of `from`.
fn push_range(extents: &mut Vec<ExtentRow>, from: &[ExtentRow], offset: u64, length: u64) {
    let (mut start, end) = (0, offset + length);
    for extent in from {
        let stop = start + extent.length();
        let (first, last) = (offset.max(start), end.min(stop));
        if first < last {
            let skip = first - start;
            match extent {
                ExtentRow::Private(bytes) => {
                    push_private(extents, &bytes[skip as usize..(last - start) as usize]);
                }
                ExtentRow::Body { body, offset, .. } => {
                    extents.push(ExtentRow::Body {
                        body: *body,
                        offset: offset + skip,
                        length: last - first,
                    });
                }
            }
        }
        start = stop;
    }
}
