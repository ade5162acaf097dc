//! A copy made while the directory is in use, and what it forgets when it is put back.

use mail::{Principal, Secret};
use serde_json::json;

use super::{Home, add_person, mailbox};
use crate::{
    AdminError, Change, Changed, DirectoryAdmin as _, EmbeddedDirectory, Options, restore_directory,
};

fn added(directory: &EmbeddedDirectory, address: &str) -> u64 {
    let change = add_person(json!({ "mail": address }));
    match directory.apply_blocking(Principal::Site, &change) {
        Ok(Changed::Person(_, person)) => person.0,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_copy_has_everything_and_gives_no_id_twice() {
    let home = Home::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("directory.redb");
    home.directory()
        .copy_to(path.clone())
        .await
        .expect("it is copied");
    // Whoever is added after the copy has an id that the copy knows nothing of.
    let later = added(home.directory(), "later@abc.test");
    // An older copy there is replaced.
    home.directory()
        .copy_to(path.clone())
        .await
        .expect("it is copied");
    home.directory()
        .copy_to(path.clone())
        .await
        .expect("it is copied");
    restore_directory(&path).expect("it can be opened");
    restore_directory(&path).expect("twice does no harm");
    let copy = EmbeddedDirectory::open(&path, Options::default()).expect("it is a directory");
    let names = |directory: &EmbeddedDirectory| -> Vec<String> {
        let snapshot = directory.snapshot();
        let domains = snapshot.domains();
        domains
            .iter()
            .map(|domain| domain.name.to_string())
            .collect()
    };
    assert_eq!(names(&copy), names(home.directory()));
    assert!(added(&copy, "new@abc.test") > later);
    let trail = copy.audit(None, 100).await.expect("it has a trail");
    assert!(trail.len() > 1, "{trail:?}");
}

#[test]
fn hashes_of_another_server_are_taken_from_the_operator_alone() {
    let home = Home::new();
    let hash = crate::hash_password(&Secret::new("geheim".to_owned())).expect("it hashes");
    let change = Change::SetPasswordHashes(mailbox("bob@abc.test"), vec![hash.clone()]);
    let bob = home.directory().snapshot();
    let domain = bob.domain(&super::domain("abc.test")).expect("it is there");
    let bob = bob
        .person_by_address(domain.id, &mailbox("bob@abc.test"))
        .expect("it is there");
    let refused = home
        .directory()
        .apply_blocking(Principal::Person(bob.id), &change);
    assert!(matches!(refused, Err(AdminError::Denied(_))), "{refused:?}");
    home.directory()
        .apply_blocking(Principal::Site, &change)
        .expect("the operator may");
    let now = home.directory().snapshot();
    let bob = now
        .person_by_address(domain.id, &mailbox("bob@abc.test"))
        .expect("it is there");
    assert_eq!(bob.password_hashes, [hash]);
}

#[test]
fn hashes_that_would_take_the_server_down_are_refused() {
    let home = Home::new();
    let good = crate::hash_password(&Secret::new("geheim".to_owned())).expect("it hashes");
    let with = |text: &str| {
        let text = good.expose_secret().replace("m=19456,t=2,p=1", text);
        vec![Secret::new(text)]
    };
    let is_taken = |hashes: Vec<Secret<String>>| {
        let change = Change::SetPasswordHashes(mailbox("bob@abc.test"), hashes);
        match home.directory().apply_blocking(Principal::Site, &change) {
            Ok(_) => true,
            Err(AdminError::Invalid { .. }) => false,
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!(is_taken(with("m=65536,t=4,p=4")));
    for text in [
        "m=65537,t=2,p=1",
        "m=4194304,t=2,p=1",
        "m=19456,t=5,p=1",
        "m=19456,t=2,p=5",
    ] {
        assert!(!is_taken(with(text)), "{text}");
    }
    let other = good.expose_secret().replace("argon2id", "argon2d");
    assert!(!is_taken(vec![Secret::new(other)]));
    assert!(!is_taken(vec![Secret::new("geheim".to_owned())]));
    assert!(is_taken(vec![good.clone(); 4]));
    assert!(!is_taken(vec![good.clone(); 5]));
    assert!(is_taken(Vec::new()), "nobody need have a password");
}
