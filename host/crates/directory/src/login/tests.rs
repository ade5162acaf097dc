//! The login way, step by step, over the embedded directory.

mod trouble;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mail::{Principal, Secret, Service, Timestamp};
use serde_json::{Value, json};

use self::trouble::Troubled;
use super::{
    LoginOutcome, LoginRequest, LoginSettings, LoginStep, LoginWay, NoPeerNames, PeerName,
    PeerNames,
};
use crate::{Change, EmbeddedDirectory, Hasher, Options};

/// A name for every client, and how often it was asked for.
struct Named(PeerName, AtomicUsize);

impl PeerNames for Named {
    fn name(&self, _: IpAddr) -> Pin<Box<dyn Future<Output = PeerName> + Send + '_>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(self.0.clone()))
    }
}

struct Home {
    directory: EmbeddedDirectory,
    way: LoginWay,
    _folder: tempfile::TempDir,
}

fn change<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a change")
}

impl Home {
    /// Two domains with an ann of the same password each.
    fn new() -> Self {
        Self::with(Hasher::default())
    }

    fn with(hasher: Hasher) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options {
            hasher,
            ..Options::default()
        };
        let directory =
            EmbeddedDirectory::open(&folder.path().join("d"), options).expect("it opens");
        let settings = LoginSettings {
            separator: Some('+'),
            default_domain: Some("abc.test".parse().expect("a domain")),
            allow_plaintext: false,
        };
        let home = Self {
            directory,
            way: LoginWay::new(settings),
            _folder: folder,
        };
        for name in ["abc.test", "xyz.test"] {
            home.apply(Change::AddDomain(change(
                json!({ "name": name, "aliases": [format!("alias.{name}")], "service_names": [format!("mail.{name}")] }),
            )));
            let address = format!("ann@{name}");
            home.apply(Change::AddPerson(change(
                json!({ "mail": address, "password": "same secret" }),
            )));
        }
        home
    }

    fn apply(&self, change: Change) {
        self.directory
            .apply_blocking(Principal::Site, &change)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    fn set_domain(&self, value: Value) {
        self.apply(Change::SetDomain(
            "abc.test".parse().expect("a domain"),
            change(value),
        ));
    }

    fn set_ann(&self, value: Value) {
        self.apply(Change::SetPerson(
            "ann@abc.test".parse().expect("an address"),
            change(value),
        ));
    }

    async fn login(&self, request: LoginRequest) -> LoginOutcome {
        self.way.login(&self.directory, &NoPeerNames, request).await
    }

    /// Logs in from a fresh address; the address of who it is, or the step that refused.
    async fn outcome(&self, request: LoginRequest) -> Result<String, LoginStep> {
        shown(self.login(request).await)
    }
}

fn shown(outcome: LoginOutcome) -> Result<String, LoginStep> {
    match outcome {
        LoginOutcome::Accepted(login) => {
            assert_eq!(login.person.domain, login.domain.id);
            assert_eq!(login.tenant.domain(), login.domain.id);
            Ok(login.person.mail.to_string())
        }
        LoginOutcome::Refused { step, .. } => Err(step),
        LoginOutcome::Unavailable(cause) => panic!("unavailable: {cause}"),
    }
}

fn request(login: &str, password: &str) -> LoginRequest {
    LoginRequest {
        service: Service::Imaps,
        login: login.to_owned(),
        password: Secret::new(password.to_owned()),
        peer: "192.0.2.1".parse().expect("an address"),
        encrypted: true,
        server_name: None,
        listener_domain: None,
        now: Timestamp::from_seconds(1_000_000),
    }
}

const RIGHT: &str = "same secret";

