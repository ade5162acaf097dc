//! The other side of TLS: when we connect.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, TlsStream};

use super::certificates::{bytes_of, file_error};
use super::{TlsError, provider};
use crate::Stream;

/// Where systems have the authorities that they trust: Debian, Fedora, openSUSE, Alpine and BSD.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS for outgoing connections.
#[derive(Clone)]
pub struct ClientTls(TlsConnector);

impl ClientTls {
    /// Takes any certificate: encryption against those who only listen, as SMTP between servers
    /// has it where no policy asks for more (RFC 7435).
    ///
    /// # Errors
    /// The library refuses the configuration.
    pub fn opportunistic() -> Result<Self, TlsError> {
        Ok(Self(TlsConnector::from(Arc::new(any_certificate()?))))
    }

    /// Takes only a certificate for the name that is connected to, from one of the authorities
    /// in the PEM file `roots`.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn verified(roots: &Path) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&bytes_of(roots)?) {
            let certificate = certificate.map_err(|error| file_error(roots, &error))?;
            store
                .add(certificate)
                .map_err(|error| file_error(roots, &error))?;
        }
        if store.is_empty() {
            return Err(TlsError::NoCertificate(roots.to_owned()));
        }
        Self::rooted(store)
    }

    /// Takes only a certificate for the name that is connected to, from one of the authorities
    /// of this machine: those in `SSL_CERT_FILE`, or where the usual systems have them.
    ///
    /// # Errors
    /// There are none.
    pub fn system() -> Result<Self, TlsError> {
        let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let usual = SYSTEM_ROOTS.iter().map(PathBuf::from);
        let found = named.into_iter().chain(usual).find(|path| path.exists());
        let path = found.ok_or(TlsError::NoSystemRoots)?;
        let mut store = RootCertStore::empty();
        let bytes = bytes_of(&path)?;
        // One authority of many that cannot be read is one authority less.
        store.add_parsable_certificates(CertificateDer::pem_slice_iter(&bytes).flatten());
        if store.is_empty() {
            return Err(TlsError::NoCertificate(path));
        }
        Self::rooted(store)
    }

    fn rooted(store: RootCertStore) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// The handshake with the host `name` (an address where it has none).
    ///
    /// # Errors
    /// The name is none, the certificate is refused, the connection broke.
    pub async fn connect<T>(&self, name: &str, io: T) -> io::Result<Stream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        // An address literal is an address (RFC 5321 §4.1.3).
        let inner = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let name = inner.map_or(name, |inner| inner.strip_prefix("IPv6:").unwrap_or(inner));
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = self.0.connect(name, io).await?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientTls")
    }
}

pub(super) fn any_certificate() -> Result<ClientConfig, rustls::Error> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
        .with_no_client_auth())
}

/// Does not ask who the peer is, but that it holds the key of the certificate it shows is
/// checked as ever.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
