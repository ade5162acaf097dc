//! `postroom check`: would this configuration serve on this machine? A list of small named
//! checks, each with what it found and, where something fails, the command that goes on.
//!
//! It changes nothing: it binds and lets go, it reads, it asks the DNS. With a server running on
//! the data directory, the ports it holds are its own and count as right.

mod certificate;
mod directory;
mod disk;
mod dns;
mod ports;

use mail::Domain;
use serde::Serialize;

use crate::cli::client::Client;
use crate::config::Config;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// It works, but somebody will notice.
    Warning,
    /// It does not work.
    Failed,
}

/// What one check found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The check: `config`, `directory`, `ports`, `certificate`, `dns`, `disk`.
    pub(crate) check: &'static str,
    /// How it ended.
    pub(crate) state: State,
    /// What was found.
    pub(crate) text: String,
    /// The command or the change that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Ok,
            text: text.into(),
            next: None,
        }
    }

    fn warning(check: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Warning,
            text: text.into(),
            next: Some(next.into()),
        }
    }

    fn failed(check: &'static str, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            state: State::Failed,
            ..Self::warning(check, text, next)
        }
    }
}

/// What the checks look at.
struct Subject {
    config: Config,
    hostname: Domain,
    /// A server runs on the data directory.
    running: bool,
    /// Why that server takes no changes.
    trouble: Option<String>,
    /// The domains it has.
    domains: Vec<Domain>,
}

/// Runs all checks. A configuration that cannot be read ends them at once.
pub(crate) async fn run(config: anyhow::Result<Config>) -> Vec<Finding> {
    let subject = match config.and_then(|config| {
        let hostname = Domain::parse(&config.hostname)?;
        Ok((config, hostname))
    }) {
        Ok((config, hostname)) => about(config, hostname).await,
        Err(error) => {
            return vec![Finding::failed(
                "config",
                format!("{error:#}"),
                "mend the file, or write a new one: postroom init",
            )];
        }
    };
    let mut found = vec![configuration(&subject)];
    found.extend(directory::check(&subject).await);
    found.extend(disk::check(&subject));
    found.extend(ports::check(&subject));
    found.push(certificate::check(&subject));
    found.extend(dns::check(&subject).await);
    found
}

async fn about(config: Config, hostname: Domain) -> Subject {
    let client = Client::at(config.admin_socket());
    let answer = client.get("/v1/domains").await.ok();
    let status = client.get("/v1/status").await.unwrap_or_default();
    let names = answer.as_ref().and_then(serde_json::Value::as_array);
    let domains = names
        .into_iter()
        .flatten()
        .filter_map(|domain| Domain::parse(domain["name"].as_str()?).ok())
        .collect();
    Subject {
        config,
        hostname,
        running: answer.is_some(),
        trouble: status["trouble"].as_str().map(str::to_owned),
        domains,
    }
}

fn configuration(subject: &Subject) -> Finding {
    if !subject.hostname.as_str().contains('.') {
        return Finding::warning(
            "config",
            format!(
                "hostname is '{}', which is not a full name: other servers may refuse mail from it",
                subject.hostname
            ),
            "set hostname = \"mail.example.org\" in postroom.toml",
        );
    }
    Finding::ok("config", format!("hostname is {}", subject.hostname))
}

/// The findings as people read them.
pub(crate) fn human(found: &[Finding]) -> String {
    let mut text = String::new();
    for finding in found {
        let mark = match finding.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
        };
        text.push_str(&format!("{mark:8} {:12} {}\n", finding.check, finding.text));
        if let Some(next) = &finding.next {
            text.push_str(&format!("{:8} {:12} -> {next}\n", "", ""));
        }
    }
    let count = |state| {
        found
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    let (failed, warnings) = (count(State::Failed), count(State::Warning));
    text.push_str(&match (failed, warnings) {
        (0, 0) => "Everything is as it should be. Next: postroom serve\n".to_owned(),
        (0, warnings) => format!("It will serve; warnings: {warnings}. Next: postroom serve\n"),
        (failed, warnings) => format!("Failed: {failed}, warnings: {warnings}.\n"),
    });
    text
}

#[cfg(test)]
mod tests;
