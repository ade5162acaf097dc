//! Whose turn it is: the index by which queue rows are claimed.
//!
//! ```text
//! priority ─> account ─> destination ─> row
//! ```
//!
//! A tree of four levels, each level ordered by time in index rows. A row's time is when it is
//! due. A destination's or account's time is that of its first row, or the moment it was last
//! served if that is later: so whoever was served goes behind everybody who waits, however many
//! rows it has, and whoever has nothing due is not looked at.
//!
//! Each node writes down its first child. Looking for the next begins there, not at the deleted
//! rows that memory keeps before it until the next checkpoint: the cost of a turn does not hang
//! on how many rows there are or were.
//!
//! An account is the domain that the row is of. What leaves this host is of the host; its account
//! is the domain of the sender. Accounts of senders and destinations are hashes of their names:
//! all keys have one length, and names are not told twice. Two names with one hash share their
//! turns, which harms nobody.

use mail::{DomainId, EnvelopeId, ReversePath, Tenant, Timestamp};

use crate::engine::Tx;
use crate::queue::{Priority, QueueId, Work};
use crate::rows::{NodeRow, WorkRow, decode};
use crate::view::{Order, View, ViewExt, Walk};
use crate::{Error, Result, keys};

/// A node of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Spot {
    /// All of one priority; its children are accounts.
    Priority(Priority),
    /// Of one account; its children are destinations.
    Account(Priority, u64),
    /// Rows of one account for one destination; its children are rows.
    Lane(Lane),
}

/// Where a row waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) priority: Priority,
    pub(crate) account: u64,
    pub(crate) destination: u64,
}

impl Spot {
    /// The node above, and this one's number there.
    pub(crate) fn parent(self) -> Option<(Self, u64)> {
        match self {
            Self::Priority(_) => None,
            Self::Account(priority, account) => Some((Self::Priority(priority), account)),
            Self::Lane(lane) => {
                Some((Self::Account(lane.priority, lane.account), lane.destination))
            }
        }
    }

    /// The node of a child; rows are none.
    pub(crate) fn child(self, number: u64) -> Option<Self> {
        match self {
            Self::Priority(priority) => Some(Self::Account(priority, number)),
            Self::Account(priority, account) => Some(Self::Lane(Lane {
                priority,
                account,
                destination: number,
            })),
            Self::Lane(_) => None,
        }
    }
}

impl Lane {
    /// The lane of a row.
    pub(crate) fn of(domain: DomainId, row: &WorkRow) -> Self {
        Self {
            priority: Priority::of(row.envelope.direction, row.attempts, row.parked.is_some()),
            account: account(domain, row),
            destination: destination(row),
        }
    }
}

/// Who gets a share of its own.
fn account(domain: DomainId, row: &WorkRow) -> u64 {
    if domain != Tenant::HOST.domain() {
        return domain.0;
    }
    let sender = match &row.envelope.reverse_path {
        ReversePath::Mailbox(sender) => sender.domain().to_string(),
        ReversePath::Null => String::new(),
    };
    keys::number_of(blake3::hash(sender.as_bytes()).as_bytes())
}

/// What a row is for, as far as one place being slow or dead is concerned: the next hop, or the
/// hook or option.
fn destination(row: &WorkRow) -> u64 {
    let mut hash = blake3::Hasher::new();
    match &row.work {
        Work::Process { stage, .. } => hash.update(stage.as_bytes()),
        Work::Remote { channel, next_hop } => {
            hash.update(channel.as_bytes()).update(&[0]);
            match next_hop {
                Some(host) => hash.update(host.as_bytes()),
                None => hash.update(row.address.domain().to_string().as_bytes()),
            }
        }
    };
    keys::number_of(hash.finalize().as_bytes())
}

/// When the row is to be claimed, and where it waits for that; `None` for a row that waits for a
/// decision alone.
pub(crate) fn entry(domain: DomainId, row: &WorkRow) -> Option<(Lane, Timestamp)> {
    (row.due.0 < i64::MAX).then(|| (Lane::of(domain, row), row.due))
}

/// What stands beside a row on the agenda: enough to choose it without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beside {
    pub(crate) domain: DomainId,
    /// Rows of one message go together.
    pub(crate) message: EnvelopeId,
}

impl Beside {
    /// As it is written there.
    pub(crate) fn bytes(self) -> Vec<u8> {
        [self.domain.0, self.message.0]
            .map(u64::to_be_bytes)
            .concat()
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        Self {
            domain: DomainId(keys::number_of(bytes)),
            message: EnvelopeId(keys::last_number(bytes)),
        }
    }
}

/// A change of a node's child.
#[derive(Debug, Clone, Copy)]
struct Move {
    child: u64,
    old: Option<Timestamp>,
    new: Option<Timestamp>,
    /// With a row.
    beside: Option<Beside>,
    turn: Turn,
}

/// Why the agenda changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A row came, went or was moved by somebody.
    Kept,
    /// The row had its turn: destination and account go behind the others.
    Taken,
}

