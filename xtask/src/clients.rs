//! Client libraries that no Debian package brings: what the end-to-end tests import.
//!
//! `tests/clients` names them with versions and checksums; they are installed into
//! `clients/` of the target folder from the registries of npm and Python, once for each change
//! of those files.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::say;
use crate::workspace::Workspace;

/// What says which versions, with their checksums.
const NODE: [&str; 2] = ["package.json", "package-lock.json"];
const PYTHON: &str = "requirements.txt";

/// Installs what is not there in these versions.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    let (from, to) = (
        workspace.root.join("tests/clients"),
        workspace.target.join("clients"),
    );
    let wanted = wanted(&from)?;
    let stamp = to.join("installed");
    if fs::read(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    say::step("client libraries of the tests", || {
        node(&from, &to.join("node")).context(
            "imapflow cannot be installed: is the registry of npm reachable (`npm ping`)? \
             Then: cargo xtask clients",
        )?;
        python(&from, &to.join("python")).context(
            "IMAPClient cannot be installed: is the registry of Python reachable \
             (`pip3 download IMAPClient`)? Then: cargo xtask clients",
        )
    })?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn wanted(from: &Path) -> Result<Vec<u8>> {
    let mut wanted = Vec::new();
    for name in NODE.iter().chain(&[PYTHON]) {
        let path = from.join(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        wanted.extend(text);
    }
    Ok(wanted)
}

/// Exactly what the lock file says; no script of a package is run.
fn node(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for name in NODE {
        fs::copy(from.join(name), to.join(name))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    say::run(npm.current_dir(to))
}

/// Into a folder of their own: nothing of the system's Python is changed.
fn python(from: &Path, to: &Path) -> Result<()> {
    let mut pip = Command::new("pip3");
    pip.args(["install", "--quiet", "--upgrade", "--no-deps"])
        .args(["--only-binary", ":all:", "--require-hashes", "--target"])
        .arg(to)
        .arg("--requirement")
        .arg(from.join(PYTHON));
    say::run(&mut pip)
}
