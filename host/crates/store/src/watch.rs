//! Telling others that something changed.

use std::fmt;

use mail::{DomainId, MailboxId};

use crate::Owner;

/// What to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watched {
    /// One mailbox: messages come, change, go; the mailbox is renamed or deleted.
    Mailbox(MailboxId),
    /// All mailboxes of an owner.
    Owner(Owner),
}

/// Something changed in a mailbox. It says where, not what: ask
/// [`crate::Store::changes_since`]. Several changes may come as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// The domain.
    pub domain: DomainId,
    /// Whose mailbox.
    pub owner: Owner,
    /// Which mailbox.
    pub mailbox: MailboxId,
}

/// Keeps a callback registered; dropping it ends it.
#[must_use = "dropping the guard ends the watch"]
pub struct Watch(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Watch {
    pub(crate) fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(end)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch(..)")
    }
}
