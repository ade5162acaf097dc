//! Each step alone: what it refuses as well as what it takes.

mod domain {
    use crate::Sender;
    use crate::fixture::{Fake, decided};

    #[test]
    fn a_name_and_an_alias_are_the_same_domain() {
        for recipient in ["ann@abc.test", "ann@ABC.test", "ann@alias.test"] {
            let routed = decided(Fake::abc().way(Sender::Stranger, recipient));
            let domain = routed.domain.expect("it is hosted");
            assert_eq!(domain.name.as_str(), "abc.test", "{recipient}");
            assert_eq!(
                routed.resolved.expect("somebody").to_string(),
                "ann@abc.test",
                "{recipient}"
            );
        }
        assert_eq!(
            decided(Fake::abc().way(Sender::Stranger, "ann@sub.abc.test")).domain,
            None
        );
    }

    /// A9 in small: who cannot ask must not say "relaying denied".
    #[test]
    fn a_directory_that_cannot_answer_is_a_4xx() {
        let fake = Fake {
            no_domains: true,
            ..Fake::abc()
        };
        assert_eq!(fake.shown("ann@abc.test"), "451 4.4.3");
        assert_eq!(fake.shown("far@remote.test"), "451 4.4.3");
    }
}

mod relay {
    use crate::fixture::{Fake, decided, domain, shown};
    use crate::{Answers, DnsAnswer, Route, RouteTable, Sender, Site, Way};
    use mail::PersonId;

    const FAR: &str = "far@remote.test";

    #[test]
    fn strangers_never_relay_and_dns_is_not_asked_for_them() {
        assert_eq!(Fake::abc().shown(FAR), "550 5.7.1");
    }

    #[test]
    fn n01_n02_dns_says_what_becomes_of_it() {
        let found = DnsAnswer::Found {
            exchange: Some(domain("mx.remote.test")),
        };
        let rows = [
            (DnsAnswer::NoSuchDomain, "550 5.1.2"),
            (DnsAnswer::NullMx, "556 5.1.10"),
            (
                DnsAnswer::Temporary,
                "250 remote far@remote.test over smtp to by MX",
            ),
            (
                DnsAnswer::Found { exchange: None },
                "250 remote far@remote.test over smtp to by MX",
            ),
            (
                found,
                "250 remote far@remote.test over smtp to mx.remote.test (MX)",
            ),
        ];
        for sender in [
            Sender::Trusted,
            Sender::Authenticated(PersonId(1)),
            Sender::Internal,
        ] {
            assert_eq!(
                Fake::abc().way(sender, FAR),
                Way::NeedsDns(domain("remote.test"))
            );
            for (answer, expected) in &rows {
                let mut answers = Answers::default();
                answers.dns(domain("remote.test"), answer.clone());
                let way = Fake::abc().way_with(&Site::default(), sender, FAR, &answers);
                assert_eq!(shown(&decided(way)), *expected, "{sender:?}");
            }
        }
    }

    #[test]
    fn a_channel_with_a_host_needs_no_dns() {
        let route = Route {
            pattern: "*".parse().expect("a pattern"),
            channel: "hub".to_owned(),
            next_hop: crate::NextHop::Channel,
        };
        let routes = RouteTable::new(vec![route], &["hub".to_owned()]).expect("one route");
        let site = Site {
            routes,
            ..Site::default()
        };
        let way = Fake::abc().way_with(&site, Sender::Trusted, FAR, &Answers::default());
        assert_eq!(
            shown(&decided(way)),
            "250 remote far@remote.test over hub to the host of the channel"
        );
    }

    #[test]
    fn a_route_with_a_host_needs_no_dns() {
        let route = Route {
            pattern: "*".parse().expect("a pattern"),
            channel: "smtp".to_owned(),
            next_hop: crate::NextHop::Host("127.0.0.1:2525".parse().expect("a host")),
        };
        let routes = RouteTable::new(vec![route], &[]).expect("one route");
        let site = Site {
            routes,
            ..Site::default()
        };
        let way = Fake::abc().way_with(&site, Sender::Trusted, FAR, &Answers::default());
        assert_eq!(
            shown(&decided(way)),
            "250 remote far@remote.test over smtp to [127.0.0.1]:2525"
        );
        let way = Fake::abc().way_with(&site, Sender::Stranger, FAR, &Answers::default());
        assert_eq!(shown(&decided(way)), "550 5.7.1");
    }

    #[test]
    fn literals_are_not_carried() {
        for literal in ["root@[127.0.0.1]", "root@[IPv6:::1]", "root@[192.0.2.1]"] {
            assert_eq!(
                shown(&decided(Fake::abc().way(Sender::Trusted, literal))),
                "550 5.1.2"
            );
            assert_eq!(Fake::abc().shown(literal), "550 5.7.1");
        }
    }

