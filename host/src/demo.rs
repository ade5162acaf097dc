//! `postroom demo`: the main job on real sockets, told in plain words.
//!
//! ```text
//!  stage   temporary folder, loopback ports, the same server as `postroom serve`
//!  people  domains, people, a policy plugin: command lines, run through the admin socket
//!  scenes  mail that is accepted, refused, answered, filed, forwarded, shared
//!  stream  the domain's administrator, over HTTPS, swaps a plugin under four busy connections
//!  reading everything again by IMAP and POP3
//!  invitation  how to use an own client, until Ctrl-C
//! ```
//!
//! Invariants: what is told is checked, on the wire and not by looking inside the server; the
//! command lines shown are parsed and run as they are shown; nothing is left behind.
//!
//! How it fails: a step that did not turn out as told is marked, the others go on, and the end
//! is an error that lists them. A server that cannot start, or a broken connection where one
//! client talks alone, ends the tour at once.
//!
//! What it does not know: the server's inside. It starts one and is its client.

mod invitation;
mod people;
mod reading;
mod scenes;
mod screen;
mod stage;
mod stream;
mod wire;

use anyhow::Context as _;

use crate::cli::client::Client;
use crate::server::{self, Server};
use crate::telemetry::{self, LogFormat};
use people::People;
use screen::Screen;
use stage::{Folder, Ports};

/// Shows everything, on the usual ports moved by `port_offset`. With `exit` it ends then, else
/// at Ctrl-C; the folder is removed in any case.
///
/// # Errors
/// A step did not turn out as told, or the server could not be started or stopped.
pub async fn run(exit: bool, port_offset: u16) -> anyhow::Result<()> {
    if std::env::var_os("POSTROOM_LOG").is_some() {
        telemetry::start_logging(LogFormat::Text);
    }
    let mut screen = Screen::open();
    screen.title("Postroom: two domains, one server, a plugin that is swapped while mail flows");
    let folder = Folder::make()?;
    let config = stage::config(&folder, port_offset, &screen)?;
    let client = Client::at(config.admin_socket());
    let server = Server::start(config)
        .await
        .context("the demo's server cannot start")?;
    let toured = tokio::select! {
        toured = tour(&mut screen, &server, client, &folder, exit) => toured,
        () = server::signal() => Err(anyhow::anyhow!("stopped before the end of the tour")),
    };
    if exit || toured.is_err() {
        server.stop();
    } else {
        server.stop_at_signal();
    }
    let stopped = server.stopped().await;
    let removed = folder.remove();
    if toured.is_ok() && stopped.is_ok() && removed.is_ok() {
        screen.line("Stopped; the folder is removed.");
    }
    toured.and(stopped).and(removed)
}

async fn tour(
    screen: &mut Screen,
    server: &Server,
    client: Client,
    folder: &Folder,
    exit: bool,
) -> anyhow::Result<()> {
    let ports = Ports::of(server)?;
    screen.say(&format!(
        "A server runs in {} and listens on {} only. The lines with $ are run as they stand here, by the same code as the command line, over the operator's socket.",
        folder.path().display(),
        ports.smtp.ip()
    ));
    let mut people = People::new(client, ports);
    people.settle(screen).await?;
    scenes::run(screen, &people, folder).await?;
    stream::run(screen, &mut people, folder).await?;
    reading::run(screen, &people).await?;
    screen.verdict()?;
    if !exit {
        invitation::show(screen, &people, folder);
    }
    Ok(())
}
