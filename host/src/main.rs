//! `postroom`: the server and its command line in one binary.

use std::process::ExitCode;

use postroom::cli::{self, Arguments, Command};
use postroom::store_stopped::{self, StoreStopped};
use postroom::telemetry::{self, LogFormat};
use postroom::{demo, server};

/// Bodies are made by one thread and freed by another, many thousand a second: the system's
/// allocator takes a fifth of the processor time for that, and gives memory back to the kernel
/// that it takes again with the next message.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::read();
    match arguments.command {
        Command::ExecHelper { arguments } => {
            return delivery::exec_helper::main(arguments.into_iter());
        }
        Command::CompileHelper { arguments } => {
            return plugin::compile_helper::main(arguments.into_iter());
        }
        _ => {}
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::anyhow!("the runtime cannot start: {error}")),
    };
    match &arguments.command {
        Command::Serve {
            port_offset,
            log_json,
            ..
        } => {
            telemetry::start_logging(if *log_json {
                LogFormat::Json
            } else {
                LogFormat::Text
            });
            let port_offset = *port_offset;
            let arguments = arguments.clone();
            let served = runtime.block_on(server::run(move || {
                let mut config = arguments.load_config()?;
                config.listen.port_offset = port_offset.unwrap_or(config.listen.port_offset);
                Ok(config)
            }));
            served.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
        }
        Command::Demo { exit, port_offset } => {
            let shown = runtime.block_on(demo::run(*exit, *port_offset));
            shown.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
        }
        Command::Replies => {
            print!("{}", mail::words::to_markdown());
            ExitCode::SUCCESS
        }
        _ => runtime.block_on(cli::run(&arguments)),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("postroom: {error:#}");
    if error.is::<StoreStopped>() {
        return ExitCode::from(store_stopped::EXIT_CODE);
    }
    ExitCode::FAILURE
}
