//! Against a real slapd, and against listeners that only seem to be one.

mod logins;
#[path = "../../../../../tests/src/slapd.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the end-to-end tests, which use all of it"
)]
mod slapd;
mod tls;
mod trouble;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use mail::{Domain, Mailbox, Principal, Secret, Tenant};

use self::slapd::{READER, SECRET, SUFFIX, Slapd};
use super::{LdapDirectory, LdapSettings, Timing};
use crate::{
    Adopt, Adoption, Change, Directory as _, DirectoryAdmin as _, LookupError, NewDomain,
    PersonEntry,
};

const PASSWORD: &str = "correct horse battery";

/// Two domains with an ann and a team each, and bob in the first.
fn two_domains() -> String {
    let mut out = format!("dn: {SUFFIX}\nobjectClass: organization\no: mail\n\n");
    for name in ["abc.test", "xyz.test"] {
        let _ = write!(
            out,
            "dn: ou={name},{SUFFIX}\nobjectClass: organizationalUnit\nobjectClass: inetDomain\n\
             objectClass: mailDomain\nou: {name}\ninetDomainAlias: alias.{name}\npostroomServiceName: mail.{name}\n\n\
             dn: ou=people,ou={name},{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n\n"
        );
        out.push_str(&person("ann", name, ""));
        let _ = write!(
            out,
            "dn: cn=team,ou={name},{SUFFIX}\nobjectClass: groupOfUniqueNames\nobjectClass: inetMailGroup\ncn: team\n\
             mail: team@{name}\nuniqueMember: uid=ann,ou=people,ou={name},{SUFFIX}\nmgrpRFC822MailMember: far@remote.test\n\n"
        );
    }
    out.push_str(&person(
        "bob",
        "abc.test",
        "mailAlternateAddress: robert@abc.test\n",
    ));
    out
}

fn person(uid: &str, domain: &str, more: &str) -> String {
    format!(
        "dn: uid={uid},ou=people,ou={domain},{SUFFIX}\nobjectClass: inetOrgPerson\nobjectClass: inetUser\n\
         objectClass: inetMailUser\nuid: {uid}\ncn: {uid}\nsn: {uid}\nmail: {uid}@{domain}\nuserPassword: {PASSWORD}\n{more}\n"
    )
}

/// Nothing counts for long, and nothing is asked for in the background.
fn at_once() -> Timing {
    Timing {
        operation: Duration::from_secs(5),
        positive: Duration::ZERO,
        negative: Duration::ZERO,
        poll: Duration::from_secs(24 * 3600),
        pause: Duration::ZERO,
        ..Timing::default()
    }
}

fn settings(url: &str, timing: Timing) -> LdapSettings {
    LdapSettings {
        bind_dn: READER.to_owned(),
        bind_password: Secret::new(SECRET.to_owned()),
        timing,
        ..LdapSettings::new(url, SUFFIX)
    }
}

struct Home {
    directory: LdapDirectory,
    _folder: tempfile::TempDir,
}

impl Home {
    fn at(settings: LdapSettings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("directory.redb");
        Self {
            directory: LdapDirectory::open(&path, settings).expect("settings that can be used"),
            _folder: folder,
        }
    }

    fn of(server: &Slapd) -> Self {
        Self::at(settings(&server.url(), at_once()))
    }

    /// What was asked once is not asked again for an hour, unless a look at the changes says so.
    fn that_remembers(server: &Slapd) -> Self {
        let timing = Timing {
            positive: Duration::from_secs(3600),
            negative: Duration::from_secs(3600),
            ..at_once()
        };
        Self::at(settings(&server.url(), timing))
    }

    /// Somebody who must be there.
    async fn person(&self, tenant: Tenant, uid: &str) -> Arc<PersonEntry> {
        let person = self.directory.person_by_uid(tenant, uid).await;
        person.unwrap_or_else(|error| panic!("{uid}: {error:?}"))
    }

    async fn tenant(&self, name: &str) -> Tenant {
        let domain = self.directory.domain(&domain(name)).await;
        domain.expect("it is there").tenant()
    }

    async fn by_address(&self, address: &str) -> Result<String, LookupError> {
        let address = mailbox(address);
        let tenant = self.directory.domain(address.domain()).await?.tenant();
        let person = self.directory.person_by_address(tenant, &address).await?;
        Ok(person.uid.clone())
    }
}

fn domain(name: &str) -> Domain {
    name.parse().expect("a domain")
}

fn mailbox(address: &str) -> Mailbox {
    address.parse().expect("an address")
}

fn is_temporary<T: std::fmt::Debug>(answer: &Result<T, LookupError>) -> bool {
    matches!(answer, Err(LookupError::Temporary(_)))
}

