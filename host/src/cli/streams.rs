//! Calls of the API on the admin socket that carry more than fits into memory.

use std::path::PathBuf;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::client::{NoServer, Refused};

/// An answer as it comes. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Incoming,
    driver: JoinHandle<()>,
    /// Read and not yet taken.
    rest: Vec<u8>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Answer {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke: what came is not all.
    pub(crate) async fn chunk(&mut self) -> anyhow::Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.context("the server broke off: its log says why")?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The next line as JSON; empty ones are passed over.
    pub(crate) async fn line(&mut self) -> anyhow::Result<Option<Value>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                if line.len() > 1 {
                    return Ok(Some(serde_json::from_slice(&line)?));
                }
                continue;
            }
            match self.chunk().await? {
                Some(more) => self.rest.extend_from_slice(&more),
                None => return Ok(None),
            }
        }
    }

    /// Waits until the connection ends.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        while self.chunk().await?.is_some() {}
        Ok(())
    }

    /// All of it as JSON.
    pub(crate) async fn json(mut self) -> anyhow::Result<Value> {
        let mut bytes = Vec::new();
        while let Some(more) = self.chunk().await? {
            bytes.extend_from_slice(&more);
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// Calls without a body.
pub(crate) async fn call(socket: PathBuf, method: Method, path: &str) -> anyhow::Result<Answer> {
    send(socket, method, path, Full::new(Bytes::new())).await
}

/// Calls with a body that comes as it goes.
pub(crate) async fn send<B>(
    socket: PathBuf,
    method: Method,
    path: &str,
    body: B,
) -> anyhow::Result<Answer>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let stream = match UnixStream::connect(&socket).await {
        Ok(stream) => stream,
        Err(source) => return Err(NoServer::Socket { socket, source }.into()),
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(async move {
        // What broke is seen by who reads the answer.
        let _ = connection.await;
    });
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "postroom")
        .body(Box::pin(body))?;
    let response = sender
        .send_request(request)
        .await
        .context("the server closed the connection: its log says why")?;
    let status = response.status();
    let answer = Answer {
        body: response.into_body(),
        driver,
        rest: Vec::new(),
    };
    if status.is_success() {
        return Ok(answer);
    }
    let value = answer.json().await.unwrap_or_default();
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
