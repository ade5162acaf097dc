//! A person's INBOX as POP3 sees it: locked, listed, deleted from.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::{Access, MailboxId, PersonId, Tenant, Uid};
use pop3::Row;
use store::{Content, Source, Store};

/// The maildrops that POP3 sessions have open: one session each (RFC 1939 §8).
#[derive(Debug, Clone, Default)]
pub(crate) struct Maildrops(Arc<Mutex<HashSet<MailboxId>>>);

impl Maildrops {
    fn lock(&self, mailbox: MailboxId) -> Option<Lock> {
        self.open().insert(mailbox).then(|| Lock {
            maildrops: self.clone(),
            mailbox,
        })
    }

    fn open(&self) -> MutexGuard<'_, HashSet<MailboxId>> {
        // One insert or remove cannot be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dropping it lets the next session in.
#[derive(Debug)]
struct Lock {
    maildrops: Maildrops,
    mailbox: MailboxId,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.maildrops.open().remove(&self.mailbox);
    }
}

/// Why a maildrop is not open.
#[derive(Debug)]
pub(super) enum OpenError {
    InUse,
    Store(store::Error),
}

impl From<store::Error> for OpenError {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// An open maildrop.
pub(super) struct Maildrop {
    store: Arc<dyn Store>,
    access: Access,
    mailbox: MailboxId,
    _lock: Lock,
}

impl Maildrop {
    /// Locks the person's INBOX and lists it.
    pub(super) async fn open(
        maildrops: &Maildrops,
        store: Arc<dyn Store>,
        tenant: Tenant,
        person: PersonId,
    ) -> Result<(Self, Vec<Row>), OpenError> {
        let access = Access::person(tenant, person);
        let mailbox = store.inbox(&access, person).await?;
        let lock = maildrops.lock(mailbox).ok_or(OpenError::InUse)?;
        let messages = store.rows(&access, mailbox, 1..=u32::MAX)?;
        let rows = messages.iter().map(|message| Row {
            uid: message.uid,
            email: message.email,
            size: message.size,
        });
        let rows = rows.collect();
        Ok((
            Self {
                store,
                access,
                mailbox,
                _lock: lock,
            },
            rows,
        ))
    }

    pub(super) fn message(&self, uid: Uid) -> store::Result<Content> {
        self.store
            .content(&self.access, Source::Message(self.mailbox, uid))
    }

    /// All or none, durable when it returns.
    pub(super) async fn delete(&self, uids: Vec<Uid>) -> store::Result<()> {
        let operation = self.store.operation_id();
        self.store
            .expunge(&self.access, operation, self.mailbox, uids)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
