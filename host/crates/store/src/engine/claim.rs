//! Taking rows whose turn it is.
//!
//! Places are given out level by level: by priority, where the higher one gets twice what the
//! next one gets and what one does not use the others get; then in equal shares to the accounts
//! that wait longest; then in equal shares to the destinations of each. Whoever has rows in hand
//! comes behind those that have none. An account or a destination never has more in hand than
//! places are left: a slow one, or many slow ones, leave room for everybody else.
//!
//! The cost hangs on the rows taken and in hand, not on those that wait.

use mail::{DomainId, Timestamp};

use crate::Result;
use crate::engine::agenda::{Beside, Lane, Spot};
use crate::keys::{self, Key};
use crate::leases::{Hands, Place};
use crate::queue::{Priority, QueueId};
use crate::rows::{NodeRow, WorkRow, decode};
use crate::view::{Order, View, ViewExt, Walk};

/// Nodes looked at in one claim. Beyond it the next claim goes on where this one ended: only
/// many accounts that all wait for one destination get so far.
const LOOKS: usize = 2048;

/// What is asked for: rows due by `now`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) now: Timestamp,
    /// The store's clock, which says when somebody was served.
    pub(crate) clock: Timestamp,
    pub(crate) max: usize,
    /// Free places of the worker.
    pub(crate) room: usize,
}

/// Gives a row to the worker.
pub(crate) type Hold<'a> = &'a mut dyn FnMut(&mut Hands, QueueId, Lane);

/// A row and whose it is.
pub(crate) type Taken = (DomainId, QueueId);

/// A claim under way.
pub(crate) struct Draw<'a> {
    view: &'a dyn View,
    hands: &'a mut Hands,
    wanted: Wanted,
    /// Times up to which nodes are looked at: of a clock that went back too.
    until: Timestamp,
    looks: usize,
    taken: Vec<Taken>,
    hold: Hold<'a>,
}

/// Takes rows; `hold` is called for each.
pub(crate) fn claim(
    view: &dyn View,
    hands: &mut Hands,
    wanted: Wanted,
    hold: Hold<'_>,
) -> Result<Vec<Taken>> {
    let until = hands.latest(wanted.now.max(wanted.clock));
    let shares = hands.shares(wanted.max);
    let mut draw = Draw {
        view,
        hands,
        wanted,
        until,
        looks: 0,
        taken: Vec::new(),
        hold,
    };
    for (priority, share) in Priority::ALL.into_iter().zip(shares) {
        draw.share(Spot::Priority(priority), share)?;
    }
    // What is left over goes to the highest that has more.
    for priority in Priority::ALL {
        let left = wanted.max.saturating_sub(draw.taken.len());
        draw.share(Spot::Priority(priority), left)?;
    }
    Ok(draw.taken)
}

impl Draw<'_> {
    fn take(&mut self, spot: Spot, want: usize) -> Result<usize> {
        match spot {
            Spot::Lane(lane) => self.rows(lane, want),
            _ => self.share(spot, want),
        }
    }

    /// Up to `want` rows, in equal shares to the children of a node.
    fn share(&mut self, spot: Spot, want: usize) -> Result<usize> {
        let mut got = 0;
        if want == 0 {
            return Ok(got);
        }
        let mut from = self.begin(spot)?;
        while got < want
            && let Some(start) = from.take()
        {
            let (mut children, next) = self.children(spot, &start, want - got)?;
            from = next;
            while got < want && !children.is_empty() {
                let share = ((want - got) / children.len()).max(1);
                let mut with_more = Vec::with_capacity(children.len());
                for child in children {
                    if got >= want {
                        break;
                    }
                    let share = share.min(want - got);
                    let more = self.take(child, share)?;
                    got += more;
                    if more >= share {
                        with_more.push(child);
                    }
                }
                children = with_more;
            }
        }
        Ok(got)
    }

    /// Where the walk over a node's children begins.
    fn begin(&mut self, spot: Spot) -> Result<Option<Key>> {
        if let Spot::Priority(priority) = spot
            && let Some(key) = self.hands.resume(priority)
        {
            return Ok(Some(key));
        }
        let node: Option<NodeRow> = self.view.row(&keys::node(spot))?;
        Ok(node.map(|node| keys::turn(spot, node.first.0, node.first.1)))
    }

    /// Children whose time has come, those without rows in hand first; and where to go on, if
    /// there are more.
    fn children(
        &mut self,
        spot: Spot,
        from: &[u8],
        want: usize,
    ) -> Result<(Vec<Spot>, Option<Key>)> {
        let mut fresh = Vec::new();
        let mut busy = Vec::new();
        let mut next = None;
        let free = self.free();
        let (hands, looks) = (&*self.hands, &mut self.looks);
        let mut is_tired = false;
        self.view.walk(
            from,
            &keys::turn(spot, Timestamp(self.until.0.saturating_add(1)), 0),
            Order::Ascending,
            &mut |key, _| {
                is_tired = *looks >= LOOKS;
                if fresh.len() == want || is_tired {
                    next = Some(key.to_vec());
                    return Ok(Walk::Break(()));
                }
                *looks += 1;
                let Some(child) = spot.child(keys::last_number(key)) else {
                    return Ok(Walk::Continue(()));
                };
                let (place, limiting) = places(child);
                if hands.load(limiting).rows >= free {
                    return Ok(Walk::Continue(()));
                }
                match hands.load(place) {
                    load if load.rows == 0 => fresh.push(child),
                    load => busy.push((load.turn, child)),
                }
                Ok(Walk::Continue(()))
            },
        )?;
        if let Spot::Priority(priority) = spot {
            self.hands
                .set_resume(priority, next.clone().filter(|_| is_tired));
        }
        if is_tired {
            next = None;
        }
        busy.sort_unstable_by_key(|(turn, _)| *turn);
        fresh.extend(busy.into_iter().map(|(_, child)| child));
        Ok((fresh, next))
    }

    /// Rows of one lane that are due and free, oldest first. Those of one message stay together,
    /// up to a quarter of what is asked for in all.
    fn rows(&mut self, lane: Lane, want: usize) -> Result<usize> {
        let spot = Spot::Lane(lane);
        let Some(node) = self.view.row::<NodeRow>(&keys::node(spot))? else {
            return Ok(0);
        };
        let left = self.wanted.max.saturating_sub(self.taken.len());
        let most = left
            .min(self.allowance(Place::Account(lane.account)))
            .min(self.allowance(Place::Destination(lane.destination)));
        if most == 0 {
            return Ok(0);
        }
        let together = want.max(self.wanted.max / 4);
        let (mut ids, mut last) = (Vec::new(), None);
        let (hands, now) = (&*self.hands, self.wanted.now);
        self.view.walk(
            &keys::turn(spot, node.first.0, node.first.1),
            &keys::turn(spot, Timestamp(now.0.saturating_add(1)), 0),
            Order::Ascending,
            &mut |key, beside| {
                let id = QueueId(keys::last_number(key));
                if !hands.is_free(id, now) {
                    return Ok(Walk::Continue(()));
                }
                let beside = Beside::read(beside);
                let is_of_last = last.replace(beside.message) == Some(beside.message);
                let is_enough = ids.len() >= want && !is_of_last || ids.len() >= together;
                if is_enough || ids.len() == most {
                    return Ok(Walk::Break(()));
                }
                ids.push((beside.domain, id));
                Ok(Walk::Continue(()))
            },
        )?;
        for &(domain, id) in &ids {
            (self.hold)(self.hands, id, lane);
            self.taken.push((domain, id));
        }
        Ok(ids.len())
    }

    fn free(&self) -> usize {
        self.wanted.room.saturating_sub(self.taken.len())
    }

    /// How many more a place may have in hand, so that at least as many places stay free.
    fn allowance(&self, place: Place) -> usize {
        let more = self.free().saturating_sub(self.hands.load(place).rows);
        more.div_ceil(2)
    }
}

