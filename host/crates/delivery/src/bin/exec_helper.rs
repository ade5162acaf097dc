//! The body of `postroom exec-helper` on its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    delivery::exec_helper::main(std::env::args_os().skip(1))
}
