//! The body of `postroom compile-helper` on its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin::compile_helper::main(std::env::args_os().skip(1))
}
