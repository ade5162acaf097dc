//! `/v1/backup`: what a backup copies, kept while the connection lives.

use std::path::PathBuf;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use store::Cut;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use super::{Api, ApiError, Caller};

/// An empty line so often, so that one side learns that the other has gone.
const PULSE: Duration = Duration::from_secs(5);
/// How long the other side may take nothing: what is kept for it takes room on the disk.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// Lines on their way.
const AHEAD: usize = 32;

/// A file that goes when nobody needs it any more.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "the copy of the directory was gone");
        }
    }
}

/// First the store, then the directory: who came between is there without mail, and nobody's
/// mail is without its owner.
pub(super) async fn cut(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    caller.operate("make a backup")?;
    let site = &api.site;
    let store = std::sync::Arc::clone(&site.store);
    let cut = tokio::task::spawn_blocking(move || store.cut())
        .await
        .map_err(|error| ApiError::unavailable(error.to_string()))??;
    let data = site.settings().config.data.clone();
    let name = format!("directory.backup-{:x}", site.store.operation_id().0);
    let copy = Temporary(data.join(name));
    site.directory
        .copy_to(copy.0.clone())
        .await
        .map_err(|error| ApiError::unavailable(error.to_string()))?;
    tracing::info!(target: "audit", by = caller.name(), sequence = cut.head.sequence, "a backup begins");
    let (sender, receiver) = channel::<Result<Bytes, std::io::Error>>(AHEAD);
    let shutdown = api.stop.subscribe();
    let hostname = site.hostname.to_string();
    tokio::spawn(async move {
        // Ends when the other side has gone, or when this one goes.
        let _ = keep(sender, shutdown, cut, copy, hostname, data).await;
        tracing::info!(target: "audit", "what a backup needed is let go");
    });
    Ok(Body::from_stream(ReceiverStream::new(receiver)).into_response())
}

/// Says what to copy, and keeps it until the receiver has gone. `None`: it has.
async fn keep(
    sender: Sender<Result<Bytes, std::io::Error>>,
    mut shutdown: net::Shutdown,
    cut: Cut,
    copy: Temporary,
    hostname: String,
    data: PathBuf,
) -> Option<()> {
    let head = json!({
        "head": cut.head.to_string(), "hostname": hostname, "data": data, "directory": copy.0,
    });
    send(&sender, &mut shutdown, line(&head)).await?;
    for file in &cut.files {
        let file = json!({
            "path": file.path, "length": file.length, "final": file.is_final,
        });
        send(&sender, &mut shutdown, line(&file)).await?;
    }
    let end = json!({ "files": cut.files.len() });
    send(&sender, &mut shutdown, line(&end)).await?;
    loop {
        tokio::select! {
            () = sender.closed() => return None,
            () = shutdown.requested() => return None,
            () = tokio::time::sleep(PULSE) => {}
        }
        send(&sender, &mut shutdown, Bytes::from_static(b"\n")).await?;
    }
}

fn line(value: &serde_json::Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

/// `None`: it is not wanted any more.
async fn send(
    sender: &Sender<Result<Bytes, std::io::Error>>,
    shutdown: &mut net::Shutdown,
    line: Bytes,
) -> Option<()> {
    tokio::select! {
        sent = sender.send(Ok(line)) => sent.ok(),
        () = shutdown.requested() => None,
        () = tokio::time::sleep(PATIENCE) => {
            tracing::warn!("a backup took nothing for too long: what it needed is let go");
            None
        }
    }
}
