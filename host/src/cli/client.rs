//! The command line's side of the API: one HTTP request a call, on the admin socket or over TLS.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use mail::Secret;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use super::args::Remote;
use super::password;
use super::remote::Server;

/// How long a server elsewhere may take for one call.
const CALL_TIME: Duration = Duration::from_secs(600);

/// What the server refused, with the exit code a script can use.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What failed, why, and what helps.
    pub(crate) message: String,
}

/// Nobody serves there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoServer {
    /// At the socket.
    #[error(
        "no server answers at {}: start one with `postroom serve`, name its data directory with --data, or one elsewhere with --server",
        socket.display()
    )]
    Socket {
        /// The admin socket.
        socket: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Elsewhere.
    #[error(
        "no server answers at {url}: {cause}. It serves the API where `listen.https` of its postroom.toml says, on 127.0.0.1:8443 if nothing is said"
    )]
    Elsewhere {
        /// Its URL.
        url: String,
        /// Why.
        cause: String,
    },
}

impl NoServer {
    pub(super) const fn at(url: String, cause: String) -> Self {
        Self::Elsewhere { url, cause }
    }

    /// Is the socket there, and not for this user?
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Socket { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied)
    }
}

/// A way to a running server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Socket(PathBuf),
    Tls(Box<Elsewhere>),
}

#[derive(Debug, Clone)]
struct Elsewhere {
    server: Server,
    remote: Remote,
    token: Option<Secret<String>>,
}

impl Client {
    /// By the socket of a data directory.
    pub(crate) const fn at(socket: PathBuf) -> Self {
        Self {
            way: Way::Socket(socket),
        }
    }

    /// Over TLS, not signed in yet.
    pub(crate) fn remote(server: Server, remote: Remote) -> Self {
        let token = None;
        let elsewhere = Elsewhere {
            server,
            remote,
            token,
        };
        Self {
            way: Way::Tls(Box::new(elsewhere)),
        }
    }

    /// The same, signed in. A socket needs no token.
    pub(crate) fn with_token(&self, token: Secret<String>) -> Self {
        let mut signed_in = self.clone();
        if let Way::Tls(elsewhere) = &mut signed_in.way {
            elsewhere.token = Some(token);
        }
        signed_in
    }

    /// Where it leads.
    pub(crate) fn url(&self) -> String {
        match &self.way {
            Way::Socket(socket) => socket.display().to_string(),
            Way::Tls(elsewhere) => elsewhere.server.url(),
        }
    }

    /// The password of the person with this address, if that is who signed in.
    pub(super) fn own_password(&self, address: &str) -> Option<anyhow::Result<Secret<String>>> {
        let Way::Tls(elsewhere) = &self.way else {
            return None;
        };
        let remote = &elsewhere.remote;
        let own = remote.login.as_ref()?;
        own.eq_ignore_ascii_case(address)
            .then(|| password::find(remote.password_file.as_deref(), "Old password"))
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, Bytes::new()).await
    }

    /// POST with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, serde_json::to_vec(body)?.into())
            .await
    }

    /// POST with bytes (a component).
    pub(crate) async fn upload(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body.into()).await
    }

    /// POST with a JSON body, answered by a file: what the field `Postroom-Entries` names, and the
    /// bytes.
    pub(crate) async fn file(&self, path: &str, body: &Value) -> anyhow::Result<(String, Bytes)> {
        let body = serde_json::to_vec(body)?.into();
        let answer = self.answer(Method::POST, path, body).await?;
        let names = answer.names.context("the server sent no file")?;
        Ok((names, answer.bytes))
    }

    /// PATCH with a JSON body.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::PATCH, path, serde_json::to_vec(body)?.into())
            .await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, Bytes::new()).await
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let bytes = self.answer(method, path, body).await?.bytes;
        let value = (!bytes.is_empty()).then(|| serde_json::from_slice(&bytes));
        Ok(value.transpose()?.unwrap_or(Value::Null))
    }

    async fn answer(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        match &self.way {
            Way::Socket(socket) => {
                let stream =
                    UnixStream::connect(socket)
                        .await
                        .map_err(|source| NoServer::Socket {
                            socket: socket.clone(),
                            source,
                        })?;
                let request = request.header("host", "postroom").body(Full::new(body))?;
                exchange(stream, request).await
            }
            Way::Tls(elsewhere) => {
                let mut request = request.header("host", elsewhere.server.authority());
                if let Some(token) = &elsewhere.token {
                    let bearer = format!("Bearer {}", token.expose_secret());
                    request = request.header("authorization", bearer);
                }
                let request = request.body(Full::new(body))?;
                let stream = elsewhere.server.connect().await?;
                let exchanged = tokio::time::timeout(CALL_TIME, exchange(stream, request));
                exchanged
                    .await
                    .context("the server did not answer in time")?
            }
        }
    }
}

/// What the server answered well.
struct Answer {
    /// What is in a file that it sent.
    names: Option<String>,
    bytes: Bytes,
}

/// One request and its answer.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .context("the server closed the connection")?;
    let status = response.status();
    let names = response.headers().get("postroom-entries");
    let names = names.and_then(|names| names.to_str().ok().map(str::to_owned));
    let bytes = response.into_body().collect().await?.to_bytes();
    driver.abort();
    if status.is_success() {
        return Ok(Answer { names, bytes });
    }
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let message = value.get("error").and_then(Value::as_str).map_or_else(
        || format!("the server refused with HTTP status {}", status.as_u16()),
        str::to_owned,
    );
    Err(Refused {
        status: status.as_u16(),
        message,
    }
    .into())
}

/// A path segment, percent-encoded (RFC 3986 §2.1).
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
