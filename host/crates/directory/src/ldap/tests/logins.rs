//! The login way over an LDAP server.

use mail::{Service, Timestamp};

use super::*;
use crate::login::{LoginOutcome, LoginRequest, LoginSettings, LoginStep, LoginWay, NoPeerNames};

pub(super) fn request(login: &str, password: &str) -> LoginRequest {
    LoginRequest {
        service: Service::Imaps,
        login: login.to_owned(),
        password: Secret::new(password.to_owned()),
        peer: "192.0.2.1".parse().expect("an address"),
        encrypted: true,
        server_name: None,
        listener_domain: None,
        now: Timestamp(0),
    }
}

#[tokio::test]
async fn the_login_way_holds() {
    let mut tree = two_domains();
    for (uid, more) in [
        ("off", "inetUserStatus: disabled\n"),
        ("mailoff", "mailUserStatus: inactive\n"),
        ("full", "inetUserStatus: overquota\n"),
        ("poponly", "mailAllowedServiceAccess: +pops:ALL\n"),
        ("unreadable", "mailAllowedServiceAccess: imap\n"),
    ] {
        tree.push_str(&person(uid, "abc.test", more));
    }
    let server = Slapd::start(&tree);
    server.change(&format!(
        "dn: uid=ann,ou=people,ou=xyz.test,{SUFFIX}\nchangetype: modify\nreplace: userPassword\nuserPassword: another secret\n"
    ));
    let home = Home::of(&server);
    let cases: &[(&str, &str, Result<&str, LoginStep>)] = &[
        ("ann@abc.test", PASSWORD, Ok("ann@abc.test")),
        ("ANN@ABC.test", PASSWORD, Ok("ann@abc.test")),
        ("ann@alias.abc.test", PASSWORD, Ok("ann@abc.test")),
        ("ann+abc.test", PASSWORD, Ok("ann@abc.test")),
        ("ann", PASSWORD, Ok("ann@abc.test")),
        ("ann@xyz.test", "another secret", Ok("ann@xyz.test")),
        ("ann@xyz.test", PASSWORD, Err(LoginStep::Password)),
        ("full@abc.test", PASSWORD, Ok("full@abc.test")),
        ("ann@abc.test", "wrong", Err(LoginStep::Password)),
        ("ann@abc.test", "", Err(LoginStep::EmptyPassword)),
        ("nobody@abc.test", PASSWORD, Err(LoginStep::Person)),
        ("*@abc.test", PASSWORD, Err(LoginStep::Person)),
        ("team@abc.test", PASSWORD, Err(LoginStep::Person)),
        ("ann@elsewhere.test", PASSWORD, Err(LoginStep::Domain)),
        ("off@abc.test", PASSWORD, Err(LoginStep::PersonState)),
        ("mailoff@abc.test", PASSWORD, Err(LoginStep::PersonState)),
        ("poponly@abc.test", PASSWORD, Err(LoginStep::PersonServices)),
        (
            "unreadable@abc.test",
            PASSWORD,
            Err(LoginStep::PersonServices),
        ),
    ];
    for (login, password, expected) in cases {
        // Without the failures of the rows before.
        let way = LoginWay::new(LoginSettings {
            separator: Some('+'),
            default_domain: Some(domain("abc.test")),
            allow_plaintext: false,
        });
        let outcome = way
            .login(&home.directory, &NoPeerNames, request(login, password))
            .await;
        let got = match outcome {
            LoginOutcome::Accepted(login) => Ok(login.person.mail.to_string()),
            LoginOutcome::Refused { step, .. } => Err(step),
            LoginOutcome::Unavailable(cause) => panic!("{login}: {cause}"),
        };
        assert_eq!(
            got.as_deref().map_err(|step| *step),
            *expected,
            "{login} {password}"
        );
    }

    let way = LoginWay::new(LoginSettings::default());
    let mut by_name = request("ann", PASSWORD);
    by_name.server_name = Some("mail.abc.test".to_owned());
    let outcome = way.login(&home.directory, &NoPeerNames, by_name).await;
    let LoginOutcome::Accepted(login) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(way.may_stay(&home.directory, &login).await);
    server.change(&format!(
        "dn: ou=abc.test,{SUFFIX}\nchangetype: modify\nreplace: inetDomainStatus\ninetDomainStatus: disabled\n"
    ));
    assert!(!way.may_stay(&home.directory, &login).await);
}

#[tokio::test]
async fn a_person_whose_entry_moved_still_gets_in() {
    let server = Slapd::start(&two_domains());
    let home = Home::that_remembers(&server);
    let abc = home.tenant("abc.test").await;
    let ann = home.person(abc, "ann").await.id;
    server.change(&format!(
        "dn: uid=ann,ou=people,ou=abc.test,{SUFFIX}\nchangetype: modrdn\nnewrdn: uid=smith\ndeleteoldrdn: 1\n"
    ));
    // What was read lately is not read again for a wrong password.
    home.directory.inner.cache().age(Duration::from_secs(60));
    let fits = home
        .directory
        .verify_password(Some((abc, ann)), Secret::new(PASSWORD.to_owned()));
    assert_eq!(fits.await, Ok(true));
}
