//! Keys of rows: the domain first, then the table, then what the table says. All numbers are
//! big-endian, so the order of bytes is the order of numbers.

use mail::{DomainId, EnvelopeId, MailboxId, ModSeq, OperationId, PersonId, Timestamp, Uid};

use crate::engine::agenda::{Lane, Spot};
use crate::queue::Priority;
use crate::{ContentId, Owner, QueueId, TraceKey};

/// A key under construction or finished.
pub(crate) type Key = Vec<u8>;

/// Tables. The numbers are on the disk: never change or reuse one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Table {
    Mailbox = 1,
    Name = 2,
    Message = 3,
    Change = 4,
    Expunged = 5,
    Content = 6,
    Usage = 7,
    Subscription = 8,
    Acl = 9,
    Shared = 10,
    Queue = 11,
    Kv = 12,
    Setting = 13,
    Trace = 14,
    Operation = 15,
    Member = 16,
    ContentKey = 17,
    Presence = 18,
    Feed = 24,
    FeedAt = 25,
    FeedGone = 26,
    FeedLog = 27,
    Full = 28,
    Deleted = 29,
    TraceBy = 20,
    // Host-owned: secondary indexes and bodies, which several domains share.
    Meta = 32,
    Body = 33,
    BodyAt = 34,
    /// Rows by due time in stores written before [`Table::Turn`] was there.
    OldDue = 35,
    QueueAt = 36,
    ByChannel = 37,
    Depth = 38,
    Expiry = 39,
    OperationAge = 40,
    Dead = 41,
    Namer = 42,
    Turn = 48,
    Node = 49,
    Started = 50,
}

const HOST: DomainId = DomainId(0);

/// `domain table`
pub(crate) fn table(domain: DomainId, table: Table) -> Key {
    let mut key = Vec::with_capacity(32);
    key.extend_from_slice(&domain.0.to_be_bytes());
    key.push(table as u8);
    key
}

fn with(mut key: Key, number: u64) -> Key {
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn with_uid(mut key: Key, uid: Uid) -> Key {
    key.extend_from_slice(&uid.0.to_be_bytes());
    key
}

fn with_text(mut key: Key, text: &[u8]) -> Key {
    key.extend_from_slice(text);
    key
}

/// Signed milliseconds in an order of bytes.
fn instant(at: Timestamp) -> u64 {
    (at.0 as u64) ^ (1 << 63)
}

/// The instant back from its bytes.
pub(crate) fn instant_of(bytes: &[u8]) -> Timestamp {
    Timestamp((number_of(bytes) ^ (1 << 63)) as i64)
}

/// The first eight bytes as a number; shorter input counts as zero.
pub(crate) fn number_of(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk::<8>()
        .map_or(0, |chunk| u64::from_be_bytes(*chunk))
}

/// The last four bytes as a UID.
pub(crate) fn uid_of(key: &[u8]) -> Uid {
    Uid(key
        .last_chunk::<4>()
        .map_or(0, |chunk| u32::from_be_bytes(*chunk)))
}

/// The last eight bytes as a number.
pub(crate) fn last_number(key: &[u8]) -> u64 {
    key.last_chunk::<8>()
        .map_or(0, |chunk| u64::from_be_bytes(*chunk))
}

/// The first key behind all that begin with `prefix`.
pub(crate) fn after(prefix: &[u8]) -> Key {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX; prefix.len() + 1]
}

/// Kind and id of an owner, on the disk.
pub(crate) fn owner_number(owner: Owner) -> (u8, u64) {
    match owner {
        Owner::Domain => (0, 0),
        Owner::Person(person) => (1, person.0),
        Owner::Group(group) => (2, group.0),
    }
}

/// The owner back from its numbers. `None`: no such kind.
pub(crate) fn owner_of(kind: u8, id: u64) -> Option<Owner> {
    match kind {
        0 => Some(Owner::Domain),
        1 => Some(Owner::Person(PersonId(id))),
        2 => Some(Owner::Group(mail::GroupId(id))),
        _ => None,
    }
}

