//! `postroom queue …`

use serde_json::{Value, json};

use super::args::QueueCommand;
use super::client::{Client, segment};

pub(super) async fn run(client: &Client, command: &QueueCommand) -> anyhow::Result<Value> {
    let path = |id: &str| format!("/v1/queue/{}", segment(id));
    match command {
        QueueCommand::List { domain: None } => client.get("/v1/queue").await,
        QueueCommand::List {
            domain: Some(domain),
        } => {
            client
                .get(&format!("/v1/queue?domain={}", segment(domain)))
                .await
        }
        QueueCommand::Show { id } => client.get(&path(id)).await,
        QueueCommand::Retry { id } => {
            client
                .post(&format!("{}/retry", path(id)), &json!({}))
                .await
        }
        QueueCommand::Remove { id } => client.delete(&path(id)).await,
    }
}
