//! The mail of one person, in and out.

use std::collections::VecDeque;
use std::io::{Read, Write};

use anyhow::{Context as _, bail};
use directory::{DomainEntry, PersonEntry};
use mail::{Access, limits, words};
use store::{Effect, Error, NewMessage, Owner, Pending, Place};

use super::archive::{Item, Reader, Writer};
use super::entries::{MessageFacts, OwnerName};
use super::export::{Export, own_mailboxes, own_name};
use super::import::begin;
use crate::intake::quotas_of;
use crate::site::Site;

/// Where it is kept what was imported; no plugin can have this name.
const KEPT: &str = "postroom/import";

/// Writes the mailboxes of a person, or the one of this name. Blocks.
pub(crate) fn export_person(
    site: &Site,
    domain: &DomainEntry,
    person: &PersonEntry,
    only: Option<&str>,
    out: impl Write,
) -> anyhow::Result<()> {
    let mut export = Export {
        site,
        access: Access::system(domain.tenant()),
        writer: Writer::new(out)?,
    };
    export.begin("mail", &person.mail.to_string())?;
    let name = OwnerName::Person(person.mail.clone());
    let mailboxes = own_mailboxes(site, &export.access, Owner::Person(person.id))?;
    for (mailbox, number) in mailboxes.iter().zip(1..) {
        if only.is_none_or(|only| own_name(mailbox) == only) {
            let uids = 1..mailbox.status.uid_next.0;
            export.messages(mailbox, &name, &format!("mail/{number:04}"), uids)?;
        }
    }
    export.writer.finish()?.flush()?;
    Ok(())
}

/// What an import brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct PersonImport {
    pub(crate) imported: u64,
    /// Imported before.
    pub(crate) known: u64,
    /// What was not taken, and why.
    pub(crate) refused: Vec<(String, String)>,
}

/// Puts the messages of an archive into the mailboxes of a person; what an earlier run put there
/// is not put there again, even if it was moved or removed since. Blocks.
pub(crate) fn import_person(
    site: &Site,
    domain: &DomainEntry,
    person: &PersonEntry,
    input: impl Read,
) -> anyhow::Result<PersonImport> {
    let mut reader = Reader::new(input)?;
    begin(&mut reader, "mail")?;
    let mut import = Import {
        site,
        access: Access::system(domain.tenant()),
        domain,
        person,
        pending: VecDeque::new(),
        done: PersonImport::default(),
    };
    while let Some(item) = reader.next()? {
        import.take(&mut reader, &item)?;
    }
    while !import.pending.is_empty() {
        import.settle()?;
    }
    Ok(import.done)
}

struct Import<'a> {
    site: &'a Site,
    access: Access,
    domain: &'a DomainEntry,
    person: &'a PersonEntry,
    pending: VecDeque<(String, Pending<()>)>,
    done: PersonImport,
}

impl Import<'_> {
    fn take<R: Read>(&mut self, reader: &mut Reader<R>, item: &Item) -> anyhow::Result<()> {
        let facts: MessageFacts = item.facts()?;
        let most = self.site.settings().config.limits.message_bytes;
        if item.size() > most {
            reader.skip(item)?;
            let bytes = item.size().to_string();
            let why = words::CLI_IMPORT_SIZE.text_with(&[("bytes", &bytes)]);
            self.done.refused.push((facts.label, why));
            return Ok(());
        }
        let store = &self.site.store;
        let mut body = store.begin_body()?;
        let mut hasher = blake3::Hasher::new();
        reader.read(item, &mut |part| {
            hasher.update(part);
            Ok(body.write(part)?)
        })?;
        let owner = Owner::Person(self.person.id);
        let (owner_quota, domain_quota) = quotas_of(self.site, self.domain.id, owner);
        let message = NewMessage {
            flags: facts.flags(),
            keywords: facts.keywords.clone(),
            internal_date: facts.date.map(|date| (date, facts.offset)),
            owner_quota,
            domain_quota,
            ..NewMessage::new(vec![body.finish()?.piece()])
        };
        let effects = vec![
            Effect::KvCompareAndSet {
                plugin: KEPT.to_owned(),
                key: self.key(&facts, &hasher.finalize()),
                expected: None,
                value: Some(Vec::new()),
                expires: Some(crate::site::now().plus_seconds(limits::IMPORT_KNOWN_SECONDS)),
            },
            Effect::Append {
                place: Place::Named(owner, facts.mailbox.clone()),
                message: Box::new(message),
            },
        ];
        let pending = store.commit(&self.access, store.operation_id(), effects);
        self.pending.push_back((facts.label, pending));
        if self.pending.len() >= limits::IMPORT_AHEAD {
            self.settle()?;
        }
        Ok(())
    }

    /// Whose, where, which bytes, and the how manieth of those.
    fn key(&self, facts: &MessageFacts, hash: &blake3::Hash) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(facts.mailbox.len() as u64).to_le_bytes());
        hasher.update(facts.mailbox.as_bytes());
        hasher.update(hash.as_bytes());
        hasher.update(&facts.copy.to_le_bytes());
        let mut key = self.person.id.0.to_be_bytes().to_vec();
        key.extend_from_slice(hasher.finalize().as_bytes());
        key
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        let Some((label, pending)) = self.pending.pop_front() else {
            return Ok(());
        };
        match pending.wait() {
            Ok(()) => self.done.imported += 1,
            Err(Error::Conflict) => self.done.known += 1,
            Err(Error::Invalid(why)) => self.done.refused.push((label, why)),
            Err(Error::OverQuota(owner)) => {
                let whose = match owner {
                    Owner::Domain => self.domain.name.to_string(),
                    _ => self.person.mail.to_string(),
                };
                bail!(words::CLI_IMPORT_QUOTA.help_with(&[
                    ("whose", &whose),
                    ("label", &label),
                    ("count", &self.done.imported.to_string()),
                ]));
            }
            Err(error) => return Err(error).with_context(|| format!("at '{label}'")),
        }
        Ok(())
    }
}
