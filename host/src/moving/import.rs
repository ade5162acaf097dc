//! From an archive to a domain.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;

use anyhow::{Context as _, bail, ensure};
use directory::{AdminError, Change, DomainChanges, LookupError, NewDomain, Set, State};
use mail::{
    Access, Domain, EmailId, Mailbox, ModSeq, PersonId, Principal, RecipientId, Tenant, ThreadId,
    Uid, UidValidity, limits, words,
};
use routing::Owner as OptionOwner;
use serde_json::Value;
use store::{
    Brought, BroughtMailbox, BroughtMessage, BroughtRow, KvEntry, Mark, NewMessage, Owner,
    ParkedReason, Piece, Rights, Work,
};
use tokio::runtime::Handle;

use super::archive::{self, FIRST, Item, Reader};
use super::domain;
use super::entries::{
    ArchiveFacts, FORMAT, KvFacts, MailboxFacts, OwnerName, PersonFacts, QueueFacts, SettingFacts,
    StoredFacts, SubscriptionFacts,
};
use super::export::option_work;
use crate::admin::ApiError;
use crate::shared;
use crate::site::Site;

/// In the domain: the number of the last item that is in.
const MARK: &[u8] = b"import/mark";
/// What an import brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) domain: String,
    pub(crate) people: u64,
    pub(crate) mailboxes: u64,
    pub(crate) messages: u64,
    pub(crate) queued: u64,
    /// Items that an earlier try had brought.
    pub(crate) skipped: u64,
}

/// Makes a domain of an archive, or goes on with it. Blocks.
pub(crate) fn import_domain(
    site: &Site,
    handle: &Handle,
    input: impl Read,
) -> anyhow::Result<Imported> {
    let mut reader = Reader::new(input)?;
    let first = begin(&mut reader, "domain")?;
    let name = Domain::parse(&first.name)
        .map_err(|error| anyhow::anyhow!("'{}' is no domain: {error}", first.name))?;
    claim(site, handle, &name, &first.id)?;
    let mut import = Import {
        site,
        handle,
        name: name.clone(),
        made: first.made,
        tenant: None,
        wanted: State::Active,
        done: 0,
        batch: Vec::new(),
        bytes: 0,
        last: 0,
        owners: HashMap::new(),
        people: BTreeSet::new(),
        imported: Imported {
            domain: name.to_string(),
            ..Imported::default()
        },
    };
    while let Some(item) = reader.next()? {
        import.take(&mut reader, &item)?;
    }
    import.flush()?;
    import.finish()?;
    Ok(import.imported)
}

/// Reads the first item, and says what is wrong with an archive of another kind.
pub(super) fn begin<R: Read>(reader: &mut Reader<R>, kind: &str) -> anyhow::Result<ArchiveFacts> {
    let none = || words::CLI_ARCHIVE_NONE.text_with(&[("kind", kind)]);
    let first = reader.next()?.with_context(none)?;
    ensure!(first.path == FIRST, none());
    let facts: ArchiveFacts = first.facts()?;
    reader.skip(&first)?;
    ensure!(
        facts.format <= FORMAT,
        words::CLI_ARCHIVE_NEWER.text_with(&[("version", &facts.version)])
    );
    ensure!(
        facts.kind == kind,
        words::CLI_ARCHIVE_KIND.text_with(&[("found", &facts.kind), ("kind", kind)])
    );
    Ok(facts)
}

const HOST: Access = Access {
    tenant: Tenant::HOST,
    principal: Principal::System,
};

/// At the host: which archive is on its way into a domain.
fn claim_key(name: &Domain) -> Vec<u8> {
    format!("import/{name}").into_bytes()
}

