//! Addresses and ports.

use std::net::{Ipv4Addr, SocketAddr};

use mail::Service;
use serde::{Deserialize, Serialize};

/// Where each service listens. An empty list switches a service off; port 0 takes any free one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listeners {
    /// Mail from other servers, 25.
    pub smtp: Vec<SocketAddr>,
    /// Mail from people, STARTTLS, 587.
    pub submission: Vec<SocketAddr>,
    /// Mail from people, TLS from byte one, 465.
    pub submissions: Vec<SocketAddr>,
    /// IMAP with STARTTLS, 143.
    pub imap: Vec<SocketAddr>,
    /// IMAP, TLS from byte one, 993.
    pub imaps: Vec<SocketAddr>,
    /// POP3 with STLS, 110.
    pub pop3: Vec<SocketAddr>,
    /// POP3, TLS from byte one, 995.
    pub pop3s: Vec<SocketAddr>,
    /// The administration API, HTTPS, 8443. On loopback, until an operator opens it.
    pub https: Vec<SocketAddr>,
    /// Health and metrics by HTTP, for the operator's own network.
    pub metrics: Vec<SocketAddr>,
    /// Added to every port above that is not 0, so that a trial needs no root.
    pub port_offset: u16,
}

impl Default for Listeners {
    fn default() -> Self {
        let any = |port| vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))];
        Self {
            smtp: any(25),
            submission: any(587),
            submissions: any(465),
            imap: any(143),
            imaps: any(993),
            pop3: any(110),
            pop3s: any(995),
            https: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8443))],
            metrics: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9825))],
            port_offset: 0,
        }
    }
}

impl Listeners {
    /// Every listener that people or servers use, with its service.
    pub fn services(&self) -> Vec<(Service, SocketAddr)> {
        let of = |service, addresses: &Vec<SocketAddr>| {
            addresses
                .iter()
                .map(|address| (service, self.moved(*address)))
                .collect::<Vec<_>>()
        };
        [
            of(Service::Mx, &self.smtp),
            of(Service::Smtp, &self.submission),
            of(Service::Smtps, &self.submissions),
            of(Service::Imap, &self.imap),
            of(Service::Imaps, &self.imaps),
            of(Service::Pop3, &self.pop3),
            of(Service::Pop3s, &self.pop3s),
            of(Service::Http, &self.https),
        ]
        .concat()
    }

    /// Where health and metrics are served.
    pub fn metrics(&self) -> Vec<SocketAddr> {
        self.metrics
            .iter()
            .map(|address| self.moved(*address))
            .collect()
    }

    fn moved(&self, mut address: SocketAddr) -> SocketAddr {
        if address.port() != 0 {
            address.set_port(address.port().saturating_add(self.port_offset));
        }
        address
    }
}
