use std::net::IpAddr;

use super::{Gate, GateLimits, Refusal};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address of the test")
}

/// Admits all of `peers` in order and says what became of each.
fn check(limits: GateLimits, peers: &[&str], expected: &[Result<(), Refusal>]) {
    let gate = Gate::new(limits);
    let permits: Vec<_> = peers.iter().map(|peer| gate.admit(ip(peer))).collect();
    let outcome: Vec<_> = permits
        .iter()
        .map(|permit| permit.as_ref().map(|_| ()).map_err(|&r| r))
        .collect();
    assert_eq!(outcome, expected);
    let open = expected.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(gate.open(), open);
    drop(permits);
    assert_eq!(gate.open(), 0);
    assert!(
        gate.0.counts().by_group.is_empty(),
        "a counter was left behind"
    );
}

const MANY: Result<(), Refusal> = Err(Refusal::TooManyFromPeer);
const FULL: Result<(), Refusal> = Err(Refusal::Full);

#[test]
fn s19_each_bound_holds() {
    let limits = GateLimits {
        connections: 4,
        per_address: 2,
        per_network: 3,
    };
    check(
        limits,
        &["192.0.2.1", "192.0.2.1", "192.0.2.1", "198.51.100.1"],
        &[Ok(()), Ok(()), MANY, Ok(())],
    );
    check(
        limits,
        &["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"],
        &[Ok(()), Ok(()), Ok(()), MANY],
    );
    check(
        limits,
        &[
            "192.0.2.1",
            "192.0.2.2",
            "198.51.100.1",
            "198.51.100.2",
            "203.0.113.1",
        ],
        &[Ok(()), Ok(()), Ok(()), Ok(()), FULL],
    );
}

#[test]
fn s19_ipv6_counts_by_64_and_48() {
    let limits = GateLimits {
        connections: 9,
        per_address: 2,
        per_network: 3,
    };
    check(
        limits,
        &[
            "2001:db8:0:1::1",
            "2001:db8:0:1::2",
            "2001:db8:0:1:ffff::3",
            "2001:db8:0:2::1",
            "2001:db8:0:3::1",
        ],
        &[Ok(()), Ok(()), MANY, Ok(()), MANY],
    );
}

#[test]
fn a_mapped_address_is_the_ipv4_address() {
    let limits = GateLimits {
        connections: 9,
        per_address: 1,
        per_network: 9,
    };
    check(limits, &["192.0.2.1", "::ffff:192.0.2.1"], &[Ok(()), MANY]);
}

#[test]
fn the_operator_s_numbers_leave_room_for_other_networks() {
    assert_eq!(
        GateLimits::new(1000, 20),
        GateLimits {
            connections: 1000,
            per_address: 20,
            per_network: 500
        }
    );
    assert_eq!(
        GateLimits::new(10, 10),
        GateLimits {
            connections: 10,
            per_address: 10,
            per_network: 10
        }
    );
}

#[test]
fn other_bounds_hold_from_the_next_connection_on() {
    let gate = Gate::new(GateLimits::new(2, 2));
    let peer: IpAddr = "192.0.2.1".parse().expect("an address");
    let _first = gate.admit(peer).expect("a place");
    let _second = gate.admit(peer).expect("a place");
    assert_eq!(gate.admit(peer).err(), Some(Refusal::Full));
    gate.set_limits(GateLimits::new(3, 3));
    let third = gate.admit(peer).expect("a place more");
    gate.set_limits(GateLimits::new(1, 1));
    drop(third);
    assert_eq!(
        gate.admit(peer).err(),
        Some(Refusal::Full),
        "the open ones stay and count"
    );
}
