//! `postroom user …`

use std::io::BufRead as _;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::args::UserCommand;
use super::attributes;
use super::client::{Client, segment};

pub(super) async fn run(client: &Client, command: &UserCommand) -> anyhow::Result<Value> {
    match command {
        UserCommand::Add {
            address,
            password_stdin,
            alternate,
            option,
            attribute,
        } => {
            let mut body = attributes::read(attribute)?;
            if !alternate.is_empty() {
                body.insert("alternate_addresses".to_owned(), alternate.clone().into());
            }
            if !option.is_empty() {
                body.insert("delivery_options".to_owned(), option.clone().into());
            }
            body.insert("mail".to_owned(), address.as_str().into());
            body.insert("password".to_owned(), password(*password_stdin)?.into());
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
            attributes,
        } => {
            client
                .patch(&path(address), &attributes::read(attributes)?.into())
                .await
        }
        UserCommand::Passwd {
            address,
            password_stdin,
        } => {
            let body = json!({ "password": password(*password_stdin)? });
            client
                .post(&format!("{}/password", path(address)), &body)
                .await
        }
        UserCommand::Remove { address } => client.delete(&path(address)).await,
    }
}

fn path(address: &str) -> String {
    format!("/v1/users/{}", segment(address))
}

/// The first line of standard input; `None` lets the server make one.
fn password(from_stdin: bool) -> anyhow::Result<Option<String>> {
    if !from_stdin {
        return Ok(None);
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("cannot read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(
        !password.is_empty(),
        "the password on standard input is empty"
    );
    Ok(Some(password.to_owned()))
}
