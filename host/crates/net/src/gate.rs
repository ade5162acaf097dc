//! How many connections may be open, and from whom.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bounds of a [`Gate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// Connections over all listeners.
    pub connections: usize,
    /// Connections of one address; with IPv6 of one /64.
    pub per_address: usize,
    /// Connections of one network: /24 with IPv4, /48 with IPv6.
    pub per_network: usize,
}

impl GateLimits {
    /// From the operator's two numbers. No network may have more than half of all
    /// connections, unless one address alone may.
    pub fn new(connections: usize, per_address: usize) -> Self {
        Self {
            connections,
            per_address,
            per_network: per_address.max(connections.div_ceil(2)),
        }
    }
}

impl From<&mail::limits::Limits> for GateLimits {
    fn from(limits: &mail::limits::Limits) -> Self {
        Self::new(limits.connections, limits.connections_per_address)
    }
}

/// Why a connection was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// All places are taken.
    Full,
    /// This address or network has its share already.
    TooManyFromPeer,
}

/// Counts connections, for all listeners together. Clones count together.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    limits: GateLimits,
    all: usize,
    by_group: HashMap<Group, usize>,
}

/// Addresses that count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Group {
    Address(IpAddr),
    Network(IpAddr),
}

impl Gate {
    /// A gate with nobody in.
    pub fn new(limits: GateLimits) -> Self {
        Self(Arc::new(Inner {
            counts: Mutex::new(Counts {
                limits,
                all: 0,
                by_group: HashMap::new(),
            }),
        }))
    }

    /// Other bounds from now on. Connections that are open stay, also those beyond the new
    /// bounds.
    pub fn set_limits(&self, limits: GateLimits) {
        self.0.counts().limits = limits;
    }

    /// A place for a connection from `peer`, held until the permit is dropped.
    ///
    /// # Errors
    /// The bound that is reached.
    pub fn admit(&self, peer: IpAddr) -> Result<Permit, Refusal> {
        let groups = groups(peer);
        let mut counts = self.0.counts();
        let limits = counts.limits;
        if counts.all >= limits.connections {
            return Err(Refusal::Full);
        }
        let bounds = [limits.per_address, limits.per_network];
        for (group, bound) in groups.iter().zip(bounds) {
            if counts.by_group.get(group).copied().unwrap_or(0) >= bound {
                return Err(Refusal::TooManyFromPeer);
            }
        }
        counts.all += 1;
        for group in groups {
            *counts.by_group.entry(group).or_default() += 1;
        }
        Ok(Permit {
            gate: self.clone(),
            groups,
        })
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.0.counts().all
    }
}

impl Inner {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counting cannot panic halfway, so the numbers are whole even after a poisoning.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place at the gate; dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    gate: Gate,
    groups: [Group; 2],
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.gate.0.counts();
        counts.all -= 1;
        for group in &self.groups {
            if let Some(count) = counts.by_group.get_mut(group) {
                *count -= 1;
                if *count == 0 {
                    counts.by_group.remove(group);
                }
            }
        }
    }
}

fn groups(peer: IpAddr) -> [Group; 2] {
    let (address, network) = match peer.to_canonical() {
        IpAddr::V4(v4) => (
            IpAddr::V4(v4),
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !0xff)),
        ),
        IpAddr::V6(v6) => (masked(v6, 64), masked(v6, 48)),
    };
    [Group::Address(address), Group::Network(network)]
}

fn masked(address: Ipv6Addr, prefix: u32) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(
        address.to_bits() & (u128::MAX << (128 - prefix)),
    ))
}

#[cfg(test)]
mod tests;
