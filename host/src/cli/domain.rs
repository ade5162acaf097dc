//! `postroom domain …`

use serde_json::{Map, Value};

use super::args::DomainCommand;
use super::client::{Client, segment};
use super::{attributes, confirm};

pub(super) async fn run(client: &Client, command: &DomainCommand) -> anyhow::Result<Value> {
    match command {
        DomainCommand::Add {
            name,
            postmaster,
            admin,
            services,
            state,
            alias,
        } => {
            let mut body = Map::new();
            body.insert("name".to_owned(), name.as_str().into());
            for (key, value) in [
                ("postmaster", postmaster),
                ("services", services),
                ("status", state),
            ] {
                if let Some(value) = value {
                    body.insert(key.to_owned(), value.as_str().into());
                }
            }
            for (key, values) in [("administrators", admin), ("aliases", alias)] {
                if !values.is_empty() {
                    body.insert(key.to_owned(), values.clone().into());
                }
            }
            client.post("/v1/domains", &body.into()).await
        }
        DomainCommand::List => client.get("/v1/domains").await,
        DomainCommand::Show { name } => client.get(&path(name)).await,
        DomainCommand::Set {
            name,
            attributes: given,
        } => {
            client
                .patch(
                    &path(name),
                    &attributes::read(given, attributes::OF_DOMAIN)?.into(),
                )
                .await
        }
        DomainCommand::Audit { name, limit } => {
            client
                .get(&format!("{}/audit?limit={limit}", path(name)))
                .await
        }
        DomainCommand::Adopt { name, only, as_new } => {
            let mut body = Map::new();
            body.insert("as_new".to_owned(), (*as_new).into());
            if let Some(only) = only {
                body.insert("only".to_owned(), only.as_str().into());
            }
            let path = format!("{}/adopt", path(name));
            client.post(&path, &body.into()).await
        }
        // Served before any of this: they carry files.
        DomainCommand::Export { .. } | DomainCommand::Import { .. } => Ok(Value::Null),
        DomainCommand::Remove { name } => client.delete(&path(name)).await,
        DomainCommand::Purge { name, yes } => {
            confirm::erasing(name, *yes)?;
            client
                .post(&format!("{}/purge", path(name)), &Map::new().into())
                .await
        }
    }
}

fn path(name: &str) -> String {
    format!("/v1/domains/{}", segment(name))
}
