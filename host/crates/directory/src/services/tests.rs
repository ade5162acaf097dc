//! Hand-written rows, and the evaluator against a plain one.

use std::net::IpAddr;

use mail::Service;
use proptest::prelude::*;

use super::{ServiceAccess, ServiceRules, Verdict};
use crate::PeerName;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// `known:NAME`, `unknown`, `spoofed:NAME`, `silent`; empty: not asked for.
fn name(text: &str) -> Option<PeerName> {
    Some(match text.split_once(':').unwrap_or((text, "")) {
        ("known", name) => PeerName::Known(name.to_owned()),
        ("spoofed", name) => PeerName::Spoofed(name.to_owned()),
        ("unknown", _) => PeerName::Unknown,
        ("silent", _) => PeerName::NoAnswer,
        _ => return None,
    })
}

#[test]
fn thirty_rows_by_hand() {
    use Service::{Http, Imap, Imaps, Mx, Pop3, Pop3s, Smtp, Smtps};
    use Verdict::{Denied, Granted, NeedsName};
    let rows: &[(&str, Service, &str, &str, Verdict)] = &[
        // Only allow rules: what they do not name is denied.
        ("+imap:ALL$+pop:ALL", Imap, "192.0.2.1", "", Granted),
        ("+imap:ALL$+pop:ALL", Pop3, "192.0.2.1", "", Granted),
        ("+imap:ALL$+pop:ALL", Imaps, "192.0.2.1", "", Denied),
        ("+imap:ALL$+pop:ALL", Smtp, "192.0.2.1", "", Denied),
        ("+imaps,pops:*", Pop3s, "2001:db8::1", "", Granted),
        ("+imaps,pops:*", Pop3, "2001:db8::1", "", Denied),
        // Receiving is never filtered.
        ("+imaps,pops:*", Mx, "192.0.2.1", "", Granted),
        // Only deny rules: what they do not match is granted.
        (
            "-ALL:ALL EXCEPT 192.0.2.0/24",
            Imap,
            "192.0.2.77",
            "",
            Granted,
        ),
        (
            "-ALL:ALL EXCEPT 192.0.2.0/24",
            Imap,
            "192.0.3.77",
            "",
            Denied,
        ),
        (
            "-ALL:ALL EXCEPT 192.0.2.0/24",
            Http,
            "2001:db8::1",
            "",
            Denied,
        ),
        ("-http:*", Http, "192.0.2.1", "", Denied),
        ("-http:*", Smtps, "192.0.2.1", "", Granted),
        // An allow that matches grants whatever a deny says, in any order.
        ("-ALL:ALL$+imaps:192.0.2.1", Imaps, "192.0.2.1", "", Granted),
        ("-ALL:ALL$+imaps:192.0.2.1", Imaps, "192.0.2.2", "", Denied),
        ("+imaps:192.0.2.1$-ALL:ALL", Imaps, "192.0.2.1", "", Granted),
        // Allow and deny rules, neither matches: granted.
        ("+imap:192.0.2.1$-pop3:ALL", Smtp, "192.0.2.9", "", Granted),
        // Networks, in each notation.
        (
            "+*:192.0.2.0/255.255.255.0",
            Imap,
            "192.0.2.200",
            "",
            Granted,
        ),
        ("+*:192.0.2.", Imap, "192.0.2.200", "", Granted),
        ("+*:192.0.2.", Imap, "192.0.20.2", "", Denied),
        ("+*:2001:db8::/32", Imap, "2001:db8:ffff::1", "", Granted),
        ("+*:192.0.2.1", Imap, "::ffff:192.0.2.1", "", Granted),
        ("+*:0.0.0.0/0", Imap, "2001:db8::1", "", Denied),
        // Names, which are asked for only where a rule needs them.
        ("+imap:.abc.test", Imap, "192.0.2.1", "", NeedsName),
        ("+imap:.abc.test", Pop3, "192.0.2.1", "", Denied),
        (
            "+imap:.abc.test",
            Imap,
            "192.0.2.1",
            "known:PC.abc.test.",
            Granted,
        ),
        (
            "+imap:.abc.test",
            Imap,
            "192.0.2.1",
            "known:abc.test",
            Denied,
        ),
        (
            "+imap:.abc.test",
            Imap,
            "192.0.2.1",
            "known:xabc.test",
            Denied,
        ),
        (
            "+imap:.abc.test",
            Imap,
            "192.0.2.1",
            "spoofed:pc.abc.test",
            Denied,
        ),
        (
            "+imap:pc.abc.test",
            Imap,
            "192.0.2.1",
            "known:pc.abc.test",
            Granted,
        ),
        (
            "+imap:pc.abc.test",
            Imap,
            "192.0.2.1",
            "known:a.pc.abc.test",
            Denied,
        ),
        (
            "+ALL:KNOWN",
            Imap,
            "192.0.2.1",
            "known:pc.abc.test",
            Granted,
        ),
        ("+ALL:KNOWN", Imap, "192.0.2.1", "unknown", Denied),
        ("-ALL:UNKNOWN", Imap, "192.0.2.1", "unknown", Denied),
        (
            "-ALL:UNKNOWN",
            Imap,
            "192.0.2.1",
            "known:pc.abc.test",
            Granted,
        ),
        (
            "-ALL:DNSSPOOFER",
            Imap,
            "192.0.2.1",
            "spoofed:pc.abc.test",
            Denied,
        ),
        ("-ALL:DNSSPOOFER", Imap, "192.0.2.1", "unknown", Granted),
        ("+ALL:LOCAL", Imap, "127.0.0.1", "", Granted),
        ("+ALL:LOCAL", Imap, "::1", "", Granted),
        ("+ALL:LOCAL", Imap, "192.0.2.1", "known:printer", Granted),
        ("+ALL:LOCAL", Imap, "192.0.2.1", "known:pc.abc.test", Denied),
        // No answer in time: an allow does not match, a deny does, with and without EXCEPT.
        ("+ALL:KNOWN", Imap, "192.0.2.1", "silent", Denied),
        ("-ALL:UNKNOWN", Imap, "192.0.2.1", "silent", Denied),
        ("-ALL:.abc.test", Imap, "192.0.2.1", "silent", Denied),
        (
            "+ALL:ALL EXCEPT .abc.test",
            Imap,
            "192.0.2.1",
            "silent",
            Denied,
        ),
        (
            "-ALL:ALL EXCEPT .abc.test",
            Imap,
            "192.0.2.1",
            "silent",
            Denied,
        ),
        (
            "-ALL:ALL EXCEPT .abc.test",
            Imap,
            "192.0.2.1",
            "known:pc.abc.test",
            Granted,
        ),
        // EXCEPT among services, words in any case, spaces between items.
        (
            "-ALL EXCEPT imaps, smtps : all",
            Imaps,
            "192.0.2.1",
            "",
            Granted,
        ),
        (
            "-ALL EXCEPT imaps, smtps : all",
            Imap,
            "192.0.2.1",
            "",
            Denied,
        ),
        ("+IMAP3:ALL", Imap, "192.0.2.1", "", Denied),
        ("+managesieve:ALL", Imap, "192.0.2.1", "", Denied),
    ];
    for (text, service, peer, peer_name, expected) in rows {
        let access = ServiceAccess::read(Some((*text).to_owned()));
        let verdict = access.verdict(*service, address(peer), name(peer_name).as_ref());
        assert_eq!(
            verdict,
            *expected,
            "{text} for {} from {peer} {peer_name}",
            service.name()
        );
    }
}

