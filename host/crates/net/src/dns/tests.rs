//! Tables for the pure parts; a real name server on loopback for the rest.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX, PTR, SOA};
use hickory_resolver::proto::rr::{LowerName, Name, RData, Record};
use hickory_server::Server;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use mail::Domain;
use tokio::net::{TcpListener, UdpSocket};

use super::hickory::DnsSettings;
use super::{Answer, DnsResolver, FakeResolver, MailHost, Resolver, is_public};

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.").replace("..", ".")).expect("a name of the test")
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).expect("a domain of the test")
}

fn mx(preference: u16, host: &str) -> RData {
    RData::MX(MX::new(preference, name(host)))
}

fn cname(target: &str) -> RData {
    RData::CNAME(CNAME(name(target)))
}

fn a(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
}

fn host(preference: u16, host: &str) -> MailHost {
    MailHost {
        preference,
        host: host.to_owned(),
    }
}

/// Everything the server knows.
fn records() -> Vec<(String, RData)> {
    let mut records: Vec<(String, RData)> = [
        ("abc.test", mx(20, "MX2.abc.test")),
        ("abc.test", mx(10, "mx1.abc.test")),
        ("mx1.abc.test", a(1)),
        ("mx1.abc.test", a(2)),
        ("no-mx.abc.test", a(3)),
        ("null.test", mx(0, "")),
        ("mixed.test", mx(0, "")),
        ("mixed.test", mx(10, "mx1.abc.test")),
        ("alias.abc.test", cname("mx1.abc.test")),
        ("loop-a.abc.test", cname("loop-b.abc.test")),
        ("loop-b.abc.test", cname("loop-a.abc.test")),
        (
            "7.2.0.192.in-addr.arpa",
            RData::PTR(PTR(name("Host7.abc.test"))),
        ),
    ]
    .map(|(owner, data)| (owner.to_owned(), data))
    .into();
    for number in 0..60 {
        records.push((
            "many.test".to_owned(),
            mx(number, &format!("mx{number}.many.test")),
        ));
    }
    records
}

fn zone(origin: &str) -> Arc<InMemoryZoneHandler<TokioRuntimeProvider>> {
    let mut zone = InMemoryZoneHandler::<TokioRuntimeProvider>::empty(
        name(origin),
        ZoneType::Primary,
        AxfrPolicy::Deny,
    );
    let soa = SOA::new(name("ns.test"), name("host.test"), 1, 3600, 600, 86_400, 60);
    zone.upsert_mut(Record::from_rdata(name(origin), 60, RData::SOA(soa)), 1);
    for (owner, data) in records() {
        if owner.ends_with(origin) {
            zone.upsert_mut(Record::from_rdata(name(&owner), 60, data), 1);
        }
    }
    Arc::new(zone)
}

/// A name server on UDP and TCP, and a resolver that asks it.
async fn start() -> (DnsResolver, Server<Catalog>) {
    let mut catalog = Catalog::new();
    for origin in [
        "abc.test",
        "null.test",
        "mixed.test",
        "many.test",
        "2.0.192.in-addr.arpa",
    ] {
        catalog.upsert(LowerName::from(name(origin)), vec![zone(origin)]);
    }
    let mut server = Server::new(catalog);
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let address = tcp.local_addr().expect("bound");
    let udp = UdpSocket::bind(address)
        .await
        .expect("the same port for UDP");
    server.register_socket(udp);
    server.register_listener(tcp, Duration::from_secs(5), 64 * 1024);
    (resolver(address, 5000), server)
}

fn resolver(address: SocketAddr, timeout_ms: u64) -> DnsResolver {
    let settings = DnsSettings {
        servers: vec![address],
        timeout: Duration::from_millis(timeout_ms),
    };
    DnsResolver::new(&settings).expect("settings of the test")
}

#[tokio::test]
async fn mail_hosts_come_best_first() {
    let (resolver, _server) = start().await;
    let expected = vec![host(10, "mx1.abc.test"), host(20, "mx2.abc.test")];
    assert_eq!(
        resolver.mx(&domain("abc.test")).await,
        Answer::Found(expected)
    );
    assert_eq!(
        resolver.mx(&domain("no-mx.abc.test")).await,
        Answer::NoRecords
    );
}

#[tokio::test]
async fn n01_a_name_that_does_not_exist_is_told_from_trouble() {
    let (resolver, _server) = start().await;
    assert_eq!(
        resolver.mx(&domain("nothing.abc.test")).await,
        Answer::NoSuchDomain
    );
    assert_eq!(
        resolver.addresses("nothing.abc.test").await,
        Answer::NoSuchDomain
    );
    // The server is not responsible for this one and says REFUSED.
    assert!(matches!(
        resolver.mx(&domain("elsewhere.example")).await,
        Answer::Temporary(_)
    ));
}

#[tokio::test]
async fn n01_servfail_is_temporary() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let resolver = resolver(socket.local_addr().expect("bound"), 2000);
    let answering = tokio::spawn(async move {
        let mut query = [0; 1500];
        loop {
            let (length, peer) = socket.recv_from(&mut query).await.expect("a query");
            query[2] |= 0x80; // a response
            query[3] = 0x82; // RCODE 2, SERVFAIL (RFC 1035 §4.1.1)
            socket.send_to(&query[..length], peer).await.expect("sent");
        }
    });
    let answer = resolver.mx(&domain("abc.test")).await;
    assert!(matches!(answer, Answer::Temporary(_)), "{answer:?}");
    let answer = resolver.addresses("abc.test").await;
    assert!(matches!(answer, Answer::Temporary(_)), "{answer:?}");
    answering.abort();
}

