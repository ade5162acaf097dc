//! What one signed-in person can reach.

use std::collections::BTreeMap;
use std::sync::Arc;

use imap::ask::Refusal;
use imap::{Answer, Ask};
use mail::{Access, PersonId, Uid};
use store::{Content, Error, NewMailbox, Owner, Quota, SpecialUse, Store, Watch};
use tokio::sync::Notify;

use super::append::{Append, Incoming};
use super::convert::{flags_in, keywords_in, operation, refusal};
use super::shapes::Shapes;

/// The quotas of an owner and of the domain.
pub(super) trait Quotas: Send + Sync {
    fn of(&self, access: &Access, owner: Owner) -> (Quota, Quota);
}

/// A person's mailboxes, and what the connection has open of them.
///
/// One connection's alone: what waits takes `&mut self`, as a body being written is not shared.
pub(super) struct Account {
    pub(super) store: Arc<dyn Store>,
    pub(super) access: Access,
    pub(super) person: PersonId,
    pub(super) quotas: Box<dyn Quotas>,
    pub(super) changed: Arc<Notify>,
    pub(super) selected: Option<Selected>,
    /// Open for reading, until the next are.
    pub(super) opened: BTreeMap<Uid, Content>,
    pub(super) append: Option<Append>,
    pub(super) shapes: Shapes,
}

/// The selected mailbox.
pub(super) struct Selected {
    /// Ends with the selection.
    pub(super) _watch: Watch,
}

/// What a person finds who has nothing yet (RFC 6154).
const FIRST_MAILBOXES: [(&str, SpecialUse); 4] = [
    ("Drafts", SpecialUse::Drafts),
    ("Junk", SpecialUse::Junk),
    ("Sent", SpecialUse::Sent),
    ("Trash", SpecialUse::Trash),
];

impl Account {
    pub(super) fn new(
        store: Arc<dyn Store>,
        access: Access,
        person: PersonId,
        quotas: Box<dyn Quotas>,
        changed: Arc<Notify>,
        shapes: Shapes,
    ) -> Self {
        let (selected, opened, append) = (None, BTreeMap::new(), None);
        Self {
            store,
            access,
            person,
            quotas,
            changed,
            selected,
            opened,
            append,
            shapes,
        }
    }

    pub(super) const fn owner(&self) -> Owner {
        Owner::Person(self.person)
    }

    /// Makes INBOX, and for somebody who has nothing else the usual mailboxes.
    pub(super) async fn prepare(&mut self) -> store::Result<()> {
        self.store.inbox(&self.access, self.person).await?;
        let own = self.store.mailboxes(&self.access, self.owner())?;
        if own
            .iter()
            .filter(|mailbox| mailbox.owner == self.owner())
            .count()
            > 1
        {
            return Ok(());
        }
        for (name, special_use) in FIRST_MAILBOXES {
            let new = NewMailbox {
                owner: self.owner(),
                name: name.to_owned(),
                special_use: Some(special_use),
            };
            let operation = self.store.operation_id();
            match self
                .store
                .create_mailbox(&self.access, operation, new)
                .await
            {
                // Another connection was faster.
                Ok(_) | Err(Error::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) async fn answer(&mut self, ask: Ask) -> Answer {
        let answer = match ask {
            Ask::List => self.list(),
            Ask::Status { name, deleted_size } => self.status(&name, deleted_size),
            Ask::Quota { name } => self.quota(name.as_ref()),
            Ask::Pause => {
                tokio::task::yield_now().await;
                Ok(Answer::Done)
            }
            Ask::Select { name, mode } => self.select(&name, mode),
            Ask::Deselect => {
                self.deselect();
                Ok(Answer::Done)
            }
            Ask::Create { name } => self.create(&name).await,
            Ask::Delete { name } => self.delete(&name).await,
            Ask::Rename { from, to } => self.rename(&from, &to).await,
            Ask::Subscribe { name, subscription } => self.subscribe(&name, subscription).await,
            Ask::Changes { mailbox, since } => self.changes(mailbox, since),
            Ask::Open {
                mailbox,
                uids,
                depth,
                reading,
            } => self.open(mailbox, &uids, depth, reading).await,
            Ask::Rows { mailbox, uids } => self.rows(mailbox, &uids).await,
            Ask::Marked { mailbox } => self.marked(mailbox),
            Ask::SearchText {
                mailbox,
                uids,
                keys,
            } => self.search(mailbox, &uids, keys).await,
            Ask::StoreFlags {
                mailbox,
                uids,
                mode,
                flags,
                keywords,
                unchanged_since,
            } => {
                let change = store::FlagChange {
                    operation: operation(mode),
                    flags: flags_in(flags),
                    keywords: keywords_in(&keywords),
                    unchanged_since,
                };
                self.store_flags(mailbox, uids, change).await
            }
            Ask::Expunge { mailbox, within } => self.expunge(mailbox, within).await,
            Ask::Copy {
                mailbox,
                uids,
                target,
                mode,
            } => self.copy(mailbox, uids, &target, mode).await,
            Ask::AppendBegin {
                name,
                size,
                flags,
                keywords,
                date,
                utf8,
            } => {
                let message = Incoming {
                    flags,
                    keywords: keywords_in(&keywords),
                    date,
                    utf8,
                };
                self.append_begin(&name, size, message)
            }
            Ask::AppendFinish => self.append_finish().await,
            // The adapter takes it; here somebody is signed in already.
            Ask::Authenticate(_) => Err(Refusal::ServerBug),
        };
        answer.unwrap_or_else(Answer::Refused)
    }

    pub(super) fn deselect(&mut self) {
        self.selected = None;
        self.opened.clear();
    }

    pub(super) fn close_messages(&mut self) {
        self.opened.clear();
    }
}

/// The answer to an ask, or why there is none.
pub(super) type Answered = Result<Answer, Refusal>;

/// Turns the store's errors into the session's.
pub(super) trait OrRefusal<T> {
    fn or_refusal(self) -> Result<T, Refusal>;
}

impl<T> OrRefusal<T> for store::Result<T> {
    fn or_refusal(self) -> Result<T, Refusal> {
        self.map_err(|error| refusal(&error))
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod transcripts;
