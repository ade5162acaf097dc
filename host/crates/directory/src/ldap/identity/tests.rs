use mail::{Mailbox, Principal};

use super::*;
use crate::{Change as Embedded, EmbeddedDirectory, NewDomain, NewPerson, Options};

fn claim(kind: Kind, domain: u64, uuid: &str, name: &str) -> Claim {
    Claim {
        kind,
        domain: DomainId(domain),
        uuid: uuid.to_owned(),
        name: name.to_owned(),
    }
}

fn one(identities: &Identities, claim: Claim) -> Result<u64, String> {
    identities
        .claim(&[claim])
        .expect("it can be written")
        .remove(0)
}

fn name(text: &str) -> Domain {
    text.parse().expect("a domain")
}

#[test]
fn ids_stay_over_renames_and_restarts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("directory.redb");
    let identities = Identities::open(&path, 3).expect("a new file");
    let abc = one(&identities, claim(Kind::Domain, 0, "u1", "abc.test")).expect("new");
    let ann = one(&identities, claim(Kind::Person, abc, "u2", "ann@abc.test")).expect("new");
    assert_eq!(abc >> 48, 3);
    assert_ne!(abc, ann);
    assert_eq!(
        one(
            &identities,
            claim(Kind::Person, abc, "u2", "smith@abc.test")
        ),
        Ok(ann),
        "renamed"
    );
    drop(identities);
    let identities = Identities::open(&path, 3).expect("the same file");
    assert_eq!(
        one(&identities, claim(Kind::Domain, 0, "u1", "abc.test")),
        Ok(abc)
    );
    assert_eq!(
        one(
            &identities,
            claim(Kind::Person, abc, "u2", "smith@abc.test")
        ),
        Ok(ann)
    );
    assert_eq!(
        identities.uuid_of(DomainId(abc), ann).as_deref(),
        Some("u2")
    );
    let other = one(&identities, claim(Kind::Person, abc, "u3", "ann@abc.test"));
    assert!(
        other.expect("the name was given up") > ann,
        "ids are never reused"
    );
}

#[test]
fn a_name_that_comes_back_with_another_uuid_waits_for_the_operator() {
    let folder = tempfile::tempdir().expect("a folder");
    let identities = Identities::open(&folder.path().join("d"), 0).expect("a new file");
    let abc = one(&identities, claim(Kind::Domain, 0, "u1", "abc.test")).expect("new");
    let ann = one(&identities, claim(Kind::Person, abc, "u2", "ann@abc.test")).expect("new");

    let back = claim(Kind::Domain, 0, "v1", "abc.test");
    let refused = one(&identities, back.clone()).expect_err("refused");
    assert!(
        refused.contains("postroom domain adopt abc.test"),
        "{refused}"
    );
    identities
        .adopt(Principal::Site, &name("abc.test"), None, Adoption::Continue)
        .expect("known");
    assert_eq!(one(&identities, back.clone()), Ok(abc), "it continues");
    let person = claim(Kind::Person, abc, "v2", "ann@abc.test");
    assert_eq!(one(&identities, person), Ok(ann), "and everybody in it");
    identities.close();

    let again = claim(Kind::Person, abc, "w2", "ann@abc.test");
    let refused = one(&identities, again.clone()).expect_err("refused");
    assert!(refused.contains("--only ann@abc.test"), "{refused}");
    identities
        .adopt(
            Principal::Site,
            &name("abc.test"),
            Some("ann@abc.test"),
            Adoption::AsNew,
        )
        .expect("known");
    let new = one(&identities, again).expect("somebody new");
    assert_ne!(new, ann);
    assert_eq!(
        one(&identities, claim(Kind::Person, abc, "v2", "old@abc.test")),
        Ok(ann),
        "the old entry stays who it was"
    );

    identities
        .adopt(Principal::Site, &name("abc.test"), None, Adoption::AsNew)
        .expect("known");
    let new = one(&identities, claim(Kind::Domain, 0, "x1", "abc.test")).expect("a new domain");
    assert_ne!(new, abc);
    let audit = identities.audit(None, 10).expect("readable");
    assert_eq!(audit.len(), 3);
    assert_eq!(audit[0].act, "adopt as new abc.test");
}

#[test]
fn two_entries_of_one_name_get_no_two_ids() {
    let folder = tempfile::tempdir().expect("a folder");
    let identities = Identities::open(&folder.path().join("d"), 0).expect("a new file");
    let both = [
        claim(Kind::Person, 1, "u1", "ann@abc.test"),
        claim(Kind::Person, 1, "u2", "ann@abc.test"),
    ];
    let ids = identities.claim(&both).expect("it can be written");
    assert!(ids[0].is_ok() && ids[1].is_err());
}

#[test]
fn names_of_the_embedded_directory_are_not_given_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("directory.redb");
    let embedded = EmbeddedDirectory::open(&path, Options::default()).expect("a new file");
    let apply = |change| {
        embedded
            .apply_blocking(Principal::Site, &change)
            .expect("applied")
    };
    apply(Embedded::AddDomain(NewDomain::named(name("abc.test"))));
    let mail: Mailbox = "ann@abc.test".parse().expect("an address");
    apply(Embedded::AddPerson(NewPerson::with_password(
        mail,
        "correct horse battery",
    )));
    let abc = embedded
        .snapshot()
        .domain(&name("abc.test"))
        .expect("added")
        .id;
    let ann = embedded.snapshot().people(abc).expect("there")[0].id;
    drop(embedded);

    let identities = Identities::open(&path, 0).expect("the same file");
    let other = one(&identities, claim(Kind::Domain, 0, "u9", "xyz.test")).expect("new");
    assert!(other > ann.0, "the counter goes on");
    let back = claim(Kind::Domain, 0, "u1", "abc.test");
    assert!(one(&identities, back.clone()).is_err());
    identities
        .adopt(Principal::Site, &name("abc.test"), None, Adoption::Continue)
        .expect("known");
    assert_eq!(one(&identities, back.clone()), Ok(abc.0));
    assert_eq!(
        one(
            &identities,
            claim(Kind::Person, abc.0, "u2", "ann@abc.test")
        ),
        Ok(ann.0)
    );
    drop(identities);
    let identities = Identities::open(&path, 0).expect("the same file");
    assert_eq!(one(&identities, back), Ok(abc.0), "also after a restart");
}