#[tokio::test]
async fn the_domain_comes_from_the_name_then_sni_then_listener_then_default() {
    let home = Home::new();
    let (abc, xyz) = (Ok("ann@abc.test".to_owned()), Ok("ann@xyz.test".to_owned()));
    let rows = [
        ("ann@abc.test", None, None, abc.clone()),
        ("ann@xyz.test", None, None, xyz.clone()),
        (
            "ANN@XYZ.test",
            Some("mail.abc.test"),
            Some("abc.test"),
            xyz.clone(),
        ),
        ("ann@alias.xyz.test", None, None, xyz.clone()),
        ("ann+xyz.test", Some("mail.abc.test"), None, xyz.clone()),
        ("ann", Some("mail.xyz.test"), Some("abc.test"), xyz.clone()),
        ("ann", Some("MAIL.XYZ.TEST"), None, xyz.clone()),
        (
            "ann",
            Some("mail.elsewhere.test"),
            Some("xyz.test"),
            xyz.clone(),
        ),
        ("ann", None, Some("xyz.test"), xyz),
        ("ann", None, None, abc.clone()),
        ("ann", Some("not a name"), None, abc),
        // With an `@` the separator is an ordinary character.
        ("ann+xyz.test@abc.test", None, None, Err(LoginStep::Person)),
        ("ann@gone.test", None, None, Err(LoginStep::Domain)),
        ("ann@", None, None, Err(LoginStep::Domain)),
        ("@abc.test", None, None, Err(LoginStep::Person)),
        ("ann@abc.test@xyz.test", None, None, Err(LoginStep::Person)),
        ("", None, None, Err(LoginStep::Person)),
    ];
    for (name, server_name, listener_domain, expected) in rows {
        home.way.throttle.succeeded(
            "192.0.2.1".parse().expect("an address"),
            name,
            request("", "").now,
        );
        let request = LoginRequest {
            server_name: server_name.map(str::to_owned),
            listener_domain: listener_domain.map(|name| name.parse().expect("a domain")),
            ..request(name, RIGHT)
        };
        assert_eq!(
            home.outcome(request).await,
            expected,
            "{name} {server_name:?} {listener_domain:?}"
        );
    }
    let unset = LoginWay::default();
    let outcome = unset
        .login(&home.directory, &NoPeerNames, request("ann", RIGHT))
        .await;
    assert_eq!(shown(outcome), Err(LoginStep::Domain));
}

#[tokio::test]
async fn equal_names_and_passwords_in_two_domains_stay_apart() {
    let home = Home::new();
    let ids = |outcome| match outcome {
        LoginOutcome::Accepted(login) => super::Login::ids(&login),
        other => panic!("{other:?}"),
    };
    let abc = ids(home.login(request("ann@abc.test", RIGHT)).await);
    let xyz = ids(home.login(request("ann@xyz.test", RIGHT)).await);
    assert!(abc.0 != xyz.0 && abc.1 != xyz.1);
    home.set_ann(json!({ "status": "inactive" }));
    assert_eq!(
        home.outcome(request("ann@abc.test", RIGHT)).await,
        Err(LoginStep::PersonState)
    );
    assert_eq!(
        home.outcome(request("ann@xyz.test", RIGHT)).await,
        Ok("ann@xyz.test".to_owned())
    );
    // Bob is one of abc.test only, whatever the password.
    home.apply(Change::AddPerson(change(
        json!({ "mail": "bob@abc.test", "password": RIGHT }),
    )));
    assert_eq!(
        home.outcome(request("bob@xyz.test", RIGHT)).await,
        Err(LoginStep::Person)
    );
}

#[tokio::test]
async fn each_step_refuses_before_the_next_is_looked_at() {
    let home = Home::new();
    let is = |request: LoginRequest, step| {
        let home = &home;
        async move { assert_eq!(home.outcome(request).await, Err(step)) }
    };
    is(
        LoginRequest {
            encrypted: false,
            ..request("ann@abc.test", RIGHT)
        },
        LoginStep::Encryption,
    )
    .await;
    is(request("ann@abc.test", ""), LoginStep::EmptyPassword).await;
    is(request("ann@abc.test", "wrong"), LoginStep::Password).await;
    home.way.throttle.succeeded(
        "192.0.2.1".parse().expect("an address"),
        "ann@abc.test",
        request("", "").now,
    );
    for (value, step) in [
        (json!({ "mail_status": "disabled" }), LoginStep::PersonState),
        (json!({ "services": "+pop:ALL" }), LoginStep::PersonServices),
    ] {
        home.set_ann(value);
        is(request("ann@abc.test", RIGHT), step).await;
    }
    for (value, step) in [
        (
            json!({ "services": "-imaps:ALL" }),
            LoginStep::DomainServices,
        ),
        (json!({ "mail_status": "inactive" }), LoginStep::DomainState),
        (json!({ "status": "deleted" }), LoginStep::DomainState),
    ] {
        home.set_domain(value);
        home.way.throttle.succeeded(
            "192.0.2.1".parse().expect("an address"),
            "ann@abc.test",
            request("", "").now,
        );
        is(request("ann@abc.test", RIGHT), step).await;
        is(request("nobody@abc.test", RIGHT), step).await;
    }
}

