//! `postroom plugin new`: a project that builds as it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// The guest SDK as it was when this program was built, by path from the repository's root.
const SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

pub(super) fn create(name: &str, lang: &str, sdk: Option<&Path>) -> anyhow::Result<()> {
    ensure!(
        lang == "rust",
        "there is no template for '{lang}' yet: use --lang rust"
    );
    let fits = name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    ensure!(
        fits,
        "'{name}' is not a plugin name: lower case letters, digits and '-', a letter first"
    );
    let folder = Path::new(name);
    ensure!(
        !folder.exists(),
        "there is already something called '{name}' here"
    );
    fs::create_dir_all(folder.join("src"))?;
    let sdk = match sdk {
        Some(sdk) => sdk
            .canonicalize()
            .with_context(|| format!("no SDK at {}", sdk.display()))?,
        None => unpack_sdk(folder)?,
    };
    write(folder, "Cargo.toml", &manifest(name, &sdk))?;
    write(folder, "plugin.toml", &plugin_toml(name))?;
    write(folder, "src/lib.rs", include_str!("template_lib.rs.txt"))?;
    write(folder, ".gitignore", "/target\n/.postroom-sdk\n")?;
    println!(
        "Made {name}/. Next:\n  cd {name}\n  cargo test              the logic, natively\n  postroom plugin build   one .wasm file\n  postroom plugin test target/{name}.wasm"
    );
    Ok(())
}

/// Puts the SDK beside the project, since it is in no registry.
fn unpack_sdk(folder: &Path) -> anyhow::Result<PathBuf> {
    let root = folder.join(".postroom-sdk");
    for (path, text) in SDK {
        let target = root.join(path);
        fs::create_dir_all(target.parent().unwrap_or(&root))?;
        let text = if *path == "guest-sdk/Cargo.toml" {
            standalone(text)
        } else {
            (*text).to_owned()
        };
        fs::write(&target, text).with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(PathBuf::from(".postroom-sdk/guest-sdk"))
}

/// The SDK's manifest without what it takes from the workspace.
fn standalone(manifest: &str) -> String {
    let workspace: toml::Table = include_str!("../../../../Cargo.toml")
        .parse()
        .unwrap_or_default();
    let mut table: toml::Table = manifest.parse().unwrap_or_default();
    table.remove("lints");
    table.insert("workspace".to_owned(), toml::Table::new().into());
    inherit(&mut table, &workspace, "package", "package");
    with_dependencies(&mut table, &workspace);
    let targets = table.get_mut("target").and_then(toml::Value::as_table_mut);
    for (_, target) in targets.into_iter().flatten() {
        if let Some(target) = target.as_table_mut() {
            with_dependencies(target, &workspace);
        }
    }
    toml::to_string(&table).unwrap_or_default()
}

fn with_dependencies(table: &mut toml::Table, workspace: &toml::Table) {
    for section in ["dependencies", "dev-dependencies"] {
        inherit(table, workspace, section, "dependencies");
    }
}

/// Replaces each `workspace = true` of a section by what the workspace says.
fn inherit(table: &mut toml::Table, workspace: &toml::Table, section: &str, kind: &str) {
    let shared = |name: &str| workspace.get("workspace")?.get(kind)?.get(name).cloned();
    let entries = table.get_mut(section).and_then(toml::Value::as_table_mut);
    for (name, value) in entries.into_iter().flatten() {
        if value.get("workspace").and_then(toml::Value::as_bool) == Some(true)
            && let Some(real) = shared(name)
        {
            *value = real;
        }
    }
}

fn manifest(name: &str, sdk: &Path) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n\n[dependencies]\npostroom-sdk = {{ path = {:?} }}\n\n[profile.release]\nopt-level = \"s\"\nlto = true\npanic = \"abort\"\nstrip = true\n\n[workspace]\nexclude = [\".postroom-sdk\"]\n",
        sdk.display().to_string()
    )
}

fn plugin_toml(name: &str) -> String {
    include_str!("template_plugin.toml.txt").replace("NAME", name)
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
