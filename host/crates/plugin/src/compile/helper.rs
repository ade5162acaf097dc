//! `postroom compile-helper`: a process that limits itself, compiles one component, and ends.
//!
//! It is not for people: the server starts it with two numbers, address space in bytes and CPU
//! in seconds. It opens no file and needs none.

use std::ffi::OsString;
use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use crate::engine::compiling_engine;

/// The exit code when the component is at fault: EX_DATAERR of sysexits.h.
pub const EXIT_REFUSED: u8 = 65;
/// The exit code when the helper could not do its work: EX_OSERR of sysexits.h.
pub const EXIT_FAILED: u8 = 71;

/// Compiles the component on standard input to standard output, within limits.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let limits: Vec<u64> = arguments
        .filter_map(|argument| argument.to_str()?.parse().ok())
        .collect();
    let &[memory_bytes, cpu_seconds] = limits.as_slice() else {
        eprintln!("compile-helper takes two numbers, bytes of memory and seconds of CPU");
        return ExitCode::from(EXIT_FAILED);
    };
    if let Err(error) = confine(memory_bytes, cpu_seconds) {
        eprintln!("the limits cannot be set: {error}");
        return ExitCode::from(EXIT_FAILED);
    }
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, words)) => {
            eprintln!("{words}");
            ExitCode::from(code)
        }
    }
}

/// Puts the limits on this process, for good.
fn confine(memory_bytes: u64, cpu_seconds: u64) -> rustix::io::Result<()> {
    let limit = |resource, value| {
        let limit = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        setrlimit(resource, limit)
    };
    limit(Resource::Core, 0)?;
    limit(Resource::As, memory_bytes)?;
    limit(Resource::Cpu, cpu_seconds)?;
    // It writes to pipes only, and has the three descriptors that it needs.
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, 3)?;
    // Nobody waits for what a server asked that is gone.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // Mail comes first. A system that does not allow it compiles all the same.
    let _ = rustix::process::nice(10);
    rustix::thread::set_no_new_privs(true)
}

fn compile() -> Result<(), (u8, String)> {
    let failed = |error: std::io::Error| (EXIT_FAILED, error.to_string());
    let mut component = Vec::new();
    stdin().read_to_end(&mut component).map_err(failed)?;
    let engine = compiling_engine().map_err(|error| (EXIT_FAILED, error.to_string()))?;
    let code = engine
        .precompile_component(&component)
        .map_err(|error| (EXIT_REFUSED, format!("{error:#}")))?;
    let mut output = stdout().lock();
    output
        .write_all(&code)
        .and_then(|()| output.flush())
        .map_err(failed)
}
