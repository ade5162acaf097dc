//! Commands that set a server up and need none: `init`, `check`, `man`, `completions`,
//! `configuration`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::CommandFactory as _;
use mail::Domain;

use super::args::{Arguments, Command};
use crate::check::{self, State};
use crate::config;

/// Runs the commands that need no server; `None` for the others.
pub(super) async fn local(arguments: &Arguments) -> Option<anyhow::Result<()>> {
    Some(match &arguments.command {
        Command::Init { hostname, force } => init(arguments, hostname.as_deref(), *force),
        Command::Check => checked(arguments).await,
        Command::Man { folder } => man(folder),
        Command::Completions { shell } => completions(*shell),
        Command::Configuration => {
            print!("{}", config::to_markdown());
            Ok(())
        }
        _ => return None,
    })
}

/// Where nothing else is said.
const FILE: &str = "postroom.toml";

fn init(arguments: &Arguments, hostname: Option<&str>, force: bool) -> anyhow::Result<()> {
    let path = arguments
        .config
        .clone()
        .unwrap_or_else(|| PathBuf::from(FILE));
    let mut set = Vec::new();
    if let Some(hostname) = hostname {
        Domain::parse(hostname)
            .map_err(|error| anyhow::anyhow!("'{hostname}' is not a host name: {error}"))?;
        set.push(("hostname", quoted(hostname)));
    }
    if let Some(data) = &arguments.data {
        let data = data
            .to_str()
            .context("--data must be UTF-8 to stand in a file")?;
        set.push(("data", quoted(data)));
    }
    let text = config::to_template(&set);
    write_new(&path, text.as_bytes(), force)?;
    let named = if arguments.config.is_some() {
        format!(" --config {}", path.display())
    } else {
        String::new()
    };
    println!(
        "Wrote {}: every setting is in it with its default, in a comment.\nNext: postroom{named} check",
        path.display()
    );
    Ok(())
}

/// A string as TOML.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn write_new(path: &Path, bytes: &[u8], force: bool) -> anyhow::Result<()> {
    let mut options = fs::File::options();
    options.write(true).mode(0o644);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let mut file = match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => bail!(
            "{} is there already and was left as it is; to write it anew: postroom init --force",
            path.display()
        ),
        opened => opened.with_context(|| format!("cannot write {}", path.display()))?,
    };
    file.write_all(bytes)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// What failed was printed; this only makes the exit code.
#[derive(Debug, thiserror::Error)]
#[error("check failed")]
pub(super) struct CheckFailed;

async fn checked(arguments: &Arguments) -> anyhow::Result<()> {
    let found = check::run(arguments.load_config()).await;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print!("{}", check::human(&found));
    }
    ensure!(
        found.iter().all(|finding| finding.state != State::Failed),
        CheckFailed
    );
    Ok(())
}

fn man(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    clap_mangen::generate_to(Arguments::command(), folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    println!("Wrote the manual pages into {}", folder.display());
    Ok(())
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "postroom", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(())
}
