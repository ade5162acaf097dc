//! Encrypted connections to a slapd with a certificate of its own.

use std::path::Path;

use super::slapd::make_certificate as certificate;
use super::*;

#[tokio::test]
async fn start_tls_needs_a_certificate_that_is_trusted() {
    let (own, other) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    certificate(own.path());
    certificate(other.path());
    let tls = format!(
        "TLSCertificateFile {0}/certificate.pem\nTLSCertificateKeyFile {0}/key.pem\nsecurity tls=128",
        own.path().display()
    );
    let server = Slapd::start_with(&tls, &two_domains());
    let with = |start_tls, ca: &Path| {
        let mut settings = settings(&server.url(), at_once());
        settings.start_tls = start_tls;
        settings.ca_file = Some(ca.join("certificate.pem"));
        Home::at(settings)
    };
    assert!(
        is_temporary(&with(false, own.path()).by_address("ann@abc.test").await),
        "this server wants TLS"
    );
    assert!(
        is_temporary(&with(true, other.path()).by_address("ann@abc.test").await),
        "not its certificate"
    );
    let home = with(true, own.path());
    assert_eq!(home.by_address("ann@abc.test").await.as_deref(), Ok("ann"));
    let abc = home.tenant("abc.test").await;
    let ann = home
        .directory
        .person_by_uid(abc, "ann")
        .await
        .expect("there")
        .id;
    let fits = home
        .directory
        .verify_password(Some((abc, ann)), Secret::new(PASSWORD.to_owned()));
    assert_eq!(fits.await, Ok(true), "also the login is encrypted");
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("the folder is ours");
    let mut settings = settings("ldap://127.0.0.1:9", at_once());
    settings.ca_file = Some(empty);
    let error = LdapDirectory::open(&folder.path().join("d"), settings).expect_err("refused");
    assert!(error.to_string().contains("no certificate"), "{error}");
}
