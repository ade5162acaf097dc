//! Every row of `tests/message_way.tsv`, taken through the directory and the routing.

mod replay;

use directory::{EmbeddedDirectory, Options};
use mail::{Domain, ForwardPath, Mailbox, PersonId};
use routing::{
    Answers, Decision, DnsAnswer, Request, Route, RouteTable, Routed, Sender, Site, Target, Way,
};

const ROWS: &str = include_str!("../../../../tests/message_way.tsv");
const DIRECTORY: &str = include_str!("../../../../tests/message_way_directory.txt");

fn site() -> Site {
    let route = Route {
        pattern: ".routed.test".parse().expect("a pattern"),
        channel: "smtp".to_owned(),
        host: Some("[192.0.2.25]:25".parse().expect("a host")),
    };
    Site {
        postmaster: Some("hostmaster@site.test".parse().expect("an address")),
        routes: RouteTable::new(vec![route], &[]).expect("one route has no tie"),
        ..Site::default()
    }
}

/// Takes the way, with what the row says of DNS, and fails when it asks for more or for less.
fn take(directory: &EmbeddedDirectory, recipient: ForwardPath, sender: &str, dns: &str) -> Routed {
    let sender = match sender {
        "stranger" => Sender::Stranger,
        "trusted" => Sender::Trusted,
        "authenticated" => Sender::Authenticated(PersonId(1)),
        "internal" => Sender::Internal,
        other => panic!("no sender is called {other}"),
    };
    let request = Request { recipient, sender };
    let (site, table, mut answers) = (site(), directory.snapshot(), Answers::default());
    for _ in 0..2 {
        match routing::route(&request, &site, &*table, &answers) {
            Way::Decided(routed) => {
                assert_eq!(
                    answers.dns.is_empty(),
                    dns == "-",
                    "DNS is asked exactly where the row says"
                );
                return routed;
            }
            Way::NeedsDns(domain) => answers.dns(domain, answer(dns)),
            Way::NeedsResolve(address) => panic!("no hook is bound for {address}"),
        }
    }
    panic!("the way asks twice");
}

fn answer(dns: &str) -> DnsAnswer {
    match dns {
        "found" => DnsAnswer::Found {
            exchange: Some(Domain::parse("mx.remote.test").expect("a domain")),
        },
        "nxdomain" => DnsAnswer::NoSuchDomain,
        "nullmx" => DnsAnswer::NullMx,
        "servfail" => DnsAnswer::Temporary,
        other => panic!("DNS is asked, and the row says {other}"),
    }
}

fn shown(target: &Target) -> String {
    match target {
        Target::Mailbox { address, .. } => format!("mailbox:{address}"),
        Target::Option {
            address, delivery, ..
        } => format!("{}:{address}", delivery.option()),
        Target::Remote { address, .. } => format!("remote:{address}"),
        Target::Refused { address, .. } => format!("refused:{address}"),
    }
}

/// Code, enhanced status, deciding step and targets, as a row has them.
fn outcome(directory: &EmbeddedDirectory, row: &[&str]) -> [String; 4] {
    let recipient = match row[2] {
        "Postmaster" => ForwardPath::Postmaster,
        text => match Mailbox::parse(text) {
            Ok(mailbox) => ForwardPath::Mailbox(mailbox),
            Err(_) => return ["501", "5.1.3", "parse", "-"].map(str::to_owned),
        },
    };
    let routed = take(directory, recipient, row[1], row[3]);
    let step = routed
        .steps
        .last()
        .expect("every way has steps")
        .step
        .name()
        .to_owned();
    match routed.decision {
        Decision::Refuse(reply) => {
            let enhanced = reply.enhanced().expect("every refusal has one").to_string();
            [
                reply.code().number().to_string(),
                enhanced,
                step,
                "-".to_owned(),
            ]
        }
        Decision::Accept { targets, held } => {
            assert_eq!(held, None);
            let targets: Vec<String> = targets.iter().map(shown).collect();
            [
                "250".to_owned(),
                "2.1.5".to_owned(),
                step,
                targets.join(" "),
            ]
        }
    }
}

#[test]
fn every_row_of_the_table_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("directory.redb");
    let directory = EmbeddedDirectory::open(&path, Options::default()).expect("a new directory");
    replay::load(&directory, DIRECTORY);

    let rows = || {
        ROWS.lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
    };
    assert!(rows().count() > 100, "the table is there");
    let check = |directory: &EmbeddedDirectory| {
        let wrong: Vec<String> = rows()
            .filter_map(|line| {
                let row: Vec<&str> = line.split('\t').collect();
                assert_eq!(row.len(), 8, "{line}");
                let got = outcome(directory, &row);
                (got != row[4..8]).then(|| format!("{}: {got:?}, not {:?}", row[0], &row[4..8]))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    };
    check(&directory);

    // The same from disk.
    let generation = directory.snapshot().generation();
    drop(directory);
    let directory = EmbeddedDirectory::open(&path, Options::default()).expect("the same directory");
    assert_eq!(directory.snapshot().generation(), generation);
    check(&directory);
}

#[test]
fn names_of_rows_are_distinct() {
    let mut names: Vec<&str> = ROWS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split('\t').next())
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn a_domain_says_in_its_own_words_why_it_is_disabled() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory =
        EmbeddedDirectory::open(&folder.path().join("directory.redb"), Options::default())
            .expect("a new directory");
    replay::load(&directory, DIRECTORY);
    let text = |address: &str| {
        let recipient = ForwardPath::Mailbox(address.parse().expect("an address"));
        match take(&directory, recipient, "stranger", "-").decision {
            Decision::Refuse(reply) => reply.text().to_owned(),
            Decision::Accept { .. } => panic!("{address} is taken"),
        }
    };
    assert_eq!(text("ann@told.test"), "told.test has moved to abc.test");
    assert_ne!(text("disabled@abc.test"), "told.test has moved to abc.test");
}
