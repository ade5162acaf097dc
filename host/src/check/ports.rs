//! Can every listener have its port?

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::{Finding, Subject};

const CHECK: &str = "ports";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let listen = &subject.config.listen;
    let services = listen.services();
    let mut wanted: Vec<(&str, SocketAddr)> = services
        .iter()
        .map(|(service, address)| (service.name(), *address))
        .collect();
    wanted.extend(
        listen
            .metrics()
            .into_iter()
            .map(|address| ("metrics", address)),
    );
    if wanted.is_empty() {
        return vec![Finding::failed(
            CHECK,
            "no listener is configured, so nobody can reach this server",
            "name addresses in [listen] of postroom.toml",
        )];
    }
    let found: Vec<Finding> = wanted
        .iter()
        .filter_map(|(name, address)| one(subject.running, name, *address))
        .collect();
    if found.is_empty() {
        let holder = if subject.running {
            "this server's own, which is running"
        } else {
            "free"
        };
        return vec![Finding::ok(
            CHECK,
            format!("all {} are {holder}", wanted.len()),
        )];
    }
    found
}

/// What is wrong with one, if anything is.
fn one(running: bool, name: &str, address: SocketAddr) -> Option<Finding> {
    let error = TcpListener::bind(address).err()?;
    let text = format!("{name} cannot have {address}: {error}");
    let next = match error.kind() {
        ErrorKind::AddrInUse if running => return None,
        ErrorKind::AddrInUse => format!(
            "see who has it: ss -ltnp 'sport = :{}'; stop that, or choose another port in [listen]",
            address.port()
        ),
        ErrorKind::PermissionDenied => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE (packaging/postroom.service gives it); without: postroom serve --port-offset 10000".to_owned()
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address, see: ip address; mend [listen] in postroom.toml"
                .to_owned()
        }
        _ => "mend [listen] in postroom.toml".to_owned(),
    };
    Some(Finding::failed(CHECK, text, next))
}
