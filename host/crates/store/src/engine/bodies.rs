//! Contents: lists of extents over bodies, counted by who names them.

use std::sync::Arc;

use mail::{BodyId, DomainId, limits};

use crate::body::{BodyRef, Piece};
use crate::engine::Tx;
use crate::engine::secrets::{self, Draft};
use crate::rows::{BodyAtRow, BodyRow, ContentRow, ExtentRow, is_settled};
use crate::view::{View, ViewExt};
use crate::{ContentId, Error, Owner, Result, keys};

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
        let mut draft = Draft::default();
        draft.push_private(prefix);
        for piece in pieces {
            self.push_piece(&mut draft, source, piece)?;
        }
        if draft.private() > PRIVATE_MAX {
            return Err(Error::Invalid(format!(
                "a message has over {PRIVATE_MAX} private bytes"
            )));
        }
        let bodies = draft.bodies();
        for body in &bodies {
            self.count_body(*body, 1)?;
        }
        self.outcome.grows = true;
        let (id, size) = self.put_content(domain, draft);
        for body in bodies {
            self.put(keys::namer(body), &(domain, id));
        }
        Ok((id, size))
    }

    fn push_piece(&mut self, draft: &mut Draft, source: DomainId, piece: &Piece) -> Result<()> {
        match piece {
            Piece::Private(bytes) => draft.push_private(bytes),
            Piece::Body {
                body,
                offset,
                length,
            } => {
                check_range(*offset, *length, body.len())?;
                if *length > 0 {
                    let id = self.body_id(body)?;
                    draft.push_body(id, *offset, *length, Some(body.0.key()));
                }
            }
            Piece::Content {
                content,
                offset,
                length,
            } => {
                let opened = secrets::open(self, source, *content)?.ok_or(Error::NotFound)?;
                check_range(*offset, *length, opened.size)?;
                draft.push_range(&opened, *offset, *length);
            }
        }
        Ok(())
    }

    /// The id under which rows name this body; the first to ask makes it part of the commit.
    fn body_id(&mut self, body: &BodyRef) -> Result<BodyId> {
        let id = body.0.id();
        if self.exists(&keys::body(id))? {
            return Ok(id);
        }
        self.put(
            keys::body(id),
            &BodyRow {
                references: 0,
                length: body.len(),
            },
        );
        match body.0.travels() {
            Some(encoded) => self.outcome.bodies.push(Arc::clone(encoded)),
            None => {
                self.put(keys::body_at(id), &BodyAtRow::File);
                self.outcome.kept.push(body.clone());
            }
        }
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
        if let Some(segment) = at.and_then(|at| at.segment())
            && is_settled(segment)
        {
            self.add_dead(segment, row.length)?;
        }
        self.delete(keys::body_at(id));
        self.delete(keys::namer(id));
        match self.outcome.kept.iter().position(|body| body.0.id() == id) {
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

    /// One more row of this owner names the content.
    pub(crate) fn name_content(
        &mut self,
        domain: DomainId,
        owner: Owner,
        id: ContentId,
    ) -> Result<()> {
        let key = keys::content(domain, id);
        let mut row: ContentRow = self.row(&key)?.ok_or(Error::NotFound)?;
        row.references = count(row.references, 1)?;
        let is_secret = row.secret().is_some();
        self.put(key, &row);
        if is_secret {
            self.give_key(domain, owner, id)?;
        }
        Ok(())
    }

    /// One row of this owner less names the content; without any it goes, and its bodies with it.
    pub(crate) fn drop_content(
        &mut self,
        domain: DomainId,
        owner: Owner,
        id: ContentId,
    ) -> Result<()> {
        let key = keys::content(domain, id);
        let mut row: ContentRow = self
            .row(&key)?
            .ok_or_else(|| Error::Damaged("a content has no row".to_owned()))?;
        row.references = row.references.saturating_sub(1);
        if row.references == 0 {
            return self.forget_content(domain, id, row);
        }
        self.put(key, &row);
        self.take_key(domain, owner, id)
    }

    /// Forgets a content that no row came to name.
    pub(crate) fn drop_if_unnamed(&mut self, domain: DomainId, id: ContentId) -> Result<()> {
        let row: Option<ContentRow> = self.row(&keys::content(domain, id))?;
        match row {
            Some(row) if row.references == 0 => self.forget_content(domain, id, row),
            _ => Ok(()),
        }
    }

    /// Removes a content. Nothing of it has to be decrypted for that.
    pub(crate) fn forget_content(
        &mut self,
        domain: DomainId,
        id: ContentId,
        row: ContentRow,
    ) -> Result<()> {
        self.delete(keys::content(domain, id));
        for (key, _) in self.prefix(&keys::content_keys(domain, id), usize::MAX)? {
            self.delete(key);
        }
        for extent in row.extents {
            if let ExtentRow::Body { body, .. } = extent {
                self.count_body(body, -1)?;
            }
        }
        Ok(())
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
