//! Embeds the bundled plugins, built before by `cargo xtask plugins`, and the sources of the
//! guest SDK, so that deploying Postroom is copying one file.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default());
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    fs::write(out.join("bundled.rs"), plugins(&out)?)?;
    fs::write(out.join("demo.rs"), demo(&out)?)?;
    fs::write(out.join("sdk.rs"), sdk(&root)?)
}

/// OUT_DIR is `<target>/<profile>/build/<package>/out`; the plugins lie in `<target>/plugins`.
fn plugins(out: &Path) -> std::io::Result<String> {
    let folder = out.ancestors().nth(4).unwrap_or(out).join("plugins");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut components = files(&folder, "wasm")?;
    components.sort();
    if components.is_empty() {
        println!(
            "cargo::warning=no bundled plugins in {}: run `cargo xtask plugins` first",
            folder.display()
        );
    }
    Ok(embedded(&components))
}

/// The two versions of one plugin between which the demo swaps, from `<target>/fixtures`.
/// Without them the list is empty, and the demo says what it does instead.
fn demo(out: &Path) -> std::io::Result<String> {
    let folder = out.ancestors().nth(4).unwrap_or(out).join("fixtures");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut components = files(&folder, "wasm")?;
    components.retain(|path| {
        path.file_stem()
            .is_some_and(|name| name == "swap-v1" || name == "swap-v2")
    });
    components.sort();
    Ok(embedded(&components))
}

/// A list of `(name, bytes)`.
fn embedded(components: &[PathBuf]) -> String {
    let mut text = String::from("&[\n");
    for path in components {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let _ = writeln!(
            text,
            "({name:?}, include_bytes!({:?}) as &[u8]),",
            path.display().to_string()
        );
    }
    text.push(']');
    text
}

fn sdk(root: &Path) -> std::io::Result<String> {
    let mut text = String::from("&[\n");
    let root = root.canonicalize()?;
    for folder in ["guest-sdk", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        let mut found = Vec::new();
        for extension in ["toml", "rs", "md", "wit"] {
            found.extend(files_below(&root.join(folder), extension)?);
        }
        found.sort();
        for path in found {
            println!("cargo::rerun-if-changed={}", path.display());
            let name = path
                .strip_prefix(&root)
                .unwrap_or(&path)
                .display()
                .to_string();
            let _ = writeln!(
                text,
                "({name:?}, include_str!({:?})),",
                path.display().to_string()
            );
        }
    }
    text.push(']');
    Ok(text)
}

/// As [`files`], with the folders below.
fn files_below(folder: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut found = files(folder, extension)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_below(&path, extension)?);
        }
    }
    Ok(found)
}

/// The files of a folder with an extension; nothing where there is no folder.
fn files(folder: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(found)
}
