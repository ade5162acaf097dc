use net::dns::FakeResolver;
use net::tls::CertificateFacts;

use super::*;

const DAY: i64 = 24 * 3600;

fn subject(toml: &str) -> Subject {
    let config = Config::parse(toml).expect(toml);
    Subject {
        hostname: Domain::parse(&config.hostname).expect("a name"),
        config,
        running: false,
        trouble: None,
        domains: vec![Domain::parse("abc.test").expect("a name")],
    }
}

#[test]
fn a_certificate_is_judged_by_name_and_time() {
    let now = 1_800_000_000;
    let facts = |names: &[&str], begins: i64, days: i64| CertificateFacts {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        not_before: now + begins * DAY,
        not_after: now + days * DAY,
    };
    let cases = [
        (facts(&["mail.abc.test"], -1, 60), State::Ok, "60 days more"),
        (facts(&["MAIL.abc.test"], -1, 60), State::Ok, "60 days more"),
        (facts(&["*.abc.test"], -1, 60), State::Ok, "60 days more"),
        (
            facts(&["*.test"], -1, 60),
            State::Failed,
            "for *.test, not for",
        ),
        (
            facts(&["abc.test"], -1, 60),
            State::Failed,
            "for abc.test, not for",
        ),
        (
            facts(&["mail.abc.test"], -1, 13),
            State::Warning,
            "13 days more",
        ),
        (
            facts(&["mail.abc.test"], -1, -3),
            State::Failed,
            "ended 3 days ago",
        ),
        (facts(&["mail.abc.test"], 1, 60), State::Failed, "not begun"),
    ];
    for (facts, state, text) in cases {
        let found = certificate::judge(&facts, "mail.abc.test", now);
        assert_eq!(found.state, state, "{facts:?}: {found:?}");
        assert!(found.text.contains(text), "{facts:?}: {found:?}");
        assert_eq!(found.next.is_some(), state != State::Ok, "{found:?}");
    }
}

#[tokio::test]
async fn the_dns_is_compared_with_what_is_served() {
    let subject = subject("hostname = 'mail.abc.test'");
    let empty = FakeResolver::default();
    let found = dns::with(&empty, &subject).await;
    let texts: Vec<&str> = found.iter().map(|one| one.text.as_str()).collect();
    assert!(texts[0].contains("has no address"), "{texts:?}");
    assert!(texts[1].contains("abc.test has no MX record"), "{texts:?}");
    let next = found[1].next.as_deref().expect("a record to add");
    assert_eq!(next, "add to the zone: abc.test. IN MX 10 mail.abc.test.");
}

#[tokio::test]
async fn a_zone_that_is_right_is_right() {
    let subject = subject("hostname = 'mail.abc.test'");
    // A public one: for others no reverse name is asked.
    let address = "192.88.99.1".parse().expect("an address");
    let resolver = FakeResolver::default()
        .with_mx("abc.test", &[(10, "mail.abc.test")])
        .with_addresses("mail.abc.test", &[address])
        .with_ptr(address, "mail.abc.test");
    let found = dns::with(&resolver, &subject).await;
    assert!(found.iter().all(|one| one.state == State::Ok), "{found:?}");
}

#[test]
fn a_port_that_somebody_has_is_found() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let toml = format!(
        "[listen]\nsmtp = ['{address}']\nsubmission = []\nsubmissions = []\nimap = []\nimaps = []\npop3 = []\npop3s = []\nhttps = []\nmetrics = []"
    );
    let mut subject = subject(&toml);
    let found = ports::check(&subject);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].state, State::Failed);
    let next = found[0].next.as_deref().expect("a command");
    assert!(
        next.contains(&format!("sport = :{}", address.port())),
        "{next}"
    );
    subject.running = true;
    assert_eq!(
        ports::check(&subject)[0].state,
        State::Ok,
        "our own server has it"
    );
    drop(taken);
    subject.running = false;
    assert_eq!(ports::check(&subject)[0].state, State::Ok);
}

#[test]
fn people_read_what_to_do_next() {
    let found = [
        Finding::ok("config", "hostname is mail.abc.test"),
        Finding::failed("ports", "smtp cannot have 0.0.0.0:25", "ss -ltnp"),
    ];
    assert_eq!(
        human(&found),
        "ok       config       hostname is mail.abc.test\n\
         FAILED   ports        smtp cannot have 0.0.0.0:25\n\
         \x20                     -> ss -ltnp\n\
         Failed: 1, warnings: 0.\n"
    );
}
