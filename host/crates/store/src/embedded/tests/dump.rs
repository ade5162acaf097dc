//! Everything that can be seen in a store, as lines: what a crash may change is compared whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mail::{Access, GroupId, MailboxId, ModSeq, PersonId, Tenant};

use crate::embedded::tests::script::tenant;
use crate::{
    Flags, Mailbox, Message, Owner, QueueFilter, QueueRow, QueueState, Result, Source, Store,
};

/// The domains of the lives here, beside the host itself.
pub(crate) const DOMAINS: [u64; 3] = [1, 2, 3];
pub(crate) const PEOPLE: [PersonId; 2] = [PersonId(11), PersonId(12)];
pub(crate) const GROUP: GroupId = GroupId(21);
pub(crate) const PLUGINS: [&str; 2] = ["autoreply", "greylist"];

/// Lines by key. A key begins with its domain and what it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dump(pub(crate) BTreeMap<String, String>);

impl Dump {
    /// Reads all of it, every byte of mail too.
    pub(crate) fn of(store: &dyn Store) -> Result<Self> {
        let mut dump = Self::default();
        dump.values(store, Tenant::HOST, 0)?;
        dump.queue(store, Tenant::HOST, 0)?;
        for domain in DOMAINS {
            let tenant = tenant(domain);
            dump.mailboxes(store, tenant, domain)?;
            dump.queue(store, tenant, domain)?;
            dump.values(store, tenant, domain)?;
        }
        for depth in store.depth()? {
            let key = format!("{}/count/depth/{}", depth.domain.0, depth.channel);
            dump.line(key, format!("{} parked {}", depth.rows, depth.parked));
        }
        Ok(dump)
    }

    fn line(&mut self, key: String, value: String) {
        self.0.insert(key, value);
    }

    fn mailboxes(&mut self, store: &dyn Store, tenant: Tenant, domain: u64) -> Result<()> {
        let access = Access::system(tenant);
        let owners = PEOPLE.map(Owner::Person);
        for owner in owners.into_iter().chain([Owner::Group(GROUP)]) {
            for mailbox in store.mailboxes(&access, owner)? {
                // Shared ones are seen by several, and belong to one.
                if mailbox.owner == owner {
                    self.mailbox(store, &access, domain, &mailbox)?;
                }
            }
            self.usage(store, &access, domain, owner)?;
        }
        self.usage(store, &access, domain, Owner::Domain)?;
        for person in PEOPLE {
            let names = store.subscriptions(&access, person)?;
            if !names.is_empty() {
                self.line(
                    format!("{domain}/subscriptions/{}", person.0),
                    names.join(" "),
                );
            }
        }
        Ok(())
    }

    fn usage(
        &mut self,
        store: &dyn Store,
        access: &Access,
        domain: u64,
        owner: Owner,
    ) -> Result<()> {
        let usage = store.usage(access, owner)?;
        if usage != crate::Usage::default() {
            let value = format!("{} bytes, {} messages", usage.bytes, usage.messages);
            self.line(format!("{domain}/count/usage/{owner:?}"), value);
        }
        Ok(())
    }

