//! The bundled plugins and the hostile guests of the tests, as components.
//!
//! ```text
//! plugins/NAME ── cargo, profile guest ─> core module ─┐
//! plugins/NAME/plugin.toml ────────────────────────────┴─> <target>/plugins/NAME.wasm
//! tests/fixtures/hostile/examples/NAME.{rs,toml} ────────> <target>/fixtures/NAME.wasm
//! ```
//!
//! Skipped when no input has changed. An output is only written when its bytes differ, and one
//! without a source is removed, so the server that embeds them is rebuilt exactly when it must.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::say;
use crate::wasm_target::{self, TARGET, Toolchain, Way};
use crate::workspace::{Member, Workspace};

/// The package of the hostile guests; each is an example of it, built only with this feature.
const HOSTILE: &str = "postroom-hostile-guests";
const HOSTILE_FEATURE: &str = "guests";
const PROFILE: &str = "guest";

/// One component to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Guest {
    /// The core module, as Cargo writes it below the folder of the profile.
    module: PathBuf,
    manifest: PathBuf,
    component: PathBuf,
}

/// Builds all guests, with all that they need, unless they are up to date.
pub(crate) fn build(workspace: &Workspace, way: Option<Way>) -> Result<()> {
    let toolchain = wasm_target::prepare(workspace, way)?;
    let _lock = workspace.lock()?;
    say::step("bundled plugins and test guests", || {
        let guests = guests(workspace)?;
        let stamp = workspace.target.join("plugins/.stamp");
        let digest = digest(workspace, &toolchain)?;
        let fresh = guests.iter().all(|guest| guest.component.is_file());
        if fresh && fs::read_to_string(&stamp).is_ok_and(|found| found == digest) {
            say::note("nothing has changed");
            return Ok(());
        }
        compile(workspace, &toolchain)?;
        for guest in &guests {
            make(guest)?;
        }
        remove_others(&workspace.target.join("plugins"), &guests)?;
        remove_others(&workspace.target.join("fixtures"), &guests)?;
        fs::write(&stamp, digest).with_context(|| format!("cannot write {}", stamp.display()))
    })
}

fn guests(workspace: &Workspace) -> Result<Vec<Guest>> {
    let modules = modules(workspace);
    let mut guests: Vec<Guest> = workspace
        .members_below("plugins")
        .iter()
        .map(|plugin| bundled(plugin, &modules, &workspace.target))
        .collect();
    let examples = hostile_folder(workspace)?.join("examples");
    for source in files(&examples)?
        .into_iter()
        .filter(|path| has_extension(path, "rs"))
    {
        guests.push(hostile(&source, &modules, &workspace.target));
    }
    Ok(guests)
}

/// Where Cargo puts core modules: apart from everything else, so that nothing else is rebuilt.
fn modules(workspace: &Workspace) -> PathBuf {
    workspace.target.join("guest").join(TARGET).join(PROFILE)
}

fn hostile_folder(workspace: &Workspace) -> Result<PathBuf> {
    let found = workspace
        .members
        .iter()
        .find(|member| member.name == HOSTILE);
    Ok(found
        .with_context(|| format!("no member {HOSTILE}"))?
        .folder
        .clone())
}

fn bundled(plugin: &Member, modules: &Path, target: &Path) -> Guest {
    let folder = plugin
        .folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    Guest {
        module: modules.join(format!("{}.wasm", plugin.name.replace('-', "_"))),
        manifest: plugin.folder.join("plugin.toml"),
        component: target.join("plugins").join(format!("{folder}.wasm")),
    }
}

fn hostile(source: &Path, modules: &Path, target: &Path) -> Guest {
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    Guest {
        module: modules
            .join("examples")
            .join(format!("{}.wasm", name.replace('-', "_"))),
        manifest: source.with_extension("toml"),
        component: target.join("fixtures").join(format!("{name}.wasm")),
    }
}

fn compile(workspace: &Workspace, toolchain: &Toolchain) -> Result<()> {
    let plugins = workspace.members_below("plugins");
    let packages = plugins.iter().flat_map(|plugin| ["-p", &plugin.name]);
    say::run(
        guest_cargo(workspace, toolchain)
            .args(packages)
            .arg("--lib"),
    )?;
    let mut cargo = guest_cargo(workspace, toolchain);
    say::run(cargo.args(["-p", HOSTILE, "--examples", "--features", HOSTILE_FEATURE]))
}

fn guest_cargo(workspace: &Workspace, toolchain: &Toolchain) -> std::process::Command {
    let mut cargo = workspace.cargo();
    toolchain.apply(&mut cargo);
    cargo.args([
        "build",
        "--profile",
        PROFILE,
        "--target",
        TARGET,
        "--target-dir",
    ]);
    cargo.arg(workspace.target.join("guest"));
    cargo
}

fn make(guest: &Guest) -> Result<()> {
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let module = read(&guest.module)?;
    let manifest = String::from_utf8(read(&guest.manifest)?)
        .with_context(|| format!("{} is not UTF-8", guest.manifest.display()))?;
    let component = componentize::componentize(&module, &manifest)
        .with_context(|| format!("cannot make {}", guest.component.display()))?;
    if fs::read(&guest.component).is_ok_and(|found| found == component) {
        return Ok(());
    }
    if let Some(folder) = guest.component.parent() {
        fs::create_dir_all(folder)?;
    }
    // By renaming, so that no server meets half a file.
    let part = guest.component.with_extension("part");
    fs::write(&part, &component).with_context(|| format!("cannot write {}", part.display()))?;
    fs::rename(&part, &guest.component)?;
    say::note(&format!(
        "{} ({} KiB)",
        guest.component.display(),
        component.len().div_ceil(1024)
    ));
    Ok(())
}

fn remove_others(folder: &Path, guests: &[Guest]) -> Result<()> {
    for path in files(folder)? {
        let wanted = guests.iter().any(|guest| guest.component == path);
        if has_extension(&path, "wasm") && !wanted {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// A digest of every input: sources, manifests, the contract, the locked dependencies, the
/// compiler. A change of this program's own hash function only causes one build more.
fn digest(workspace: &Workspace, toolchain: &Toolchain) -> Result<String> {
    let mut inputs = BTreeMap::new();
    for folder in ["plugins", "guest-sdk", "wit", "host/crates/componentize"] {
        collect(&workspace.root.join(folder), &mut inputs)?;
    }
    collect(&hostile_folder(workspace)?, &mut inputs)?;
    for file in ["Cargo.toml", "Cargo.lock"] {
        let path = workspace.root.join(file);
        inputs.insert(path.clone(), fs::read(&path)?);
    }
    let mut hasher = DefaultHasher::new();
    toolchain.compiler.hash(&mut hasher);
    inputs.hash(&mut hasher);
    Ok(format!("{:016x}\n", hasher.finish()))
}

/// Every file below a folder with its bytes.
fn collect(folder: &Path, inputs: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    for path in files(folder)? {
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, inputs)?;
            }
        } else {
            let bytes =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            inputs.insert(path, bytes);
        }
    }
    Ok(())
}

/// The entries of a folder in order; none where there is no folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests;
