//! The real DNS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{TokioResolver, lookup::Lookup as Records};
use mail::Domain;
use tokio::time::timeout;

use super::{ADDRESSES, Answer, Lookup, MAIL_HOSTS, MailHost, Resolver};

/// Names behind one address that are looked at.
const NAMES: usize = 20;

/// Answers are believed at least and at most so long (seconds to a day; negative ones 5 min).
const TTL_LEAST: Duration = Duration::from_secs(30);
const TTL_MOST: Duration = Duration::from_secs(24 * 3600);
const NEGATIVE_TTL_MOST: Duration = Duration::from_secs(5 * 60);

/// Whom to ask, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsSettings {
    /// Name servers with their ports; the system's where there is none.
    pub servers: Vec<SocketAddr>,
    /// How long a look-up may take, retries included.
    pub timeout: Duration,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Asks name servers, and remembers.
#[derive(Clone)]
pub struct DnsResolver {
    resolver: TokioResolver,
    timeout: Duration,
}

impl DnsResolver {
    /// A resolver with an empty memory.
    ///
    /// # Errors
    /// What is wrong with the system's own settings, where they are used.
    pub fn new(settings: &DnsSettings) -> Result<Self, String> {
        let builder = if settings.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(|error| error.to_string())?
        } else {
            let servers = settings
                .servers
                .iter()
                .map(|&server| name_server(server))
                .collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let resolver = builder
            .with_options(options(settings))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            resolver,
            timeout: settings.timeout,
        })
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Answer<Records> {
        let Ok(mut name) = Name::from_ascii(name) else {
            // What cannot be written in the DNS is not in it.
            return Answer::NoSuchDomain;
        };
        // No search list: `mail` is not `mail.our.domain`.
        name.set_fqdn(true);
        match timeout(self.timeout, self.resolver.lookup(name, kind)).await {
            Ok(Ok(records)) => Answer::Found(records),
            Ok(Err(error)) => failure(&error),
            Err(_) => Answer::Temporary("no answer in time".to_owned()),
        }
    }
}

impl Resolver for DnsResolver {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Lookup<'a, Vec<MailHost>> {
        Box::pin(async move {
            match self.ask(domain.as_str(), RecordType::MX).await {
                Answer::Found(records) => mail_hosts(&records),
                other => without_records(other),
            }
        })
    }

    fn addresses<'a>(&'a self, host: &'a str) -> Lookup<'a, Vec<IpAddr>> {
        Box::pin(async move {
            let (v6, v4) = tokio::join!(
                self.ask(host, RecordType::AAAA),
                self.ask(host, RecordType::A)
            );
            both(pick(v6, ADDRESSES, address), pick(v4, ADDRESSES, address))
        })
    }

    fn ptr(&self, address: IpAddr) -> Lookup<'_, Vec<String>> {
        Box::pin(async move {
            let name = Name::from(address.to_canonical()).to_ascii();
            let names = self.ask(&name, RecordType::PTR).await;
            pick(names, NAMES, |data| match data {
                RData::PTR(name) => Some(host_name(&name.0)),
                _ => None,
            })
        })
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    let connections = vec![
        with_port(ConnectionConfig::udp()),
        with_port(ConnectionConfig::tcp()),
    ];
    NameServerConfig::new(server.ip(), true, connections)
}

pub(super) fn options(settings: &DnsSettings) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    // Two tries fit into the time that a whole look-up has.
    options.timeout = settings.timeout / 2;
    options.attempts = 2;
    options.use_hosts_file = ResolveHosts::Never;
    options.positive_min_ttl = Some(TTL_LEAST);
    options.positive_max_ttl = Some(TTL_MOST);
    options.negative_min_ttl = Some(TTL_LEAST);
    options.negative_max_ttl = Some(NEGATIVE_TTL_MOST);
    options.try_tcp_on_error = true;
    options
}

fn failure<T>(error: &NetError) -> Answer<T> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code, .. })) => {
            match response_code {
                ResponseCode::NXDomain => Answer::NoSuchDomain,
                ResponseCode::NoError => Answer::NoRecords,
                other => Answer::Temporary(format!("the name server said {other}")),
            }
        }
        other => Answer::Temporary(other.to_string()),
    }
}

fn mail_hosts(records: &Records) -> Answer<Vec<MailHost>> {
    let mut hosts: Vec<MailHost> = records
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::MX(mx) => Some(MailHost {
                preference: mx.preference,
                host: host_name(&mx.exchange),
            }),
            _ => None,
        })
        .collect();
    // RFC 7505 §3: one record, its host the root. Beside others it means nothing.
    let roots = hosts.iter().filter(|host| host.host.is_empty()).count();
    if roots > 0 && roots == hosts.len() {
        return Answer::NullMx;
    }
    hosts.retain(|host| !host.host.is_empty());
    hosts.sort();
    hosts.dedup();
    hosts.truncate(MAIL_HOSTS);
    if hosts.is_empty() {
        Answer::NoRecords
    } else {
        Answer::Found(hosts)
    }
}

fn pick<T>(
    answer: Answer<Records>,
    most: usize,
    value: impl Fn(&RData) -> Option<T>,
) -> Answer<Vec<T>> {
    match answer {
        Answer::Found(records) => {
            let values: Vec<T> = records
                .answers()
                .iter()
                .filter_map(|record| value(&record.data))
                .take(most)
                .collect();
            if values.is_empty() {
                Answer::NoRecords
            } else {
                Answer::Found(values)
            }
        }
        other => without_records(other),
    }
}

/// Two kinds of addresses are one answer: what was found counts, then what may yet be found,
/// then that there is nothing.
fn both(v6: Answer<Vec<IpAddr>>, v4: Answer<Vec<IpAddr>>) -> Answer<Vec<IpAddr>> {
    match (v6, v4) {
        (Answer::Found(mut all), Answer::Found(more)) => {
            all.extend(more);
            all.truncate(ADDRESSES);
            Answer::Found(all)
        }
        (Answer::Found(found), _) | (_, Answer::Found(found)) => Answer::Found(found),
        (Answer::Temporary(why), _) | (_, Answer::Temporary(why)) => Answer::Temporary(why),
        (Answer::NoRecords, _) | (_, Answer::NoRecords) => Answer::NoRecords,
        (other, _) => other,
    }
}

fn without_records<T>(answer: Answer<Records>) -> Answer<Vec<T>> {
    match answer {
        Answer::Found(_) | Answer::NoRecords => Answer::NoRecords,
        Answer::NoSuchDomain => Answer::NoSuchDomain,
        Answer::NullMx => Answer::NullMx,
        Answer::Temporary(why) => Answer::Temporary(why),
    }
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

fn host_name(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}
