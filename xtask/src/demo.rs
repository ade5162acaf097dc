//! `cargo xtask demo`: builds everything, then becomes the demo of the server itself.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{guests, packages, say};

/// What happens after the tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It ends.
    AtOnce,
    /// The server goes on for the user's own client until Ctrl-C.
    OnInterrupt,
}

/// Builds and shows. Returns only where something failed: the process becomes the demo.
pub(crate) fn run(workspace: &Workspace, end: End) -> Result<()> {
    let mut demo = prepared(workspace, end)?;
    let line = say::command_line(&demo);
    Err(demo.exec()).with_context(|| format!("cannot start `{line}`"))
}

/// The same with a return, for a run that has more to do.
pub(crate) fn run_and_return(workspace: &Workspace) -> Result<()> {
    let mut demo = prepared(workspace, End::AtOnce)?;
    say::step("demo", || say::run(&mut demo))
}

fn prepared(workspace: &Workspace, end: End) -> Result<Command> {
    build_server(workspace)?;
    let mut demo = Command::new(workspace.target.join("debug/postroom"));
    demo.arg("demo");
    if end == End::AtOnce {
        demo.arg("--exit");
    }
    Ok(demo)
}

/// Plugins first, because the server embeds them. The whole workspace is selected so that
/// dependencies get the same features as in the tests and are built once.
pub(crate) fn build_server(workspace: &Workspace) -> Result<()> {
    packages::install(packages::BUILD_PROGRAMS)?;
    guests::build(workspace, None)?;
    say::step("the server (the first build takes some minutes)", || {
        say::run(workspace.cargo().args(["build", "--workspace", "--bins"]))
    })
}