fn with_owner(mut key: Key, owner: Owner) -> Key {
    let (kind, id) = owner_number(owner);
    key.push(kind);
    with(key, id)
}

/// Is this of a table whose rows are encrypted as a whole?
pub(crate) fn is_encrypted(key: &[u8]) -> bool {
    const TABLES: [u8; 5] = [
        Table::Mailbox as u8,
        Table::Subscription as u8,
        Table::Queue as u8,
        Table::Kv as u8,
        Table::Trace as u8,
    ];
    key.get(8).is_some_and(|table| TABLES.contains(table))
}

/// Is this of a table whose rows are encrypted with the key of the domain?
pub(crate) fn is_of_domain(key: &[u8]) -> bool {
    const TABLES: [u8; 3] = [Table::Queue as u8, Table::Kv as u8, Table::Trace as u8];
    key.get(8).is_some_and(|table| TABLES.contains(table))
}

pub(crate) fn mailbox(domain: DomainId, id: MailboxId) -> Key {
    with(table(domain, Table::Mailbox), id.0)
}

pub(crate) fn names_of(domain: DomainId, owner: Owner) -> Key {
    with_owner(table(domain, Table::Name), owner)
}

pub(crate) fn names_below(domain: DomainId, owner: Owner, parent: u64) -> Key {
    with(names_of(domain, owner), parent)
}

/// As format 1 wrote it.
pub(crate) fn name(domain: DomainId, owner: Owner, parent: u64, name: &str) -> Key {
    with_text(names_below(domain, owner, parent), name.as_bytes())
}

/// No name begins with a zero byte, so this is none of format 1.
pub(crate) fn hidden_name(domain: DomainId, owner: Owner, parent: u64, token: &[u8]) -> Key {
    with_text(with_text(names_below(domain, owner, parent), &[0]), token)
}

pub(crate) fn messages(domain: DomainId, mailbox: MailboxId) -> Key {
    with(table(domain, Table::Message), mailbox.0)
}

pub(crate) fn message(domain: DomainId, mailbox: MailboxId, uid: Uid) -> Key {
    with_uid(messages(domain, mailbox), uid)
}

pub(crate) fn changes(domain: DomainId, mailbox: MailboxId) -> Key {
    with(table(domain, Table::Change), mailbox.0)
}

pub(crate) fn changes_at(domain: DomainId, mailbox: MailboxId, modseq: ModSeq) -> Key {
    with(changes(domain, mailbox), modseq.0)
}

pub(crate) fn change(domain: DomainId, mailbox: MailboxId, modseq: ModSeq, uid: Uid) -> Key {
    with_uid(changes_at(domain, mailbox, modseq), uid)
}

pub(crate) fn expunges(domain: DomainId, mailbox: MailboxId) -> Key {
    with(table(domain, Table::Expunged), mailbox.0)
}

pub(crate) fn expunges_at(domain: DomainId, mailbox: MailboxId, modseq: ModSeq) -> Key {
    with(expunges(domain, mailbox), modseq.0)
}

pub(crate) fn expunged(domain: DomainId, mailbox: MailboxId, modseq: ModSeq, uid: Uid) -> Key {
    with_uid(expunges_at(domain, mailbox, modseq), uid)
}

pub(crate) fn content(domain: DomainId, content: ContentId) -> Key {
    with(table(domain, Table::Content), content.0)
}

pub(crate) fn content_keys(domain: DomainId, content: ContentId) -> Key {
    with(table(domain, Table::ContentKey), content.0)
}

pub(crate) fn content_key(domain: DomainId, content: ContentId, owner: Owner) -> Key {
    with_owner(content_keys(domain, content), owner)
}

/// The owner of a [`content_key`].
pub(crate) fn content_key_owner(key: &[u8]) -> Option<Owner> {
    // domain, table, content, then the owner.
    owner_of(*key.get(17)?, last_number(key))
}

