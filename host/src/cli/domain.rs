//! `postroom domain …`

use serde_json::{Value, json};

use super::args::DomainCommand;
use super::attributes;
use super::client::{Client, segment};

pub(super) async fn run(client: &Client, command: &DomainCommand) -> anyhow::Result<Value> {
    match command {
        DomainCommand::Add { name, postmaster, admin, services, state, alias } => {
            let body = json!({
                "name": name, "postmaster": postmaster, "administrators": admin,
                "services": services, "state": state, "aliases": alias,
            });
            client.post("/v1/domains", &body).await
        }
        DomainCommand::List => client.get("/v1/domains").await,
        DomainCommand::Show { name } => client.get(&path(name)).await,
        DomainCommand::Set { name, attributes } => {
            client.patch(&path(name), &attributes::read(attributes)?.into()).await
        }
        DomainCommand::Remove { name } => client.delete(&path(name)).await,
    }
}

fn path(name: &str) -> String {
    format!("/v1/domains/{}", segment(name))
}
