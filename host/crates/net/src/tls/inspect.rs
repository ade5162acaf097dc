//! What a certificate says, for an operator who wants to know before a client complains.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::certificates::{bytes_of, file_error, read};
use super::{CertificateFiles, TlsError};

/// What the server's own certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Host names and addresses it is for (subject alternative names, RFC 6125 §6.4.4).
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
}

/// Reads chain and key as a server would, and says what the first certificate holds.
///
/// # Errors
/// What a server could not use.
pub fn inspect(files: &CertificateFiles) -> Result<CertificateFacts, TlsError> {
    read(files)?;
    let bytes = bytes_of(&files.chain)?;
    let first = CertificateDer::pem_slice_iter(&bytes)
        .next()
        .ok_or_else(|| TlsError::NoCertificate(files.chain.clone()))?
        .map_err(|error| file_error(&files.chain, &error))?;
    let (_, certificate) =
        X509Certificate::from_der(&first).map_err(|error| file_error(&files.chain, &error))?;
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| {
            extension
                .value
                .general_names
                .iter()
                .filter_map(name)
                .collect()
        })
        .unwrap_or_default();
    Ok(CertificateFacts {
        names,
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}