pub(crate) fn usage(domain: DomainId, owner: Owner) -> Key {
    with_owner(table(domain, Table::Usage), owner)
}

pub(crate) fn subscriptions(domain: DomainId, person: PersonId) -> Key {
    with(table(domain, Table::Subscription), person.0)
}

/// As format 1 wrote it.
pub(crate) fn subscription(domain: DomainId, person: PersonId, name: &str) -> Key {
    with_text(subscriptions(domain, person), name.as_bytes())
}

pub(crate) fn hidden_subscription(domain: DomainId, person: PersonId, token: &[u8]) -> Key {
    with_text(with_text(subscriptions(domain, person), &[0]), token)
}

pub(crate) fn acls(domain: DomainId, mailbox: MailboxId) -> Key {
    with(table(domain, Table::Acl), mailbox.0)
}

pub(crate) fn acl(domain: DomainId, mailbox: MailboxId, person: PersonId) -> Key {
    with(acls(domain, mailbox), person.0)
}

pub(crate) fn members(domain: DomainId, group: Owner) -> Key {
    with_owner(table(domain, Table::Member), group)
}

pub(crate) fn member(domain: DomainId, group: Owner, person: PersonId) -> Key {
    with(members(domain, group), person.0)
}

pub(crate) fn shared_with(domain: DomainId, person: PersonId) -> Key {
    with(table(domain, Table::Shared), person.0)
}

pub(crate) fn shared(domain: DomainId, person: PersonId, mailbox: MailboxId) -> Key {
    with(shared_with(domain, person), mailbox.0)
}

/// The change feed of a domain, in the order of changes.
pub(crate) fn feeds(domain: DomainId) -> Key {
    table(domain, Table::Feed)
}

pub(crate) fn feed(domain: DomainId, sequence: u64, mailbox: MailboxId) -> Key {
    with(with(feeds(domain), sequence), mailbox.0)
}

/// Where a mailbox is in the feed.
pub(crate) fn feed_at(domain: DomainId, mailbox: MailboxId) -> Key {
    with(table(domain, Table::FeedAt), mailbox.0)
}

pub(crate) fn feed_gones(domain: DomainId) -> Key {
    table(domain, Table::FeedGone)
}

pub(crate) fn feed_gone(domain: DomainId, sequence: u64, mailbox: MailboxId) -> Key {
    with(with(feed_gones(domain), sequence), mailbox.0)
}

pub(crate) fn feed_log(domain: DomainId) -> Key {
    table(domain, Table::FeedLog)
}

/// The first key behind the one of a feed table with these numbers.
pub(crate) fn behind(table: &[u8], sequence: u64, mailbox: u64) -> Key {
    let mut key = with(with(table.to_vec(), sequence), mailbox);
    key.push(0);
    key
}

pub(crate) fn full(domain: DomainId, owner: Owner) -> Key {
    with_owner(table(domain, Table::Full), owner)
}

/// Messages of a mailbox with `\Deleted`.
pub(crate) fn deleted(domain: DomainId, mailbox: MailboxId) -> Key {
    with(table(domain, Table::Deleted), mailbox.0)
}

pub(crate) fn deleted_at(domain: DomainId, mailbox: MailboxId, uid: Uid) -> Key {
    with_uid(deleted(domain, mailbox), uid)
}

/// Blocks of a mailbox.
pub(crate) fn presence(domain: DomainId, mailbox: MailboxId) -> Key {
    with(table(domain, Table::Presence), mailbox.0)
}

/// The block of this number; in the place of a UID.
pub(crate) fn presence_at(domain: DomainId, mailbox: MailboxId, block: u32) -> Key {
    with_uid(presence(domain, mailbox), Uid(block))
}

pub(crate) fn queue(domain: DomainId, id: QueueId) -> Key {
    with(table(domain, Table::Queue), id.0)
}

