//! The command line. It knows the API and nothing of the server's inside: what it can do, any HTTP
//! client can do, on the admin socket or over HTTPS.
//!
//! Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 not found; 4 conflict;
//! 5 no server answers.

mod args;
mod attributes;
mod backup;
pub(crate) mod client;
mod confirm;
mod domain;
mod group;
mod kept;
mod mail_files;
mod moving;
mod output;
mod owned;
mod password;
mod plugin;
mod plugin_author;
mod progress;
mod queue;
pub(crate) mod remote;
mod sendmail;
mod setup;
mod store;
mod streams;
mod user;

use std::process::ExitCode;

use serde_json::{Value, json};

pub use args::{Arguments, Command, Remote};
use client::{Client, NoServer, Refused, segment};
pub(crate) use progress::Progress;

/// Runs one command against a running server.
pub async fn run(arguments: &Arguments) -> ExitCode {
    if let Command::Sendmail { arguments: given } = &arguments.command {
        let client = Client::at(sendmail::socket(arguments.load_config()));
        return sendmail::run(&client, given).await;
    }
    match dispatch(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        // Each was shown.
        Err(error) if error.is::<setup::CheckFailed>() || error.is::<store::Unsound>() => {
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("postroom: {error:#}");
            exit_code(&error)
        }
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if let Some(refused) = error.downcast_ref::<Refused>() {
        return match refused.status {
            404 => ExitCode::from(3),
            409 => ExitCode::from(4),
            _ => ExitCode::from(1),
        };
    }
    let unreachable = error.chain().any(|cause| cause.is::<NoServer>());
    ExitCode::from(if unreachable { 5 } else { 1 })
}

async fn dispatch(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(done) = setup::local(arguments).await {
        return done;
    }
    if let Command::Plugin { command } = &arguments.command
        && let Some(local) = plugin_author::local(command)
    {
        return local;
    }
    if let Some(done) = backup::local(arguments).await {
        output::show_done(&done?, arguments.json);
        return Ok(());
    }
    if let Some(done) = moving::local(arguments).await {
        return done;
    }
    let remote = &arguments.remote;
    let answer = match (&remote.server, &arguments.command) {
        (Some(url), command) => remote::run(remote, url, command).await?,
        (None, Command::Login { .. } | Command::Logout) => anyhow::bail!(
            "the server of this machine needs no login; name one elsewhere with --server URL (or POSTROOM_SERVER)"
        ),
        (None, Command::Store { command }) if remote.login.is_none() => {
            store::here(arguments, command).await?
        }
        (None, command) => {
            anyhow::ensure!(
                remote.login.is_none(),
                "--as is for a server elsewhere: name it with --server URL (or POSTROOM_SERVER)"
            );
            let client = Client::at(arguments.load_config()?.admin_socket());
            ask(&client, command).await?
        }
    };
    output::show(&answer, arguments.json);
    match &arguments.command {
        Command::Store { command } => store::verdict(command, &answer),
        _ => Ok(()),
    }
}

/// One command as a call of the admin API; the answer is for [`output`].
pub(crate) async fn ask(client: &Client, command: &Command) -> anyhow::Result<Value> {
    Ok(match command {
        Command::Domain { command } => domain::run(client, command).await?,
        Command::User { command } => user::run(client, command).await?,
        Command::Group { command } => group::run_group(client, command).await?,
        Command::Alias { command } => group::run_alias(client, command).await?,
        Command::Plugin { command } => plugin::run(client, command).await?,
        Command::Queue { command } => queue::run(client, command).await?,
        Command::Store { command } => store::run(client, command).await?,
        Command::Trace {
            what,
            domain,
            limit,
        } => {
            let limit = limit.map(|limit| limit.to_string());
            let query = query(&[("domain", domain.as_ref()), ("limit", limit.as_ref())]);
            client
                .get(&format!("/v1/trace/{}{query}", segment(what)))
                .await?
        }
        Command::Explain {
            login: Some(login),
            service,
            client: peer,
            ..
        } => {
            let peer = peer.map(|peer| peer.to_string());
            let query = query(&[("service", service.as_ref()), ("client", peer.as_ref())]);
            let path = format!("/v1/explain-login/{}{query}", segment(login));
            client.get(&path).await?
        }
        Command::Explain {
            address,
            from,
            authenticated,
            ..
        } => {
            let address = address.as_deref().unwrap_or_default();
            let query = query(&[
                ("from", from.as_ref()),
                ("authenticated", authenticated.as_ref()),
            ]);
            let path = format!("/v1/explain/{}{query}", segment(address));
            client.get(&path).await?
        }
        Command::Status => client.get("/v1/status").await?,
        Command::Stop => client.post("/v1/stop", &json!({})).await?,
        // Served before any of this, without a server.
        Command::Login { .. }
        | Command::Logout
        | Command::Serve { .. }
        | Command::Demo { .. }
        | Command::Init { .. }
        | Command::Check
        | Command::Backup { .. }
        | Command::Restore { .. }
        | Command::Man { .. }
        | Command::Completions { .. }
        | Command::Configuration
        | Command::Replies
        | Command::CompileHelper { .. }
        | Command::Sendmail { .. }
        | Command::ExecHelper { .. } => Value::Null,
    })
}

/// `?name=value&…` of those that have one.
fn query(pairs: &[(&str, Option<&String>)]) -> String {
    let given = pairs
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", segment(value.as_deref()?))));
    let given: Vec<String> = given.collect();
    if given.is_empty() {
        String::new()
    } else {
        format!("?{}", given.join("&"))
    }
}
