//! The agenda beside the queue, both ways: every row that is to be claimed has its turn, every
//! node its first child and its place in the node above, and nothing else has one.

use mail::{DomainId, Tenant, Timestamp};

use super::Audit;
use crate::Result;
use crate::engine::agenda::{Beside, Spot, entry};
use crate::keys::{self, Table};
use crate::queue::QueueId;
use crate::rows::{NodeRow, WorkRow, decode, is_locked};
use crate::view::{Order, ViewExt};

impl Audit<'_, '_> {
    /// What the agenda must have for a row.
    pub(super) fn turn_of(&mut self, domain: DomainId, id: QueueId, row: &WorkRow) -> Result<()> {
        if let Some((lane, at)) = entry(domain, row) {
            let beside = Beside {
                domain,
                message: row.envelope.id,
            };
            let turn = self.view.raw(&keys::turn(Spot::Lane(lane), at, id.0))?;
            if turn.is_none_or(|found| found != beside.bytes()) {
                let what = format!("queue row {id}: the agenda has no turn for it, or a wrong one");
                self.found.problem("index", what);
            }
        }
        if row.started.is_some() {
            self.expect(&keys::started(id), "index", || {
                format!("queue row {id}: it is not in the list of attempts that began")
            })?;
        }
        Ok(())
    }

    /// What the agenda has, and whether it is of something.
    pub(super) fn agenda(&mut self) -> Result<()> {
        let host = Tenant::HOST.domain();
        self.table(host, Table::Turn, |audit, key, value| {
            let Some((spot, at, child)) = keys::turn_at(key) else {
                let what = "a turn of the agenda is of no place".to_owned();
                audit.found.problem("index", what);
                return Ok(());
            };
            audit.expect(&keys::node(spot), "index", || {
                format!("the agenda has a turn below {spot:?}, which is not there")
            })?;
            match spot.child(child) {
                Some(below) => audit.turn_of_node(below, at),
                None => audit.turn_of_row(spot, at, QueueId(child), value),
            }
        })?;
        self.table(host, Table::Node, |audit, key, value| {
            audit.node(key, value)
        })?;
        self.table(host, Table::Started, |audit, key, value| {
            let id = QueueId(keys::last_number(key));
            let domain = DomainId(decode(value)?);
            let row = audit.work(domain, id)?;
            if row.is_some_and(|row| row.is_none_or(|row| row.started.is_none())) {
                let what = format!("queue row {id}: no attempt began, and a list says so");
                audit.found.problem("index", what);
            }
            Ok(())
        })
    }

    fn turn_of_node(&mut self, below: Spot, at: Timestamp) -> Result<()> {
        let node: Option<NodeRow> = self.view.row(&keys::node(below))?;
        if node.is_none_or(|node| node.at() != at) {
            let what =
                format!("the agenda has a turn for {below:?}, which is elsewhere or nowhere");
            self.found.problem("index", what);
        }
        Ok(())
    }

    fn turn_of_row(&mut self, spot: Spot, at: Timestamp, id: QueueId, value: &[u8]) -> Result<()> {
        let domain = Beside::read(value).domain;
        let Some(row) = self.work(domain, id)? else {
            return Ok(());
        };
        let expected = row.and_then(|row| entry(domain, &row));
        let is_it = expected.is_some_and(|(lane, due)| Spot::Lane(lane) == spot && due == at);
        if !is_it {
            let what = format!("queue row {id}: the agenda has a turn for it that is not its own");
            self.found.problem("index", what);
        }
        Ok(())
    }

    /// A queue row, if there is one; `None`: its key is gone, and nothing can be said.
    fn work(&self, domain: DomainId, id: QueueId) -> Result<Option<Option<WorkRow>>> {
        match self.view.raw(&keys::queue(domain, id))? {
            Some(value) if is_locked(&value) => Ok(None),
            Some(value) => decode(&value).map(|row| Some(Some(row))),
            None => Ok(Some(None)),
        }
    }

    fn node(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let Some(spot) = keys::spot_of(key) else {
            let what = "a node of the agenda is of no place".to_owned();
            self.found.problem("index", what);
            return Ok(());
        };
        let row: NodeRow = decode(value)?;
        let all = keys::turns(spot);
        let first = self
            .view
            .range(&all, &keys::after(&all), Order::Ascending, 1)?;
        let first = first.first().and_then(|(key, _)| keys::turn_at(key));
        if first.is_none_or(|(_, at, child)| (at, child) != row.first) {
            let what = format!("the agenda's {spot:?} names a first child that is not its first");
            self.found.problem("index", what);
        }
        let Some((parent, number)) = spot.parent() else {
            return Ok(());
        };
        self.expect(&keys::turn(parent, row.at(), number), "index", || {
            format!("the agenda's {spot:?} has no turn in the node above")
        })
    }
}