pub(crate) fn kv_prefix(domain: DomainId, plugin: &str, prefix: &[u8]) -> Key {
    let mut key = table(domain, Table::Kv);
    // Plugin names are at most 255 bytes: `engine::kv` checks it.
    key.push(u8::try_from(plugin.len()).unwrap_or(u8::MAX));
    with_text(with_text(key, plugin.as_bytes()), prefix)
}

pub(crate) fn setting(domain: DomainId, setting: &[u8]) -> Key {
    with_text(table(domain, Table::Setting), setting)
}

pub(crate) fn traces(domain: DomainId, envelope: EnvelopeId) -> Key {
    with(table(domain, Table::Trace), envelope.0)
}

pub(crate) fn trace(domain: DomainId, envelope: EnvelopeId, number: u64) -> Key {
    with(traces(domain, envelope), number)
}

/// The messages of a domain that are found by this. A hash: rows stay short whatever a sender
/// writes, and addresses do not stand in keys.
pub(crate) fn traced(domain: DomainId, by: &TraceKey) -> Key {
    let (kind, text) = by.parts();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&domain.0.to_be_bytes());
    hasher.update(&[kind]);
    hasher.update(text.as_bytes());
    let mut key = table(domain, Table::TraceBy);
    key.push(kind);
    key.extend_from_slice(&hasher.finalize().as_bytes()[..16]);
    key
}

pub(crate) fn traced_as(domain: DomainId, by: &TraceKey, envelope: EnvelopeId) -> Key {
    with(traced(domain, by), envelope.0)
}

/// There where the host's part of the trace is this domain's too.
pub(crate) fn trace_of_sender(domain: DomainId, envelope: EnvelopeId) -> Key {
    let mut key = table(domain, Table::TraceBy);
    key.push(0);
    with(key, envelope.0)
}

/// Keys as one value, each behind its length.
pub(crate) fn pack(keys: &[Key]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(keys.iter().map(|key| key.len() + 1).sum());
    for key in keys {
        // Keys of this use have some forty bytes.
        packed.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
        packed.extend_from_slice(key);
    }
    packed
}

/// The keys of a packed value.
pub(crate) fn unpack(mut packed: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((&length, rest)) = packed.split_first() {
        let length = usize::from(length).min(rest.len());
        keys.push(rest[..length].to_vec());
        packed = &rest[length..];
    }
    keys
}

pub(crate) fn operation(domain: DomainId, operation: OperationId) -> Key {
    with_text(table(domain, Table::Operation), &operation.0.to_be_bytes())
}

pub(crate) fn meta(name: &str) -> Key {
    with_text(table(HOST, Table::Meta), name.as_bytes())
}

pub(crate) fn body(id: mail::BodyId) -> Key {
    with(table(HOST, Table::Body), id.0)
}

pub(crate) fn body_at(id: mail::BodyId) -> Key {
    with(table(HOST, Table::BodyAt), id.0)
}

/// Bytes of bodies in a settled segment that no row names any more.
pub(crate) fn dead(segment: u64) -> Key {
    with(table(HOST, Table::Dead), segment)
}

/// A content that names the body.
pub(crate) fn namer(id: mail::BodyId) -> Key {
    with(table(HOST, Table::Namer), id.0)
}

/// All [`body_at`] rows.
pub(crate) fn bodies_at() -> Key {
    table(HOST, Table::BodyAt)
}

pub(crate) fn old_dues() -> Key {
    table(HOST, Table::OldDue)
}

/// A row that is to be taken into the agenda. Stores of before there was one had the due time
/// between.
pub(crate) fn old_due(id: QueueId) -> Key {
    with(old_dues(), id.0)
}

fn spot(mut key: Key, spot: Spot) -> Key {
    // The level first: nodes of different levels do not mix.
    match spot {
        Spot::Priority(priority) => key.extend_from_slice(&[0, priority as u8]),
        Spot::Account(priority, account) => {
            key.extend_from_slice(&[1, priority as u8]);
            return with(key, account);
        }
        Spot::Lane(lane) => {
            key.extend_from_slice(&[2, lane.priority as u8]);
            return with(with(key, lane.account), lane.destination);
        }
    }
    key
}

