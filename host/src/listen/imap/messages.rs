//! Messages of the selected mailbox: reading, flags, removing, copying.

use std::collections::BTreeMap;
use std::sync::Arc;

use imap::ask::{
    Changes, Copied, CopyMode, Depth, FlagChange, Marked, Opened, Reading, Refusal, Stored,
};
use imap::{Answer, MailboxName, SendMessage, Shape};
use mail::{EmailId, MailboxId, ModSeq, Uid};
use net::{Outlet, SendError};
use store::{Content, Destination, Error};

use super::account::{Account, Answered, OrRefusal};
use super::convert::{refusal, row};

/// Bytes of a message read at a time.
const PIECE: usize = 64 * 1024;

/// Messages up to this size are looked at where they are asked for; larger ones on a thread of
/// their own, so that other connections go on.
const AT_ONCE: u64 = 128 * 1024;

impl Account {
    pub(super) fn changes(&self, mailbox: MailboxId, since: ModSeq) -> Answered {
        let changes = match self.store.changes_since(&self.access, mailbox, since) {
            Ok(changes) => changes,
            // Deleted, or the right to read was taken away.
            Err(Error::NotFound | Error::Denied) => {
                return Ok(Answer::Changes(Changes {
                    gone: true,
                    ..Changes::default()
                }));
            }
            Err(error) => return Err(refusal(&error)),
        };
        let existing = if changes.complete {
            None
        } else {
            let survey = self.store.survey(&self.access, mailbox).or_refusal()?;
            Some(survey.uids)
        };
        Ok(Answer::Changes(Changes {
            modseq: changes.highest_modseq,
            rows: changes.changed.iter().map(row).collect(),
            expunged: changes.expunged,
            existing,
            gone: false,
        }))
    }

    /// Blocks for a moment; whoever asks for many rows asks again and again.
    pub(super) async fn rows(&self, mailbox: MailboxId, uids: &[Uid]) -> Answered {
        let messages = self
            .store
            .messages(&self.access, mailbox, uids)
            .or_refusal()?;
        let rows = messages.iter().map(row).collect();
        tokio::task::yield_now().await;
        Ok(Answer::Rows(rows))
    }

    pub(super) fn marked(&self, mailbox: MailboxId) -> Answered {
        let survey = self.store.survey(&self.access, mailbox).or_refusal()?;
        let deleted = self.store.deleted(&self.access, mailbox).or_refusal()?;
        Ok(Answer::Marked(Marked {
            unseen: survey.unseen,
            deleted: deleted.into_iter().map(|(uid, _)| uid).collect(),
        }))
    }

    pub(super) async fn open(
        &mut self,
        mailbox: MailboxId,
        uids: &[Uid],
        depth: Depth,
        reading: Reading,
    ) -> Answered {
        self.opened.clear();
        // Checks the right to read: a shape that is kept does not outlive it.
        let messages = self.store.messages(&self.access, mailbox, uids);
        let mut rows = Vec::with_capacity(uids.len());
        let mut wanted = Vec::new();
        for message in messages.or_refusal()? {
            let row = row(&message);
            let kept = self.shapes.find(self.access.domain(), row.email, depth);
            if kept.is_none() || reading == Reading::Bytes {
                wanted.push(row.uid);
            }
            rows.push((row, kept));
        }
        let mut contents = BTreeMap::new();
        if !wanted.is_empty() {
            let found = self.store.contents(&self.access, mailbox, &wanted);
            contents.extend(found.or_refusal()?);
        }
        let mut opened = Vec::with_capacity(rows.len());
        for (row, kept) in rows {
            let content = contents.get(&row.uid);
            let shape = match (kept, content) {
                (Some(shape), _) => Some(shape),
                (None, Some(content)) => self.shape(content, row.email, depth).await?,
                // Expunged meanwhile.
                (None, None) => continue,
            };
            if reading == Reading::Bytes && content.is_none() {
                continue;
            }
            opened.push(Opened { row, shape });
        }
        if reading == Reading::Bytes {
            self.opened = contents;
        }
        Ok(Answer::Opened(opened))
    }

    /// Looks at a message, and keeps what was seen.
    async fn shape(
        &self,
        content: &Content,
        email: EmailId,
        depth: Depth,
    ) -> Result<Option<Arc<Shape>>, Refusal> {
        let shape = match depth {
            Depth::Bytes => return Ok(None),
            Depth::Header => header_shape(content).or_refusal()?,
            Depth::Parts => read(content.clone(), Shape::of_message).await?,
        };
        let shape = Arc::new(shape);
        self.shapes
            .keep(self.access.domain(), email, Arc::clone(&shape));
        Ok(Some(shape))
    }

