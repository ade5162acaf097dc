//! Every row of `tests/message_way.tsv`, taken through the directory and the routing.

mod replay;
#[path = "../../../../tests/src/slapd.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the end-to-end tests, which use all of it"
)]
mod slapd;

use directory::{Directory, EmbeddedDirectory, Layout, LdapDirectory, LdapSettings, Options};
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
        next_hop: routing::NextHop::Host("[192.0.2.25]:25".parse().expect("a host")),
    };
    Site {
        postmaster: Some("hostmaster@site.test".parse().expect("an address")),
        routes: RouteTable::new(vec![route], &[]).expect("one route has no tie"),
        ..Site::default()
    }
}

/// Takes the way, with what the row says of DNS, and fails when it asks for more or for less.
async fn take(
    directory: &dyn Directory,
    recipient: ForwardPath,
    sender: &str,
    dns: &str,
) -> Routed {
    let sender = match sender {
        "stranger" => Sender::Stranger,
        "trusted" => Sender::Trusted,
        "authenticated" => Sender::Authenticated(PersonId(1)),
        "internal" => Sender::Internal,
        other => panic!("no sender is called {other}"),
    };
    let request = Request { recipient, sender };
    let (site, table, mut answers) = (site(), directory.table(), Answers::default());
    for _ in 0..100 {
        let way = routing::route(&request, &site, &*table, &answers);
        if table.complete().await {
            continue;
        }
        match way {
            Way::Decided(routed) => {
                assert_eq!(
                    answers.dns.is_empty(),
                    dns == "-",
                    "DNS is asked exactly where the row says"
                );
                return routed;
            }
            Way::NeedsDns(_) if !answers.dns.is_empty() => panic!("DNS is asked twice"),
            Way::NeedsDns(domain) => answers.dns(domain, answer(dns)),
            Way::NeedsResolve(address) => panic!("no hook is bound for {address}"),
        }
    }
    panic!("the way does not end");
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
async fn outcome(directory: &dyn Directory, row: &[&str]) -> [String; 4] {
    let recipient = match row[2] {
        "Postmaster" => ForwardPath::Postmaster,
        text => match Mailbox::parse(text) {
            Ok(mailbox) => ForwardPath::Mailbox(mailbox),
            Err(_) => return ["501", "5.1.3", "parse", "-"].map(str::to_owned),
        },
    };
    let routed = take(directory, recipient, row[1], row[3]).await;
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

/// Takes every row; what is wrong is in the message.
async fn check(directory: &dyn Directory) {
    let rows: Vec<Vec<&str>> = ROWS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split('\t').collect())
        .collect();
    assert!(rows.len() > 100, "the table is there");
    let mut wrong = Vec::new();
    for row in &rows {
        assert_eq!(row.len(), 8, "{row:?}");
        let got = outcome(directory, row).await;
        if got != row[4..8] {
            wrong.push(format!("{}: {got:?}, not {:?}", row[0], &row[4..8]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_row_of_the_table_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("directory.redb");
    let directory = EmbeddedDirectory::open(&path, Options::default()).expect("a new directory");
    replay::load(&directory, DIRECTORY);

    check(&directory).await;

    // The same from disk.
    let generation = directory.snapshot().generation();
    drop(directory);
    let directory = EmbeddedDirectory::open(&path, Options::default()).expect("the same directory");
    assert_eq!(directory.snapshot().generation(), generation);
    check(&directory).await;
}

/// From an LDAP server, each entry asked for when a row needs it.
async fn check_ldap(layout: Layout) {
    let server = slapd::Slapd::start(&replay::ldif::of(DIRECTORY, layout));
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = LdapSettings::new(&server.url(), slapd::SUFFIX);
    settings.bind_dn = slapd::READER.to_owned();
    settings.bind_password = mail::Secret::new(slapd::SECRET.to_owned());
    settings.layout = layout;
    // Addresses beyond ASCII do not fit into `mail`.
    settings.attributes.mail = "postroomMail".to_owned();
    let path = folder.path().join("directory.redb");
    let directory = LdapDirectory::open(&path, settings).expect("a new directory");
    check(&directory).await;
    // The same from the cache.
    check(&directory).await;
}

#[tokio::test]
async fn every_row_holds_from_a_flat_ldap_tree() {
    check_ldap(Layout::Flat).await;
}

#[tokio::test]
async fn every_row_holds_from_an_ldap_dc_tree() {
    check_ldap(Layout::Dc).await;
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

#[tokio::test]
async fn a_domain_says_in_its_own_words_why_it_is_disabled() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory =
        EmbeddedDirectory::open(&folder.path().join("directory.redb"), Options::default())
            .expect("a new directory");
    replay::load(&directory, DIRECTORY);
    let text = async |address: &str| {
        let recipient = ForwardPath::Mailbox(address.parse().expect("an address"));
        match take(&directory, recipient, "stranger", "-").await.decision {
            Decision::Refuse(reply) => reply.text().to_owned(),
            Decision::Accept { .. } => panic!("{address} is taken"),
        }
    };
    assert_eq!(
        text("ann@told.test").await,
        "told.test has moved to abc.test"
    );
    assert_ne!(
        text("disabled@abc.test").await,
        "told.test has moved to abc.test"
    );
}