pub(crate) fn node(at: Spot) -> Key {
    spot(table(HOST, Table::Node), at)
}

pub(crate) fn nodes() -> Key {
    table(HOST, Table::Node)
}

/// The place in a [`node`] key.
pub(crate) fn spot_of(key: &[u8]) -> Option<Spot> {
    // Behind domain and table.
    spot_in(key.get(9..)?)
}

fn spot_in(place: &[u8]) -> Option<Spot> {
    let [level, priority, rest @ ..] = place else {
        return None;
    };
    let mut all = Priority::ALL.into_iter();
    let priority = all.find(|known| *known as u8 == *priority)?;
    match (level, rest.len()) {
        (0, 0) => Some(Spot::Priority(priority)),
        (1, 8) => Some(Spot::Account(priority, number_of(rest))),
        (2, 16) => Some(Spot::Lane(Lane {
            priority,
            account: number_of(rest),
            destination: last_number(rest),
        })),
        _ => None,
    }
}

/// The first key behind this one.
pub(crate) fn next(key: &[u8]) -> Key {
    let mut next = key.to_vec();
    next.push(0);
    next
}

/// The children of a node, by time.
pub(crate) fn turns(of: Spot) -> Key {
    spot(table(HOST, Table::Turn), of)
}

pub(crate) fn turn(of: Spot, at: Timestamp, child: u64) -> Key {
    with(with(turns(of), instant(at)), child)
}

/// The node, the time and the child of a [`turn`] key.
pub(crate) fn turn_at(key: &[u8]) -> Option<(Spot, Timestamp, u64)> {
    let (place, _) = key.get(9..)?.split_last_chunk::<16>()?;
    Some((spot_in(place)?, turn_time(key), last_number(key)))
}

/// All turns of all nodes.
pub(crate) fn all_turns() -> Key {
    table(HOST, Table::Turn)
}

/// Where a row waits, until when, and its id. `None`: the turn is not a row's.
pub(crate) fn turn_of_row(key: &[u8]) -> Option<(Lane, Timestamp, u64)> {
    match turn_at(key)? {
        (Spot::Lane(lane), at, child) => Some((lane, at, child)),
        _ => None,
    }
}

/// The time in a [`turn`] key.
pub(crate) fn turn_time(key: &[u8]) -> Timestamp {
    let start = key.len().saturating_sub(16);
    instant_of(&key[start..])
}

/// Rows with an attempt that began.
pub(crate) fn all_started() -> Key {
    table(HOST, Table::Started)
}

pub(crate) fn started(id: QueueId) -> Key {
    with(all_started(), id.0)
}

pub(crate) fn queue_at(id: QueueId) -> Key {
    with(table(HOST, Table::QueueAt), id.0)
}

pub(crate) fn channel(domain: DomainId, channel: &str) -> Key {
    let mut key = with(table(HOST, Table::ByChannel), domain.0);
    key.push(u8::try_from(channel.len()).unwrap_or(u8::MAX));
    with_text(key, channel.as_bytes())
}

pub(crate) fn by_channel(domain: DomainId, name: &str, created: Timestamp, id: QueueId) -> Key {
    with(with(channel(domain, name), instant(created)), id.0)
}

pub(crate) fn depth(domain: DomainId, channel: &str) -> Key {
    with_text(
        with(table(HOST, Table::Depth), domain.0),
        channel.as_bytes(),
    )
}

pub(crate) fn expiries() -> Key {
    table(HOST, Table::Expiry)
}

pub(crate) fn expiries_until(at: Timestamp) -> Key {
    with(expiries(), instant(at))
}

pub(crate) fn expiry(at: Timestamp, key: &[u8]) -> Key {
    with_text(expiries_until(at), key)
}

pub(crate) fn operation_ages() -> Key {
    table(HOST, Table::OperationAge)
}

pub(crate) fn operation_age(sequence: u64) -> Key {
    with(operation_ages(), sequence)
}
