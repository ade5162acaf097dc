//! Where things are: the checkout, the target folder, the members.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::say;

/// One package of the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
}

/// The checkout as Cargo sees it.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// `CARGO_TARGET_DIR`, or what Cargo takes instead.
    pub(crate) target: PathBuf,
    pub(crate) members: Vec<Member>,
}

impl Workspace {
    /// Asks Cargo. Needs no network: only the manifests of the members are read.
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in a folder of the workspace")?
            .to_owned();
        let text = say::capture(
            cargo()
                .args(["metadata", "--no-deps", "--format-version", "1"])
                .current_dir(&root),
        )?;
        let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
        let target = metadata["target_directory"]
            .as_str()
            .context("no target_directory in cargo metadata")?;
        let packages = metadata["packages"]
            .as_array()
            .context("no packages in cargo metadata")?;
        let members = packages.iter().map(member).collect::<Option<_>>();
        Ok(Self {
            target: PathBuf::from(target),
            members: members.context("a package without name or manifest in cargo metadata")?,
            root,
        })
    }

    /// The members below a folder of the checkout, sorted by name.
    pub(crate) fn members_below(&self, folder: &str) -> Vec<Member> {
        let below = self.root.join(folder);
        let mut members: Vec<Member> = self
            .members
            .iter()
            .filter(|member| member.folder.starts_with(&below))
            .cloned()
            .collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// Cargo, in the checkout and with this target folder.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = cargo();
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// One xtask at a time prepares this target folder; others wait. Held until dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        std::fs::create_dir_all(&self.target)
            .with_context(|| format!("cannot make {}", self.target.display()))?;
        let path = self.target.join("xtask.lock");
        let file =
            File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
        if file.try_lock().is_err() {
            say::note("waiting for another xtask in the same target folder");
            file.lock()
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }
}

/// The Cargo that runs this program, else the one in PATH.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn member(package: &Value) -> Option<Member> {
    let manifest = Path::new(package["manifest_path"].as_str()?);
    Some(Member {
        name: package["name"].as_str()?.to_owned(),
        folder: manifest.parent()?.to_owned(),
    })
}
