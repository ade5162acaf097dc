//! `postroom plugin new|build|test`: what an author needs, without a server.

mod build;
mod project;
mod trial;

use super::args::PluginCommand;

/// Runs the commands that need no server; `None` for the others.
pub(super) fn local(command: &PluginCommand) -> Option<anyhow::Result<()>> {
    match command {
        PluginCommand::New { name, lang, sdk } => Some(project::create(name, lang, sdk.as_deref())),
        PluginCommand::Build { folder } => Some(build::build(folder)),
        PluginCommand::Test {
            component,
            messages,
            from,
            to,
            config,
        } => Some(trial::run(component, messages, from, to, config)),
        _ => None,
    }
}
