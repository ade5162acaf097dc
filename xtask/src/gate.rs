//! `cargo xtask test` and `cargo xtask ci`.

use anyhow::Result;

use crate::workspace::{Workspace, cargo};
use crate::{clients, demo, packages, say, wasm_target};

/// Builds everything and runs the tests whose names hold one of `filter` (none: all).
pub(crate) fn test(workspace: &Workspace, filter: &[&str]) -> Result<()> {
    packages::install(packages::TEST_PROGRAMS)?;
    clients::install(workspace)?;
    demo::build_server(workspace)?;
    let nextest = say::capture(cargo().args(["nextest", "--version"])).is_ok();
    let mut command = workspace.cargo();
    // Where the tests find what was built; the plain cargo test has no such list.
    command
        .env("POSTROOM_BIN", workspace.target.join("debug/postroom"))
        .env("POSTROOM_PLUGINS", workspace.target.join("plugins"))
        .env("POSTROOM_FIXTURES", workspace.target.join("fixtures"))
        .env("POSTROOM_WASM_TARGET", wasm_target::description(workspace));
    if nextest {
        command
            .args(["nextest", "run", "--workspace", "--no-fail-fast"])
            .args(filter);
    } else {
        command.args(["test", "--workspace", "--no-fail-fast"]);
        // libtest takes names behind the dashes.
        command.arg("--").args(filter);
    }
    say::step("tests", || say::run(&mut command))
}

/// Everything that must hold before a change is taken. The quick checks come first, the tests
/// last, so that their summary ends the output.
pub(crate) fn ci(workspace: &Workspace) -> Result<()> {
    packages::install(packages::BUILD_PROGRAMS)?;
    say::step("format", || {
        say::run(workspace.cargo().args(["fmt", "--all", "--check"]))
    })?;
    say::step("tidy", || {
        say::run(workspace.cargo().args(["test", "--quiet", "-p", "xtask"]))
    })?;
    let clippy = ["clippy", "--workspace", "--all-targets"];
    let lints = ["--", "-D", "warnings"];
    say::step("lints", || {
        say::run(workspace.cargo().args(clippy).args(lints))
    })?;
    let guests = [
        "clippy",
        "-p",
        "postroom-hostile-guests",
        "--all-targets",
        "--all-features",
    ];
    say::step("lints of the test guests", || {
        say::run(workspace.cargo().args(guests).args(lints))
    })?;
    let mut docs = workspace.cargo();
    docs.env("RUSTDOCFLAGS", "-D warnings")
        .args(["doc", "--workspace", "--no-deps", "--quiet"]);
    say::step("documentation", || say::run(&mut docs))?;
    demo::run_and_return(workspace)?;
    test(workspace, &[])
}
