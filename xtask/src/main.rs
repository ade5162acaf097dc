//! Project automation: everything a fresh machine needs to build, show and check Postroom.
//!
//! ```text
//! demo ─┬─> wasm-target ─> plugins ─> cargo build ─> postroom demo
//! test ─┤   system programs (apt) + the above      ─> nextest, or cargo test
//! ci   ─┘   format, lints, tidy, docs, demo --exit, test
//! ```
//!
//! Every step says what it does and how long it took. Nothing is written outside the target
//! folder; system packages are installed only as root, and otherwise the command is printed.
//! A step that fails ends the run with the command line that failed. It knows Cargo, rustup,
//! apt, npm and pip, and nothing of the server but the name of its binary.

mod bench;
mod clients;
mod crash;
mod demo;
mod gate;
mod guests;
mod packages;
mod say;
mod wasm_target;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::wasm_target::Way;
use crate::workspace::Workspace;

const HELP: &str = "\
Project automation of Postroom.

usage: cargo xtask COMMAND

  demo [--exit]         build everything and show Postroom at work; --exit ends after the tour
  test [FILTER...]      build everything and run all tests, end to end ones too
  ci                    what .ci/run runs: format, lints, tidy, docs, demo --exit, test
  bench [SCENARIO...] [--quick] [--minutes N] [--gigabytes N] [--mailbox MESSAGES]
                        measure the release build, beside Postfix and Dovecot where they are
                        installed; results go to docs/performance.md (bench/README.md)
  crash [--images N] [--kills N] [--model N] [--seed S] [--life L]
                        crash images of the store, kill -9 of the server and the model, at the
                        same time; what ran goes to docs/reliability.md. --life runs one life of
                        images again
  plugins [--way WAY]   build the bundled plugins and the hostile test guests
  wasm-target [--way WAY]
                        make the wasm32-unknown-unknown target available;
                        WAY is installed, rustup or apt, by default the first that works
  setup                 install the system programs that the tests use
  clients               install the client libraries that the tests use, from npm and PyPI
  help                  this text

Both demo and test do all set-up on their own. The output folder is CARGO_TARGET_DIR,
or target/ in the checkout.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help" | "-h", ..] => {
            print!("{HELP}");
            Ok(())
        }
        ["demo"] => demo::run(&Workspace::open()?, demo::End::OnInterrupt),
        ["demo", "--exit"] => demo::run(&Workspace::open()?, demo::End::AtOnce),
        ["test", filter @ ..] => gate::test(&Workspace::open()?, filter),
        ["ci"] => gate::ci(&Workspace::open()?),
        ["bench", arguments @ ..] => bench::run(&Workspace::open()?, arguments),
        ["crash", arguments @ ..] => crash::run(&Workspace::open()?, arguments),
        ["plugins"] => guests::build(&Workspace::open()?, None),
        ["plugins", "--way", way] => guests::build(&Workspace::open()?, Some(Way::parse(way)?)),
        ["setup"] => packages::install(packages::TEST_PROGRAMS),
        ["clients"] => clients::install(&Workspace::open()?),
        ["wasm-target"] => wasm_target::prepare(&Workspace::open()?, None).map(drop),
        ["wasm-target", "--way", way] => {
            wasm_target::prepare(&Workspace::open()?, Some(Way::parse(way)?)).map(drop)
        }
        _ => bail!("cannot read '{}'; see `cargo xtask help`", words.join(" ")),
    }
}
