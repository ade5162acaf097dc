use std::net::IpAddr;
use std::time::Duration;

use mail::Timestamp;

use super::{ENTRIES, FREE_OF_ACCOUNT, FREE_OF_CLIENT, FREE_OF_PAIR, Gate, Throttle};

const ANN: &str = "ann@abc.test";

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds)
}

/// Tries wrong passwords second by second; how many were looked at.
fn attack(throttle: &Throttle, peers: &[IpAddr], accounts: &[String], seconds: i64) -> usize {
    let mut looked_at = 0;
    for second in 0..seconds {
        let peer = peers[second as usize % peers.len()];
        let account = &accounts[second as usize % accounts.len()];
        if throttle.check(peer, account, at(second)) == Gate::Open {
            looked_at += 1;
            throttle.failed(peer, account, at(second));
        }
    }
    looked_at
}

#[test]
fn a01_brute_force_of_one_account_slows_down() {
    let throttle = Throttle::default();
    let looked_at = attack(&throttle, &[address("192.0.2.1")], &[ANN.to_owned()], 3600);
    assert!(
        looked_at < FREE_OF_PAIR as usize + 25,
        "{looked_at} passwords in an hour"
    );
}

#[test]
fn a01_brute_force_from_many_addresses_slows_down() {
    let throttle = Throttle::default();
    let peers: Vec<IpAddr> = (0..1000_u32)
        .map(|n| IpAddr::from((0xC000_0200_u32 + n).to_be_bytes()))
        .collect();
    let looked_at = attack(&throttle, &peers, &[ANN.to_owned()], 3600);
    assert!(
        looked_at < FREE_OF_ACCOUNT as usize + 25,
        "{looked_at} passwords in an hour"
    );
}

#[test]
fn a01_brute_force_of_many_accounts_slows_down() {
    let throttle = Throttle::default();
    let accounts: Vec<String> = (0..1000).map(|n| format!("user{n}@abc.test")).collect();
    let looked_at = attack(&throttle, &[address("192.0.2.1")], &accounts, 3600);
    assert!(
        looked_at < FREE_OF_CLIENT as usize + 25,
        "{looked_at} passwords in an hour"
    );
}

#[test]
fn a01_one_ipv6_network_is_one_client() {
    let throttle = Throttle::default();
    let peers: Vec<IpAddr> = (0..1000)
        .map(|n| address(&format!("2001:db8::{n:x}")))
        .collect();
    let accounts: Vec<String> = (0..1000).map(|n| format!("user{n}@abc.test")).collect();
    let looked_at = attack(&throttle, &peers, &accounts, 3600);
    assert!(
        looked_at < FREE_OF_CLIENT as usize + 25,
        "{looked_at} passwords in an hour"
    );
    assert_eq!(
        throttle.check(address("2001:db8:0:1::1"), "user1@abc.test", at(3600)),
        Gate::Open
    );
}

#[test]
fn a01_nobody_is_locked_out_of_a_known_device() {
    let throttle = Throttle::default();
    let phone = address("203.0.113.7");
    throttle.succeeded(phone, ANN, at(0));
    let peers: Vec<IpAddr> = (0..100_u32)
        .map(|n| IpAddr::from((0xC000_0200_u32 + n).to_be_bytes()))
        .collect();
    attack(&throttle, &peers, &[ANN.to_owned()], 3600);
    assert_eq!(
        throttle.check(address("198.51.100.1"), ANN, at(3599)),
        Gate::Closed,
        "strangers wait"
    );
    assert_eq!(
        throttle.check(phone, ANN, at(3599)),
        Gate::Open,
        "the phone does not"
    );
    // Even with somebody else behind the same address, it waits seconds, not minutes.
    attack(&throttle, &[phone], &[ANN.to_owned()], 3600);
    let waits = (3600..3610)
        .take_while(|&second| throttle.check(phone, ANN, at(second)) == Gate::Closed)
        .count();
    assert!(waits <= 4, "{waits} seconds");
}

#[test]
fn a_right_password_and_an_hour_both_start_anew() {
    let throttle = Throttle::default();
    let peer = address("192.0.2.1");
    let fail = |from: i64| (0..10).for_each(|second| throttle.failed(peer, ANN, at(from + second)));
    fail(0);
    assert_eq!(throttle.check(peer, ANN, at(10)), Gate::Closed);
    assert_eq!(throttle.check(peer, ANN, at(10 + 3600)), Gate::Open);
    assert_eq!(throttle.delay(peer, ANN, at(10 + 3600)), Duration::ZERO);
    fail(5000);
    throttle.succeeded(peer, ANN, at(5010));
    assert_eq!(throttle.check(peer, ANN, at(5011)), Gate::Open);
}

#[test]
fn refusals_are_told_later_and_later_but_never_too_late() {
    let throttle = Throttle::default();
    let peer = address("192.0.2.1");
    let mut last = Duration::ZERO;
    for failure in 0..20 {
        throttle.failed(peer, ANN, at(failure));
        let delay = throttle.delay(peer, ANN, at(failure));
        assert!(delay >= last && delay <= Duration::from_secs(4));
        last = delay;
    }
    assert_eq!(last, Duration::from_secs(4));
}

#[test]
fn memory_is_bounded_and_the_oldest_go_first() {
    let throttle = Throttle::default();
    for n in 0..3 * ENTRIES as u32 {
        let peer = IpAddr::from(n.to_be_bytes());
        throttle.failed(peer, &format!("user{n}@abc.test"), at(i64::from(n) / 1000));
    }
    let tables = throttle.lock();
    for entries in [
        tables.pairs.entries.len(),
        tables.accounts.entries.len(),
        tables.clients.entries.len(),
    ] {
        assert!(entries <= ENTRIES && entries > ENTRIES / 2, "{entries}");
    }
    assert!(
        tables
            .accounts
            .get(&format!("user{}@abc.test", 3 * ENTRIES - 1).into())
            .is_some()
    );
    assert!(tables.accounts.get(&"user0@abc.test".into()).is_none());
    drop(tables);
    let long = "a".repeat(1_000_000);
    throttle.failed(address("192.0.2.1"), &long, at(0));
    assert!(
        throttle
            .lock()
            .accounts
            .entries
            .keys()
            .all(|account| account.len() <= 512)
    );
}