#[test]
fn no_attribute_grants_all_and_an_unreadable_one_denies_all() {
    let verdict =
        |access: &ServiceAccess| access.verdict(Service::Imaps, address("192.0.2.1"), None);
    assert_eq!(verdict(&ServiceAccess::read(None)), Verdict::Granted);
    let unreadable = ServiceAccess::read(Some("+imap".to_owned()));
    assert_eq!(verdict(&unreadable), Verdict::Denied);
    assert_eq!(
        unreadable.verdict(Service::Mx, address("192.0.2.1"), None),
        Verdict::Granted
    );
    assert_eq!(
        Option::<String>::from(unreadable),
        Some("+imap".to_owned()),
        "it is kept as it was"
    );
}

#[test]
fn what_is_no_rule_is_refused_and_the_error_says_why() {
    for (text, why) in [
        ("", "neither '+' nor '-'"),
        ("imap:ALL", "neither '+' nor '-'"),
        ("+imap", "no ':'"),
        ("+:ALL", "a list is empty"),
        ("+imap:", "a list is empty"),
        ("+imap:EXCEPT 192.0.2.1", "a list is empty"),
        ("+imap:ALL EXCEPT", "nothing stands after EXCEPT"),
        ("+imap:ALL EXCEPT a EXCEPT b", "EXCEPT stands twice"),
        ("+imap:ALL$", "neither '+' nor '-'"),
        ("+imap4:ALL", "'imap4' is not a service"),
        ("+imap:192.0.2.0/33", "is not a network"),
        ("+imap:192.0.2.0/255.0.255.0", "is not a network"),
        ("+imap:192.0.2.300", "is not an address"),
        ("+imap:192.0.2", "is not an address"),
        ("+imap:1.2.3.4.", "is not an address"),
        ("+imap:a..b", "is neither an address"),
        ("+imap:*.abc.test", "is neither an address"),
    ] {
        let error = text.parse::<ServiceRules>().expect_err(text);
        assert!(error.problem.contains(why), "{text}: {error}");
    }
    let many = vec!["+imap:ALL"; 101].join("$");
    assert!(
        many.parse::<ServiceRules>().is_err(),
        "there is a bound on rules"
    );
}

