//! `postroom plugin build`: cargo for the core module, then one component with its manifest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

const TARGET: &str = "wasm32-unknown-unknown";

pub(super) fn build(folder: &Path) -> anyhow::Result<()> {
    let manifest_path = folder.join("plugin.toml");
    let manifest = std::fs::read_to_string(&manifest_path).with_context(|| {
        format!(
            "no plugin project in {}: there is no plugin.toml",
            folder.display()
        )
    })?;
    let name = package_name(folder)?;
    let target_dir = target_folder(folder)?;
    println!("Building {name} for {TARGET} …");
    let status = cargo(folder)?
        .args(["build", "--release", "--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .status()
        .context("cannot run cargo: it comes with rustup")?;
    ensure!(status.success(), "cargo build failed: see above");
    let core = target_dir
        .join(TARGET)
        .join("release")
        .join(format!("{}.wasm", name.replace('-', "_")));
    let core =
        std::fs::read(&core).with_context(|| format!("cargo built no {}", core.display()))?;
    let component = componentize::componentize(&core, &manifest)?;
    let path = target_dir.join(format!("{name}.wasm"));
    std::fs::write(&path, &component)?;
    println!(
        "{}: {} bytes. Next: postroom plugin install {}",
        path.display(),
        component.len(),
        path.display()
    );
    Ok(())
}

fn package_name(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let table: toml::Table = text
        .parse()
        .with_context(|| format!("in {}", path.display()))?;
    let name = table
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str);
    Ok(name.context("Cargo.toml has no package name")?.to_owned())
}

fn target_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => Ok(PathBuf::from(target)),
        None => Ok(std::path::absolute(folder)?.join("target")),
    }
}

/// A cargo that can build for WebAssembly: with the target of the toolchain, or with the
/// compiler that `cargo xtask wasm-target` prepared and noted in `POSTROOM_WASM_TARGET`.
fn cargo(folder: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("cargo");
    command.current_dir(folder);
    if let Some(note) = std::env::var_os("POSTROOM_WASM_TARGET") {
        let path = PathBuf::from(note);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let environment: toml::Table = text
            .parse()
            .with_context(|| format!("in {}", path.display()))?;
        for (name, value) in environment
            .get("env")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten()
        {
            command.env(name, value.as_str().unwrap_or_default());
        }
        return Ok(command);
    }
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("cannot run rustc: install it with rustup (https://rustup.rs)")?;
    let library = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !library.is_dir() {
        bail!(
            "this Rust has no {TARGET}: run `rustup target add {TARGET}`. Where rustup can download nothing, run `cargo xtask wasm-target` in Postroom's sources and set POSTROOM_WASM_TARGET to the file it names"
        );
    }
    Ok(command)
}