    pub(super) async fn store_flags(
        &mut self,
        mailbox: MailboxId,
        uids: Vec<Uid>,
        change: store::FlagChange,
    ) -> Answered {
        let asked = match change.unchanged_since {
            Some(_) => uids.clone(),
            None => Vec::new(),
        };
        let operation = self.store.operation_id();
        let stored = self
            .store
            .store_flags(&self.access, operation, mailbox, uids, change)
            .await;
        let messages = match stored {
            // The only rule that flags can break is how many keywords a mailbox has.
            Err(Error::Invalid(_)) => return Err(Refusal::Limit),
            stored => stored.or_refusal()?,
        };
        let changes = messages
            .iter()
            .map(|message| FlagChange::from(&row(message)));
        Ok(Answer::Stored(Stored {
            changes: changes.collect(),
            modified: self.left_alone(mailbox, &asked, &messages)?,
        }))
    }

    /// Which of the messages that were asked for are there and were not changed.
    fn left_alone(
        &self,
        mailbox: MailboxId,
        asked: &[Uid],
        changed: &[store::Message],
    ) -> Result<Vec<Uid>, Refusal> {
        let mut left = Vec::new();
        for &uid in asked {
            let is_changed = changed
                .binary_search_by_key(&uid, |message| message.uid)
                .is_ok();
            if is_changed {
                continue;
            }
            let there = self
                .store
                .rows(&self.access, mailbox, uid.0..=uid.0)
                .or_refusal()?;
            left.extend(there.first().map(|message| message.uid));
        }
        Ok(left)
    }

    pub(super) async fn expunge(
        &mut self,
        mailbox: MailboxId,
        within: Option<Vec<Uid>>,
    ) -> Answered {
        let marked = self.store.deleted(&self.access, mailbox).or_refusal()?;
        let uids: Vec<Uid> = marked
            .into_iter()
            .map(|(uid, _)| uid)
            .filter(|uid| {
                within
                    .as_ref()
                    .is_none_or(|within| within.binary_search(uid).is_ok())
            })
            .collect();
        if uids.is_empty() {
            return Ok(Answer::Expunged(uids));
        }
        let operation = self.store.operation_id();
        let gone = self
            .store
            .expunge_deleted(&self.access, operation, mailbox, uids)
            .await
            .or_refusal()?;
        Ok(Answer::Expunged(gone))
    }

    pub(super) async fn copy(
        &mut self,
        mailbox: MailboxId,
        uids: Vec<Uid>,
        target: &MailboxName,
        mode: CopyMode,
    ) -> Answered {
        let target = self.mailbox(target)?;
        let (owner_quota, domain_quota) = self.quotas.of(&self.access, target.owner);
        let target = Destination {
            mailbox: target.id,
            owner_quota,
            domain_quota,
        };
        let operation = self.store.operation_id();
        let pending = match mode {
            CopyMode::Copy => self
                .store
                .copy(&self.access, operation, mailbox, uids, target),
            CopyMode::Move => {
                self.store
                    .move_messages(&self.access, operation, mailbox, uids, target)
            }
        };
        let copied = pending.await.or_refusal()?;
        Ok(Answer::Copied(Copied {
            uid_validity: copied.uid_validity,
            pairs: copied.uids,
        }))
    }

    /// Streams byte ranges of an open message, as fast as the peer reads.
    pub(super) async fn send(
        &mut self,
        send: &SendMessage,
        outlet: &mut Outlet<'_>,
    ) -> Result<(), SendError> {
        let content = self
            .opened
            .get(&send.uid)
            .ok_or_else(|| SendError::Source("no message is open".to_owned()))?;
        for range in &send.ranges {
            let mut at = range.start;
            while at < range.end {
                // At most a piece, so it fits.
                let length = usize::try_from(range.end - at).unwrap_or(PIECE).min(PIECE);
                let bytes = content
                    .read(at, length)
                    .map_err(|error| SendError::Source(error.to_string()))?;
                if bytes.is_empty() {
                    return Err(SendError::Source(
                        "a message is shorter than its row says".to_owned(),
                    ));
                }
                outlet.write(&bytes).await?;
                at += bytes.len() as u64;
            }
        }
        Ok(())
    }
}

/// The outline of a header, from as few bytes as it takes.
fn header_shape(content: &Content) -> store::Result<Shape> {
    let mut length = Shape::HEADER_PIECE;
    loop {
        let raw = content.read(0, length)?;
        let all = raw.len() as u64 >= content.size();
        if let Some(shape) = Shape::of_header(&raw, all) {
            return Ok(shape);
        }
        length *= 4;
    }
}

/// Reads a whole message and looks at it.
async fn read<T: Send + 'static>(
    content: Content,
    look: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let large = content.size() > AT_ONCE;
    let work = move || content.read_all().map(|raw| look(&raw));
    let looked = if large {
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| {
                tracing::error!(%error, "looking at a message failed");
                Err(Error::Damaged("looking at a message failed".to_owned()))
            })
    } else {
        work()
    };
    looked.or_refusal()
}
