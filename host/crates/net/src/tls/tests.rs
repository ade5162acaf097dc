//! Handshakes in memory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::io::duplex;
use tokio_rustls::TlsConnector;

use super::client::any_certificate;
use super::{
    Alpn, CertificateFiles, Certificates, ClientTls, ServerTls, TlsError, write_self_signed,
};

/// A temporary folder with certificates in it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn files(&self, name: &str) -> CertificateFiles {
        CertificateFiles {
            chain: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate for `name`, made.
    fn made(&self, name: &str) -> CertificateFiles {
        let files = self.files(name);
        write_self_signed(&[name.to_owned()], &files).expect("a certificate");
        files
    }

    fn der(&self, name: &str) -> CertificateDer<'static> {
        let pem = fs::read(self.files(name).chain).expect("made before");
        CertificateDer::from_pem_slice(&pem).expect("a certificate")
    }
}

pub(crate) fn server_tls(folder: &Folder, alpn: Alpn) -> ServerTls {
    let certificates = Certificates::load(folder.made("mail.abc.test"), []).expect("just made");
    ServerTls::new(certificates, alpn).expect("the configuration is ours")
}

/// The certificate that a client asking for `name` gets, or the error of its handshake.
async fn shown(
    server: &ServerTls,
    name: &str,
    alpn: &[&str],
) -> Result<CertificateDer<'static>, String> {
    let mut config: ClientConfig = any_certificate().expect("the configuration is ours");
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let (ours, theirs) = duplex(1 << 16);
    let server = server.clone();
    let serving = tokio::spawn(async move { server.accept(theirs).await.map(|(_, name)| name) });
    let server_name = ServerName::try_from(name.to_owned()).expect("a name of the test");
    let stream = TlsConnector::from(Arc::new(config))
        .connect(server_name, ours)
        .await
        .map_err(|error| error.to_string())?;
    let asked = serving
        .await
        .expect("no panic")
        .map_err(|error| error.to_string())?;
    let expected = name
        .parse::<std::net::IpAddr>()
        .is_err()
        .then(|| name.to_owned());
    assert_eq!(asked, expected);
    let chain = stream
        .get_ref()
        .1
        .peer_certificates()
        .expect("a certificate was shown");
    Ok(chain[0].clone().into_owned())
}

#[tokio::test]
async fn n12_each_name_gets_its_own_certificate_and_no_other() {
    let folder = Folder::new();
    let by_name =
        ["mail.abc.test", "mail.xyz.test"].map(|name| (name.to_owned(), folder.made(name)));
    let certificates = Certificates::load(folder.made("default.test"), by_name).expect("just made");
    let server = ServerTls::new(certificates, Alpn::Imap).expect("the configuration is ours");
    for (asked, expected) in [
        ("mail.abc.test", "mail.abc.test"),
        ("MAIL.XYZ.test", "mail.xyz.test"),
        ("other.test", "default.test"),
        ("192.0.2.1", "default.test"),
    ] {
        let asked = asked.to_ascii_lowercase();
        let certificate = shown(&server, &asked, &[]).await.expect("a handshake");
        assert_eq!(certificate, folder.der(expected), "asked for {asked}");
    }
}

#[tokio::test]
async fn n13_a_bad_renewal_keeps_the_old_certificate() {
    let folder = Folder::new();
    let files = folder.made("mail.abc.test");
    let old = folder.der("mail.abc.test");
    let certificates = Certificates::load(files.clone(), []).expect("just made");
    let server =
        ServerTls::new(certificates.clone(), Alpn::Smtp).expect("the configuration is ours");

    fs::write(&files.chain, "-----BEGIN CERTIFICATE-----\nAAAA").expect("written");
    assert!(certificates.reload().is_err());
    fs::write(&files.chain, "").expect("written");
    assert!(matches!(
        certificates.reload(),
        Err(TlsError::NoCertificate(_))
    ));
    assert_eq!(
        shown(&server, "mail.abc.test", &[])
            .await
            .expect("a handshake"),
        old
    );

    let renewed = folder.made("renewed.test");
    fs::copy(renewed.chain, &files.chain).expect("copied");
    assert!(
        matches!(certificates.reload(), Err(TlsError::Key { .. })),
        "key and certificate do not fit"
    );
    fs::copy(renewed.key, &files.key).expect("copied");
    certificates.reload().expect("a good pair");
    assert_eq!(
        shown(&server, "mail.abc.test", &[])
            .await
            .expect("a handshake"),
        folder.der("renewed.test")
    );
}

#[tokio::test]
async fn s21_a_client_of_another_protocol_gets_no_handshake() {
    let folder = Folder::new();
    let server = server_tls(&folder, Alpn::Smtp);
    for (alpn, passes) in [
        (&["http/1.1"][..], false),
        (&["h2", "http/1.1"], false),
        (&["imap"], false),
        (&["smtp"], true),
        (&["http/1.1", "smtp"], true),
        (&[], true),
    ] {
        let outcome = shown(&server, "mail.abc.test", alpn).await;
        assert_eq!(outcome.is_ok(), passes, "{alpn:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_verifying_client_takes_only_the_right_name_and_authority() {
    let folder = Folder::new();
    let server = server_tls(&folder, Alpn::Smtp);
    let other = folder.made("other.test");
    let own = folder.files("mail.abc.test").chain;
    for (roots, name, passes) in [
        (&own, "mail.abc.test", true),
        (&own, "other.test", false),
        (&other.chain, "mail.abc.test", false),
    ] {
        let client = ClientTls::verified(roots).expect("a root");
        let (ours, theirs) = duplex(1 << 16);
        let server = server.clone();
        let serving = tokio::spawn(async move { server.accept(theirs).await.map(drop) });
        let outcome = client.connect(name, ours).await;
        assert_eq!(outcome.is_ok(), passes, "{name}: {:?}", outcome.err());
        drop(outcome);
        serving.abort();
    }
}

#[test]
fn a_key_is_readable_for_its_owner_alone_and_never_replaced() {
    let folder = Folder::new();
    let files = folder.made("mail.abc.test");
    let mode = fs::metadata(&files.key).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&files.key).expect("made");
    assert!(matches!(
        write_self_signed(&["x.test".to_owned()], &files),
        Err(TlsError::File { .. })
    ));
    assert_eq!(fs::read(&files.key).expect("made"), before);
}

#[test]
fn a_missing_file_is_named() {
    let folder = Folder::new();
    let error = Certificates::load(folder.files("nowhere"), []).expect_err("there is none");
    assert!(error.to_string().contains("nowhere.pem"), "{error}");
}
