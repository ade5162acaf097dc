//! `postroom group …` and `postroom alias …`

use serde_json::{Value, json};

use super::args::{AliasCommand, GroupCommand};
use super::attributes;
use super::client::{Client, segment};

pub(super) async fn run_group(client: &Client, command: &GroupCommand) -> anyhow::Result<Value> {
    let path = |address: &str| format!("/v1/groups/{}", segment(address));
    match command {
        GroupCommand::Add { address, member, shared, option, attribute } => {
            let mut attributes = attributes::read(attribute)?;
            if !option.is_empty() {
                attributes.insert("options".to_owned(), option.join(",").into());
            }
            let body = json!({ "address": address, "members": member, "shared": shared, "attributes": attributes });
            client.post("/v1/groups", &body).await
        }
        GroupCommand::List { domain } => client.get(&format!("/v1/domains/{}/groups", segment(domain))).await,
        GroupCommand::Show { address } => client.get(&path(address)).await,
        GroupCommand::Set { address, attributes } => {
            client.patch(&path(address), &attributes::read(attributes)?.into()).await
        }
        GroupCommand::Remove { address } => client.delete(&path(address)).await,
    }
}

pub(super) async fn run_alias(client: &Client, command: &AliasCommand) -> anyhow::Result<Value> {
    match command {
        AliasCommand::Add { address, targets } => {
            client.post("/v1/aliases", &json!({ "address": address, "targets": targets })).await
        }
        AliasCommand::List { domain } => client.get(&format!("/v1/domains/{}/aliases", segment(domain))).await,
        AliasCommand::Remove { address } => client.delete(&format!("/v1/aliases/{}", segment(address))).await,
    }
}
