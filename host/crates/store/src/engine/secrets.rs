//! What a content hides: private bytes and the keys of its bodies, under a key of its own that
//! each owner who has the content can unwrap.
//!
//! ```text
//! owner's key ── wraps ──> content's key ── encrypts ──> private bytes, keys of bodies
//! ```
//! The secret is encrypted once, when the content is made: counting references and giving the
//! content to another owner never touch it.

use std::collections::HashMap;

use mail::{BodyId, DomainId};

use crate::cipher::{Purpose, SecretKey};
use crate::embedded::BodyKey;
use crate::engine::Tx;
use crate::rows::{ContentKeyRow, ContentRow, ExtentRow, Secret, decode, encode};
use crate::view::{Order, View, ViewExt, Walk};
use crate::{ContentId, Error, Owner, Result, keys};

/// A content with everything that is needed to read it.
pub(crate) struct Opened {
    pub(crate) size: u64,
    pub(crate) extents: Vec<OpenedExtent>,
}

/// An extent as it is read.
pub(crate) enum OpenedExtent {
    Private(Vec<u8>),
    Body {
        body: BodyId,
        offset: u64,
        length: u64,
        /// `None`: the body is of format 1 and not encrypted.
        key: Option<BodyKey>,
    },
}

impl OpenedExtent {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Private(bytes) => bytes.len() as u64,
            Self::Body { length, .. } => *length,
        }
    }
}

/// Opens a content for whoever may read it: access is checked before.
pub(crate) fn open<V: View + ?Sized>(
    view: &V,
    domain: DomainId,
    id: ContentId,
) -> Result<Option<Opened>> {
    let Some(row) = view.row::<ContentRow>(&keys::content(domain, id))? else {
        return Ok(None);
    };
    let secret = match row.secret() {
        Some(secret) => reveal(&content_key(view, domain, id)?, domain, id, &row, secret)?,
        None => Secret::default(),
    };
    let size = row.size;
    let extents = join(row, secret)?;
    Ok(Some(Opened { size, extents }))
}

/// The key of a body, for who wants to write it again in another way. `None`: no content that
/// names it is known, or nobody's key opens that one; then the body stays as it is.
pub(crate) fn body_key<V: View + ?Sized>(view: &V, body: BodyId) -> Result<Option<BodyKey>> {
    let Some((domain, content)) = view.row::<(DomainId, ContentId)>(&keys::namer(body))? else {
        return Ok(None);
    };
    let Ok(Some(opened)) = open(view, domain, content) else {
        return Ok(None);
    };
    let key = opened.extents.into_iter().find_map(|extent| match extent {
        OpenedExtent::Body { body: id, key, .. } if id == body => key,
        _ => None,
    });
    Ok(key)
}

/// The key of a content, by the first owner of it whose key is there.
fn content_key<V: View + ?Sized>(view: &V, domain: DomainId, id: ContentId) -> Result<SecretKey> {
    let wraps = keys::content_keys(domain, id);
    let mut opened = None;
    view.walk(
        &wraps,
        &keys::after(&wraps),
        Order::Ascending,
        &mut |key, value| {
            let owner = keys::content_key_owner(key);
            let Some(with) = owner.and_then(|owner| view.keyring().find(domain, owner)) else {
                return Ok(Walk::Continue(()));
            };
            let row: ContentKeyRow = decode(value)?;
            let unwrapped = with.decrypt(Purpose::Wrap, key, &row.wrapped);
            opened = unwrapped.and_then(|bytes| SecretKey::from_bytes(&bytes));
            Ok(match opened {
                // One is enough.
                Some(_) => Walk::Break(()),
                None => Walk::Continue(()),
            })
        },
    )?;
    opened.ok_or_else(|| {
        Error::Damaged("a message is encrypted, and no key that opens it is there".to_owned())
    })
}

/// Whose secret it is, and of which extents.
fn associated(domain: DomainId, id: ContentId, extents: &[ExtentRow]) -> Vec<u8> {
    [keys::content(domain, id), encode(&extents)].concat()
}

fn reveal(
    key: &SecretKey,
    domain: DomainId,
    id: ContentId,
    row: &ContentRow,
    secret: &[u8],
) -> Result<Secret> {
    let visible = &row.extents[..row.extents.len() - 1];
    let plain = key
        .deriving()
        .decrypt(Purpose::Content, &associated(domain, id, visible), secret)
        .ok_or_else(|| {
            Error::Damaged("the private part of a message does not decrypt".to_owned())
        })?;
    decode(&plain)
}