/// What says whether a node has rows in hand, and what limits it.
fn places(spot: Spot) -> (Place, Place) {
    match spot {
        Spot::Lane(lane) => (Place::Lane(lane), Place::Destination(lane.destination)),
        Spot::Account(_, account) => (Place::Account(account), Place::Account(account)),
        // The root is nobody's child.
        Spot::Priority(_) => (Place::Account(0), Place::Account(0)),
    }
}

/// Takes rows with an attempt that began and was never settled, due or not.
pub(crate) fn started(
    view: &dyn View,
    hands: &mut Hands,
    now: Timestamp,
    after: Option<QueueId>,
    max: usize,
    hold: Hold<'_>,
) -> Result<Vec<Taken>> {
    let all = keys::all_started();
    let from = after.map_or_else(|| all.clone(), |id| keys::started(QueueId(id.0 + 1)));
    let mut taken = Vec::new();
    for (key, domain) in view.range(&from, &keys::after(&all), Order::Ascending, max)? {
        let (domain, id) = (DomainId(decode(&domain)?), QueueId(keys::last_number(&key)));
        if !hands.is_free(id, now) {
            continue;
        }
        if let Some(row) = view.row::<WorkRow>(&keys::queue(domain, id))? {
            hold(hands, id, Lane::of(domain, &row));
            taken.push((domain, id));
        }
    }
    Ok(taken)
}

/// When the next row is due, rows in hand counted by the end of their lease.
pub(crate) fn next_due(view: &dyn View, hands: &Hands) -> Result<Option<Timestamp>> {
    let mut next = hands.first_end();
    for priority in Priority::ALL {
        earliest(view, hands, Spot::Priority(priority), &mut next)?;
    }
    Ok(next)
}

/// Lowers `next` to the first free row below a node. Only nodes with rows in hand are opened.
fn earliest(
    view: &dyn View,
    hands: &Hands,
    spot: Spot,
    next: &mut Option<Timestamp>,
) -> Result<()> {
    let Some(node) = view.row::<NodeRow>(&keys::node(spot))? else {
        return Ok(());
    };
    view.walk(
        &keys::turn(spot, node.first.0, node.first.1),
        &keys::after(&keys::turns(spot)),
        Order::Ascending,
        &mut |key, _| {
            let (at, number) = (keys::turn_time(key), keys::last_number(key));
            if next.is_some_and(|next| next <= at) {
                return Ok(Walk::Break(()));
            }
            let is_free = match spot.child(number) {
                None => !hands.is_held(QueueId(number)),
                Some(child) if hands.load(places(child).0).rows == 0 => true,
                Some(child) => {
                    earliest(view, hands, child, next)?;
                    false
                }
            };
            if !is_free {
                return Ok(Walk::Continue(()));
            }
            *next = Some(at);
            Ok(Walk::Break(()))
        },
    )
}

#[cfg(test)]
mod tests;
