//! TLS: certificates by name, the server side, the client side.

mod certificates;
mod client;
mod inspect;
mod self_signed;
mod server;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use certificates::{CertificateFiles, Certificates};
pub use client::ClientTls;
pub use inspect::{CertificateFacts, inspect};
pub use self_signed::write_self_signed;
pub use server::{Alpn, ServerTls};

/// What is wrong with a certificate, a key, or the wish to use them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("cannot use {}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// There is no certificate in the file.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// This machine trusts nobody.
    #[error(
        "this machine has no list of certificate authorities: install ca-certificates, or name a file of authorities"
    )]
    NoSystemRoots,
    /// Key and certificate do not belong together, or the key is of no known kind.
    #[error("the key {} does not fit the certificate: {cause}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Generate(String),
    /// The library refused the configuration.
    #[error("TLS: {0}")]
    Config(#[from] rustls::Error),
}

/// The one crypto provider, handed to each configuration: no process-wide default exists.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
pub(crate) mod tests;
