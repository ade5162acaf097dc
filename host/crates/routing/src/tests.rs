//! The way as a whole: expansion, its bounds, and the values it is made of.

use std::collections::HashMap;

use mail::limits;
use proptest::prelude::*;

use crate::fixture::{Fake, decided, domain, group, person, shown};
use crate::{
    Decision, Host, Level, NextHop, Pattern, Route, RouteError, RouteTable, Sender, Standing,
    State, Target, standing,
};

fn accepted(fake: &Fake, recipient: &str) -> Vec<Target> {
    match decided(fake.way(Sender::Stranger, recipient)).decision {
        Decision::Accept { targets, .. } => targets,
        Decision::Refuse(reply) => panic!("{recipient}: {reply}"),
    }
}

#[test]
fn l11_depth_is_bounded() {
    let chain = |length: usize| {
        let link = |index: usize| format!("l{index}@abc.test");
        (0..length).fold(Fake::abc(), |fake, index| {
            let next = if index + 1 == length {
                "ann@abc.test".to_owned()
            } else {
                link(index + 1)
            };
            fake.with_alias(&link(index), &[&next])
        })
    };
    assert_eq!(
        chain(limits::EXPANSION_DEPTH).shown("l0@abc.test"),
        "250 mailbox ann@abc.test"
    );
    assert_eq!(
        chain(limits::EXPANSION_DEPTH + 1).shown("l0@abc.test"),
        "550 5.4.6"
    );
}

#[test]
fn l11_width_is_bounded() {
    let wide = |count: usize| {
        let names: Vec<String> = (0..count)
            .map(|index| format!("p{index}@abc.test"))
            .collect();
        let members: Vec<&str> = names.iter().map(String::as_str).collect();
        let people = names
            .iter()
            .zip(10..)
            .fold(Fake::abc(), |fake, (name, id)| {
                fake.with_person(person(id, name))
            });
        people.with_group(group(1, "all@abc.test", &members))
    };
    assert_eq!(
        accepted(&wide(limits::EXPANSION_TARGETS), "all@abc.test").len(),
        limits::EXPANSION_TARGETS
    );
    assert_eq!(
        wide(limits::EXPANSION_TARGETS + 1).shown("all@abc.test"),
        "550 5.2.4"
    );
}

/// A hundred lists, each with all the others as members, and one person: a hundred visits, not
/// a hundred to the power of ten.
#[test]
fn l11_a_bomb_of_lists_is_visited_once() {
    let names: Vec<String> = (0..100).map(|index| format!("g{index}@abc.test")).collect();
    let mut members: Vec<&str> = names.iter().map(String::as_str).collect();
    members.push("ann@abc.test");
    let fake = names.iter().zip(1..).fold(Fake::abc(), |fake, (name, id)| {
        fake.with_group(group(id, name, &members))
    });
    assert_eq!(fake.shown("g0@abc.test"), "250 mailbox ann@abc.test");
    let steps = decided(fake.way(Sender::Stranger, "g0@abc.test")).steps;
    assert!(
        steps.len() <= limits::EXPANSION_TARGETS,
        "{} sentences",
        steps.len()
    );
}

#[test]
fn each_target_comes_once() {
    let fake = Fake::abc()
        .with_group(group(
            1,
            "team@abc.test",
            &["ann@abc.test", "ANN@alias.test", "bob@abc.test"],
        ))
        .with_alias(
            "all@abc.test",
            &[
                "team@abc.test",
                "bob@abc.test",
                "far@remote.test",
                "FAR@remote.test",
            ],
        );
    let expected =
        "250 mailbox bob@abc.test, remote far@remote.test over smtp to by MX, mailbox ann@abc.test";
    assert_eq!(fake.shown("all@abc.test"), expected);
}

