//! `cargo xtask bench`: builds the release server and the load generator, then becomes it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{guests, packages, say};

/// What is shown of the checkout where there is no git.
const UNKNOWN: &str = "of an unknown revision";

/// Builds and measures. Returns only where something failed: the process becomes the benchmark.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    packages::install(packages::BUILD_PROGRAMS)?;
    guests::build(workspace, None)?;
    say::step("release build (the first one takes some minutes)", || {
        // Together, so that both use dependencies with the same features.
        let build = [
            "build",
            "--release",
            "-p",
            "postroom",
            "-p",
            "postroom-bench",
        ];
        say::run(workspace.cargo().args(build))
    })?;
    let mut bench = Command::new(workspace.target.join("release/postroom-bench"));
    bench
        .arg("suite")
        .args(arguments)
        .arg("--server")
        .arg(workspace.target.join("release/postroom"))
        .arg("--fixtures")
        .arg(workspace.target.join("fixtures"))
        .arg("--home")
        .arg(workspace.root.join("bench"))
        .args(["--revision", &revision(workspace)]);
    // A quick run shows that it works; its figures are not for the page.
    if !arguments.contains(&"--quick") && !arguments.contains(&"--page") {
        bench
            .arg("--page")
            .arg(workspace.root.join("docs/performance.md"));
    }
    let line = say::command_line(&bench);
    Err(bench.exec()).with_context(|| format!("cannot start `{line}`"))
}

/// The commit, with a mark where the tree is not that commit.
fn revision(workspace: &Workspace) -> String {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root)
        .args(["describe", "--always", "--dirty", "--exclude=*"]);
    say::capture(&mut git).map_or_else(|_| UNKNOWN.to_owned(), |text| text.trim().to_owned())
}
