//! A server elsewhere: where it is, whether it is the one that is meant, and signing in to it.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use mail::Secret;
use net::{ClientTls, Stream};
use serde_json::{Value, json};

use super::args::{Command, Remote};
use super::client::{Client, NoServer, Refused};
use super::kept::Kept;
use super::password;

/// The port of a URL that names none.
const PORT: u16 = 8443;
/// How long a connection, and a handshake, may take.
const CONNECT_TIME: Duration = Duration::from_secs(15);

/// The certificate is not that of whom we meant, or nobody we know vouches for it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the server at {url} is not trusted: {cause}. Name who vouches for its certificate with --cafile FILE (a self-signed one does so itself: tls/certificate.pem of the server's data directory), or for a trial take any with --insecure"
)]
pub(crate) struct NotTrusted {
    url: String,
    cause: String,
}

/// Where the API of a server is, and who is taken for it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    host: String,
    port: u16,
    tls: ClientTls,
}

impl Server {
    /// From what was said on the command line.
    pub(crate) fn new(url: &str, remote: &Remote) -> anyhow::Result<Self> {
        let (host, port) = endpoint(url)?;
        let tls = match (&remote.cafile, remote.insecure) {
            (Some(file), _) => ClientTls::verified(file)?,
            (None, true) => {
                eprintln!(
                    "postroom: --insecure: whoever answers at {host}:{port} is taken for the server"
                );
                ClientTls::opportunistic()?
            }
            (None, false) => ClientTls::system()?,
        };
        Ok(Self { host, port, tls })
    }

    /// In one form, whatever was typed.
    pub(crate) fn url(&self) -> String {
        format!("https://{}:{}", self.authority(), self.port)
    }

    /// For the `Host` field.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }

    /// A connection under TLS, to the first of its addresses that answers.
    pub(crate) async fn connect(&self) -> anyhow::Result<Stream> {
        let no_server = |cause: String| NoServer::at(self.url(), cause);
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|error| no_server(error.to_string()))?;
        let mut last = no_server("the name has no address".to_owned());
        for address in addresses {
            match net::connect(address, CONNECT_TIME).await {
                Ok((stream, _)) => {
                    let shaken = net::upgrade(stream, &self.tls, &self.host, CONNECT_TIME).await;
                    return shaken.map_err(|error| {
                        let (url, cause) = (self.url(), error.to_string());
                        NotTrusted { url, cause }.into()
                    });
                }
                Err(error) => last = no_server(error.to_string()),
            }
        }
        Err(last.into())
    }
}

/// Host and port of `https://HOST[:PORT]`.
fn endpoint(url: &str) -> anyhow::Result<(String, u16)> {
    let example = "write it as https://mail.abc.test:8443";
    let rest = match url.split_once("://") {
        Some(("https", rest)) => rest,
        Some((scheme, _)) => {
            bail!("--server {url}: not {scheme}://, passwords go over TLS only; {example}")
        }
        None => url,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    ensure!(
        !rest.contains(['/', '?', '#', '@']),
        "--server {url}: a host and a port are all that is needed; {example}"
    );
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    ensure!(!host.is_empty(), "--server {url}: no host; {example}");
    let port = match port {
        Some(port) => port
            .parse()
            .with_context(|| format!("--server {url}: '{port}' is no port; {example}"))?,
        None => PORT,
    };
    Ok((host.to_owned(), port))
}

/// Runs a command on a server elsewhere, signed in for it.
pub(super) async fn run(remote: &Remote, url: &str, command: &Command) -> anyhow::Result<Value> {
    let client = Client::remote(Server::new(url, remote)?, remote.clone());
    let login = remote.login.as_deref().context(
        "say who signs in: --as ADDRESS (or POSTROOM_AS), as in `postroom --server URL --as ann@abc.test status`",
    )?;
    let kept = Kept::of_user()?;
    match command {
        Command::Login { password_stdin } => {
            let password = if *password_stdin {
                password::from_standard_input()?
            } else {
                question(remote, login)?
            };
            let (answer, token) = sign_in(&client, login, &password).await?;
            kept.put(&client.url(), login, Some(&token))?;
            Ok(answer)
        }
        Command::Logout => {
            let Some(token) = kept.find(&client.url(), login)? else {
                bail!("{login} is not signed in to {}", client.url());
            };
            kept.put(&client.url(), login, None)?;
            let ended = client
                .with_token(token)
                .post("/v1/logout", &json!({}))
                .await;
            match ended {
                // Ended before: that was wanted.
                Err(error) if is_unauthorized(&error) => Ok(json!({ "message": "Signed out" })),
                ended => ended,
            }
        }
        command => signed_in(&client, &kept, remote, login, command).await,
    }
}

/// With the token that is kept; else signed in for this command alone.
async fn signed_in(
    client: &Client,
    kept: &Kept,
    remote: &Remote,
    login: &str,
    command: &Command,
) -> anyhow::Result<Value> {
    if let Some(token) = kept.find(&client.url(), login)? {
        let client = client.with_token(token);
        // Asked before the command, which may read standard input and cannot be said twice.
        match client.get("/v1/status").await {
            Ok(_) => return super::ask(&client, command).await,
            Err(error) if is_unauthorized(&error) => kept.put(&client.url(), login, None)?,
            Err(error) => return Err(error),
        }
    }
    let (_, token) = sign_in(client, login, &question(remote, login)?).await?;
    let client = client.with_token(token);
    let answer = super::ask(&client, command).await;
    // Where that fails the token ends by itself.
    let _ = client.post("/v1/logout", &json!({})).await;
    answer
}

fn question(remote: &Remote, login: &str) -> anyhow::Result<Secret<String>> {
    password::find(
        remote.password_file.as_deref(),
        &format!("Password of {login}"),
    )
}

/// The token, and what may be shown of the answer.
pub(crate) async fn sign_in(
    client: &Client,
    login: &str,
    password: &Secret<String>,
) -> anyhow::Result<(Value, Secret<String>)> {
    let body = json!({ "login": login, "password": password.expose_secret() });
    let mut answer = client.post("/v1/login", &body).await?;
    let fields = answer
        .as_object_mut()
        .context("the answer to the login is not understood")?;
    let token = match fields.remove("token") {
        Some(Value::String(token)) => Secret::new(token),
        _ => bail!("the server gave no token"),
    };
    let until = fields.get("expires").and_then(Value::as_str);
    let message = format!(
        "Signed in to {} until {}",
        client.url(),
        until.unwrap_or("?")
    );
    fields.insert("message".to_owned(), message.into());
    Ok((answer, token))
}

fn is_unauthorized(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.status == 401)
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn a_server_is_named_by_host_and_port() {
        for (url, host, port) in [
            ("https://mail.abc.test", "mail.abc.test", 8443),
            ("https://mail.abc.test/", "mail.abc.test", 8443),
            ("https://mail.abc.test:443", "mail.abc.test", 443),
            ("mail.abc.test:18443", "mail.abc.test", 18443),
            ("https://[::1]:18443", "::1", 18443),
            ("https://[::1]", "::1", 8443),
            ("https://127.0.0.1:1", "127.0.0.1", 1),
        ] {
            let found = endpoint(url).expect("it is one");
            assert_eq!(found, (host.to_owned(), port), "{url}");
        }
        for url in [
            "http://mail.abc.test",
            "https://",
            "https://a.test:x",
            "https://a.test:99999",
            "https://a.test/v1",
            "https://ann@a.test",
            "",
        ] {
            let error = endpoint(url).expect_err("it is none").to_string();
            assert!(
                error.contains("https://mail.abc.test:8443"),
                "{url}: {error}"
            );
        }
    }
}