#[test]
fn some_who_cannot_are_targets_and_none_who_can_is_a_reply() {
    let inactive = crate::PersonFacts {
        status: State::Inactive,
        ..person(3, "cat@abc.test")
    };
    let fake = Fake::abc()
        .with_person(inactive)
        .with_alias(
            "some@abc.test",
            &["cat@abc.test", "ann@abc.test", "nobody@abc.test"],
        )
        .with_alias("later@abc.test", &["nobody@abc.test", "cat@abc.test"])
        .with_alias("never@abc.test", &["nobody@abc.test", "nowhere@abc.test"]);
    let some = fake.shown("some@abc.test");
    assert!(
        some.starts_with("250 refused cat@abc.test: 450 4.2.1"),
        "{some}"
    );
    assert!(
        some.contains("mailbox ann@abc.test")
            && some.contains("refused nobody@abc.test: 550 5.1.1"),
        "{some}"
    );
    assert_eq!(fake.shown("later@abc.test"), "450 4.2.1");
    assert_eq!(fake.shown("never@abc.test"), "550 5.1.1");
}

#[test]
fn mail_of_this_host_takes_the_same_steps() {
    let fake = Fake::abc();
    for recipient in ["ann@abc.test", "nobody@abc.test", "bob+x@alias.test"] {
        let (outside, inside) = (
            fake.way(Sender::Stranger, recipient),
            fake.way(Sender::Internal, recipient),
        );
        assert_eq!(
            decided(outside).decision,
            decided(inside).decision,
            "{recipient}"
        );
    }
}

#[test]
fn targets_survive_the_queue() {
    let fake = Fake::abc().with_alias(
        "all@abc.test",
        &["ann+x@abc.test", "far@remote.test", "nobody@abc.test"],
    );
    for target in accepted(&fake, "all@abc.test") {
        let text = serde_json::to_string(&target).expect("targets have a JSON form");
        let again: Target =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(again, target);
    }
}

#[test]
fn the_chain_rule() {
    use Level::{Domain, DomainMail, Person, PersonMail};
    use State::{Active, Deleted, Disabled, Hold, Inactive, Overquota, Removed};
    let rows: [([State; 4], Standing); 9] = [
        ([Active, Active, Active, Active], Standing::Active),
        (
            [Inactive, Deleted, Disabled, Removed],
            Standing::Refusing(Domain, Inactive),
        ),
        (
            [Active, Removed, Disabled, Inactive],
            Standing::Refusing(DomainMail, Removed),
        ),
        (
            [Hold, Active, Active, Inactive],
            Standing::Refusing(PersonMail, Inactive),
        ),
        (
            [Overquota, Hold, Deleted, Inactive],
            Standing::Refusing(Person, Deleted),
        ),
        (
            [Hold, Overquota, Active, Active],
            Standing::Overquota(DomainMail),
        ),
        ([Active, Hold, Hold, Active], Standing::Hold(DomainMail)),
        (
            [Active, Active, Overquota, Hold],
            Standing::Overquota(Person),
        ),
        (
            [Active, Active, Active, Disabled],
            Standing::Refusing(PersonMail, Disabled),
        ),
    ];
    for (states, expected) in rows {
        let levels: Vec<_> = [Domain, DomainMail, Person, PersonMail]
            .into_iter()
            .zip(states)
            .collect();
        assert_eq!(standing(&levels), expected, "{states:?}");
    }
    assert_eq!(standing(&[]), Standing::Active);
}

#[test]
fn stored_states_are_read_as_the_schema_says() {
    assert_eq!(State::read(None), State::Active);
    assert_eq!(State::read(Some("nonsense")), State::Inactive);
    for state in State::ALL {
        assert_eq!(State::read(Some(&state.name().to_uppercase())), state);
        assert_eq!(
            state.allows_login(),
            matches!(state, State::Active | State::Overquota)
        );
    }
}

fn routes(patterns: &[&str]) -> Result<RouteTable, RouteError> {
    let route = |(index, pattern): (usize, &&str)| Route {
        pattern: pattern.parse().expect("a pattern"),
        channel: format!("channel-{index}"),
        next_hop: NextHop::Mx { exchange: None },
    };
    let channels: Vec<String> = (0..patterns.len())
        .map(|index| format!("channel-{index}"))
        .collect();
    RouteTable::new(patterns.iter().enumerate().map(route).collect(), &channels)
}

