//! Tokens of `postroom login`, in a file that only its owner can read.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use mail::Secret;
use serde::{Deserialize, Serialize};

/// The file of one user.
pub(super) struct Kept {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Row {
    server: String,
    login: String,
    token: String,
}

impl Kept {
    /// `$XDG_STATE_HOME/postroom/tokens.json`, else beneath `~/.local/state`.
    pub(super) fn of_user() -> anyhow::Result<Self> {
        let state = std::env::var_os("XDG_STATE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))
            .context("there is no place for tokens: set XDG_STATE_HOME to a folder")?;
        Ok(Self {
            path: state.join("postroom/tokens.json"),
        })
    }

    /// The token for a server and a login name.
    pub(super) fn find(&self, server: &str, login: &str) -> anyhow::Result<Option<Secret<String>>> {
        let found = self.read()?.into_iter().find(|row| row.is(server, login));
        Ok(found.map(|row| Secret::new(row.token)))
    }

    /// Keeps a token instead of the one before, or with `None` only forgets that.
    pub(super) fn put(
        &self,
        server: &str,
        login: &str,
        token: Option<&Secret<String>>,
    ) -> anyhow::Result<()> {
        let mut rows = self.read()?;
        rows.retain(|row| !row.is(server, login));
        rows.extend(token.map(|token| Row {
            server: server.to_owned(),
            login: login.to_owned(),
            token: token.expose_secret().clone(),
        }));
        self.write(&rows)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn read(&self) -> anyhow::Result<Vec<Row>> {
        let shown = || format!("cannot read {}", self.path.display());
        let meta = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            meta => meta.with_context(shown)?,
        };
        ensure!(
            meta.mode() & 0o077 == 0,
            "others can read the tokens in {0}: chmod 600 {0}, and sign in again",
            self.path.display()
        );
        let text = std::fs::read(&self.path).with_context(shown)?;
        serde_json::from_slice(&text).with_context(|| {
            format!(
                "{0} is damaged: remove it and sign in again",
                self.path.display()
            )
        })
    }

    fn write(&self, rows: &[Row]) -> anyhow::Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("/"));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        // Two commands at once each write a file of their own; the last one counts.
        let new = self
            .path
            .with_extension(format!("new-{}", std::process::id()));
        let _ = std::fs::remove_file(&new);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(rows)?)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        Ok(())
    }
}

impl Row {
    fn is(&self, server: &str, login: &str) -> bool {
        self.server == server && self.login.eq_ignore_ascii_case(login)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use mail::Secret;

    use super::Kept;

    #[test]
    fn tokens_are_kept_for_the_owner_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kept = Kept {
            path: folder.path().join("postroom/tokens.json"),
        };
        let (here, there) = ("https://a.test:8443", "https://b.test:8443");
        let token = |text: &str| Secret::new(text.to_owned());
        assert_eq!(kept.find(here, "ann").expect("no file"), None);
        kept.put(here, "ann", Some(&token("one"))).expect("written");
        kept.put(there, "ann", Some(&token("two")))
            .expect("written");
        kept.put(here, "Ann", Some(&token("three")))
            .expect("written");
        assert_eq!(kept.find(here, "ann").expect("read"), Some(token("three")));
        assert_eq!(kept.find(there, "ann").expect("read"), Some(token("two")));
        assert_eq!(kept.find(there, "bob").expect("read"), None);
        let mode = std::fs::metadata(&kept.path).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        kept.put(here, "ann", None).expect("written");
        assert_eq!(kept.find(here, "ann").expect("read"), None);

        std::fs::set_permissions(&kept.path, std::fs::Permissions::from_mode(0o644))
            .expect("the file is ours");
        let error = kept.find(there, "ann").expect_err("others can read it");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