    #[test]
    fn what_an_entry_names_is_not_asked_for_in_dns() {
        let fake = Fake::abc().with_alias("out@abc.test", &[FAR]);
        assert_eq!(
            fake.shown("out@abc.test"),
            "250 remote far@remote.test over smtp to by MX"
        );
    }
}

mod state {
    use crate::fixture::{Fake, decided, facts};
    use crate::{Decision, DomainFacts, Level, Sender, State};

    fn with(status: State, mail_status: State) -> Fake {
        Fake::abc().with_domain(DomainFacts {
            status,
            mail_status,
            ..facts(1, "abc.test")
        })
    }

    #[test]
    fn the_first_level_that_refuses_answers_before_the_local_part_is_looked_at() {
        use State::{Active, Deleted, Disabled, Hold, Inactive, Removed};
        let rows = [
            (Inactive, Active, "450 4.2.1"),
            (Disabled, Active, "550 5.2.1"),
            (Deleted, Active, "550 5.1.6"),
            (Removed, Active, "550 5.1.6"),
            (Active, Inactive, "450 4.2.1"),
            (Inactive, Deleted, "450 4.2.1"),
            (Deleted, Inactive, "550 5.1.6"),
            (Hold, Disabled, "550 5.2.1"),
        ];
        for (status, mail_status, expected) in rows {
            for recipient in ["ann@abc.test", "nobody@abc.test", "postmaster@abc.test"] {
                assert_eq!(
                    with(status, mail_status).shown(recipient),
                    expected,
                    "{status} {mail_status} {recipient}"
                );
            }
        }
    }

    #[test]
    fn hold_takes_the_mail_of_those_who_are_there() {
        let fake = with(State::Hold, State::Active);
        let routed = decided(fake.way(Sender::Stranger, "ann@abc.test"));
        let Decision::Accept { held, .. } = routed.decision else {
            panic!("it is taken")
        };
        assert_eq!(held, Some(Level::Domain));
        assert_eq!(fake.shown("nobody@abc.test"), "550 5.1.1");
    }

    #[test]
    fn overquota_is_for_later() {
        assert_eq!(
            with(State::Active, State::Overquota).shown("ann@abc.test"),
            "452 4.2.2"
        );
    }
}

mod localpart {
    use std::collections::BTreeSet;

    use mail::DomainId;

    use crate::fixture::{Fake, decided, facts, mailbox, shown};
    use crate::{Answers, Decision, DomainFacts, Sender, Site, Target, Way};

    #[test]
    fn the_detail_comes_along() {
        for (recipient, expected) in [
            ("ann@abc.test", None),
            ("ann+a+b@abc.test", Some("a+b")),
            ("ANN+@alias.test", Some("")),
        ] {
            let routed = decided(Fake::abc().way(Sender::Stranger, recipient));
            let Decision::Accept { targets, .. } = routed.decision else {
                panic!("{recipient} is taken")
            };
            let [Target::Mailbox { detail, .. }] = targets.as_slice() else {
                panic!("{targets:?}")
            };
            assert_eq!(detail.as_deref(), expected, "{recipient}");
        }
    }

    fn with(catch_all: Option<&str>, smart_host: Option<&str>) -> Fake {
        let catch_all = catch_all.map(mailbox);
        let smart_host = smart_host.map(|host| host.parse().expect("a host"));
        Fake::abc().with_domain(DomainFacts {
            catch_all,
            smart_host,
            ..facts(1, "abc.test")
        })
    }

    #[test]
    fn the_catch_all_comes_before_the_smart_host() {
        let rows = [
            (None, None, "550 5.1.1"),
            (Some("ann@abc.test"), None, "250 mailbox ann@abc.test"),
            (
                None,
                Some("hub.test:26"),
                "250 remote nobody@abc.test over smtp to hub.test:26",
            ),
            (
                Some("ann@abc.test"),
                Some("hub.test"),
                "250 mailbox ann@abc.test",
            ),
            (Some("nobody@abc.test"), None, "550 5.4.6"),
        ];
        for (catch_all, smart_host, expected) in rows {
            assert_eq!(
                with(catch_all, smart_host).shown("nobody@alias.test"),
                expected
            );
        }
    }

    #[test]
    fn s12_s13_a_local_part_is_never_a_route() {
        let shapes = [
            "far%remote.test@abc.test",
            "remote.test!far@abc.test",
            "\"far@remote.test\"@abc.test",
            "nobody+far=remote.test@abc.test",
            "far%remote.test+x@abc.test",
        ];
        for shape in shapes {
            assert_eq!(with(None, None).shown(shape), "550 5.1.1", "{shape}");
            assert_eq!(
                with(Some("ann@abc.test"), None).shown(shape),
                "250 mailbox ann@abc.test",
                "{shape}"
            );
        }
        for shape in &shapes[..3] {
            assert_eq!(
                with(None, Some("hub.test")).shown(shape),
                "550 5.1.1",
                "{shape}"
            );
        }
    }

