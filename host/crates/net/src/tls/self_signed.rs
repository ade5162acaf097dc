//! A certificate of our own making, for the first start.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::certificates::file_error;
use super::{CertificateFiles, TlsError};

/// Makes a self-signed certificate for `names` and writes it where `files` says, the key
/// readable for its owner alone. Existing files are never replaced.
///
/// # Errors
/// A file exists or cannot be written; a name that no certificate can carry.
pub fn write_self_signed(names: &[String], files: &CertificateFiles) -> Result<(), TlsError> {
    let generate = |error: rcgen::Error| TlsError::Generate(error.to_string());
    let made = rcgen::generate_simple_self_signed(names.to_vec()).map_err(generate)?;
    for path in [&files.chain, &files.key] {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| file_error(folder, &error))?;
        }
    }
    // The key first: a certificate without its key would look like a finished pair.
    write_new(&files.key, 0o600, &made.signing_key.serialize_pem())?;
    write_new(&files.chain, 0o644, &made.cert.pem())
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), TlsError> {
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| file_error(path, &error))
}
