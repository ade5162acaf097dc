//! The Rust target of plugins, `wasm32-unknown-unknown`, three ways.
//!
//! ```text
//! installed   the compiler in use has the target's standard library already
//! rustup      `rustup target add`
//! apt         where rustup's server cannot be reached: Debian's compiler with its source
//!             package, and the standard library built once from that
//! ```
//!
//! The result is a set of environment variables for Cargo. It is also written to
//! `wasm-target.toml` in the target folder, for `postroom plugin build`. Nothing is written into
//! a compiler's own folder: the library built the third way lies in the target folder and is
//! named to the compiler as its sysroot.

mod standard_library;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::say;
use crate::workspace::Workspace;

/// The target's name.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The server either answers soon or cannot be reached from here.
const RUSTUP_TIMEOUT: Duration = Duration::from_secs(120);

/// How the target came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Installed,
    Rustup,
    Apt,
}

impl Way {
    const ALL: [Self; 3] = [Self::Installed, Self::Rustup, Self::Apt];

    /// From the command line.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|way| way.name() == text);
        found.with_context(|| format!("'{text}' is none of installed, rustup, apt"))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Rustup => "rustup",
            Self::Apt => "apt",
        }
    }
}

/// A compiler that can build guests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Toolchain {
    pub(crate) way: Way,
    /// What Cargo must find in its environment.
    pub(crate) environment: Vec<(String, String)>,
    /// `rustc -vV` of the compiler, to know when guests must be built anew.
    pub(crate) compiler: String,
}

impl Toolchain {
    /// Those that need nothing said to Cargo.
    fn of_rustup(way: Way) -> Result<Self> {
        let compiler = say::capture(Command::new("rustc").arg("-vV"))?;
        Ok(Self {
            way,
            environment: Vec::new(),
            compiler,
        })
    }

    /// Sets the environment of a Cargo that builds guests. Flags meant for the host's linker
    /// would break them, so those are taken away.
    pub(crate) fn apply(&self, command: &mut Command) {
        command
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
    }

    fn to_toml(&self) -> String {
        let environment: toml::Table = self
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        let table = toml::Table::from_iter([
            ("way".to_owned(), self.way.name().into()),
            ("target".to_owned(), TARGET.into()),
            ("env".to_owned(), environment.into()),
        ]);
        format!(
            "# Written by `cargo xtask wasm-target`: what Cargo must find in its environment.\n{table}"
        )
    }
}

/// Makes the target available, by one way or by the first that works.
pub(crate) fn prepare(workspace: &Workspace, way: Option<Way>) -> Result<Toolchain> {
    let _lock = workspace.lock()?;
    let toolchain = say::step(&format!("compiler target {TARGET}"), || match way {
        None => first_that_works(workspace),
        Some(Way::Installed) if is_installed() => Toolchain::of_rustup(Way::Installed),
        Some(Way::Installed) => bail!("the compiler in use has no standard library for {TARGET}"),
        Some(Way::Rustup) => by_rustup(),
        Some(Way::Apt) => standard_library::by_apt(workspace),
    })?;
    let path = description(workspace);
    say::note(&format!(
        "way: {}, described in {}",
        toolchain.way.name(),
        path.display()
    ));
    std::fs::write(&path, toolchain.to_toml())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(toolchain)
}

/// The file that says how to build guests; `postroom plugin build` finds it by the variable
/// `POSTROOM_WASM_TARGET`.
pub(crate) fn description(workspace: &Workspace) -> PathBuf {
    workspace.target.join("wasm-target.toml")
}

fn first_that_works(workspace: &Workspace) -> Result<Toolchain> {
    if is_installed() {
        return Toolchain::of_rustup(Way::Installed);
    }
    // Built once, it is quicker than asking rustup's server again.
    if let Some(toolchain) = standard_library::built_before(workspace) {
        return Ok(toolchain);
    }
    by_rustup().or_else(|error| {
        say::note(&format!(
            "rustup could not add it ({error:#}); Debian's compiler is next"
        ));
        standard_library::by_apt(workspace)
    })
}

fn is_installed() -> bool {
    let mut rustc = Command::new("rustc");
    let libraries = say::capture(rustc.args(["--print", "target-libdir", "--target", TARGET]));
    libraries.is_ok_and(|folder| has_standard_library(Path::new(folder.trim())))
}

/// Are both the core and the standard library in this folder?
fn has_standard_library(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    let names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    ["libcore-", "libstd-"].iter().all(|start| {
        names
            .iter()
            .any(|name| name.starts_with(start) && name.ends_with(".rlib"))
    })
}

fn by_rustup() -> Result<Toolchain> {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).stdin(Stdio::null());
    say::note(&say::command_line(&rustup));
    let mut child = rustup.spawn().context("rustup does not start")?;
    let deadline = Instant::now() + RUSTUP_TIMEOUT;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("no answer in {} s", RUSTUP_TIMEOUT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if !status.success() || !is_installed() {
        bail!("`rustup target add {TARGET}` ended with {status}");
    }
    Toolchain::of_rustup(Way::Rustup)
}

#[cfg(test)]
mod tests;