#[test]
fn the_most_specific_route_wins() {
    let table = routes(&["*", ".test", ".abc.test", "a.abc.test"]).expect("no tie");
    for (name, channel) in [
        ("a.abc.test", "channel-3"),
        ("b.abc.test", "channel-2"),
        ("abc.test", "channel-1"),
        ("xabc.test", "channel-1"),
        ("example.org", "channel-0"),
    ] {
        assert_eq!(table.choose(&domain(name)).0, channel, "{name}");
    }
    assert_eq!(
        RouteTable::default().choose(&domain("abc.test")),
        ("smtp", NextHop::Mx { exchange: None })
    );
}

#[test]
fn ties_and_unknown_channels_are_errors() {
    for twins in [
        ["*", "*"],
        [".abc.test", ".ABC.test"],
        ["bücher.test", "xn--bcher-kva.test"],
    ] {
        assert!(
            matches!(routes(&twins), Err(RouteError::Tie { .. })),
            "{twins:?}"
        );
    }
    let route = Route {
        pattern: Pattern::Any,
        channel: "uucp".to_owned(),
        next_hop: NextHop::Mx { exchange: None },
    };
    assert!(matches!(
        RouteTable::new(vec![route], &[]),
        Err(RouteError::NoChannel { .. })
    ));
}

#[test]
fn a_tie_names_both_routes() {
    let error = routes(&["abc.test", "*", "ABC.test"]).expect_err("a tie");
    assert_eq!(
        error.to_string(),
        "two routes for 'abc.test', over 'channel-0' and over 'channel-2': remove one of them"
    );
}

#[test]
fn hosts_and_patterns_read_back_as_they_are_written() {
    for (text, shown) in [
        ("hub.test", "hub.test:25"),
        ("HUB.test:2525", "hub.test:2525"),
        ("127.0.0.1:2525", "[127.0.0.1]:2525"),
        ("[IPv6:::1]:2525", "[IPv6:::1]:2525"),
        ("[192.0.2.1]", "[192.0.2.1]:25"),
    ] {
        let host: Host = text
            .parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(host.to_string(), shown);
        assert_eq!(shown.parse(), Ok(host));
    }
    for wrong in [
        "",
        ":25",
        "hub.test:",
        "hub.test:0",
        "hub.test:65536",
        "hub test",
        "::1",
    ] {
        assert!(wrong.parse::<Host>().is_err(), "{wrong}");
    }
    for pattern in ["*", ".abc.test", "abc.test"] {
        assert_eq!(
            pattern.parse::<Pattern>().expect("a pattern").to_string(),
            pattern
        );
    }
    for wrong in ["", ".", "*.abc.test", "..abc.test"] {
        assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
    }
}

proptest! {
    /// Whatever points at whatever: the way ends, every address is visited once, and a stranger
    /// gets nothing abroad that no entry names.
    #[test]
    fn every_graph_of_aliases_ends(edges in proptest::collection::vec((0_u8..20, 0_u8..24), 0..60)) {
        let mut targets: HashMap<u8, Vec<String>> = HashMap::new();
        for (from, to) in edges {
            let to = match to {
                20 => "ann@abc.test".to_owned(),
                21 => "nobody@abc.test".to_owned(),
                22 => "far@remote.test".to_owned(),
                23 => "bob@alias.test".to_owned(),
                alias => format!("a{alias}@abc.test"),
            };
            targets.entry(from).or_default().push(to);
        }
        let fake = targets.iter().fold(Fake::abc(), |fake, (from, to)| {
            let to: Vec<&str> = to.iter().map(String::as_str).collect();
            fake.with_alias(&format!("a{from}@abc.test"), &to)
        });
        let routed = decided(fake.way(Sender::Stranger, "a0@abc.test"));
        let visits = routed.steps.iter().filter(|step| step.sentence.ends_with("is hosted here")).count();
        prop_assert!(visits <= 24, "{visits} visits");
        if let Decision::Accept { targets, .. } = &routed.decision {
            let mut distinct: Vec<String> = targets.iter().map(ToString::to_string).collect();
            distinct.sort();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), targets.len());
            let is_refused = |target: &Target| matches!(target, Target::Refused { .. });
            prop_assert!(!targets.iter().all(is_refused), "{}", shown(&routed));
        }
    }
}