    #[test]
    fn the_resolve_hook_is_asked_only_about_nobody() {
        let site = Site {
            resolving: BTreeSet::from([DomainId(1)]),
            ..Site::default()
        };
        let fake = with(Some("bob@abc.test"), None);
        let way = |recipient, answers: &Answers| {
            fake.way_with(&site, Sender::Stranger, recipient, answers)
        };
        assert_eq!(
            shown(&decided(way("ann@abc.test", &Answers::default()))),
            "250 mailbox ann@abc.test"
        );
        let asked = mailbox("x@abc.test");
        assert_eq!(
            way("x@abc.test", &Answers::default()),
            Way::NeedsResolve(asked.clone())
        );
        let mut answers = Answers::default();
        answers.resolved(
            &asked,
            vec![mailbox("ann@abc.test"), mailbox("far@remote.test")],
        );
        let expected = "250 mailbox ann@abc.test, remote far@remote.test over smtp to by MX";
        assert_eq!(shown(&decided(way("X@abc.test", &answers))), expected);
        answers.resolved(&asked, Vec::new());
        assert_eq!(
            shown(&decided(way("x@abc.test", &answers))),
            "250 mailbox bob@abc.test"
        );
    }

    #[test]
    fn a_directory_that_cannot_answer_is_never_user_unknown() {
        let fake = Fake {
            no_entries: true,
            ..Fake::abc()
        };
        for recipient in ["ann@abc.test", "nobody@abc.test", "postmaster@abc.test"] {
            assert_eq!(fake.shown(recipient), "451 4.4.3");
        }
    }
}

mod postmaster {
    use crate::fixture::{Fake, decided, facts, mailbox, person, shown};
    use crate::{Answers, DomainFacts, Sender, Site, State};

    fn with(postmaster: Option<&str>, administrators: &[&str]) -> Fake {
        let postmaster = postmaster.map(mailbox);
        let administrators = administrators
            .iter()
            .map(|address| mailbox(address))
            .collect();
        Fake::abc().with_domain(DomainFacts {
            postmaster,
            administrators,
            ..facts(1, "abc.test")
        })
    }

    fn site() -> Site {
        Site {
            postmaster: Some(mailbox("bob@abc.test")),
            ..Site::default()
        }
    }

    fn taken(fake: &Fake, site: &Site, recipient: &str) -> String {
        shown(&decided(fake.way_with(
            site,
            Sender::Stranger,
            recipient,
            &Answers::default(),
        )))
    }

    const ANN: &str = "250 mailbox ann@abc.test";
    const BOB: &str = "250 mailbox bob@abc.test";

    #[test]
    fn attribute_then_entry_then_site_then_administrators() {
        let own = || with(None, &[]).with_person(person(3, "postmaster@abc.test"));
        let rows = [
            (with(Some("ann@abc.test"), &[]), site(), ANN),
            (
                with(Some("ann@abc.test"), &[]).with_person(person(3, "postmaster@abc.test")),
                site(),
                ANN,
            ),
            (own(), site(), "250 mailbox postmaster@abc.test"),
            (
                with(None, &[]).with_alias("postmaster@abc.test", &["ann@abc.test"]),
                site(),
                ANN,
            ),
            (with(None, &["ann@abc.test"]), site(), BOB),
            (with(None, &["ann@abc.test"]), Site::default(), ANN),
            (with(None, &[]), Site::default(), "451 4.3.5"),
            (
                with(Some("far@remote.test"), &[]),
                site(),
                "250 remote far@remote.test over smtp to by MX",
            ),
        ];
        for (fake, site, expected) in rows {
            for recipient in ["postmaster@abc.test", "PostMaster+x@alias.test"] {
                assert_eq!(taken(&fake, &site, recipient), expected, "{recipient}");
            }
        }
    }

    #[test]
    fn who_refuses_for_good_is_passed_over_and_who_may_later_is_not() {
        for postmaster in [
            "nobody@abc.test",
            "postmaster@abc.test",
            "postmaster@alias.test",
        ] {
            assert_eq!(
                taken(&with(Some(postmaster), &[]), &site(), "postmaster@abc.test"),
                BOB,
                "{postmaster}"
            );
        }
        let inactive = person(3, "cat@abc.test");
        let fake = with(Some("cat@abc.test"), &[]);
        let fake = fake.with_person(crate::PersonFacts {
            status: State::Inactive,
            ..inactive
        });
        assert_eq!(taken(&fake, &site(), "postmaster@abc.test"), "450 4.2.1");
        let circle = Site {
            postmaster: Some(mailbox("postmaster@abc.test")),
            ..Site::default()
        };
        assert_eq!(
            taken(&with(None, &[]), &circle, "postmaster@abc.test"),
            "451 4.3.5"
        );
        assert_eq!(
            taken(&with(None, &["ann@abc.test"]), &circle, "Postmaster"),
            ANN
        );
    }

