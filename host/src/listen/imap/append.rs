//! APPEND: checked before a byte is taken, streamed, then one commit.

use imap::ask::{Appended, InternalDate, Refusal};
use imap::{Answer, Flags, MailboxName};
use mail::MailboxId;
use store::{BodyWriter, Error, NewMessage, Owner, Place, Rights, Usage};

use super::account::{Account, Answered, OrRefusal};
use super::convert::{flags_in, refusal};

/// What the client says of a message.
pub(super) struct Incoming {
    pub(super) flags: Flags,
    pub(super) keywords: Vec<String>,
    pub(super) date: Option<InternalDate>,
    /// Does UTF-8 stand in its header?
    pub(super) utf8: bool,
}

/// A message on its way in.
pub(super) struct Append {
    mailbox: MailboxId,
    owner: Owner,
    message: Incoming,
    /// The first error ends the writing; it is told when all bytes have come.
    body: store::Result<BodyWriter>,
}

impl Account {
    pub(super) fn append_begin(
        &mut self,
        name: &MailboxName,
        size: u64,
        message: Incoming,
    ) -> Answered {
        self.append = None;
        let mailbox = self.mailbox(name)?;
        if !mailbox.rights.contains(Rights::INSERT) {
            return Err(Refusal::NoPermission);
        }
        self.check_room(mailbox.owner, size)?;
        let body = self.store.begin_body().or_refusal()?;
        self.append = Some(Append {
            mailbox: mailbox.id,
            owner: mailbox.owner,
            message,
            body: Ok(body),
        });
        Ok(Answer::Done)
    }

    /// Disk and quota, so that nothing is sent for nothing. The commit checks the quota again.
    fn check_room(&self, owner: Owner, size: u64) -> Result<(), Refusal> {
        if !self.store.space().or_refusal()?.has_room() {
            return Err(refusal(&Error::Full));
        }
        let (quota, _) = self.quotas.of(&self.access, owner);
        // What a group uses is not for its members to know; the commit knows it.
        if owner == self.owner() {
            let used = self.store.usage(&self.access, owner).or_refusal()?;
            let after = Usage {
                bytes: used.bytes.saturating_add(size),
                messages: used.messages + 1,
            };
            if !quota.allows(after) {
                return Err(Refusal::OverQuota);
            }
        }
        Ok(())
    }

    pub(super) fn append_bytes(&mut self, bytes: &[u8]) {
        if let Some(append) = &mut self.append
            && let Ok(body) = &mut append.body
            && let Err(error) = body.write(bytes)
        {
            append.body = Err(error);
        }
    }

    pub(super) fn append_discard(&mut self) {
        self.append = None;
    }

    pub(super) async fn append_finish(&mut self) -> Answered {
        let Some(append) = self.append.take() else {
            tracing::error!("a message ended that never began");
            return Err(Refusal::ServerBug);
        };
        let writer = append.body.or_refusal()?;
        // A large body is synced here, which may block.
        let finished = tokio::task::spawn_blocking(move || writer.finish()).await;
        let body = finished.map_err(|error| {
            tracing::error!(%error, "a body could not be finished");
            Refusal::ServerBug
        })?;
        let mut message = NewMessage::new(vec![body.or_refusal()?.piece()]);
        message.flags = flags_in(append.message.flags);
        message.keywords = append.message.keywords;
        message.utf8 = append.message.utf8;
        message.internal_date = append
            .message
            .date
            .map(|date| (date.at, date.offset_minutes));
        (message.owner_quota, message.domain_quota) = self.quotas.of(&self.access, append.owner);
        let (operation, place) = (self.store.operation_id(), Place::Mailbox(append.mailbox));
        let appended = self
            .store
            .append(&self.access, operation, place, vec![message])
            .await;
        let appended = match appended {
            // As with STORE: too many keywords.
            Err(Error::Invalid(_)) => return Err(Refusal::Limit),
            appended => appended.or_refusal()?,
        };
        let appended = appended.first().ok_or(Refusal::ServerBug)?;
        Ok(Answer::Appended(Appended {
            uid_validity: appended.uid_validity,
            uid: appended.uid,
        }))
    }
}
