//! `postroom plugin …`, the part that talks to the server.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::args::PluginCommand;
use super::client::{Client, segment};
use crate::admin::UPLOAD_BYTES;

pub(super) async fn run(client: &Client, command: &PluginCommand) -> anyhow::Result<Value> {
    let chain = |domain: &str| format!("/v1/domains/{}/plugins", segment(domain));
    match command {
        PluginCommand::Install { file, domain } => {
            let bytes = read_component(file)?;
            client.upload(&components(domain.as_deref()), bytes).await
        }
        PluginCommand::Remove { plugin, domain } => {
            let query = super::query(&[("domain", domain.as_ref())]);
            let path = format!("/v1/plugins/{}{query}", segment(plugin));
            client.delete(&path).await
        }
        PluginCommand::Bind {
            domain,
            plugin,
            order,
            config,
            grant,
            on_failure,
            reuse,
            direction,
        } => {
            let body = json!({
                "plugin": plugin, "order": order, "config": config.as_deref().map(json_argument).transpose()?,
                "grants": (!grant.is_empty()).then_some(grant), "on_failure": on_failure,
                "reuse": reuse.then_some(true), "directions": (!direction.is_empty()).then_some(direction),
            });
            client.post(&chain(domain), &body).await
        }
        PluginCommand::Unbind { domain, plugin } => {
            client
                .delete(&format!("{}/{}", chain(domain), segment(plugin)))
                .await
        }
        PluginCommand::Deploy { domain, plugin } => {
            client
                .post(
                    &format!("{}/deploy", chain(domain)),
                    &json!({ "plugin": plugin }),
                )
                .await
        }
        PluginCommand::Rollback { domain } => {
            client
                .post(&format!("{}/rollback", chain(domain)), &json!({}))
                .await
        }
        PluginCommand::List {
            domain: Some(domain),
            ..
        } => client.get(&chain(domain)).await,
        PluginCommand::List { domain: None, of } => client.get(&components(of.as_deref())).await,
        // Done by `plugin_author` without a server.
        PluginCommand::New { .. } | PluginCommand::Build { .. } | PluginCommand::Test { .. } => {
            Ok(Value::Null)
        }
    }
}

/// A file that is small enough to be sent.
fn read_component(file: &Path) -> anyhow::Result<Vec<u8>> {
    let trouble = || format!("cannot read {}", file.display());
    let length = std::fs::metadata(file).with_context(trouble)?.len();
    anyhow::ensure!(
        length <= UPLOAD_BYTES as u64,
        "{} has {length} bytes; no plugin may have more than {} MiB",
        file.display(),
        UPLOAD_BYTES >> 20
    );
    std::fs::read(file).with_context(trouble)
}

/// The components of one domain, or those of all.
fn components(domain: Option<&str>) -> String {
    match domain {
        Some(domain) => format!("/v1/plugins?domain={}", segment(domain)),
        None => "/v1/plugins".to_owned(),
    }
}

/// JSON on the command line, or in a file named as `@FILE`.
fn json_argument(text: &str) -> anyhow::Result<Value> {
    let text = match text.strip_prefix('@') {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?
        }
        None => text.to_owned(),
    };
    serde_json::from_str(&text).context("--config is not JSON")
}
