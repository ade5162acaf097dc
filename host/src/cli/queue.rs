//! `postroom queue …`

mod files;

use serde_json::{Value, json};

use super::args::{Entries, QueueCommand, Which};
use super::client::{Client, segment};
use super::query;

pub(super) async fn run(client: &Client, command: &QueueCommand) -> anyhow::Result<Value> {
    match command {
        QueueCommand::List {
            which,
            limit,
            after,
        } => list(client, which, *limit, after.as_ref()).await,
        QueueCommand::Show { id } => client.get(&path(id)).await,
        QueueCommand::Retry(entries) => decide(client, "retry", entries).await,
        QueueCommand::Hold(entries) => decide(client, "hold", entries).await,
        QueueCommand::Release(entries) => decide(client, "release", entries).await,
        QueueCommand::Remove(entries) => decide(client, "remove", entries).await,
        QueueCommand::Export {
            entries,
            folder,
            remove,
        } => files::export(client, entries, folder, *remove).await,
        QueueCommand::Import { files } => files::import(client, files).await,
    }
}

fn path(id: &str) -> String {
    format!("/v1/queue/{}", segment(id))
}

async fn list(
    client: &Client,
    which: &Which,
    limit: Option<usize>,
    after: Option<&String>,
) -> anyhow::Result<Value> {
    let limit = limit.map(|limit| limit.to_string());
    let query = query(&[
        ("domain", which.domain.as_ref()),
        ("channel", which.channel.as_ref()),
        ("to", which.to.as_ref()),
        ("from", which.from.as_ref()),
        ("state", which.state.as_ref()),
        ("older", which.older.as_ref()),
        ("message", which.message.as_ref()),
        ("limit", limit.as_ref()),
        ("after", after),
    ]);
    client.get(&format!("/v1/queue{query}")).await
}

async fn decide(client: &Client, act: &str, entries: &Entries) -> anyhow::Result<Value> {
    if entries.ids.is_empty() || is_all(entries) {
        let which = &entries.which;
        let mut filter = json!({
            "domain": which.domain, "channel": which.channel, "to": which.to, "from": which.from,
            "state": which.state, "older": which.older, "message": which.message,
        });
        if let Some(fields) = filter.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let body = json!({ "do": act, "dry_run": entries.dry_run, "filter": filter });
        return client.post("/v1/queue", &body).await;
    }
    let mut said = Vec::new();
    for id in &entries.ids {
        let answer = match (entries.dry_run, act) {
            (true, _) => {
                let shown = client.get(&path(id)).await?;
                let text = format!("{act} of {id}, which is {}", shown["state"]);
                json!({ "message": text })
            }
            (false, "remove") => client.delete(&path(id)).await?,
            (false, act) => {
                let path = format!("{}/{act}", path(id));
                client.post(&path, &json!({})).await?
            }
        };
        said.push(answer);
    }
    Ok(match <[Value; 1]>::try_from(said) {
        Ok([only]) => only,
        Err(said) => said.into(),
    })
}

/// `all` stands for every entry within reach.
fn is_all(entries: &Entries) -> bool {
    matches!(entries.ids.as_slice(), [only] if only == "all")
}
