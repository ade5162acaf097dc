use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use mail::Secret;

use super::{Hasher, NOBODY, PASSWORD_BYTES, hash_password, verify_password};
use crate::LookupError;

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[test]
fn a_hash_fits_its_password_and_no_other() {
    let hash = hash_password(&secret("correct horse")).expect("a hash");
    let text = hash.expose_secret().clone();
    assert!(
        text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{text}"
    );
    let again = hash_password(&secret("correct horse")).expect("a hash");
    assert_ne!(text, *again.expose_secret(), "the salt is random");
    let hashes = [again, hash];
    assert!(verify_password(&hashes, &secret("correct horse")));
    for wrong in ["", "correct hors", "correct horse ", "Correct horse", "-"] {
        assert!(!verify_password(&hashes, &secret(wrong)), "{wrong:?}");
    }
    assert!(!verify_password(&[], &secret("correct horse")));
}

/// A02: nobody's hash costs what a real one costs.
#[test]
fn a02_the_hash_of_nobody_has_the_same_parameters() {
    let real = hash_password(&secret("x")).expect("a hash");
    let real = PasswordHash::new(real.expose_secret()).expect("a PHC string");
    let nobody = PasswordHash::new(NOBODY).expect("a PHC string");
    assert_eq!(nobody.algorithm, real.algorithm);
    assert_eq!(nobody.version, real.version);
    assert_eq!(nobody.params, real.params);
    let length = |hash: &PasswordHash| hash.hash.as_ref().map(|hash| hash.len());
    assert_eq!(length(&nobody), length(&real));
    assert!(length(&nobody).is_some());
}

#[test]
fn a05_a_password_of_a_megabyte_is_not_hashed_as_one() {
    let long = "x".repeat(PASSWORD_BYTES + 1);
    let hash = hash_password(&secret(&long)).expect("a hash");
    assert!(!verify_password(&[hash], &secret(&long)));
}

/// What stands in for a password that is not looked at opens nothing.
#[test]
fn a08_an_empty_password_is_not_the_one_that_stands_in_for_it() {
    let hash = hash_password(&secret("-")).expect("a hash");
    assert!(verify_password(std::slice::from_ref(&hash), &secret("-")));
    assert!(!verify_password(std::slice::from_ref(&hash), &secret("")));
    assert!(!verify_password(
        &[hash],
        &secret(&"x".repeat(PASSWORD_BYTES + 1))
    ));
}

#[test]
fn a_damaged_hash_lets_nobody_in() {
    for damaged in [
        "",
        "plain",
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
    ] {
        assert!(
            !verify_password(&[secret(damaged)], &secret("plain")),
            "{damaged}"
        );
        assert!(
            !verify_password(&[secret(damaged)], &secret("")),
            "{damaged}"
        );
    }
}

/// A04: a thousand logins at once take the memory of two and end in "cannot say now".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a04_logins_at_once_are_bounded() {
    let hasher = Hasher::new(2, Duration::from_millis(200));
    let hash = hash_password(&secret("right")).expect("a hash");
    let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let logins: Vec<_> = (0..1000)
        .map(|_| {
            let (hasher, hashes) = (hasher.clone(), vec![hash.clone()]);
            let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
            let counted = move || {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let fits = verify_password(&hashes, &secret("right"));
                running.fetch_sub(1, Ordering::SeqCst);
                fits
            };
            tokio::spawn(async move { hasher.run(counted).await })
        })
        .collect();
    let (mut right, mut busy) = (0, 0);
    for login in logins {
        match login.await.expect("no login panics") {
            Ok(fits) => {
                assert!(fits);
                right += 1;
            }
            Err(LookupError::Temporary(_)) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        right > 0 && busy > 0,
        "{right} in, {busy} told to come later"
    );
    assert!(peak.load(Ordering::SeqCst) <= 2, "{peak:?} hashes at once");
    assert!(
        hasher
            .verify(vec![hash], secret("right"))
            .await
            .expect("there is room again")
    );
}
