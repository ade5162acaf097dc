//! The third way: the standard library for the target, built once from Debian's source package.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{TARGET, Toolchain, Way, has_standard_library};
use crate::workspace::Workspace;
use crate::{packages, say};

/// Debian keeps a current compiler for its browsers, and its source beside it.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
const COMPILER: &str = "/usr/bin/rustc";
const SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// Installs compiler and source where they are missing, and builds the library unless it is there.
pub(super) fn by_apt(workspace: &Workspace) -> Result<Toolchain> {
    if !is_usable() {
        packages::apt_install(&PACKAGES)?;
    }
    if !is_usable() {
        bail!(
            "the compiler of {} is missing or older than {}",
            PACKAGES[0],
            env!("CARGO_PKG_RUST_VERSION")
        );
    }
    let compiler = compiler_version()?;
    let sysroot = sysroot(workspace, &compiler);
    if !has_standard_library(&libraries(&sysroot)) {
        say::step(
            "build the standard library for it, once (about a minute)",
            || build(workspace, &sysroot),
        )?;
    }
    toolchain(&sysroot, compiler)
}

/// The toolchain, if an earlier run built the library and the compiler is still the same.
pub(super) fn built_before(workspace: &Workspace) -> Option<Toolchain> {
    let compiler = compiler_version().ok()?;
    let sysroot = sysroot(workspace, &compiler);
    if has_standard_library(&libraries(&sysroot)) {
        toolchain(&sysroot, compiler).ok()
    } else {
        None
    }
}

fn toolchain(sysroot: &Path, compiler: String) -> Result<Toolchain> {
    let variable = |name: &str| {
        format!(
            "CARGO_TARGET_{}_{name}",
            TARGET.to_uppercase().replace('-', "_")
        )
    };
    let sysroot = sysroot
        .to_str()
        .context("the path of the target folder is not UTF-8")?;
    // Cargo divides the flags at blanks.
    if sysroot.contains(char::is_whitespace) {
        bail!(
            "the target folder has a blank in its path; set CARGO_TARGET_DIR to one that has none"
        );
    }
    let linker = linker()?;
    let environment = vec![
        ("RUSTC".to_owned(), COMPILER.to_owned()),
        (variable("LINKER"), linker),
        (variable("RUSTFLAGS"), format!("--sysroot={sysroot}")),
    ];
    Ok(Toolchain {
        way: Way::Apt,
        environment,
        compiler,
    })
}

fn is_usable() -> bool {
    let Ok(compiler) = compiler_version() else {
        return false;
    };
    Path::new(SOURCE).is_file()
        && release(&compiler)
            .is_some_and(|version| version >= numbers(env!("CARGO_PKG_RUST_VERSION")))
}

fn compiler_version() -> Result<String> {
    say::capture(Command::new(COMPILER).arg("-vV"))
}

/// `release: 1.96.0` of `rustc -vV`, as numbers that compare.
pub(super) fn release(compiler: &str) -> Option<Vec<u32>> {
    compiler
        .lines()
        .find_map(|line| line.strip_prefix("release: "))
        .map(numbers)
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

/// One folder a compiler, so that a new one never meets an old library.
fn sysroot(workspace: &Workspace, compiler: &str) -> PathBuf {
    let field = |name: &str| {
        compiler
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("unknown")
    };
    let name = format!("std-{}-{}", field("release: "), field("commit-hash: "));
    workspace.target.join("wasm-target").join(name)
}

fn libraries(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

/// The linker that comes with rustup's compiler, else LLVM's of the system.
fn linker() -> Result<String> {
    let sysroot =
        say::capture(Command::new("rustc").args(["--print", "sysroot"])).unwrap_or_default();
    let host = format!("lib/rustlib/{}/bin/rust-lld", host_triple()?);
    let bundled = Path::new(sysroot.trim()).join(host);
    if bundled.is_file() {
        return Ok(bundled.to_string_lossy().into_owned());
    }
    if !packages::is_present("wasm-ld") {
        packages::apt_install(&["lld"])?;
    }
    Ok("wasm-ld".to_owned())
}

fn host_triple() -> Result<String> {
    let version = say::capture(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(ToOwned::to_owned)
        .context("rustc -vV names no host")
}

fn build(workspace: &Workspace, sysroot: &Path) -> Result<()> {
    let work = workspace.target.join("wasm-target/build");
    seed(&work)?;
    let mut cargo = workspace.cargo();
    cargo
        .current_dir(&work)
        .env("CARGO_TARGET_DIR", work.join("target"))
        .env("RUSTC", COMPILER)
        // Building the library from source is not a stable option of Cargo and rustc.
        .env("RUSTC_BOOTSTRAP", "1")
        // With bitcode the guests can be optimised as a whole.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args([
            "build",
            "-Zbuild-std=std,panic_abort",
            "--release",
            "--target",
            TARGET,
        ]);
    say::run(&mut cargo)?;

    let part = sysroot.with_extension("part");
    remove(&part)?;
    fs::create_dir_all(libraries(&part))?;
    let built = work.join("target").join(TARGET).join("release/deps");
    for entry in fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .map(OsStr::to_string_lossy)
            .unwrap_or_default();
        if name.ends_with(".rlib") && !name.starts_with("libseed-") {
            fs::copy(&path, libraries(&part).join(name.as_ref()))?;
        }
    }
    // The rename is what makes it count: an interrupted copy is made again.
    remove(sysroot)?;
    fs::rename(&part, sysroot)?;
    remove(&work)
}

/// An empty crate outside this workspace, for Cargo to build the library under.
fn seed(folder: &Path) -> Result<()> {
    remove(folder)?;
    fs::create_dir_all(folder.join("src"))?;
    let manifest =
        "[package]\nname = \"seed\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/lib.rs"), "")?;
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
