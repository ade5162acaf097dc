//! `postroom user …`

use serde_json::{Value, json};

use super::args::UserCommand;
use super::client::{Client, segment};
use super::{attributes, confirm, password};

pub(super) async fn run(client: &Client, command: &UserCommand) -> anyhow::Result<Value> {
    match command {
        UserCommand::Add {
            address,
            password_stdin,
            alternate,
            option,
            attribute,
        } => {
            let mut body = attributes::read(attribute, attributes::OF_PERSON)?;
            if !alternate.is_empty() {
                body.insert("alternate_addresses".to_owned(), alternate.clone().into());
            }
            if !option.is_empty() {
                body.insert("delivery_options".to_owned(), option.clone().into());
            }
            body.insert("mail".to_owned(), address.as_str().into());
            let password = from_input(*password_stdin)?;
            body.insert("password".to_owned(), password.into());
            client.post("/v1/users", &body.into()).await
        }
        UserCommand::List { domain } => {
            client
                .get(&format!("/v1/domains/{}/users", segment(domain)))
                .await
        }
        UserCommand::Show { address } => client.get(&path(address)).await,
        UserCommand::Set {
            address,
            attributes: given,
        } => {
            client
                .patch(
                    &path(address),
                    &attributes::read(given, attributes::OF_PERSON)?.into(),
                )
                .await
        }
        UserCommand::Passwd {
            address,
            password_stdin,
        } => {
            let mut body = json!({ "password": from_input(*password_stdin)? });
            if let Some(own) = client.own_password(address) {
                // The own password is changed with the old one.
                body["old"] = own?.expose_secret().as_str().into();
            }
            client
                .post(&format!("{}/password", path(address)), &body)
                .await
        }
        // Served before any of this: they carry files.
        UserCommand::Export { .. } | UserCommand::Import { .. } => Ok(Value::Null),
        UserCommand::Remove { address } => client.delete(&path(address)).await,
        UserCommand::Erase { address, id, yes } => {
            confirm::erasing(address, *yes)?;
            let body = id.map_or_else(|| json!({}), |id| json!({ "id": id }));
            client
                .post(&format!("{}/erase", path(address)), &body)
                .await
        }
    }
}

fn path(address: &str) -> String {
    format!("/v1/users/{}", segment(address))
}

/// `None` lets the server make one.
fn from_input(from_stdin: bool) -> anyhow::Result<Option<String>> {
    let read = from_stdin.then(password::from_standard_input).transpose()?;
    Ok(read.map(|password| password.expose_secret().clone()))
}
