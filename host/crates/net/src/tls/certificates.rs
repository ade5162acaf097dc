//! Certificates by the name that the client asks for.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{TlsError, provider};

/// Where a certificate chain and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, the server's certificate first.
    pub chain: PathBuf,
    /// PEM: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// All certificates of the server: one for everybody, and one each for some names. Clones share
/// what [`Certificates::reload`] brings in.
#[derive(Debug, Clone)]
pub struct Certificates(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    default: CertificateFiles,
    by_name: Vec<(String, CertificateFiles)>,
    loaded: RwLock<Arc<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    default: Arc<CertifiedKey>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Certificates {
    /// Loads all of them. Names are host names in lower case, as clients send them.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn load(
        default: CertificateFiles,
        by_name: impl IntoIterator<Item = (String, CertificateFiles)>,
    ) -> Result<Self, TlsError> {
        let by_name: Vec<_> = by_name
            .into_iter()
            .map(|(name, files)| (name.to_ascii_lowercase(), files))
            .collect();
        let loaded = RwLock::new(Arc::new(Loaded::read(&default, &by_name)?));
        Ok(Self(Arc::new(Shared {
            default,
            by_name,
            loaded,
        })))
    }

    /// Reads the files again. New connections get the new certificates.
    ///
    /// # Errors
    /// The first that cannot be used; then all the old ones stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let loaded = Arc::new(Loaded::read(&self.0.default, &self.0.by_name)?);
        // A swap of one pointer cannot be left half done.
        *self
            .0
            .loaded
            .write()
            .unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    fn choose(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let loaded = self.0.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let own = name.and_then(|name| loaded.by_name.get(&name.to_ascii_lowercase()));
        Arc::clone(own.unwrap_or(&loaded.default))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.choose(hello.server_name()))
    }
}

impl Loaded {
    fn read(
        default: &CertificateFiles,
        by_name: &[(String, CertificateFiles)],
    ) -> Result<Self, TlsError> {
        Ok(Self {
            default: Arc::new(read(default)?),
            by_name: by_name
                .iter()
                .map(|(name, files)| Ok((name.clone(), Arc::new(read(files)?))))
                .collect::<Result<_, TlsError>>()?,
        })
    }
}

pub(super) fn read(files: &CertificateFiles) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&bytes_of(&files.chain)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| file_error(&files.chain, &error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.chain.clone()));
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes_of(&files.key)?)
        .map_err(|error| file_error(&files.key, &error))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| TlsError::Key {
        path: files.key.clone(),
        cause: error.to_string(),
    })
}

pub(super) fn bytes_of(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| file_error(path, &error))
}

pub(super) fn file_error(path: &Path, cause: &dyn std::fmt::Display) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}
