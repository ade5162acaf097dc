//! From a domain to an archive.

use std::cmp::Ordering;
use std::io::Write;
use std::ops::Range;

use anyhow::{Context as _, ensure};
use mail::{Access, DomainId, MailboxId, Uid, words};
use routing::Owner as OptionOwner;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Mailbox, Message, Owner, QueueFilter, QueueId, QueueRow, SHARED_ROOT, Source, Work};

use super::archive::{Bytes, Extent, FIRST, Writer};
use super::domain::Subtree;
use super::entries::{
    ArchiveFacts, FORMAT, KvFacts, MailboxFacts, MessageFacts, OwnerName, PersonFacts, QueueFacts,
    SettingFacts, StoredFacts, SubscriptionFacts,
};
use super::part::Part;
use crate::intake::OptionWork;
use crate::site::Site;

/// Rows asked for at a time.
const PAGE: usize = 500;
/// UIDs in one window: mailboxes that were emptied once are sparse in one place and dense in the
/// next.
const WIDTH_MAX: u64 = 64 * PAGE as u64;
/// Settings that belong to an import under way.
pub(super) const IMPORT_SETTINGS: &[u8] = b"import/";

/// Where an export goes on.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    /// What is there.
    pub(crate) extent: Extent,
    /// As the mark has it.
    pub(crate) cursor: Value,
}

impl Resume {
    /// Of the part that is there.
    pub(crate) fn of(part: &Part) -> Self {
        Self {
            extent: part.extent,
            cursor: part.cursor.clone(),
        }
    }

    /// Reads what [`std::fmt::Display`] wrote.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let (extent, cursor) = serde_json::from_str(text)?;
        Ok(Self { extent, cursor })
    }
}

impl std::fmt::Display for Resume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", json!((self.extent, &self.cursor)))
    }
}

/// What was written last of what may be much. Ids: it is read by the server that wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    domain: DomainId,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    Mail {
        owner: Owner,
        mailbox: MailboxId,
        uid: Uid,
        /// UIDs that the mailbox had when it was begun.
        end: Uid,
    },
    Kv {
        plugin: String,
        key: Vec<u8>,
    },
    Queue(QueueId),
}

/// Writes a domain, all of it or what comes behind the part that is there. Blocks. What changes
/// meanwhile is in it or not: set the domain `inactive` where it moves for good.
///
/// The directory stands at the begin of what is written now too: whoever came meanwhile is in it.
pub(crate) fn export_domain(
    site: &Site,
    subtree: &Subtree,
    resume: Option<Resume>,
    out: impl Write,
) -> anyhow::Result<()> {
    let (extent, place) = match resume {
        None => (Extent::NOTHING, None),
        Some(resume) => {
            let cursor: Cursor = serde_json::from_value(resume.cursor)?;
            ensure!(
                cursor.domain == subtree.domain.id,
                words::CLI_EXPORT_OTHER.text_with(&[("name", subtree.domain.name.as_str())])
            );
            (resume.extent, Some(cursor.place))
        }
    };
    let mut export = Export {
        site,
        access: Access::system(subtree.domain.tenant()),
        writer: Writer::behind(out, extent)?,
    };
    if place.is_none() {
        export.begin("domain", subtree.domain.name.as_str())?;
    }
    export.directory(subtree)?;
    if place.is_none() {
        export.plugins()?;
    }
    if matches!(place, None | Some(Place::Mail { .. })) {
        export.mail(subtree, place.as_ref())?;
    }
    export.subscriptions(subtree)?;
    if !matches!(place, Some(Place::Queue(_))) {
        export.kv(place.as_ref())?;
    }
    export.queue(subtree, place.as_ref())?;
    export.writer.finish()?.flush()?;
    Ok(())
}

/// An archive being written.
pub(super) struct Export<'a, W: Write> {
    pub(super) site: &'a Site,
    pub(super) access: Access,
    pub(super) writer: Writer<W>,
}

