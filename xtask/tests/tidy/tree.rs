//! What the rules are applied to: the files of the checkout and what Cargo knows of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

/// One file of the tree.
pub(crate) struct Source {
    /// From the root of the checkout, with `/`.
    pub(crate) path: String,
    /// Empty where the file is not UTF-8.
    pub(crate) text: String,
}

impl Source {
    /// For the tests of rules.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }
}

/// Every file of the checkout but Git's and Cargo's output.
pub(crate) static FILES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    assert!(files.len() > 50, "the tree was not found");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
});

/// `cargo metadata` with all dependencies as used on Linux.
pub(crate) static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
});

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is in the workspace")
        .to_owned()
}

/// The text of one file.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn collect(folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of the checkout") {
        let path = entry.expect("an entry of it").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // In a second worktree `.git` is a file.
        if matches!(name.as_str(), ".git" | "target" | ".vscode" | ".idea") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            let relative = path
                .strip_prefix(root())
                .expect("below the root")
                .to_string_lossy()
                .into_owned();
            let text = fs::read(&path)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            files.push(Source {
                path: relative,
                text: text.unwrap_or_default(),
            });
        }
    }
}