    fn mailbox(
        &mut self,
        store: &dyn Store,
        access: &Access,
        domain: u64,
        mailbox: &Mailbox,
    ) -> Result<()> {
        let Mailbox { id, status, .. } = mailbox;
        let mut rights = String::new();
        for (person, letters) in store.rights(access, *id)? {
            let _ = write!(rights, " {}={letters}", person.0);
        }
        let value = format!(
            "{:?} {} use {:?} epoch {} keywords {:?} rights{rights}",
            mailbox.owner,
            mailbox.name,
            mailbox.special_use,
            status.uid_validity.0,
            mailbox.keywords
        );
        self.line(format!("{domain}/mailbox/{}", id.0), value);
        let changes = store.changes_since(access, *id, ModSeq(0))?;
        let value = format!(
            "next {} modseq {} messages {} unseen {} deleted {} bytes {} expunged {:?} {}",
            status.uid_next.0,
            status.highest_modseq.0,
            status.messages,
            status.unseen,
            status.deleted,
            status.bytes,
            changes.expunged.iter().map(|uid| uid.0).collect::<Vec<_>>(),
            changes.complete
        );
        self.line(format!("{domain}/count/mailbox/{}", id.0), value);
        let rows = store.rows(access, *id, 1..=u32::MAX)?;
        let survey = store.survey(access, *id)?;
        assert!(survey.uids.iter().eq(rows.iter().map(|row| row.uid)));
        let unseen = rows.iter().filter(|row| !row.flags.contains(Flags::SEEN));
        assert!(survey.unseen.iter().eq(unseen.map(|row| row.uid)));
        for row in rows {
            let source = Source::Message(*id, row.uid);
            let hash = hash(store, access, source)?;
            let key = format!("{domain}/message/{}/{}", id.0, row.uid.0);
            self.line(key, message(&row, &hash));
        }
        Ok(())
    }

    fn queue(&mut self, store: &dyn Store, tenant: Tenant, domain: u64) -> Result<()> {
        let access = Access::system(tenant);
        let filter = QueueFilter {
            max: usize::MAX,
            ..QueueFilter::default()
        };
        for row in store.queue(&access, &filter)? {
            // The host lists the rows of all domains, and has some of its own.
            if row.domain.0 == domain {
                let hash = hash(store, &access, Source::Queue(row.id))?;
                self.line(format!("{domain}/queue/{}", row.id.0), queued(&row, &hash));
            }
        }
        Ok(())
    }

    fn values(&mut self, store: &dyn Store, tenant: Tenant, domain: u64) -> Result<()> {
        let access = Access::system(tenant);
        for plugin in PLUGINS {
            for entry in store.kv_list(&access, plugin, b"", usize::MAX)? {
                let key = format!("{domain}/kv/{plugin}/{}", text(&entry.key));
                let until = entry.expires.map(|until| until.0);
                self.line(key, format!("{} until {until:?}", text(&entry.value)));
            }
        }
        for (key, value) in store.settings(&access, b"")? {
            self.line(format!("{domain}/setting/{}", text(&key)), text(&value));
        }
        let traces = store.recent_traces(&access, usize::MAX)?;
        for (number, entry) in traces.iter().rev().enumerate() {
            let key = format!("{domain}/trace/{}/{number:04}", entry.envelope.0);
            self.line(key, format!("{:?}", entry.line));
        }
        Ok(())
    }

    /// The counters follow from the rows, and no UID is beyond the next one.
    pub(crate) fn check_counters(&self) -> std::result::Result<(), String> {
        for (key, line) in self.of_kind("count") {
            let Some((domain, mailbox)) = key.split_once("/count/mailbox/") else {
                continue;
            };
            let numbers: Vec<u64> = line
                .split(' ')
                .filter_map(|word| word.parse().ok())
                .collect();
            let (next, count, bytes) = (numbers[0], numbers[2], numbers[5]);
            let prefix = format!("{domain}/message/{mailbox}/");
            let rows: Vec<(u64, u64)> = self
                .0
                .range(prefix.clone()..)
                .take_while(|(key, _)| key.starts_with(&prefix))
                .filter_map(|(key, row)| {
                    let size = row.split(' ').nth(1)?.parse().ok()?;
                    Some((key[prefix.len()..].parse().ok()?, size))
                })
                .collect();
            let sizes: u64 = rows.iter().map(|(_, size)| size).sum();
            if rows.len() as u64 != count
                || sizes != bytes
                || rows.iter().any(|(uid, _)| *uid >= next)
            {
                return Err(format!("{key} says {line}, and there are {rows:?}"));
            }
        }
        Ok(())
    }