/// Only a new domain is imported, or one that this very archive was on its way into.
fn claim(site: &Site, handle: &Handle, name: &Domain, id: &str) -> anyhow::Result<()> {
    let key = claim_key(name);
    match site.store.setting(&HOST, &key)? {
        Some(known) if known == id.as_bytes() => return Ok(()),
        Some(_) => bail!(ApiError::conflict(
            words::CLI_IMPORT_OTHER.text_with(&[("name", name.as_str())])
        )),
        None => {}
    }
    match handle.block_on(site.directory.domain(name)) {
        Ok(_) => bail!(ApiError::conflict(
            words::CLI_IMPORT_EXISTS.text_with(&[("name", name.as_str())])
        )),
        Err(LookupError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    set(site, &HOST, key, Some(id.as_bytes().to_vec()))
}

fn set(site: &Site, access: &Access, key: Vec<u8>, value: Option<Vec<u8>>) -> anyhow::Result<()> {
    let operation = site.store.operation_id();
    let changes = vec![(key, value)];
    Ok(site.store.set_settings(access, operation, changes).wait()?)
}

/// An import under way.
struct Import<'a> {
    site: &'a Site,
    handle: &'a Handle,
    name: Domain,
    made: String,
    /// Once the domain is there.
    tenant: Option<Tenant>,
    /// The state it had.
    wanted: State,
    /// The last item that is in, by an earlier try or by this one.
    done: u64,
    batch: Vec<Brought>,
    bytes: u64,
    /// The last item of the batch.
    last: u64,
    owners: HashMap<String, Option<Owner>>,
    people: BTreeSet<String>,
    imported: Imported,
}

impl Import<'_> {
    fn take<R: Read>(&mut self, reader: &mut Reader<R>, item: &Item) -> anyhow::Result<()> {
        let kind = item.path.split('/').next().unwrap_or_default();
        if kind == "directory" {
            self.directory(item)
                .with_context(|| format!("'{}'", item.path))?;
            return reader.skip(item);
        }
        if item.number <= self.done {
            self.imported.skipped += 1;
            return reader.skip(item);
        }
        match kind {
            "plugins" => {
                let bytes = reader.read_all(item, limits::IMPORT_COMPONENT)?;
                self.component(bytes)
                    .with_context(|| format!("'{}'", item.path))
            }
            "settings" => {
                let facts: SettingFacts = item.facts()?;
                let value = reader.read_all(item, limits::IMPORT_SETTING)?;
                // Which components are the domain's own was said when they were installed. How far
                // an import is belongs to this one.
                if facts.key == b"plugins/uploads" || facts.key == MARK {
                    return Ok(());
                }
                self.bring(item, Brought::Setting(facts.key, value))
            }
            // Only for who writes it on.
            archive::MARK => reader.skip(item),
            "mail" if item.path.ends_with("/mailbox") => {
                self.mailbox(item)?;
                reader.skip(item)
            }
            "mail" => self.message(reader, item),
            "subscriptions" => {
                self.subscriptions(item)?;
                reader.skip(item)
            }
            "kv" => {
                let facts: KvFacts = item.facts()?;
                let entry = KvEntry {
                    key: facts.key,
                    value: reader.read_all(item, limits::IMPORT_VALUE)?,
                    expires: facts.expires,
                };
                self.bring(item, Brought::Kv(facts.plugin, entry))
            }
            "queue" => self.queued(reader, item),
            _ => bail!("the archive has '{}', which is not known here", item.path),
        }
    }

    fn tenant(&self) -> anyhow::Result<Tenant> {
        self.tenant
            .context("the archive has mail before it has a domain")
    }

    fn access(&self) -> anyhow::Result<Access> {
        Ok(Access::system(self.tenant()?))
    }

    fn apply(&self, change: Change) -> anyhow::Result<bool> {
        match self
            .handle
            .block_on(self.site.directory.apply(Principal::Site, change))
        {
            Ok(_) => Ok(true),
            // There from an earlier try.
            Err(AdminError::Taken { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn directory(&mut self, item: &Item) -> anyhow::Result<()> {
        let mut kinds = item.path.split('/').skip(1);
        match kinds.next().unwrap_or_default() {
            "domain" => self.domain(&item.facts()?),
            "people" => {
                let facts: PersonFacts = item.facts()?;
                let (new, hashes) = domain::new_person(facts)?;
                let mail = new.mail.clone();
                self.own(&mail)?;
                if !self.is_there(&mail) {
                    self.apply(Change::AddPerson(new))?;
                }
                // The address may be taken by something else.
                ensure!(self.is_there(&mail), "{mail} is no person here");
                // An archive that was written in several tries has the directory several times.
                self.people.insert(mail.key());
                self.imported.people = self.people.len() as u64;
                self.apply(Change::SetPasswordHashes(mail, hashes))?;
                Ok(())
            }
            "groups" => {
                let new = domain::new_group(item.facts()?)?;
                self.own(&new.mail)?;
                let tenant = self.tenant()?;
                let groups = self.handle.block_on(self.site.directory.groups(tenant))?;
                if !groups
                    .iter()
                    .any(|group| group.mail.key() == new.mail.key())
                {
                    self.apply(Change::AddGroup(new))?;
                }
                Ok(())
            }
            "aliases" => {
                let facts: Value = item.facts()?;
                let new = domain::new_alias(&facts)?;
                self.own(&new.address)?;
                self.apply(Change::AddAlias(new))?;
                Ok(())
            }
            other => bail!("'{other}' is not known here"),
        }
    }

    /// Refuses an address of another domain: nothing of an archive goes beyond its own.
    fn own(&self, address: &Mailbox) -> anyhow::Result<()> {
        let tenant = self.tenant()?;
        let home = self.site.directory.domain(address.domain());
        match self.handle.block_on(home) {
            Ok(home) if home.tenant() == tenant => Ok(()),
            Ok(_) | Err(LookupError::NotFound(_)) => bail!(words::CLI_IMPORT_FOREIGN.text_with(&[
                ("address", &address.to_string()),
                ("name", self.name.as_str())
            ])),
            Err(error) => Err(error.into()),
        }
    }

    fn is_there(&self, mail: &Mailbox) -> bool {
        let Some(tenant) = self.tenant else {
            return false;
        };
        let found = self.site.directory.person_by_address(tenant, mail);
        self.handle.block_on(found).is_ok()
    }

    /// Inactive until the end, with every other attribute.
    fn domain(&mut self, entry: &Value) -> anyhow::Result<()> {
        let mut attributes = domain::domain_changes(entry)?;
        if let Set::To(state) = attributes.status {
            self.wanted = state;
        }
        attributes.status = Set::To(State::Inactive);
        match self.handle.block_on(self.site.directory.domain(&self.name)) {
            Ok(_) => {}
            Err(LookupError::NotFound(_)) => {
                let new = NewDomain {
                    attributes,
                    ..NewDomain::named(self.name.clone())
                };
                let added = Change::AddDomain(new);
                let added = self.site.directory.apply(Principal::Site, added);
                match self.handle.block_on(added) {
                    // An earlier try, whose client is gone and whose end is not here yet, made
                    // it between the look and this.
                    Ok(_) | Err(AdminError::Taken { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
        let found = self
            .handle
            .block_on(self.site.directory.domain(&self.name))?;
        ensure!(
            found.name == self.name,
            "'{}' is another name of {}",
            self.name,
            found.name
        );
        let is_known = self.tenant.replace(found.tenant()).is_some();
        if is_known {
            // The archive of an export that went on has the domain again. The mark may be
            // another import's by now.
            return Ok(());
        }
        let mark = self.site.store.setting(&self.access()?, MARK)?;
        let mark = mark.and_then(|mark| String::from_utf8(mark).ok()?.parse().ok());
        self.done = mark.unwrap_or(0);
        Ok(())
    }

    fn component(&self, bytes: Vec<u8>) -> anyhow::Result<()> {
        let installed =
            self.site
                .plugins
                .install(Principal::Site, self.tenant()?, bytes.into(), usize::MAX);
        self.handle.block_on(installed)?;
        Ok(())
    }

    /// Whose address it is here.
    fn owner(&mut self, name: &OwnerName) -> anyhow::Result<Owner> {
        let tenant = self.tenant()?;
        let directory = &self.site.directory;
        let key = format!("{name:?}");
        let known = match self.owners.get(&key) {
            Some(known) => *known,
            None => {
                let found = match name {
                    OwnerName::Person(address) => self
                        .handle
                        .block_on(directory.person_by_address(tenant, address))
                        .ok()
                        .map(|person| Owner::Person(person.id)),
                    OwnerName::Group(address) => self
                        .handle
                        .block_on(directory.groups(tenant))?
                        .iter()
                        .find(|group| group.mail.key() == address.key())
                        .map(|group| Owner::Group(group.id)),
                };
                self.owners.insert(key, found);
                found
            }
        };
        known.with_context(|| format!("{} is not in the archive's directory", name.address()))
    }

    fn person(&mut self, address: &Mailbox) -> anyhow::Result<PersonId> {
        match self.owner(&OwnerName::Person(address.clone()))? {
            Owner::Person(person) => Ok(person),
            _ => bail!("{address} is no person"),
        }
    }

    fn mailbox(&mut self, item: &Item) -> anyhow::Result<()> {
        let facts: MailboxFacts = item.facts()?;
        let owner = self.owner(&facts.owner)?;
        self.imported.mailboxes += 1;
        let mailbox = BroughtMailbox {
            owner,
            name: facts.name.clone(),
            special_use: facts.special_use,
            uid_validity: UidValidity(facts.uid_validity),
            uid_next: Uid(facts.uid_next),
            highest_modseq: ModSeq(facts.highest_modseq),
        };
        let mut brought = vec![Brought::Mailbox(mailbox)];
        // Those of a group come from the directory.
        for (address, letters) in facts.rights {
            if matches!(owner, Owner::Group(_)) {
                break;
            }
            brought.push(Brought::Rights {
                owner,
                mailbox: facts.name.clone(),
                person: self.person(&address)?,
                rights: Rights::parse(&letters)
                    .with_context(|| format!("'{letters}' are no rights"))?,
            });
        }
        self.bring_all(item, brought)
    }

    fn message<R: Read>(&mut self, reader: &mut Reader<R>, item: &Item) -> anyhow::Result<()> {
        let facts: StoredFacts = item.facts()?;
        let owner = self.owner(&facts.owner)?;
        let pieces = self.body(reader, item)?;
        let of_message = facts.message;
        let new = NewMessage {
            flags: of_message.flags(),
            keywords: of_message.keywords,
            internal_date: of_message.date.map(|date| (date, of_message.offset)),
            received: Some(facts.received),
            utf8: facts.utf8,
            ..NewMessage::new(pieces)
        };
        self.imported.messages += 1;
        let message = BroughtMessage {
            owner,
            mailbox: of_message.mailbox,
            uid: Uid(facts.uid),
            email: EmailId(facts.email),
            object: EmailId(facts.object.unwrap_or(facts.email)),
            thread: ThreadId(facts.thread),
            created: ModSeq(facts.created),
            changed: ModSeq(facts.changed),
            saved: facts.saved,
            message: new,
        };
        self.bring(item, Brought::Message(Box::new(message)))
    }

    fn body<R: Read>(&mut self, reader: &mut Reader<R>, item: &Item) -> anyhow::Result<Vec<Piece>> {
        let mut body = self.site.store.begin_body()?;
        reader.read(item, &mut |part| Ok(body.write(part)?))?;
        Ok(vec![body.finish()?.piece()])
    }

    fn subscriptions(&mut self, item: &Item) -> anyhow::Result<()> {
        let facts: SubscriptionFacts = item.facts()?;
        let person = self.person(&facts.person)?;
        let names = facts.names.into_iter();
        let brought = names.map(|name| Brought::Subscription(person, name));
        self.bring_all(item, brought.collect())
    }

    /// Waits until somebody releases it: the server it comes from may send it too.
    fn queued<R: Read>(&mut self, reader: &mut Reader<R>, item: &Item) -> anyhow::Result<()> {
        let facts: QueueFacts = item.facts()?;
        let pieces = self.body(reader, item)?;
        let mut envelope = facts.envelope;
        envelope.authenticated = match &facts.authenticated {
            Some(address) => Some(self.person(address)?),
            None => None,
        };
        let work = match &facts.owner {
            Some(name) => {
                let owner = self.owner(name)?;
                renamed(facts.work, owner)?
            }
            None => facts.work,
        };
        let parked = facts.parked.unwrap_or_else(|| {
            let text = format!(
                "came with the archive of {}; release it when no other server sends it",
                self.made
            );
            (ParkedReason::Restored, text)
        });
        let due = if parked.0 == ParkedReason::Restored {
            mail::Timestamp(i64::MAX)
        } else {
            facts.due
        };
        self.imported.queued += 1;
        let row = BroughtRow {
            envelope,
            recipient: RecipientId(facts.recipient),
            original: facts.original,
            address: facts.address,
            work,
            parked: Some(parked),
            due,
            attempts: facts.attempts,
            created: facts.created,
            expires: facts.expires,
            last: facts.last,
            delay_told: facts.delay_told,
            pieces,
        };
        self.bring(item, Brought::Queued(Box::new(row)))
    }

    fn bring(&mut self, item: &Item, brought: Brought) -> anyhow::Result<()> {
        self.bring_all(item, vec![brought])
    }

    /// All of an item is in one commit, so that the mark stands between items.
    fn bring_all(&mut self, item: &Item, brought: Vec<Brought>) -> anyhow::Result<()> {
        self.batch.extend(brought);
        self.bytes += item.waiting();
        self.last = item.number;
        if self.batch.len() >= limits::IMPORT_ITEMS || self.bytes >= limits::IMPORT_BYTES {
            self.flush()
                .with_context(|| format!("up to '{}'", item.path))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let mark = Mark {
            key: MARK.to_vec(),
            before: (self.done > 0).then(|| self.done.to_string().into_bytes()),
            after: self.last.to_string().into_bytes(),
        };
        match self.site.store.bring(&self.access()?, batch, mark).wait() {
            Err(store::Error::Conflict) => bail!(ApiError::conflict(
                words::CLI_IMPORT_TWICE.text_with(&[("name", self.name.as_str())])
            )),
            brought => brought?,
        }
        self.done = self.last;
        Ok(())
    }

    /// All is there: plugins and shared mailboxes first, then the domain has its state. A server
    /// that was killed in here has begun with the chain already.
    fn finish(&self) -> anyhow::Result<()> {
        let tenant = self.tenant()?;
        self.handle
            .block_on(self.site.plugins.publish_anew(tenant))?;
        self.handle
            .block_on(shared::reconcile(self.site, &self.name))?;
        let changes = DomainChanges {
            status: Set::To(self.wanted),
            ..DomainChanges::default()
        };
        let change = Change::SetDomain(self.name.clone(), changes);
        self.handle
            .block_on(self.site.directory.apply(Principal::Site, change))?;
        // The mark stays: another import of this archive that is slow must not begin again.
        set(self.site, &HOST, claim_key(&self.name), None)
    }
}

/// The work of a delivery option with its owner's id here.
fn renamed(work: Work, owner: Owner) -> anyhow::Result<Work> {
    let Some(mut option) = option_work(&work) else {
        return Ok(work);
    };
    option.owner = match owner {
        Owner::Person(person) => OptionOwner::Person(person),
        Owner::Group(group) => OptionOwner::Group(group),
        Owner::Domain => bail!("a delivery option is somebody's"),
    };
    let context = serde_json::to_vec(&option)?;
    Ok(match work {
        Work::Process { stage, .. } => Work::Process { stage, context },
        remote @ Work::Remote { .. } => remote,
    })
}
