//! docs/performance.md: one part a scenario, each with the facts of the run that made it. What
//! stands outside of the marks was written by hand and stays.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::facts::Facts;

const START: &str = "# Performance\n\nMade by `cargo xtask bench` (bench/README.md says how and with which configuration of the peers). Figures hold for the\nmachine that is named with them; the ratio is of servers that took turns in one run.\n";

pub(super) struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    /// The page as it is, or a new one.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => START.to_owned(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            text,
        })
    }

    /// Puts a part in place of the one before, else at the end.
    pub(super) fn put(&mut self, name: &str, title: &str, body: &str, facts: &Facts) {
        let part = format!("## {title}\n\n{body}\n{}\n", facts.line());
        self.text = replaced(&self.text, name, &part);
    }

    pub(super) fn save(&self) -> anyhow::Result<()> {
        fs::write(&self.path, &self.text)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn replaced(text: &str, name: &str, part: &str) -> String {
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->\n"),
    );
    let before = text.split_once(&begin);
    let found = before.and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
    match found {
        Some((head, tail)) => format!("{head}{begin}{part}{end}{tail}"),
        None => format!("{text}\n{begin}{part}{end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_replaces_itself_and_nothing_else() {
        let text = replaced("by hand\n", "accept", "one\n");
        let text = replaced(&text, "fetch", "two\n");
        let text = format!("{text}more by hand\n");
        let again = replaced(&text, "accept", "three\n");
        assert_eq!(again, text.replace("one\n", "three\n"));
        assert!(again.starts_with("by hand\n") && again.ends_with("more by hand\n"));
    }
}
