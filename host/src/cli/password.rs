//! Passwords that are given to the command line: never as an argument, which others could see.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use mail::Secret;

/// Asks on the terminal without showing what is typed, and shows it again also after Ctrl-C.
/// Where there is no terminal that ends with an error.
const ASK: &str = r#"
exec </dev/tty || exit 3
trap 'stty echo; printf "\n" >/dev/tty; exit 130' INT TERM HUP
printf '%s: ' "$1" >/dev/tty
stty -echo && IFS= read -r answer
stty echo
printf '\n' >/dev/tty
printf '%s\n' "$answer"
"#;

/// The first line of standard input.
pub(super) fn from_standard_input() -> anyhow::Result<Secret<String>> {
    first_line(std::io::stdin().lock()).context("standard input")
}

/// From the file that is named, or from whoever sits at the terminal.
pub(super) fn find(file: Option<&Path>, question: &str) -> anyhow::Result<Secret<String>> {
    match file {
        Some(path) => {
            let what = || format!("the password file {}", path.display());
            first_line(BufReader::new(File::open(path).with_context(what)?)).with_context(what)
        }
        None => ask(question),
    }
}

fn ask(question: &str) -> anyhow::Result<Secret<String>> {
    let asked = Command::new("sh")
        .args(["-c", ASK, "postroom", question])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .context("cannot ask for the password")?;
    match asked.status.code() {
        Some(0) => first_line(&asked.stdout[..]).context("the answer"),
        Some(130) => bail!("no password was given"),
        _ => bail!(
            "there is no terminal to ask for the password: name a file that holds it with --password-file (POSTROOM_PASSWORD_FILE), or sign in once with `postroom login --password-stdin`"
        ),
    }
}

fn first_line(mut input: impl Read) -> anyhow::Result<Secret<String>> {
    let mut line = String::new();
    BufReader::new(&mut input)
        .read_line(&mut line)
        .context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "the password is empty");
    Ok(Secret::new(password.to_owned()))
}