fn is_missing<T: std::fmt::Debug>(answer: &Result<T, LookupError>) -> bool {
    matches!(answer, Err(LookupError::NotFound(_)))
}

#[tokio::test]
async fn domains_people_and_groups_come_from_the_tree() {
    let server = Slapd::start(&two_domains());
    let home = Home::of(&server);
    let names: Vec<String> = home
        .directory
        .domains()
        .await
        .expect("readable")
        .iter()
        .map(|domain| domain.name.to_string())
        .collect();
    assert_eq!(names, ["abc.test", "xyz.test"]);
    for (address, uid) in [
        ("ann@abc.test", "ann"),
        ("ANN@abc.test", "ann"),
        ("ann@alias.abc.test", "ann"),
        ("robert@abc.test", "bob"),
    ] {
        assert_eq!(
            home.by_address(address).await.as_deref(),
            Ok(uid),
            "{address}"
        );
    }
    assert!(is_missing(&home.by_address("bob@xyz.test").await));
    assert!(is_missing(&home.by_address("nobody@abc.test").await));
    assert!(is_missing(&home.by_address("ann@elsewhere.test").await));

    let abc = home.tenant("abc.test").await;
    let xyz = home.tenant("xyz.test").await;
    assert_ne!(abc.domain(), xyz.domain());
    let people = home.directory.people(abc).await.expect("readable");
    assert_eq!(people.len(), 2);
    assert!(
        is_missing(&home.directory.person(xyz, people[0].id).await),
        "people of others are not there"
    );
    let groups = home.directory.groups(abc).await.expect("readable");
    let members: Vec<String> = groups[0].members.iter().map(ToString::to_string).collect();
    assert_eq!(members, ["far@remote.test", "ann@abc.test"]);
    let members = home
        .directory
        .members(abc, groups[0].id)
        .await
        .expect("readable");
    assert_eq!(members[0].uid, "ann");
}

#[tokio::test]
async fn a_directory_that_is_only_read_says_where_to_change_it() {
    let server = Slapd::start(&two_domains());
    let home = Home::of(&server);
    let change = Change::AddDomain(NewDomain::named(domain("new.test")));
    let refused = home
        .directory
        .apply(Principal::Site, change)
        .await
        .expect_err("read only");
    let text = refused.to_string();
    assert!(
        text.contains(&server.url()) && text.contains(SUFFIX),
        "{text}"
    );
}

#[tokio::test]
async fn equal_names_in_overlapping_bases_are_two_people() {
    let mut tree = two_domains();
    // abc.test has the whole tree as its people base, so that of xyz.test lies inside it.
    tree = tree.replace(
        "ou: abc.test\ninetDomainAlias",
        &format!("ou: abc.test\ninetDomainBaseDN: {SUFFIX}\ninetDomainAlias"),
    );
    let server = Slapd::start(&tree);
    let home = Home::of(&server);
    let (abc, xyz) = (home.tenant("abc.test").await, home.tenant("xyz.test").await);
    let own = home.person(abc, "ann").await;
    let other = home.person(xyz, "ann").await;
    assert_eq!(own.mail.to_string(), "ann@abc.test");
    assert_eq!(other.mail.to_string(), "ann@xyz.test");
    assert_ne!(own.id, other.id);
}

#[tokio::test]
async fn a_change_shows_and_tells_sessions() {
    let server = Slapd::start(&two_domains());
    let home = Home::that_remembers(&server);
    let abc = home.tenant("abc.test").await;
    let ann = home.person(abc, "ann").await;
    assert!(is_missing(&home.by_address("new@abc.test").await));
    home.directory.refresh().await.expect("it answers");
    let generation = home.directory.generation();
    let before = *generation.borrow();

    server.change(&format!(
        "dn: uid=ann,ou=people,ou=abc.test,{SUFFIX}\nchangetype: modify\nreplace: inetUserStatus\ninetUserStatus: disabled\n\n{}",
        person("new", "abc.test", "")
    ));
    assert_eq!(
        home.directory
            .person(abc, ann.id)
            .await
            .expect("cached")
            .status,
        crate::State::Active,
        "until somebody asks"
    );
    home.directory.refresh().await.expect("it answers");
    assert!(*generation.borrow() > before);
    let now = home.directory.person(abc, ann.id).await.expect("there");
    assert_eq!(now.status, crate::State::Disabled);
    assert_eq!(home.by_address("new@abc.test").await.as_deref(), Ok("new"));

    let before = *generation.borrow();
    server.change(&format!(
        "dn: ou=xyz.test,{SUFFIX}\nchangetype: modify\nreplace: inetDomainStatus\ninetDomainStatus: inactive\n"
    ));
    home.directory.refresh().await.expect("it answers");
    assert!(*generation.borrow() > before);
    let xyz = home
        .directory
        .domain(&domain("xyz.test"))
        .await
        .expect("there");
    assert_eq!(xyz.status, crate::State::Inactive);
}