#[tokio::test]
async fn domain_and_person_must_both_allow_the_service() {
    let home = Home::new();
    home.set_domain(json!({ "services": "+imaps,pops:ALL" }));
    home.set_ann(json!({ "services": "-pops:ALL" }));
    for (service, expected) in [
        (Service::Imaps, Ok("ann@abc.test".to_owned())),
        (Service::Pop3s, Err(LoginStep::PersonServices)),
        (Service::Smtps, Err(LoginStep::DomainServices)),
    ] {
        home.way.throttle.succeeded(
            "192.0.2.1".parse().expect("an address"),
            "ann@abc.test",
            request("", "").now,
        );
        let request = LoginRequest {
            service,
            ..request("ann@abc.test", RIGHT)
        };
        assert_eq!(home.outcome(request).await, expected);
    }
}

#[tokio::test]
async fn the_name_of_a_client_is_asked_for_once_and_only_where_it_counts() {
    let home = Home::new();
    let known = || {
        Named(
            PeerName::Known("pc.abc.test".to_owned()),
            AtomicUsize::new(0),
        )
    };
    let names = known();
    let outcome = home
        .way
        .login(&home.directory, &names, request("ann@abc.test", RIGHT))
        .await;
    assert_eq!(
        (shown(outcome), names.1.into_inner()),
        (Ok("ann@abc.test".to_owned()), 0)
    );
    home.set_domain(json!({ "services": "+ALL:.abc.test" }));
    home.set_ann(json!({ "services": "-ALL:UNKNOWN" }));
    let names = known();
    let outcome = home
        .way
        .login(&home.directory, &names, request("ann@abc.test", RIGHT))
        .await;
    assert_eq!(
        (shown(outcome), names.1.into_inner()),
        (Ok("ann@abc.test".to_owned()), 1)
    );
    assert_eq!(
        home.outcome(request("ann@abc.test", RIGHT)).await,
        Err(LoginStep::DomainServices)
    );
}

/// A08: an empty password is refused before anybody compares it, and costs the same.
#[tokio::test]
async fn a08_an_empty_password_is_never_right() {
    let home = Home::new();
    home.apply(Change::AddPerson(change(
        json!({ "mail": "nopassword@abc.test" }),
    )));
    for name in ["nopassword@abc.test", "ann@abc.test"] {
        assert_eq!(
            home.outcome(request(name, "")).await,
            Err(LoginStep::EmptyPassword)
        );
    }
    for password in ["x", " ", "-"] {
        assert_eq!(
            home.outcome(request("nopassword@abc.test", password)).await,
            Err(LoginStep::Password)
        );
    }
}

