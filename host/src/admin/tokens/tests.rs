use std::sync::Arc;

use directory::{Change, Directory as _, DirectoryAdmin as _, Login, NewDomain, NewPerson};
use mail::{Domain, Principal, Timestamp};

use super::{IN_ALL, Lifetime, OF_PERSON, Tokens, make_room};

const LIFETIME: Lifetime = Lifetime {
    seconds: 1000,
    idle_seconds: 100,
};

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

async fn login(folder: &tempfile::TempDir) -> Login {
    let path = folder.path().join("directory.redb");
    let directory = directory::EmbeddedDirectory::open(&path, directory::Options::default())
        .expect("a directory");
    let name = Domain::parse("abc.test").expect("a name");
    let add = Change::AddDomain(NewDomain::named(name.clone()));
    directory.apply(Principal::Site, add).await.expect("added");
    let ann = "ann@abc.test".parse().expect("an address");
    let add = Change::AddPerson(NewPerson::with_password(ann, "one secret of ann"));
    directory.apply(Principal::Site, add).await.expect("added");
    let domain = directory.domain(&name).await.expect("there");
    let person = directory
        .person_by_uid(domain.tenant(), "ann")
        .await
        .expect("there");
    Login {
        tenant: domain.tenant(),
        domain,
        person: Arc::clone(&person),
    }
}

#[tokio::test]
async fn a_token_ends_at_its_time_and_when_it_lies_unused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let login = login(&folder).await;
    let tokens = Tokens::default();
    let issue = |now| {
        let issued = tokens.issue("ann@abc.test", &login, LIFETIME, at(now));
        issued.expect("random bytes").0.expose_secret().clone()
    };
    let token = issue(0);
    assert_eq!(token.len(), "postroom_".len() + 64);
    let is_in_force = |token: &str, now| tokens.find(token, LIFETIME, at(now)).is_some();
    assert!(!is_in_force("postroom_", 0) && !is_in_force(&token[1..], 0));
    for now in (0..1000).step_by(99) {
        assert!(is_in_force(&token, now), "{now}: it is used all the time");
    }
    assert!(!is_in_force(&token, 1000), "its time is over");

    let idle = issue(0);
    assert!(is_in_force(&idle, 99));
    assert!(!is_in_force(&idle, 199), "it lay unused");
    assert!(!is_in_force(&idle, 100), "what has ended stays so");

    let ended = issue(0);
    tokens.end(&ended);
    assert!(!is_in_force(&ended, 0));
    assert_ne!(issue(0), issue(0));
    let shown = format!("{tokens:?}");
    assert!(!shown.contains(&issue(0)[9..20]) && shown.contains("Secret(..)"));
}

#[tokio::test]
async fn a_person_has_so_many_tokens_and_the_oldest_goes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let login = login(&folder).await;
    let tokens = Tokens::default();
    let count = i64::try_from(OF_PERSON).expect("it is small");
    let all: Vec<String> = (0..=count)
        .map(|now| {
            let issued = tokens.issue("ann@abc.test", &login, LIFETIME, at(now));
            issued.expect("random bytes").0.expose_secret().clone()
        })
        .collect();
    let in_force = |token: &String| tokens.find(token, LIFETIME, at(count)).is_some();
    let in_force: Vec<bool> = all.iter().map(in_force).collect();
    assert_eq!(in_force.iter().filter(|is_so| **is_so).count(), OF_PERSON);
    assert!(!in_force[0], "the oldest");
    const { assert!(OF_PERSON < IN_ALL) };
    let mut rows = tokens.lock();
    make_room(&mut rows, 3, |_| true);
    assert_eq!(rows.len(), 2, "room for a third");
}
