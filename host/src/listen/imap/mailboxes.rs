//! Mailboxes: listing, selecting, making, renaming.

use std::sync::Arc;

use imap::ask::{
    DeletedSize, MailboxEntry, MailboxKind, Mode, QuotaStatus, Refusal, Selected as SelectedAnswer,
    Subscription,
};
use imap::{Answer, MailboxName};
use store::{Mailbox, NewMailbox, Owner, Rights, Watched};

use super::account::{Account, Answered, OrRefusal, Selected};
use super::convert::{entry, keywords_out, status};

/// With any of these something in a mailbox can be changed (RFC 4314 §5.2, READ-WRITE).
const CHANGING: [Rights; 5] = [
    Rights::SEEN,
    Rights::WRITE,
    Rights::INSERT,
    Rights::DELETE_MESSAGES,
    Rights::EXPUNGE,
];

impl Account {
    pub(super) fn mailbox(&self, name: &MailboxName) -> Result<Mailbox, Refusal> {
        self.store
            .mailbox_named(&self.access, self.owner(), name.as_str())
            .or_refusal()
    }

    pub(super) fn list(&self) -> Answered {
        let mailboxes = self
            .store
            .mailboxes(&self.access, self.owner())
            .or_refusal()?;
        let subscriptions = self
            .store
            .subscriptions(&self.access, self.person)
            .or_refusal()?;
        let mut entries: Vec<MailboxEntry> = mailboxes
            .iter()
            .filter_map(|mailbox| entry(mailbox, &subscriptions))
            .collect();
        let gone = subscriptions
            .iter()
            .filter(|name| !mailboxes.iter().any(|mailbox| mailbox.name == **name));
        entries.extend(gone.filter_map(|name| {
            let name = MailboxName::parse(name).ok()?;
            Some(MailboxEntry {
                name,
                kind: MailboxKind::NonExistent,
                subscribed: true,
                special_use: None,
            })
        }));
        Ok(Answer::Mailboxes(entries))
    }

    pub(super) fn status(&self, name: &MailboxName, deleted_size: DeletedSize) -> Answered {
        let mailbox = self.mailbox(name)?;
        let mut status = status(mailbox.id, &mailbox.status);
        if deleted_size == DeletedSize::Counted && status.deleted > 0 {
            let deleted = self.store.deleted(&self.access, mailbox.id).or_refusal()?;
            status.deleted_size = deleted.iter().map(|(_, size)| size).sum();
        }
        Ok(Answer::Status(status))
    }

    /// What a group uses is not for its members to know, so its mailboxes have no root.
    pub(super) fn quota(&self, name: Option<&MailboxName>) -> Answered {
        if let Some(name) = name
            && self.mailbox(name)?.owner != self.owner()
        {
            return Ok(Answer::Quota(None));
        }
        let (limit, _) = self.quotas.of(&self.access, self.owner());
        let used = self.store.usage(&self.access, self.owner()).or_refusal()?;
        Ok(Answer::Quota(Some(QuotaStatus {
            bytes: used.bytes,
            bytes_limit: limit.bytes,
            messages: used.messages,
            messages_limit: limit.messages,
        })))
    }

    pub(super) fn select(&mut self, name: &MailboxName, mode: Mode) -> Answered {
        self.deselect();
        let mailbox = self.mailbox(name)?;
        // The order matters: what happens from here on is told; the first look at the changes
        // begins where the survey ends.
        let changed = Arc::clone(&self.changed);
        let callback = Box::new(move |_| changed.notify_one());
        let watch = self
            .store
            .watch(&self.access, Watched::Mailbox(mailbox.id), callback)
            .or_refusal()?;
        let survey = self.store.survey(&self.access, mailbox.id).or_refusal()?;
        let mailbox = survey.mailbox;
        let changing = CHANGING.iter().any(|&right| mailbox.rights.contains(right));
        self.selected = Some(Selected { _watch: watch });
        Ok(Answer::Selected(SelectedAnswer {
            mailbox: mailbox.id,
            mode: if changing { mode } else { Mode::ReadOnly },
            uid_validity: mailbox.status.uid_validity,
            uid_next: mailbox.status.uid_next,
            modseq: mailbox.status.highest_modseq,
            first_unseen: survey.unseen.iter().next(),
            uids: survey.uids,
            keywords: keywords_out(&mailbox.keywords),
        }))
    }

    pub(super) async fn create(&mut self, name: &MailboxName) -> Answered {
        let (owner, name) = self.place_of(name)?;
        let new = NewMailbox {
            owner,
            name,
            special_use: None,
        };
        let operation = self.store.operation_id();
        let made = self
            .store
            .create_mailbox(&self.access, operation, new)
            .await
            .or_refusal()?;
        Ok(Answer::Created(made))
    }

    /// Whose a new mailbox of this name would be, and what its owner calls it. What is shared
    /// belongs to the owner of the mailbox above it; where this person sees none, the answer is
    /// the same whether there is one or not.
    fn place_of(&self, name: &MailboxName) -> Result<(Owner, String), Refusal> {
        let Some(shared) = name.shared() else {
            return Ok((self.owner(), name.as_str().to_owned()));
        };
        if self.mailbox(name).is_ok() {
            return Err(Refusal::AlreadyExists);
        }
        let mut above = name.parent();
        while let Some(parent) = above {
            if let Ok(mailbox) = self.mailbox(&parent) {
                return Ok((mailbox.owner, shared.to_owned()));
            }
            above = parent.parent();
        }
        Err(Refusal::NoPermission)
    }

    pub(super) async fn delete(&mut self, name: &MailboxName) -> Answered {
        let mailbox = self.mailbox(name)?;
        if mailbox.has_children {
            return Err(Refusal::HasChildren);
        }
        let operation = self.store.operation_id();
        self.store
            .delete_mailbox(&self.access, operation, mailbox.id)
            .await
            .or_refusal()?;
        Ok(Answer::Done)
    }

    pub(super) async fn rename(&mut self, from: &MailboxName, to: &MailboxName) -> Answered {
        let mailbox = self.mailbox(from)?;
        let (owner, name) = self.place_of(to)?;
        // A mailbox does not change its owner.
        if owner != mailbox.owner {
            return Err(Refusal::NoPermission);
        }
        let operation = self.store.operation_id();
        self.store
            .rename_mailbox(&self.access, operation, mailbox.id, name)
            .await
            .or_refusal()?;
        Ok(Answer::Done)
    }

    pub(super) async fn subscribe(
        &mut self,
        name: &MailboxName,
        subscription: Subscription,
    ) -> Answered {
        let on = subscription == Subscription::On;
        self.store
            .subscribe(&self.access, self.person, name.as_str().to_owned(), on)
            .await
            .or_refusal()?;
        Ok(Answer::Done)
    }
}
