//! The command line's side of the admin socket: one HTTP request a command.

use std::path::PathBuf;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// What the server refused, with the exit code a script can use.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What failed, why, and what helps.
    pub(crate) message: String,
}

/// Nobody serves at the socket.
#[derive(Debug, thiserror::Error)]
#[error(
    "no server answers at {}: start one with `postroom serve`, or name its data directory with --data",
    socket.display()
)]
pub(crate) struct NoServer {
    socket: PathBuf,
    source: std::io::Error,
}

/// A way to the running server.
pub(crate) struct Client {
    /// The admin socket.
    pub(crate) socket: PathBuf,
}

impl Client {
    /// By the socket of a data directory.
    pub(crate) fn at(socket: PathBuf) -> Self {
        Self { socket }
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
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| NoServer {
                socket: self.socket.clone(),
                source,
            })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "postroom")
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let response = sender
            .send_request(request)
            .await
            .context("the server closed the connection")?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        driver.abort();
        let value: Value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes)?
        };
        if status.is_success() {
            return Ok(value);
        }
        let message = value
            .get("error")
            .and_then(Value::as_str)
            .unwrap_or("the server gave no reason")
            .to_owned();
        Err(Refused {
            status: status.as_u16(),
            message,
        }
        .into())
    }
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