/// The same rules, spelled out: sets are enumerated over a small world instead of matched.
mod plain {
    pub(super) const SERVICES: [&str; 7] =
        ["imap", "imaps", "pop3", "pop3s", "smtp", "smtps", "http"];
    /// Address, name and what is known of it.
    pub(super) const PEERS: [(&str, &str); 6] = [
        ("127.0.0.1", "known:localhost"),
        ("192.0.2.1", "known:pc.abc.test"),
        ("192.0.2.2", "known:printer"),
        ("198.51.100.1", "unknown"),
        ("198.51.100.2", "spoofed:pc.abc.test"),
        ("198.51.100.3", "silent"),
    ];

    /// Which peers an item is about: surely, and perhaps (no answer about the name).
    pub(super) fn peers(item: &str) -> (Vec<usize>, Vec<usize>) {
        match item {
            "ALL" | "*" => ((0..6).collect(), vec![]),
            "192.0.2.0/24" => (vec![1, 2], vec![]),
            "198.51.100.1" => (vec![3], vec![]),
            "127.0.0." => (vec![0], vec![]),
            "LOCAL" => (vec![0, 2], vec![5]),
            "KNOWN" => (vec![0, 1, 2], vec![5]),
            "UNKNOWN" => (vec![3], vec![5]),
            "DNSSPOOFER" => (vec![4], vec![5]),
            ".abc.test" | "pc.abc.test" => (vec![1], vec![5]),
            other => panic!("{other} is not in the small world"),
        }
    }

    pub(super) const CLIENTS: [&str; 11] = [
        "ALL",
        "*",
        "192.0.2.0/24",
        "198.51.100.1",
        "127.0.0.",
        "LOCAL",
        "KNOWN",
        "UNKNOWN",
        "DNSSPOOFER",
        ".abc.test",
        "pc.abc.test",
    ];

    #[derive(Debug, Clone)]
    pub(super) struct Rule {
        pub(super) allow: bool,
        pub(super) services: Vec<&'static str>,
        pub(super) clients: Vec<&'static str>,
        pub(super) except: Vec<&'static str>,
    }

    impl Rule {
        pub(super) fn text(&self) -> String {
            let sign = if self.allow { '+' } else { '-' };
            let mut text = format!(
                "{sign}{}:{}",
                self.services.join(","),
                self.clients.join(",")
            );
            if !self.except.is_empty() {
                text += &format!(" EXCEPT {}", self.except.join(" "));
            }
            text
        }

        fn is_about(&self, service: &str, peer: usize) -> bool {
            if !self.services.contains(&service) && !self.services.contains(&"ALL") {
                return false;
            }
            // A deny takes what perhaps matches, an allow only what surely does.
            let within = |items: &[&str], with_perhaps: bool| {
                items.iter().any(|item| {
                    let (surely, perhaps) = peers(item);
                    surely.contains(&peer) || with_perhaps && perhaps.contains(&peer)
                })
            };
            within(&self.clients, !self.allow) && !within(&self.except, self.allow)
        }
    }

    pub(super) fn is_granted(rules: &[Rule], service: &str, peer: usize) -> bool {
        let matching: Vec<&Rule> = rules
            .iter()
            .filter(|rule| rule.is_about(service, peer))
            .collect();
        if matching.iter().any(|rule| rule.allow) {
            return true;
        }
        matching.is_empty() && rules.iter().any(|rule| !rule.allow)
    }
}

fn any_rule() -> impl Strategy<Value = plain::Rule> {
    let services = proptest::collection::vec(
        proptest::sample::select([plain::SERVICES.as_slice(), &["ALL"]].concat()),
        1..3,
    );
    let clients = || proptest::sample::select(plain::CLIENTS.to_vec());
    let lists = (
        proptest::collection::vec(clients(), 1..4),
        proptest::collection::vec(clients(), 0..3),
    );
    (any::<bool>(), services, lists).prop_map(|(allow, services, (clients, except))| plain::Rule {
        allow,
        services,
        clients,
        except,
    })
}

proptest! {
    #[test]
    fn the_evaluator_agrees_with_a_plain_one(rules in proptest::collection::vec(any_rule(), 1..6)) {
        let text = rules.iter().map(plain::Rule::text).collect::<Vec<_>>().join("$");
        let parsed: ServiceRules = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let services = [
            Service::Imap, Service::Imaps, Service::Pop3, Service::Pop3s, Service::Smtp, Service::Smtps, Service::Http,
        ];
        for service in services {
            for (index, (peer, peer_name)) in plain::PEERS.into_iter().enumerate() {
                let name = name(peer_name);
                let expected = plain::is_granted(&rules, service.name(), index);
                let verdict = parsed.verdict(service, address(peer), name.as_ref());
                let expected = if expected { Verdict::Granted } else { Verdict::Denied };
                prop_assert_eq!(verdict, expected, "{} for {} from {}", text, service.name(), peer);
                // Before the name was asked for: the same, or "ask".
                let early = parsed.verdict(service, address(peer), None);
                prop_assert!(early == verdict || early == Verdict::NeedsName, "{}", text);
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        let _ = text.parse::<ServiceRules>();
    }
}
