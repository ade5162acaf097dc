//! `postroom group …` and `postroom alias …`

use serde_json::{Value, json};

use super::args::{AliasCommand, GroupCommand};
use super::attributes;
use super::client::{Client, segment};

pub(super) async fn run_group(client: &Client, command: &GroupCommand) -> anyhow::Result<Value> {
    let path = |address: &str| format!("/v1/groups/{}", segment(address));
    match command {
        GroupCommand::Add {
            address,
            member,
            shared,
            option,
            attribute,
        } => {
            let mut body = attributes::read(attribute, attributes::OF_GROUP)?;
            if !option.is_empty() {
                body.insert("delivery_options".to_owned(), option.clone().into());
            }
            if !member.is_empty() {
                body.insert("members".to_owned(), member.clone().into());
            }
            if let Some(name) = shared {
                body.insert("shared".to_owned(), json!({ "name": name }));
            }
            body.insert("mail".to_owned(), address.as_str().into());
            client.post("/v1/groups", &body.into()).await
        }
        GroupCommand::List { domain } => {
            client
                .get(&format!("/v1/domains/{}/groups", segment(domain)))
                .await
        }
        GroupCommand::Show { address } => client.get(&path(address)).await,
        GroupCommand::Set {
            address,
            attributes: given,
        } => {
            client
                .patch(
                    &path(address),
                    &attributes::read(given, attributes::OF_GROUP)?.into(),
                )
                .await
        }
        GroupCommand::Remove { address } => client.delete(&path(address)).await,
    }
}

pub(super) async fn run_alias(client: &Client, command: &AliasCommand) -> anyhow::Result<Value> {
    match command {
        AliasCommand::Add { address, targets } => {
            client
                .post(
                    "/v1/aliases",
                    &json!({ "address": address, "targets": targets }),
                )
                .await
        }
        AliasCommand::List { domain } => {
            client
                .get(&format!("/v1/domains/{}/aliases", segment(domain)))
                .await
        }
        AliasCommand::Remove { address } => {
            client
                .delete(&format!("/v1/aliases/{}", segment(address)))
                .await
        }
    }
}