#[tokio::test]
async fn n01_a_server_that_is_silent_is_temporary_and_in_time() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let resolver = resolver(socket.local_addr().expect("bound"), 300);
    let before = Instant::now();
    assert!(matches!(
        resolver.mx(&domain("abc.test")).await,
        Answer::Temporary(_)
    ));
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test]
async fn n02_null_mx_means_no_mail() {
    let (resolver, _server) = start().await;
    assert_eq!(resolver.mx(&domain("null.test")).await, Answer::NullMx);
    // Beside a real one it means nothing.
    assert_eq!(
        resolver.mx(&domain("mixed.test")).await,
        Answer::Found(vec![host(10, "mx1.abc.test")])
    );
}

#[tokio::test]
async fn n03_alias_chains_are_followed_and_bounded() {
    let (resolver, _server) = start().await;
    let mut addresses = match resolver.addresses("alias.abc.test").await {
        Answer::Found(addresses) => addresses,
        other => panic!("{other:?}"),
    };
    addresses.sort();
    assert_eq!(
        addresses,
        [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])]
    );
    let before = Instant::now();
    let answer = resolver.addresses("loop-a.abc.test").await;
    assert!(!matches!(answer, Answer::Found(_)), "{answer:?}");
    assert!(before.elapsed() < Duration::from_secs(6));
}

#[tokio::test]
async fn n04_of_many_mail_hosts_the_first_20_are_tried() {
    let (resolver, _server) = start().await;
    let Answer::Found(hosts) = resolver.mx(&domain("many.test")).await else {
        panic!("there are 60, more than UDP takes");
    };
    assert_eq!(hosts.len(), 20);
    assert_eq!(hosts[19], host(19, "mx19.many.test"));
}

#[tokio::test]
async fn an_address_has_a_name() {
    let (resolver, _server) = start().await;
    let answer = resolver.ptr(IpAddr::from([192, 0, 2, 7])).await;
    assert_eq!(answer, Answer::Found(vec!["host7.abc.test".to_owned()]));
    assert_eq!(
        resolver.ptr(IpAddr::from([192, 0, 2, 8])).await,
        Answer::NoSuchDomain
    );
}

#[test]
fn n05_answers_are_believed_neither_too_short_nor_too_long() {
    let options = super::hickory::options(&DnsSettings::default());
    assert_eq!(options.positive_min_ttl, Some(Duration::from_secs(30)));
    assert_eq!(options.positive_max_ttl, Some(Duration::from_secs(86_400)));
    assert_eq!(options.negative_max_ttl, Some(Duration::from_secs(300)));
}

#[test]
fn n03_private_addresses_are_no_mail_hosts() {
    for (address, expected) in [
        ("192.0.1.1", true),
        ("8.8.8.8", true),
        ("2606:4700::1111", true),
        ("0.0.0.0", false),
        ("10.1.2.3", false),
        ("100.64.0.1", false),
        ("127.0.0.1", false),
        ("127.255.0.1", false),
        ("169.254.169.254", false),
        ("172.31.0.1", false),
        ("192.168.0.1", false),
        ("198.18.0.1", false),
        ("224.0.0.1", false),
        ("255.255.255.255", false),
        ("::1", false),
        ("::", false),
        ("::ffff:127.0.0.1", false),
        ("::ffff:8.8.8.8", true),
        ("fe80::1", false),
        ("fd00::1", false),
        ("ff02::1", false),
        ("2001:db8::1", false),
    ] {
        let address: IpAddr = address.parse().expect("an address of the test");
        assert_eq!(is_public(address), expected, "{address}");
    }
}

#[tokio::test]
async fn the_fake_answers_as_its_table_says() {
    let address = IpAddr::from([192, 0, 2, 1]);
    let fake = FakeResolver::new()
        .with_mx("abc.test", &[(20, "b.abc.test"), (10, "A.abc.test.")])
        .with_addresses("a.abc.test", &[address])
        .with_mx_answer("null.test", Answer::NullMx)
        .with_ptr(address, "a.abc.test");
    let expected = vec![host(10, "a.abc.test"), host(20, "b.abc.test")];
    assert_eq!(fake.mx(&domain("ABC.test")).await, Answer::Found(expected));
    assert_eq!(fake.mx(&domain("a.abc.test")).await, Answer::NoRecords);
    assert_eq!(fake.mx(&domain("null.test")).await, Answer::NullMx);
    assert_eq!(fake.mx(&domain("other.test")).await, Answer::NoSuchDomain);
    assert_eq!(
        fake.addresses("a.abc.test").await,
        Answer::Found(vec![address])
    );
    assert_eq!(fake.addresses("abc.test").await, Answer::NoRecords);
    assert_eq!(
        fake.ptr(address).await,
        Answer::Found(vec!["a.abc.test".to_owned()])
    );
}
