//! Messages of the selected mailbox: reading, searching, flags, removing, copying.

use std::sync::Arc;

use imap::ask::{Changes, Copied, CopyMode, Depth, FlagChange, Opened, Refusal, StoreMode};
use imap::{
    Answer, Flags, Keywords, MailboxName, SendMessage, Shape, TextKey, TextNeed, match_text,
};
use mail::{MailboxId, ModSeq, Uid};
use net::{Outlet, SendError};
use store::{Content, Error, Source};

use super::account::{Account, Answered, OrRefusal};
use super::convert::{flags_in, keywords_in, operation, refusal, row};

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
            let rows = self
                .store
                .rows(&self.access, mailbox, 1..=u32::MAX)
                .or_refusal()?;
            Some(rows.iter().map(|message| message.uid).collect())
        };
        Ok(Answer::Changes(Changes {
            modseq: changes.highest_modseq,
            rows: changes.changed.iter().map(row).collect(),
            expunged: changes.expunged,
            existing,
            gone: false,
        }))
    }

    fn content(&self, mailbox: MailboxId, uid: Uid) -> Result<Option<Content>, Refusal> {
        match self
            .store
            .content(&self.access, Source::Message(mailbox, uid))
        {
            Ok(content) => Ok(Some(content)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(refusal(&error)),
        }
    }

    pub(super) async fn open(
        &mut self,
        mailbox: MailboxId,
        uids: &[Uid],
        depth: Depth,
    ) -> Answered {
        self.opened.clear();
        let mut opened = Vec::with_capacity(uids.len());
        for &uid in uids {
            let Some(content) = self.content(mailbox, uid)? else {
                continue;
            };
            let shape = match depth {
                Depth::Bytes => None,
                Depth::Header => Some(header_shape(&content).or_refusal()?),
                Depth::Parts => Some(read(content.clone(), Shape::of_message).await?),
            };
            opened.push(Opened {
                uid,
                shape: shape.map(Arc::new),
            });
            self.opened.insert(uid, content);
        }
        Ok(Answer::Opened(opened))
    }

    pub(super) async fn search(
        &mut self,
        mailbox: MailboxId,
        uids: &[Uid],
        keys: Arc<[TextKey]>,
    ) -> Answered {
        let need = TextNeed::of(&keys);
        let mut matches = Vec::with_capacity(uids.len());
        for &uid in uids {
            let Some(content) = self.content(mailbox, uid)? else {
                continue;
            };
            let keys = Arc::clone(&keys);
            let verdicts = match need {
                TextNeed::Header => match_text(&keys, &header(&content).or_refusal()?),
                TextNeed::Message => read(content, move |raw| match_text(&keys, raw)).await?,
            };
            matches.push((uid, verdicts));
            // I07: other connections of this thread have their turn between two messages.
            tokio::task::yield_now().await;
        }
        Ok(Answer::Matches(matches))
    }

    pub(super) async fn store_flags(
        &mut self,
        mailbox: MailboxId,
        uids: Vec<Uid>,
        mode: StoreMode,
        flags: Flags,
        keywords: &Keywords,
    ) -> Answered {
        let change = store::FlagChange {
            operation: operation(mode),
            flags: flags_in(flags),
            keywords: keywords_in(keywords),
            unchanged_since: None,
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
        let changes = messages.iter().map(row).map(|row| FlagChange {
            uid: row.uid,
            modseq: row.modseq,
            flags: row.flags,
            keywords: row.keywords,
        });
        Ok(Answer::Stored(changes.collect()))
    }

    pub(super) async fn expunge(
        &mut self,
        mailbox: MailboxId,
        within: Option<Vec<Uid>>,
    ) -> Answered {
        if self
            .store
            .mailbox(&self.access, mailbox)
            .or_refusal()?
            .status
            .deleted
            == 0
        {
            return Ok(Answer::Expunged(Vec::new()));
        }
        let messages = self
            .store
            .rows(&self.access, mailbox, 1..=u32::MAX)
            .or_refusal()?;
        let marked = messages
            .iter()
            .filter(|message| message.flags.contains(store::Flags::DELETED));
        let uids = marked.map(|message| message.uid);
        let uids: Vec<Uid> = uids
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
            .expunge(&self.access, operation, mailbox, uids)
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
        let target = self.mailbox(target)?.id;
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

/// The bytes up to the end of the header, perhaps a few more.
fn header(content: &Content) -> store::Result<Vec<u8>> {
    let mut length = Shape::HEADER_PIECE;
    loop {
        let mut raw = content.read(0, length)?;
        let all = raw.len() as u64 >= content.size();
        let end = mail::message::Header::parse(&raw).body_offset();
        if end < raw.len() || all || raw.len() > mail::limits::HEADER_BYTES {
            raw.truncate(end);
            return Ok(raw);
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