impl<W: Write> Export<'_, W> {
    pub(super) fn begin(&mut self, kind: &str, name: &str) -> anyhow::Result<()> {
        let mut id = [0; 16];
        crate::site::random(&mut id)?;
        let facts = ArchiveFacts {
            format: FORMAT,
            id: format!("{:032x}", u128::from_be_bytes(id)),
            kind: kind.to_owned(),
            name: name.to_owned(),
            made: crate::site::now().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: self.site.hostname.to_string(),
        };
        self.writer.put(FIRST, &facts, &Bytes::Here(&[]))
    }

    fn directory(&mut self, subtree: &Subtree) -> anyhow::Result<()> {
        let nothing = Bytes::Here(&[]);
        self.writer
            .put("directory/domain", &*subtree.domain, &nothing)?;
        for person in &subtree.people {
            let hashes = person.password_hashes.iter();
            let facts = PersonFacts {
                person: serde_json::to_value(&**person)?,
                password_hashes: hashes.map(|hash| hash.expose_secret().clone()).collect(),
            };
            let path = format!("directory/people/{}", person.mail);
            self.writer.put(&path, &facts, &nothing)?;
        }
        for group in &subtree.groups {
            let path = format!("directory/groups/{}", group.mail);
            self.writer.put(&path, &**group, &nothing)?;
        }
        for alias in &subtree.aliases {
            let path = format!("directory/aliases/{}", alias.address);
            self.writer.put(&path, &**alias, &nothing)?;
        }
        Ok(())
    }

    /// Settings, and before them the components that they name and that do not come with the
    /// server.
    fn plugins(&mut self) -> anyhow::Result<()> {
        let settings = self.site.store.settings(&self.access, b"")?;
        let folder = self.site.settings().config.data.join("plugins");
        let named: Vec<_> = settings
            .iter()
            .filter(|(key, _)| key.starts_with(b"plugins/"))
            .map(|(_, value)| String::from_utf8_lossy(value))
            .collect();
        let mut components: Vec<_> = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .collect();
        components.sort();
        for path in components {
            let digest = path.file_stem().unwrap_or_default().to_string_lossy();
            if digest.is_empty() || !named.iter().any(|text| text.contains(digest.as_ref())) {
                continue;
            }
            let bytes =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = format!("plugins/{digest}.wasm");
            self.writer.put(&name, &json!({}), &Bytes::Here(&bytes))?;
        }
        for (number, (key, value)) in settings.into_iter().enumerate() {
            if key.starts_with(IMPORT_SETTINGS) {
                continue;
            }
            let path = format!("settings/{number:04}");
            self.writer
                .put(&path, &SettingFacts { key }, &Bytes::Here(&value))?;
        }
        Ok(())
    }

    /// All mailboxes in the order of ids, which nobody changes meanwhile, behind `place`.
    fn mail(&mut self, subtree: &Subtree, place: Option<&Place>) -> anyhow::Result<()> {
        let mut owners: Vec<_> = subtree.owners().collect();
        owners.sort_by_key(|(owner, _)| *owner);
        for (number, (owner, name)) in owners.iter().enumerate() {
            let mut mailboxes = own_mailboxes(self.site, &self.access, *owner)?;
            mailboxes.sort_by_key(|mailbox| mailbox.id);
            for (mailbox, at) in mailboxes.iter().zip(1..) {
                let begun = match place {
                    Some(Place::Mail {
                        owner: last,
                        mailbox: begun,
                        uid,
                        end,
                    }) => match (*last, *begun).cmp(&(*owner, mailbox.id)) {
                        Ordering::Greater => continue,
                        Ordering::Equal => Some((*uid, *end)),
                        Ordering::Less => None,
                    },
                    _ => None,
                };
                let folder = format!("mail/{number:04}-{}/{at:04}", name.address());
                if begun.is_none() {
                    self.mailbox(subtree, mailbox, name, &folder)?;
                }
                let window = match begun {
                    Some((uid, end)) => uid.0.saturating_add(1)..end.0,
                    None => 1..mailbox.status.uid_next.0,
                };
                self.messages(mailbox, name, &folder, window)?;
            }
        }
        Ok(())
    }

    fn mailbox(
        &mut self,
        subtree: &Subtree,
        mailbox: &Mailbox,
        name: &OwnerName,
        folder: &str,
    ) -> anyhow::Result<()> {
        let rights = self.site.store.rights(&self.access, mailbox.id)?;
        let rights = rights
            .into_iter()
            .filter_map(|(person, rights)| Some((subtree.address_of(person)?, rights.to_string())));
        let facts = MailboxFacts {
            owner: name.clone(),
            name: own_name(mailbox).to_owned(),
            special_use: mailbox.special_use,
            uid_validity: mailbox.status.uid_validity.0,
            uid_next: mailbox.status.uid_next.0,
            highest_modseq: mailbox.status.highest_modseq.0,
            rights: rights.collect(),
        };
        let path = format!("{folder}/mailbox");
        self.writer.put(&path, &facts, &Bytes::Here(&[]))
    }

    /// The messages of a mailbox with these UIDs, in windows that fit how densely they lie. What
    /// comes meanwhile has larger ones and is left out.
    pub(super) fn messages(
        &mut self,
        mailbox: &Mailbox,
        owner: &OwnerName,
        folder: &str,
        uids: Range<u32>,
    ) -> anyhow::Result<()> {
        let mut from = u64::from(uids.start);
        let mut width = PAGE as u64;
        let end = u64::from(uids.end);
        while from < end {
            let last = (from + width - 1).min(end - 1);
            let window = u32::try_from(from)?..=u32::try_from(last)?;
            let rows = self.site.store.rows(&self.access, mailbox.id, window)?;
            for row in &rows {
                self.message(mailbox, owner, folder, row)?;
                let place = Place::Mail {
                    owner: mailbox.owner,
                    mailbox: mailbox.id,
                    uid: row.uid,
                    end: Uid(uids.end),
                };
                self.pass(place)?;
            }
            from = last + 1;
            width = match rows.len() {
                few if few < PAGE / 2 => width.saturating_mul(2).min(WIDTH_MAX),
                many if many > PAGE => (width / 2).max(1),
                _ => width,
            };
        }
        Ok(())
    }

    /// Ends a part behind what was written last, where it is time.
    fn pass(&mut self, place: Place) -> anyhow::Result<()> {
        let domain = self.access.domain();
        self.writer.pass(|| json!(Cursor { domain, place }))
    }

    fn message(
        &mut self,
        mailbox: &Mailbox,
        owner: &OwnerName,
        folder: &str,
        row: &Message,
    ) -> anyhow::Result<()> {
        let source = Source::Message(mailbox.id, row.uid);
        let content = match self.site.store.content(&self.access, source) {
            Ok(content) => content,
            // Expunged meanwhile.
            Err(store::Error::NotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let facts = StoredFacts {
            owner: owner.clone(),
            uid: row.uid.0,
            email: row.email.0,
            object: (row.object != row.email).then_some(row.object.0),
            thread: row.thread.0,
            created: row.created.0,
            changed: row.changed.0,
            received: row.received,
            saved: row.saved,
            utf8: row.utf8,
            message: MessageFacts {
                mailbox: own_name(mailbox).to_owned(),
                label: String::new(),
                date: Some(row.internal_date),
                offset: row.internal_offset_minutes,
                flags: row.flags.names().map(str::to_owned).collect(),
                keywords: row.keywords.clone(),
                copy: 0,
            },
        };
        let path = format!("{folder}/{}.eml", row.uid.0);
        self.writer
            .put(&path, &facts, &Bytes::Stored(&content))
            .with_context(|| format!("message {} of {}", row.uid.0, own_name(mailbox)))
    }

    fn subscriptions(&mut self, subtree: &Subtree) -> anyhow::Result<()> {
        for person in &subtree.people {
            let facts = SubscriptionFacts {
                person: person.mail.clone(),
                names: self.site.store.subscriptions(&self.access, person.id)?,
            };
            if !facts.names.is_empty() {
                let path = format!("subscriptions/{}", person.mail);
                self.writer.put(&path, &facts, &Bytes::Here(&[]))?;
            }
        }
        Ok(())
    }

    fn kv(&mut self, place: Option<&Place>) -> anyhow::Result<()> {
        let mut last = match place {
            Some(Place::Kv { plugin, key }) => Some((plugin.clone(), key.clone())),
            _ => None,
        };
        let mut number = 0;
        loop {
            let after = last
                .as_ref()
                .map(|(plugin, key)| (plugin.as_str(), key.as_slice()));
            let page = self.site.store.kv_all(&self.access, after, PAGE)?;
            let Some((plugin, entry)) = page.last() else {
                return Ok(());
            };
            last = Some((plugin.clone(), entry.key.clone()));
            for (plugin, entry) in page {
                number += 1;
                let path = format!("kv/{plugin}/{number:06}");
                let facts = KvFacts {
                    plugin,
                    key: entry.key,
                    expires: entry.expires,
                };
                self.writer.put(&path, &facts, &Bytes::Here(&entry.value))?;
                let KvFacts { plugin, key, .. } = facts;
                self.pass(Place::Kv { plugin, key })?;
            }
        }
    }

    fn queue(&mut self, subtree: &Subtree, place: Option<&Place>) -> anyhow::Result<()> {
        let after = match place {
            Some(Place::Queue(id)) => Some(*id),
            _ => None,
        };
        let mut filter = QueueFilter {
            after,
            max: PAGE,
            ..QueueFilter::default()
        };
        loop {
            let rows = self.site.store.queue(&self.access, &filter)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            filter.after = Some(last.id);
            for row in rows {
                let content = match self.site.store.content(&self.access, Source::Queue(row.id)) {
                    Ok(content) => content,
                    // Delivered meanwhile.
                    Err(store::Error::NotFound) => continue,
                    Err(error) => return Err(error.into()),
                };
                let (id, path) = (row.id, format!("queue/{}.eml", row.id));
                let facts = queue_facts(row, subtree);
                self.writer.put(&path, &facts, &Bytes::Stored(&content))?;
                self.pass(Place::Queue(id))?;
            }
        }
    }
}

fn queue_facts(row: QueueRow, subtree: &Subtree) -> QueueFacts {
    let authenticated = row
        .envelope
        .authenticated
        .and_then(|person| subtree.address_of(person));
    let owner = option_work(&row.work).and_then(|work| {
        subtree.name_of(match work.owner {
            OptionOwner::Person(person) => Owner::Person(person),
            OptionOwner::Group(group) => Owner::Group(group),
        })
    });
    let parked = match row.state {
        store::QueueState::Parked(reason) => Some((reason, row.parked.unwrap_or_default())),
        _ => None,
    };
    QueueFacts {
        envelope: row.envelope,
        authenticated,
        recipient: row.recipient.0,
        original: row.original,
        address: row.address,
        work: row.work,
        owner,
        parked,
        due: row.due,
        attempts: row.attempts,
        created: row.created,
        expires: row.expires,
        last: row.last,
        delay_told: row.delay_told,
    }
}

/// The work of a delivery option, which says by id whose it is.
pub(super) fn option_work(work: &Work) -> Option<OptionWork> {
    match work {
        Work::Process { context, .. } => serde_json::from_slice(context).ok(),
        Work::Remote { .. } => None,
    }
}

/// The mailboxes that are the owner's own.
pub(super) fn own_mailboxes(
    site: &Site,
    access: &Access,
    owner: Owner,
) -> anyhow::Result<Vec<Mailbox>> {
    let mut mailboxes = site.store.mailboxes(access, owner)?;
    mailboxes.retain(|mailbox| mailbox.owner == owner);
    Ok(mailboxes)
}

/// Its name among its owner's own.
pub(super) fn own_name(mailbox: &Mailbox) -> &str {
    match mailbox.owner {
        Owner::Group(_) => mailbox
            .name
            .strip_prefix(SHARED_ROOT)
            .and_then(|name| name.strip_prefix('/'))
            .unwrap_or(&mailbox.name),
        _ => &mailbox.name,
    }
}