impl Tx<'_> {
    /// Brings the agenda up to date with a row that came, changed or went.
    pub(crate) fn schedule(
        &mut self,
        domain: DomainId,
        id: QueueId,
        old: Option<&WorkRow>,
        new: Option<&WorkRow>,
        turn: Turn,
    ) -> Result<()> {
        let beside = new.map(|row| Beside {
            domain,
            message: row.envelope.id,
        });
        let moved = |old, new, turn| Move {
            child: id.0,
            old,
            new,
            beside,
            turn,
        };
        let old = old.and_then(|row| entry(domain, row));
        let new = new.and_then(|row| entry(domain, row));
        match (old, new) {
            (Some((from, old)), Some((to, new))) if from == to => {
                self.change_turn(Spot::Lane(from), moved(Some(old), Some(new), turn))
            }
            (old, new) => {
                if let Some((lane, at)) = old {
                    self.change_turn(Spot::Lane(lane), moved(Some(at), None, turn))?;
                }
                match new {
                    Some((lane, at)) => {
                        self.change_turn(Spot::Lane(lane), moved(None, Some(at), Turn::Kept))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// Moves a child of a node in time, and the node in the one above it.
    fn change_turn(&mut self, spot: Spot, moved: Move) -> Result<()> {
        let Move {
            child,
            old,
            new,
            beside,
            turn,
        } = moved;
        let node: Option<NodeRow> = self.row(&keys::node(spot))?;
        if old != new {
            if let Some(at) = old {
                self.delete(keys::turn(spot, at, child));
            }
            if let Some(at) = new {
                let beside = beside.map(Beside::bytes);
                self.put_raw(keys::turn(spot, at, child), beside.unwrap_or_default());
            }
        }
        let mut first = node.map(|node| node.first);
        if let Some(at) = old
            && old != new
            && first == Some((at, child))
        {
            first = first_turn(self, spot, (at, child))?;
        }
        if let Some(at) = new
            && first.is_none_or(|first| (at, child) < first)
        {
            first = Some((at, child));
        }
        let is_root = matches!(spot, Spot::Priority(_));
        let served = match turn {
            Turn::Taken if !is_root => self.now,
            // The clock may have been ahead when it was served.
            _ => node.map_or(Timestamp(i64::MIN), |node| node.served.min(self.now)),
        };
        let changed = first.map(|first| NodeRow { first, served });
        if changed != node {
            match &changed {
                Some(row) => self.put(keys::node(spot), row),
                None => self.delete(keys::node(spot)),
            }
        }
        let Some((parent, number)) = spot.parent() else {
            return Ok(());
        };
        let at = |node: Option<NodeRow>| node.map(|node| node.at());
        let (before, after) = (at(node), at(changed));
        if before == after && turn == Turn::Kept {
            return Ok(());
        }
        let of_parent = Move {
            child: number,
            old: before,
            new: after,
            beside: None,
            turn,
        };
        self.change_turn(parent, of_parent)
    }

    /// Takes all rows of a domain from the agenda, without reading them.
    pub(crate) fn forget_account(&mut self, domain: DomainId) -> Result<()> {
        for (key, _) in self.prefix(&keys::all_turns(), usize::MAX)? {
            let Some((lane, at, child)) = keys::turn_of_row(&key) else {
                continue;
            };
            if lane.account == domain.0 {
                let gone = Move {
                    child,
                    old: Some(at),
                    new: None,
                    beside: None,
                    turn: Turn::Kept,
                };
                self.change_turn(Spot::Lane(lane), gone)?;
            }
        }
        Ok(())
    }

    /// Nodes from `from` on that were served while the clock was ahead: they were served now, and
    /// wait no longer than that. Looks at `max` at most; answers where to go on.
    pub(crate) fn correct_served(&mut self, from: &[u8], max: usize) -> Result<Option<keys::Key>> {
        let prefix = keys::nodes();
        let start = prefix.clone().max(from.to_vec());
        let nodes = self.range(&start, &keys::after(&prefix), Order::Ascending, max)?;
        let next = (nodes.len() >= max).then(|| nodes.last().map(|(key, _)| keys::next(key)));
        for (key, value) in nodes {
            let NodeRow { first, served } = decode(&value)?;
            if served <= self.now {
                continue;
            }
            let Some(spot) = keys::spot_of(&key) else {
                return Err(Error::Damaged(
                    "a node of the agenda is of no place".to_owned(),
                ));
            };
            let stays = Move {
                child: first.1,
                old: Some(first.0),
                new: Some(first.0),
                beside: None,
                turn: Turn::Kept,
            };
            self.change_turn(spot, stays)?;
        }
        Ok(next.flatten())
    }

    /// Rows of stores that were written before there was an agenda, or from which it is to be
    /// made again, at most `max`; answers how many there were.
    pub(crate) fn adopt_dues(&mut self, max: usize) -> Result<usize> {
        let old = self.prefix(&keys::old_dues(), max)?;
        let count = old.len();
        for (key, domain) in old {
            let (domain, id) = (DomainId(decode(&domain)?), QueueId(keys::last_number(&key)));
            self.delete(key);
            match self.row::<WorkRow>(&keys::queue(domain, id)) {
                Ok(None) => {}
                Ok(Some(row)) => {
                    self.schedule(domain, id, None, Some(&row), Turn::Kept)?;
                    if row.started.is_some() {
                        self.put(keys::started(id), &domain.0);
                    }
                }
                // It holds up no other, nor the start.
                Err(Error::Damaged(what)) => {
                    tracing::error!(row = %id, what, "a queue row cannot be read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

/// The first child of a node that is not before `from`.
fn first_turn<V: View + ?Sized>(
    view: &V,
    spot: Spot,
    from: (Timestamp, u64),
) -> Result<Option<(Timestamp, u64)>> {
    let mut first = None;
    view.walk(
        &keys::turn(spot, from.0, from.1),
        &keys::after(&keys::turns(spot)),
        Order::Ascending,
        &mut |key, _| {
            first = Some((keys::turn_time(key), keys::last_number(key)));
            Ok(Walk::Break(()))
        },
    )?;
    Ok(first)
}
