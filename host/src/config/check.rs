//! Checks beyond what types say.

use anyhow::{bail, ensure};
use mail::Domain;

use super::{Channel, Config, File, Network, Program, Route};

/// Refuses unknown keys, naming the nearest valid one.
pub(super) fn unknown_keys(document: &toml::Table) -> anyhow::Result<()> {
    walk(document, &reference()?, "")
}

/// A document that has every key once.
pub(super) fn reference() -> anyhow::Result<toml::Table> {
    let full = Config {
        tls: super::Tls {
            certificate: Some("chain.pem".into()),
            key: Some("key.pem".into()),
        },
        directory: super::Directory {
            url: Some(String::new()),
            ca_file: Some("ca.pem".into()),
            base: Some(String::new()),
            bind_dn: Some(String::new()),
            bind_password_file: Some("password".into()),
            ..Default::default()
        },
        login: super::Login {
            default_domain: Some(Domain::parse("example.org")?),
            ..Default::default()
        },
        sendmail: super::Sendmail {
            socket: Some(super::Sendmail::SOCKET.into()),
            ..Default::default()
        },
        store: super::Store {
            keys: Some("keys".into()),
            master_key: Some("master.key".into()),
            ..Default::default()
        },
        postmaster: Some(String::new()),
        head_note: Some("note".into()),
        program: vec![Program::default()],
        file: vec![File::default()],
        channel: vec![Channel::reference()],
        route: vec![Route {
            host: Some(String::new()),
            ..Default::default()
        }],
        ..Default::default()
    };
    Ok(toml::Table::try_from(full)?)
}

fn walk(found: &toml::Table, valid: &toml::Table, path: &str) -> anyhow::Result<()> {
    for (key, value) in found {
        let name = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let Some(expected) = valid.get(key) else {
            let nearest = valid
                .keys()
                .min_by_key(|candidate| strsim::damerau_levenshtein(candidate, key));
            bail!(
                "unknown key '{name}': did you mean '{}'?",
                nearest.map_or("", String::as_str)
            );
        };
        match (value, expected) {
            (toml::Value::Table(found), toml::Value::Table(valid)) => walk(found, valid, &name)?,
            (toml::Value::Array(items), toml::Value::Array(valid)) => {
                let Some(toml::Value::Table(valid)) = valid.first() else {
                    continue;
                };
                for item in items.iter().filter_map(toml::Value::as_table) {
                    walk(item, valid, &name)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses values that cannot work.
pub(super) fn values(config: &Config) -> anyhow::Result<()> {
    ensure!(
        Domain::parse(&config.hostname).is_ok(),
        "hostname = '{}' is not a host name",
        config.hostname
    );
    ensure!(
        config.tls.certificate.is_some() == config.tls.key.is_some(),
        "tls.certificate and tls.key go together: set both, or none for a self-signed certificate"
    );
    for network in &config.trusted_networks {
        Network::parse(network)?;
    }
    if let Some(postmaster) = &config.postmaster {
        mail::Mailbox::parse(postmaster)
            .map_err(|error| anyhow::anyhow!("postmaster = '{postmaster}': {error}"))?;
    }
    config.administrator_grants()?;
    config.directory.check()?;
    config.store.check()?;
    limits(config)?;
    programs(config)?;
    files(config)?;
    routes(config)
}

fn limits(config: &Config) -> anyhow::Result<()> {
    let limits = &config.limits;
    ensure!(
        limits.message_bytes >= 64 * 1024,
        "limits.message_bytes must be at least 65536 (RFC 5321 §4.5.3.1.7)"
    );
    ensure!(
        limits.recipients >= 100,
        "limits.recipients must be at least 100 (RFC 5321 §4.5.3.1.8)"
    );
    ensure!(
        limits.connections >= 1,
        "limits.connections must be at least 1"
    );
    ensure!(
        limits.connections_per_address >= 1,
        "limits.connections_per_address must be at least 1"
    );
    ensure!(
        !limits.retry_seconds.is_empty() && limits.retry_seconds.iter().all(|pause| *pause >= 1),
        "limits.retry_seconds needs at least one pause, each at least 1 second"
    );
    ensure!(
        limits.token_seconds >= 1 && limits.token_idle_seconds >= 1,
        "limits.token_seconds and limits.token_idle_seconds must be at least 1"
    );
    ensure!(
        limits.disk_reserve_percent <= 90,
        "limits.disk_reserve_percent must be at most 90"
    );
    Ok(())
}

fn programs(config: &Config) -> anyhow::Result<()> {
    for program in &config.program {
        ensure!(
            is_label(&program.label),
            "program label '{}': letters, digits, '-' and '_' only",
            program.label
        );
        ensure!(
            program.path.is_absolute(),
            "program '{}': path must be absolute",
            program.label
        );
        ensure!(
            matches!(program.after_crash.as_str(), "retry" | "park" | "fail"),
            "program '{}': after_crash is 'retry', 'park' or 'fail'",
            program.label
        );
    }
    Ok(())
}

fn files(config: &Config) -> anyhow::Result<()> {
    for file in &config.file {
        ensure!(
            is_label(&file.label),
            "file label '{}': letters, digits, '-' and '_' only",
            file.label
        );
        let inside = file
            .path
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        ensure!(
            inside && file.path.components().next().is_some(),
            "file '{}': path must be relative, without '..': it lies beneath each domain's own folder",
            file.label
        );
    }
    Ok(())
}

fn routes(config: &Config) -> anyhow::Result<()> {
    for (place, channel) in config.channel.iter().enumerate() {
        ensure!(
            is_label(&channel.name),
            "channel name '{}': letters, digits, '-' and '_' only",
            channel.name
        );
        channel.check()?;
        let twin = config.channel[..place]
            .iter()
            .any(|other| other.name == channel.name);
        ensure!(
            !twin,
            "channel '{}' is there twice: rename or remove one of them",
            channel.name
        );
    }
    for (index, route) in config.route.iter().enumerate() {
        let known = route.channel == "smtp"
            || config
                .channel
                .iter()
                .any(|channel| channel.name == route.channel);
        ensure!(
            known,
            "route '{}': there is no channel '{}'",
            route.domain,
            route.channel
        );
        let twin = config.route[..index]
            .iter()
            .find(|other| other.domain.eq_ignore_ascii_case(&route.domain));
        if let Some(twin) = twin {
            bail!(
                "two routes for '{}': one over '{}', one over '{}'; which one wins would be chance, so remove one of them",
                route.domain,
                twin.channel,
                route.channel
            );
        }
        channel_of(config, route)?;
    }
    Ok(())
}

/// A route gives a host only to a channel that leads nowhere by itself or over the network.
fn channel_of(config: &Config, route: &Route) -> anyhow::Result<()> {
    let channel = config
        .channel
        .iter()
        .find(|channel| channel.name == route.channel);
    if let Some(host) = &route.host {
        let default = Channel::default();
        channel
            .unwrap_or(&default)
            .host_with_port(host)
            .map_err(|error| anyhow::anyhow!("route '{}': {error:#}", route.domain))?;
    }
    Ok(())
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
