//! The master key: what the key file is encrypted with.
//!
//! A text file with 64 hexadecimal digits, readable by its owner alone. It is made once, with the
//! key file, and only ever read after that.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::OpenError;
use crate::cipher::{KEY, SecretKey};

/// Where the master key comes from.
#[derive(Debug, Clone)]
pub(crate) enum Master {
    /// This file.
    File(PathBuf),
    /// It is here: for tests.
    #[cfg(test)]
    Given(SecretKey),
}

impl Master {
    /// The key, which must be there.
    pub(crate) fn find(&self) -> Result<SecretKey, OpenError> {
        match self {
            Self::File(path) => match read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(wrong(path, "the master key is missing"))
                }
                Err(error) => Err(failed(path, error)),
                Ok(found) => found.map_err(|what| wrong(path, what)),
            },
            #[cfg(test)]
            Self::Given(key) => Ok(key.clone()),
        }
    }

    /// The key; made if there is none: an operator may have put one there before.
    pub(crate) fn find_or_make(&self) -> Result<SecretKey, OpenError> {
        match self {
            Self::File(path) if !path.exists() => {
                let key = SecretKey::random();
                make(path, &key).map_err(|error| failed(path, error))?;
                tracing::warn!(
                    path = %path.display(),
                    "made the master key of the stored mail: keep a copy of it and of the key file in a safe place, apart from backups of the data"
                );
                Ok(key)
            }
            _ => self.find(),
        }
    }
}

fn wrong(path: &Path, what: &str) -> OpenError {
    OpenError::Keys {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}

fn failed(path: &Path, error: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        error,
    }
}

/// `Err(text)` inside: it is there and not what it should be.
fn read(path: &Path) -> io::Result<Result<SecretKey, &'static str>> {
    let file = File::open(path)?;
    if file.metadata()?.mode() & 0o077 != 0 {
        return Ok(Err(
            "the master key can be read by others than its owner; run 'chmod 600' on it",
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(1024).read_to_string(&mut text)?;
    Ok(parse(text.trim()).ok_or("the master key is not 64 hexadecimal digits"))
}

fn parse(text: &str) -> Option<SecretKey> {
    if text.len() != 2 * KEY || !text.is_ascii() {
        return None;
    }
    let mut bytes = Zeroizing::new([0; KEY]);
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    SecretKey::from_bytes(&bytes[..])
}

/// Durable, with its name, when this returns.
fn make(path: &Path, key: &SecretKey) -> io::Result<()> {
    let mut name = path
        .file_name()
        .ok_or_else(|| io::Error::other("the path of the master key names no file"))?
        .to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    let digits: String = key
        .bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let digits = Zeroizing::new(digits);
    file.write_all(digits.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