/// A02: what a client sees and what it costs do not depend on the step: every login computes one
/// hash, and there is none to compare with where there is nobody.
#[tokio::test]
async fn a02_every_refusal_costs_one_hash() {
    let home = Home::new();
    let off = json!({ "mail": "off@abc.test", "password": RIGHT, "status": "disabled" });
    home.apply(Change::AddPerson(change(off)));
    let rows = [
        (request("ann@abc.test", "wrong"), true),
        (request("nobody@abc.test", RIGHT), false),
        (request("off@abc.test", RIGHT), false),
        (request("ann@gone.test", RIGHT), false),
        (request("ann@abc.test", ""), false),
        (
            LoginRequest {
                encrypted: false,
                ..request("ann@abc.test", RIGHT)
            },
            false,
        ),
    ];
    for (request, has_hash) in rows {
        let directory = Troubled::counting(&home.directory);
        let name = request.login.clone();
        let outcome = home.way.login(&directory, &NoPeerNames, request).await;
        assert!(
            matches!(outcome, LoginOutcome::Refused { .. }),
            "{name}: {outcome:?}"
        );
        assert_eq!(directory.verified(), [has_hash], "{name}");
    }
    for _ in 0..10 {
        let directory = Troubled::counting(&home.directory);
        let outcome = home
            .way
            .login(&directory, &NoPeerNames, request("eve@abc.test", "wrong"))
            .await;
        assert!(
            matches!(outcome, LoginOutcome::Refused { .. }),
            "{outcome:?}"
        );
        assert_eq!(
            directory.verified(),
            [false],
            "also while the throttle is closed"
        );
    }
}

#[tokio::test]
async fn a01_guessing_closes_the_account_to_the_guesser_alone() {
    let home = Home::new();
    let phone: IpAddr = "203.0.113.7".parse().expect("an address");
    let from_phone = || LoginRequest {
        peer: phone,
        ..request("ann@abc.test", RIGHT)
    };
    assert!(home.outcome(from_phone()).await.is_ok());
    let mut steps = Vec::new();
    for _ in 0..8 {
        steps.push(
            home.outcome(request("ann@abc.test", "guess"))
                .await
                .expect_err("it is wrong"),
        );
    }
    assert_eq!(steps.first(), Some(&LoginStep::Password));
    assert_eq!(steps.last(), Some(&LoginStep::Throttle));
    assert_eq!(
        home.outcome(request("ann@abc.test", RIGHT)).await,
        Err(LoginStep::Throttle),
        "even when right"
    );
    assert!(
        home.outcome(from_phone()).await.is_ok(),
        "the own phone gets in"
    );
}

/// A04 over the whole way: too many at once is "cannot say now", never "wrong password".
#[tokio::test]
async fn a04_too_many_logins_at_once_are_unavailable() {
    let home = Home::with(Hasher::new(1, Duration::from_millis(1)));
    let mut waiting = tokio::task::JoinSet::new();
    let home = std::sync::Arc::new(home);
    for n in 0..50_u8 {
        let home = std::sync::Arc::clone(&home);
        let peer = IpAddr::from([198, 51, 100, n]);
        waiting.spawn(async move {
            home.login(LoginRequest {
                peer,
                ..request("ann@abc.test", RIGHT)
            })
            .await
        });
    }
    let (mut accepted, mut unavailable) = (0, 0);
    while let Some(outcome) = waiting.join_next().await {
        match outcome.expect("no login panics") {
            LoginOutcome::Accepted(_) => accepted += 1,
            LoginOutcome::Unavailable(_) => unavailable += 1,
            LoginOutcome::Refused { step, .. } => panic!("refused at {}", step.name()),
        }
    }
    assert!(
        accepted > 0 && unavailable > 0,
        "{accepted} in, {unavailable} told to come later"
    );
}

#[tokio::test]
async fn sessions_end_when_a_state_refuses() {
    let home = Home::new();
    let LoginOutcome::Accepted(login) = home.login(request("ann@abc.test", RIGHT)).await else {
        panic!("it is right")
    };
    let stays = || home.way.may_stay(&home.directory, &login);
    assert!(stays().await);
    for (value, expected) in [
        (json!({ "status": "inactive" }), false),
        (json!({ "status": "active" }), true),
        (json!({ "mail_status": "disabled" }), false),
        (json!({ "mail_status": null }), true),
    ] {
        home.set_domain(value.clone());
        assert_eq!(stays().await, expected, "{value}");
    }
    home.apply(Change::RemovePerson(
        "ann@abc.test".parse().expect("an address"),
    ));
    home.apply(Change::AddPerson(change(
        json!({ "mail": "ann@abc.test", "password": RIGHT }),
    )));
    assert!(!stays().await, "a new ann is somebody else");
}