/// Puts what is hidden back into its place.
fn join(row: ContentRow, secret: Secret) -> Result<Vec<OpenedExtent>> {
    let cut = || Error::Damaged("the private part of a message is cut".to_owned());
    let keys: HashMap<BodyId, [u8; 32]> = secret.keys.into_iter().collect();
    let mut private = secret.private.as_slice();
    let mut extents = Vec::with_capacity(row.extents.len());
    for extent in row.extents {
        extents.push(match extent {
            ExtentRow::Private(bytes) => OpenedExtent::Private(bytes),
            ExtentRow::Hidden { length } => {
                let length = usize::try_from(length).map_err(|_| cut())?;
                let (bytes, rest) = private.split_at_checked(length).ok_or_else(cut)?;
                private = rest;
                OpenedExtent::Private(bytes.to_vec())
            }
            ExtentRow::Body {
                body,
                offset,
                length,
            } => OpenedExtent::Body {
                body,
                offset,
                length,
                key: keys
                    .get(&body)
                    .and_then(|bytes| SecretKey::from_bytes(bytes))
                    .map(BodyKey::from),
            },
            ExtentRow::Secret(_) => continue,
        });
    }
    Ok(extents)
}

/// A content being made.
#[derive(Default)]
pub(crate) struct Draft {
    extents: Vec<ExtentRow>,
    secret: Secret,
}

impl Draft {
    pub(crate) fn push_private(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.secret.private.extend_from_slice(bytes);
        match self.extents.last_mut() {
            Some(ExtentRow::Hidden { length }) => *length += bytes.len() as u64,
            _ => self.extents.push(ExtentRow::Hidden {
                length: bytes.len() as u64,
            }),
        }
    }

    pub(crate) fn push_body(
        &mut self,
        body: BodyId,
        offset: u64,
        length: u64,
        key: Option<&BodyKey>,
    ) {
        if let Some(key) = key
            && !self.secret.keys.iter().any(|(known, _)| *known == body)
        {
            self.secret.keys.push((body, *key.secret().bytes()));
        }
        self.extents.push(ExtentRow::Body {
            body,
            offset,
            length,
        });
    }

    /// Adds the part `offset..offset + length` of another content.
    pub(crate) fn push_range(&mut self, from: &Opened, offset: u64, length: u64) {
        let (mut start, end) = (0, offset + length);
        for extent in &from.extents {
            let stop = start + extent.length();
            let (first, last) = (offset.max(start), end.min(stop));
            if first < last {
                let skip = first - start;
                match extent {
                    OpenedExtent::Private(bytes) => {
                        self.push_private(&bytes[skip as usize..(last - start) as usize]);
                    }
                    OpenedExtent::Body {
                        body, offset, key, ..
                    } => self.push_body(*body, offset + skip, last - first, key.as_ref()),
                }
            }
            start = stop;
        }
    }

    /// Bytes of its own.
    pub(crate) fn private(&self) -> usize {
        self.secret.private.len()
    }

    /// The bodies, each as often as it is named.
    pub(crate) fn bodies(&self) -> Vec<BodyId> {
        let bodies = self.extents.iter().filter_map(|extent| match extent {
            ExtentRow::Body { body, .. } => Some(*body),
            _ => None,
        });
        bodies.collect()
    }
}

impl Tx<'_> {
    /// Writes the row of a content that nobody names yet.
    pub(crate) fn put_content(&mut self, domain: DomainId, draft: Draft) -> (ContentId, u64) {
        let id = ContentId(self.ids.next());
        let Draft {
            mut extents,
            secret,
        } = draft;
        let size = extents.iter().map(ExtentRow::length).sum();
        let key = SecretKey::random();
        let hidden = key.deriving().encrypt(
            Purpose::Content,
            &associated(domain, id, &extents),
            &encode(&secret),
        );
        extents.push(ExtentRow::Secret(hidden));
        self.fresh.insert((domain, id), key);
        let row = ContentRow {
            references: 0,
            size,
            extents,
        };
        self.put(keys::content(domain, id), &row);
        (id, size)
    }

    /// One more row of this owner names the content: with the first the owner gets its key.
    pub(crate) fn give_key(&mut self, domain: DomainId, owner: Owner, id: ContentId) -> Result<()> {
        let place = keys::content_key(domain, id, owner);
        if let Some(mut row) = self.row::<ContentKeyRow>(&place)? {
            row.rows += 1;
            self.put(place, &row);
            return Ok(());
        }
        let key = match self.fresh.get(&(domain, id)) {
            Some(key) => key.clone(),
            None => content_key(self, domain, id)?,
        };
        let with = self.keyring().need(domain, owner)?;
        let wrapped = with.encrypt(Purpose::Wrap, &place, key.bytes());
        self.put(place, &ContentKeyRow { rows: 1, wrapped });
        Ok(())
    }

    /// One row less of this owner names the content: with the last the owner loses its key.
    pub(crate) fn take_key(&mut self, domain: DomainId, owner: Owner, id: ContentId) -> Result<()> {
        let place = keys::content_key(domain, id, owner);
        let Some(mut row) = self.row::<ContentKeyRow>(&place)? else {
            return Ok(());
        };
        row.rows = row.rows.saturating_sub(1);
        if row.rows == 0 {
            self.delete(place);
        } else {
            self.put(place, &row);
        }
        Ok(())
    }
}