#[tokio::test]
async fn somebody_who_is_gone_is_noticed_before_the_time_is_over() {
    let server = Slapd::start(&two_domains());
    let home = Home::of(&server);
    assert_eq!(home.by_address("bob@abc.test").await.as_deref(), Ok("bob"));
    let generation = home.directory.generation();
    let before = *generation.borrow();
    server.change(&format!(
        "dn: uid=bob,ou=people,ou=abc.test,{SUFFIX}\nchangetype: delete\n"
    ));
    home.directory.refresh().await.expect("it answers");
    assert!(*generation.borrow() > before);
    assert!(is_missing(&home.by_address("bob@abc.test").await));
}

#[tokio::test]
async fn a_name_that_comes_back_waits_for_adoption() {
    let server = Slapd::start(&two_domains());
    let home = Home::of(&server);
    let abc = home.tenant("abc.test").await;
    let bob = home.person(abc, "bob").await.id;
    let again = || {
        server.change(&format!(
            "dn: uid=bob,ou=people,ou=abc.test,{SUFFIX}\nchangetype: delete\n"
        ));
        server.change(&person("bob", "abc.test", ""));
    };
    again();
    let refused = home.by_address("bob@abc.test").await;
    assert!(
        matches!(&refused, Err(LookupError::Temporary(cause)) if cause.contains("postroom domain adopt abc.test --only bob@abc.test")),
        "{refused:?}"
    );
    let adopt = |only: Option<&str>, adoption| Adopt {
        domain: domain("abc.test"),
        only: only.map(mailbox),
        adoption,
    };
    home.directory
        .adopt(Principal::Site, adopt(None, Adoption::Continue))
        .await
        .expect("known");
    let now = home.person(abc, "bob").await.id;
    assert_eq!(now, bob);

    again();
    assert!(is_temporary(&home.by_address("bob@abc.test").await));
    home.directory
        .adopt(
            Principal::Site,
            adopt(Some("bob@abc.test"), Adoption::AsNew),
        )
        .await
        .expect("known");
    let now = home.person(abc, "bob").await.id;
    assert_ne!(now, bob);
    let by = Principal::DomainAdministrator(now);
    assert!(
        home.directory
            .adopt(by, adopt(None, Adoption::AsNew))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_domain_that_comes_back_is_put_off_until_it_is_adopted() {
    let server = Slapd::start(&two_domains());
    let home = Home::of(&server);
    let xyz = home.tenant("xyz.test").await;
    let ann = home.person(xyz, "ann").await.id;
    for dn in [
        "uid=ann,ou=people,ou=xyz.test",
        "ou=people,ou=xyz.test",
        "cn=team,ou=xyz.test",
        "ou=xyz.test",
    ] {
        server.change(&format!("dn: {dn},{SUFFIX}\nchangetype: delete\n"));
    }
    assert!(
        is_missing(&home.directory.domain(&domain("xyz.test")).await),
        "gone is gone"
    );
    let whole = two_domains();
    let entries = whole
        .split("\n\n")
        .filter(|entry| entry.contains("ou=xyz.test"));
    server.change(&entries.collect::<Vec<_>>().join("\n\n"));
    assert!(is_temporary(
        &home.directory.domain(&domain("xyz.test")).await
    ));
    let adopt = Adopt {
        domain: domain("xyz.test"),
        only: None,
        adoption: Adoption::Continue,
    };
    home.directory
        .adopt(Principal::Site, adopt)
        .await
        .expect("known");
    assert_eq!(home.tenant("xyz.test").await, xyz);
    let now = home.person(xyz, "ann").await;
    assert_eq!(now.id, ann);
}

/// What comes from a peer is a name, whatever is in it.
#[tokio::test]
async fn a07_names_from_outside_are_not_filters() {
    let server = Slapd::start(&two_domains());
    let home = Home::of(&server);
    let abc = home.tenant("abc.test").await;
    for uid in [
        "*",
        "a*",
        "*)(uid=*",
        "ann)(objectClass=*",
        "ann)(|(uid=*",
        "\\61nn",
        "\\00",
        "ann\0",
        "\u{ff41}\u{ff4e}\u{ff4e}",
        "ann,ou=people",
        "uid=ann,ou=people,ou=abc.test,o=mail",
        " ann",
        "",
    ] {
        let found = home.directory.person_by_uid(abc, uid).await;
        assert!(is_missing(&found), "{uid:?}: {found:?}");
    }
    for address in [
        "*@abc.test",
        "a*@abc.test",
        "\"ann)(mail=*\"@abc.test",
        "\"\\\\61nn\"@abc.test",
        "\u{ff41}nn@abc.test",
    ] {
        let found = home.by_address(address).await;
        assert!(is_missing(&found), "{address}: {found:?}");
    }
    assert_eq!(
        home.by_address("\"ann\"@abc.test").await.as_deref(),
        Ok("ann")
    );
}

/// The server would let an empty password in (RFC 4513 §5.1.2).
#[tokio::test]
async fn a08_an_empty_password_never_reaches_the_server() {
    let server = Slapd::start_with("allow bind_anon_dn", &two_domains());
    let (connection, mut ldap) = ldap3::LdapConnAsync::new(&server.url())
        .await
        .expect("it answers");
    ldap3::drive!(connection);
    let dn = format!("uid=ann,ou=people,ou=abc.test,{SUFFIX}");
    let bound = ldap.simple_bind(&dn, "").await.expect("it answers");
    assert_eq!(bound.rc, 0, "this server takes no password for nobody");

    let home = Home::of(&server);
    let abc = home.tenant("abc.test").await;
    let ann = home.person(abc, "ann").await.id;
    for (password, expected) in [
        ("", false),
        (PASSWORD, true),
        ("wrong", false),
        ("\0", false),
    ] {
        let fits = home
            .directory
            .verify_password(Some((abc, ann)), Secret::new(password.to_owned()));
        assert_eq!(fits.await, Ok(expected), "{password:?}");
    }
    let nobody = home
        .directory
        .verify_password(None, Secret::new(PASSWORD.to_owned()));
    assert_eq!(nobody.await, Ok(false));
    let long = Secret::new("x".repeat(100_000));
    assert_eq!(
        home.directory.verify_password(Some((abc, ann)), long).await,
        Ok(false)
    );
}

#[tokio::test]
async fn a10_two_entries_with_one_name_are_nobody() {
    let mut tree = two_domains();
    tree.push_str(&person(
        "cat",
        "abc.test",
        "mailAlternateAddress: bob@abc.test\n",
    ));
    tree.push_str(&format!(
        "dn: cn=other,ou=abc.test,{SUFFIX}\nobjectClass: inetOrgPerson\nobjectClass: inetMailUser\ncn: other\nsn: other\nuid: ann\nmail: other@abc.test\n\n"
    ));
    let server = Slapd::start(&tree);
    let home = Home::of(&server);
    let abc = home.tenant("abc.test").await;
    assert!(is_temporary(&home.by_address("bob@abc.test").await));
    assert!(is_temporary(
        &home.directory.person_by_uid(abc, "ann").await
    ));
    assert_eq!(
        home.by_address("robert@abc.test").await.as_deref(),
        Ok("bob"),
        "the other names are right"
    );
    assert!(
        is_temporary(&home.by_address("bob@abc.test").await),
        "also when one of them is known"
    );
}

#[tokio::test]
async fn a10_referrals_are_not_followed() {
    let mut tree = two_domains();
    tree.push_str(&format!(
        "dn: ou=far,ou=abc.test,{SUFFIX}\nobjectClass: referral\nobjectClass: extensibleObject\nou: far\nref: ldap://127.0.0.1:1/ou=far,ou=abc.test,{SUFFIX}\n\n"
    ));
    let server = Slapd::start_with("referral ldap://127.0.0.1:1", &tree);
    let home = Home::of(&server);
    assert_eq!(home.by_address("ann@abc.test").await.as_deref(), Ok("ann"));
    assert!(is_missing(&home.by_address("nobody@abc.test").await));

    let mut elsewhere = settings(&server.url(), at_once());
    elsewhere.base = "o=elsewhere".to_owned();
    let home = Home::at(elsewhere);
    let answer = home.directory.domains().await;
    assert!(
        matches!(&answer, Err(LookupError::Temporary(cause)) if cause.contains("referrals are not followed")),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a10_an_entry_of_many_megabytes_is_not_read() {
    let text = |bytes: usize| format!("mailAutoReplyText: {}\n", "x".repeat(bytes));
    let mut tree = two_domains();
    tree.push_str(&person("large", "abc.test", &text(2 * 1024 * 1024)));
    tree.push_str(&person("huge", "abc.test", &text(20 * 1024 * 1024)));
    let server = Slapd::start(&tree);
    let home = Home::of(&server);
    for address in ["large@abc.test", "huge@abc.test"] {
        assert!(is_temporary(&home.by_address(address).await), "{address}");
    }
    assert_eq!(
        home.by_address("ann@abc.test").await.as_deref(),
        Ok("ann"),
        "the others go on"
    );
}