    #[test]
    fn a_postmaster_without_domain_is_the_sites() {
        assert_eq!(
            taken(&with(Some("ann@abc.test"), &[]), &site(), "Postmaster"),
            BOB
        );
        assert_eq!(
            taken(&with(None, &[]), &Site::default(), "Postmaster"),
            "451 4.3.5"
        );
    }
}

mod person {
    use crate::fixture::{Fake, facts, mailbox, person};
    use crate::{Autoreply, Delivery, DomainFacts, PersonFacts, State};

    fn with(change: impl FnOnce(&mut PersonFacts)) -> Fake {
        let mut facts = person(1, "ann@abc.test");
        change(&mut facts);
        Fake::abc().with_person(facts)
    }

    #[test]
    fn person_before_mail_and_domain_before_both() {
        use State::{Active, Deleted, Disabled, Hold, Inactive, Overquota};
        let rows = [
            (Active, Active, Active, "250 mailbox ann@abc.test"),
            (Active, Inactive, Active, "450 4.2.1"),
            (Active, Active, Disabled, "550 5.2.1"),
            (Active, Inactive, Deleted, "450 4.2.1"),
            (Active, Deleted, Inactive, "550 5.1.6"),
            (Hold, Active, Deleted, "550 5.1.6"),
            (Hold, Overquota, Active, "452 4.2.2"),
            (Overquota, Active, Inactive, "452 4.2.2"),
            (Active, Overquota, Inactive, "450 4.2.1"),
            (Active, Active, Hold, "250 mailbox ann@abc.test"),
        ];
        for (of_domain, status, mail_status, expected) in rows {
            let fake = with(|person| (person.status, person.mail_status) = (status, mail_status));
            let fake = fake.with_domain(DomainFacts {
                status: of_domain,
                ..facts(1, "abc.test")
            });
            assert_eq!(
                fake.shown("ann@abc.test"),
                expected,
                "{of_domain} {status} {mail_status}"
            );
        }
    }

    #[test]
    fn each_option_is_a_target_in_its_order() {
        let fake = with(|person| {
            person.deliveries = vec![
                Delivery::Autoreply(Autoreply::default()),
                Delivery::Mailbox {
                    store: "primary".to_owned(),
                },
                Delivery::File {
                    label: "box".to_owned(),
                },
            ];
        });
        let expected = "250 autoreply of ann@abc.test, mailbox ann@abc.test, file of ann@abc.test";
        assert_eq!(fake.shown("ann@abc.test"), expected);
    }

    #[test]
    fn a_routing_address_ends_processing_and_goes_its_own_way() {
        let to = |address: &str| {
            with(|person| person.routing_address = Some(mailbox(address))).shown("ann@abc.test")
        };
        assert_eq!(to("bob@abc.test"), "250 mailbox bob@abc.test");
        assert_eq!(
            to("ann@remote.test"),
            "250 remote ann@remote.test over smtp to by MX"
        );
        assert_eq!(to("nobody@abc.test"), "550 5.1.1");
        assert_eq!(to("ann@abc.test"), "550 5.4.6");
        assert_eq!(to("ann@alias.test"), "550 5.4.6");
    }
}

mod group {
    use crate::fixture::{Fake, group};
    use crate::{Delivery, GroupFacts, State};

    #[test]
    fn its_state_decides_before_its_members() {
        for (status, expected) in [
            (State::Inactive, "450 4.2.1"),
            (State::Disabled, "550 5.2.1"),
            (State::Deleted, "550 5.1.6"),
            (State::Removed, "550 5.1.6"),
            (State::Active, "250 mailbox ann@abc.test"),
        ] {
            let facts = GroupFacts {
                status,
                ..group(1, "team@abc.test", &["ann@abc.test"])
            };
            assert_eq!(
                Fake::abc().with_group(facts).shown("team@abc.test"),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn options_and_members_together() {
        let deliveries = vec![
            Delivery::Shared {
                name: "office".to_owned(),
            },
            Delivery::Members,
        ];
        let facts = GroupFacts {
            deliveries,
            ..group(1, "team@abc.test", &["bob@abc.test", "bob+x@alias.test"])
        };
        let fake = Fake::abc().with_group(facts);
        assert!(
            fake.shown("team@abc.test")
                .starts_with("250 shared of team@abc.test, mailbox bob@abc.test")
        );
        assert_eq!(
            Fake::abc()
                .with_group(group(1, "none@abc.test", &[]))
                .shown("none@abc.test"),
            "550 5.2.4"
        );
    }
}