    /// Is each line as in one of two states? Counters are checked against the rows instead.
    pub(crate) fn check_between(
        &self,
        before: &Self,
        after: &Self,
    ) -> std::result::Result<(), String> {
        let keys: BTreeSet<&String> = [self, before, after]
            .iter()
            .flat_map(|dump| dump.0.keys())
            .collect();
        for key in keys {
            let found = self.0.get(key);
            let is_counter = key.contains("/count/");
            if !is_counter && found != before.0.get(key) && found != after.0.get(key) {
                return Err(format!("{key} is {found:?}"));
            }
        }
        self.check_counters()
    }

    /// The first line that is another one, for people.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let key = keys
            .into_iter()
            .find(|key| self.0.get(*key) != other.0.get(*key))?;
        let (this, that) = (self.0.get(key), other.0.get(key));
        Some(format!("{key}: {this:?}, expected {that:?}"))
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = (&String, &String)> {
        let infix = format!("/{kind}/");
        self.0.iter().filter(move |(key, _)| key.contains(&infix))
    }

    /// Mailboxes by domain.
    pub(crate) fn mailbox_ids(&self) -> Vec<(u64, MailboxId)> {
        let keys = self.of_kind("mailbox").map(|(key, _)| key);
        keys.filter(|key| !key.contains("/count/"))
            .filter_map(|key| {
                let (domain, id) = key.split_once("/mailbox/")?;
                Some((domain.parse().ok()?, MailboxId(id.parse().ok()?)))
            })
            .collect()
    }

    /// Ids and epochs of mailboxes.
    pub(crate) fn epochs(&self) -> Vec<(u64, u64)> {
        let ids = self.mailbox_ids().into_iter();
        let epoch = |(domain, id): (u64, MailboxId)| {
            let line = self.0.get(&format!("{domain}/mailbox/{}", id.0))?;
            let (_, rest) = line.rsplit_once(" epoch ")?;
            Some((id.0, rest.split(' ').next()?.parse().ok()?))
        };
        ids.filter_map(epoch).collect()
    }

    /// The UID that the next message gets.
    pub(crate) fn uid_next(&self, domain: u64, mailbox: MailboxId) -> Option<u64> {
        let line = self
            .0
            .get(&format!("{domain}/count/mailbox/{}", mailbox.0))?;
        line.split(' ').nth(1)?.parse().ok()
    }

    pub(crate) fn to_text(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|(key, value)| format!("{key}\t{value}\n"));
        lines.collect()
    }

    pub(crate) fn from_text(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        Self(
            lines
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }
}

fn hash(store: &dyn Store, access: &Access, source: Source) -> Result<String> {
    let bytes = store.content(access, source)?.read_all()?;
    Ok(blake3::hash(&bytes).to_hex()[..32].to_owned())
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn message(row: &Message, hash: &str) -> String {
    let flags: Vec<&str> = row.flags.names().collect();
    let copied = match row.object == row.email {
        true => String::new(),
        false => format!(" copied {}", row.object.0),
    };
    format!(
        "size {} {hash} email {} thread {} modseq {}/{} dates {}{:+} {} {} utf8 {} {} {}{copied}",
        row.size,
        row.email.0,
        row.thread.0,
        row.created.0,
        row.changed.0,
        row.internal_date.0,
        row.internal_offset_minutes,
        row.received.0,
        row.saved.0,
        row.utf8,
        flags.join(" "),
        row.keywords.join(" ")
    )
}

fn queued(row: &QueueRow, hash: &str) -> String {
    // A lease is in memory only: for the disk a leased row is ready.
    let state = match row.state {
        QueueState::Ready | QueueState::Leased => "ready".to_owned(),
        QueueState::Parked(reason) => format!("{reason:?} {:?}", row.parked),
    };
    let started = row
        .started
        .as_ref()
        .map(|started| (started.attempt, &started.label));
    format!(
        "size {} {hash} {state} {:?} from {:?} to {:?} due {} attempts {} dates {} {} last {:?} started {started:?} told {} utf8 {}",
        row.size,
        row.work,
        row.envelope.reverse_path,
        row.address,
        row.due.0,
        row.attempts,
        row.created.0,
        row.expires.0,
        row.last.as_ref().map(|(_, text)| text),
        row.delay_told,
        row.utf8
    )
}
