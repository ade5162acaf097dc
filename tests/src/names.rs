//! A real authoritative name server on loopback, which knows some domains and remembers what it
//! was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::{Time, TokioRuntimeProvider};
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::rdata::{A, MX, SOA};
use hickory_server::proto::rr::{LowerName, Name, RData, Record};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, MessageResponseBuilder, ZoneType};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Runtime;

/// What a name server says of a domain beneath `test`. Names that are not listed do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dns {
    /// MX and an address.
    Found,
    /// A null MX (RFC 7505).
    NullMx,
    /// SERVFAIL.
    Servfail,
    /// These mail hosts: preference, name beneath the domain, address.
    Hosts(&'static [(u16, &'static str, [u8; 4])]),
}

/// A running name server. It ends with the value.
pub struct NameServer {
    address: SocketAddr,
    asked: Asked,
    // Dropping it ends the server's tasks.
    _runtime: Runtime,
}

type Asked = Arc<Mutex<Vec<String>>>;

impl NameServer {
    /// Serves UDP and TCP on a free port.
    ///
    /// # Panics
    /// There is no such port, or a name is none.
    #[track_caller]
    pub fn start(domains: &[(&str, Dns)]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let asked = Asked::default();
        let mut catalog = Catalog::new();
        let origin = name("test");
        catalog.upsert(LowerName::from(origin), vec![Arc::new(zone(domains))]);
        let handler = Remembering {
            catalog,
            broken: domains
                .iter()
                .filter(|(_, dns)| *dns == Dns::Servfail)
                .map(|(domain, _)| (*domain).to_owned())
                .collect(),
            asked: Arc::clone(&asked),
        };
        let address = runtime.block_on(serve(handler));
        Self {
            address,
            asked,
            _runtime: runtime,
        }
    }

    /// The line of `postroom.toml` that makes a server ask this one.
    pub fn key(&self) -> String {
        format!("dns = [\"{}\"]\n", self.address)
    }

    /// Whether anybody asked about a domain or a name beneath it.
    pub fn was_asked(&self, domain: &str) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().any(|name| is_within(name, domain))
    }
}

async fn serve(handler: Remembering) -> SocketAddr {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let address = tcp.local_addr().expect("it is bound");
    let udp = UdpSocket::bind(address).await.expect("the same port");
    let mut server = Server::new(handler);
    server.register_socket(udp);
    server.register_listener(tcp, Duration::from_secs(5), 64 * 1024);
    tokio::spawn(async move {
        let _ = server.block_until_done().await;
    });
    address
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).expect("a name of the test")
}

fn zone(domains: &[(&str, Dns)]) -> InMemoryZoneHandler<TokioRuntimeProvider> {
    let origin = name("test");
    let mut zone = InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny);
    let mut add = |owner: Name, data: RData| {
        zone.upsert_mut(Record::from_rdata(owner, 60, data), 1);
    };
    let soa = SOA::new(name("ns.test"), name("host.test"), 1, 3600, 600, 86_400, 60);
    add(origin, RData::SOA(soa));
    for (domain, dns) in domains {
        let host = name(&format!("mx.{domain}"));
        match dns {
            Dns::Found => {
                add(name(domain), RData::MX(MX::new(10, host.clone())));
                // From the documentation range (RFC 5737): nobody's.
                add(host, RData::A(A(Ipv4Addr::new(192, 0, 2, 7))));
            }
            Dns::NullMx => add(name(domain), RData::MX(MX::new(0, Name::root()))),
            Dns::Servfail => {}
            Dns::Hosts(hosts) => {
                for (preference, host, address) in *hosts {
                    let host = name(&format!("{host}.{domain}"));
                    add(name(domain), RData::MX(MX::new(*preference, host.clone())));
                    add(host, RData::A(A(Ipv4Addr::from(*address))));
                }
            }
        }
    }
    zone
}

fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The catalog, with a memory and with trouble.
struct Remembering {
    catalog: Catalog,
    broken: Vec<String>,
    asked: Asked,
}

impl RequestHandler for Remembering {
    // What `async_trait` makes of the trait's method.
    fn handle_request<'a, 'b, 'c, R, T>(
        &'a self,
        request: &'b Request,
        mut response: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
        R: ResponseHandler + 'c,
        T: Time + 'c,
    {
        Box::pin(async move {
            let asked = request.queries.queries().first().map(|query| {
                let name = query.name().to_string().to_lowercase();
                name.trim_end_matches('.').to_owned()
            });
            let asked = asked.unwrap_or_default();
            let broken = self.broken.iter().any(|domain| is_within(&asked, domain));
            self.asked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(asked);
            if broken {
                let answer = MessageResponseBuilder::from_message_request(request)
                    .error_msg(&request.metadata, ResponseCode::ServFail);
                if let Ok(info) = response.send_response(answer).await {
                    return info;
                }
            }
            self.catalog.handle_request::<R, T>(request, response).await
        })
    }
}
