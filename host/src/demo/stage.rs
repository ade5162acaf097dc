//! The server of the demo: a temporary folder, loopback ports, and their end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::screen::Screen;
use crate::config::{Config, File};
use crate::server::Server;

/// The label under which the operator lets people have a file.
pub(super) const FILE_LABEL: &str = "archive";
/// Its path beneath the domain's folder.
pub(super) const FILE_PATH: &str = "archive.mbox";

/// A folder that goes when the value goes.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new one that nobody else can open.
    pub(super) fn make() -> anyhow::Result<Self> {
        let mut bytes = [0_u8; 4];
        crate::site::random(&mut bytes)?;
        let name = format!("postroom-demo-{:08x}", u32::from_be_bytes(bytes));
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// It, or something in it, cannot be removed.
    pub(super) fn remove(self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(&self.0)
            .with_context(|| format!("cannot remove {}", self.0.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // After `remove` there is none; where `remove` failed it has said so.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The configuration: loopback only, ports moved by `offset`; where one is taken, a free one.
pub(super) fn config(folder: &Folder, offset: u16, screen: &Screen) -> anyhow::Result<Config> {
    let mut config = Config {
        hostname: "mail.demo.test".to_owned(),
        data: folder.path().join("data"),
        drain_seconds: 2,
        // The demo asks no name server for anything.
        dns: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9))],
        file: vec![File {
            label: FILE_LABEL.to_owned(),
            path: FILE_PATH.into(),
        }],
        ..Config::default()
    };
    // A trial of some megabytes need not keep a gigabyte free.
    config.limits.disk_reserve_bytes = 64 * 1024 * 1024;
    config.limits.disk_reserve_percent = 0;
    let listen = &mut config.listen;
    let mut taken = Vec::new();
    for (port, place) in [
        (25, &mut listen.smtp),
        (587, &mut listen.submission),
        (465, &mut listen.submissions),
        (143, &mut listen.imap),
        (993, &mut listen.imaps),
        (110, &mut listen.pop3),
        (995, &mut listen.pop3s),
        (8443, &mut listen.https),
        (9825, &mut listen.metrics),
    ] {
        *place = vec![address(port, offset, &mut taken)?];
    }
    if !taken.is_empty() {
        screen.say(&format!(
            "Not to be had: port {}. Free ones are used instead; they are shown at the end.",
            taken.join(", ")
        ));
    }
    Ok(config)
}

/// The port moved, or any free one, with the reason in `taken`.
fn address(port: u16, offset: u16, taken: &mut Vec<String>) -> anyhow::Result<SocketAddr> {
    let moved = port.checked_add(offset).with_context(|| {
        format!("--port-offset {offset} is too large: there is no port {port} + {offset}")
    })?;
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, moved));
    let Err(error) = TcpListener::bind(wanted) else {
        return Ok(wanted);
    };
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => "taken".to_owned(),
        io::ErrorKind::PermissionDenied => "for root only".to_owned(),
        _ => error.to_string(),
    };
    taken.push(format!("{moved} ({why})"));
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// Where the server listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) smtp: SocketAddr,
    pub(super) submission: SocketAddr,
    pub(super) submissions: SocketAddr,
    pub(super) imap: SocketAddr,
    pub(super) imaps: SocketAddr,
    pub(super) pop3: SocketAddr,
    pub(super) pop3s: SocketAddr,
    pub(super) https: SocketAddr,
    pub(super) metrics: SocketAddr,
}

impl Ports {
    /// As bound.
    pub(super) fn of(server: &Server) -> anyhow::Result<Self> {
        let find = |service: &str| {
            let found = server.bound().iter().find(|(name, _)| name == service);
            found
                .map(|(_, address)| *address)
                .with_context(|| format!("the server does not listen for {service}"))
        };
        Ok(Self {
            smtp: find("mx")?,
            submission: find("smtp")?,
            submissions: find("smtps")?,
            imap: find("imap")?,
            imaps: find("imaps")?,
            pop3: find("pop3")?,
            pop3s: find("pop3s")?,
            https: find("http")?,
            metrics: find("metrics")?,
        })
    }
}
