//! A09: servers that are not there, or only seem to be.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::login::{LoginOutcome, NoPeerNames};

/// What a listener does that is no LDAP server.
#[derive(Debug, Clone, Copy)]
enum Seems {
    /// Nobody takes the connection out of the queue, so it opens and nothing comes.
    Deaf,
    /// It takes the connection and what is sent, and says nothing.
    Mute,
    /// It closes every connection.
    Closing,
    /// It answers something else.
    Babbling,
}

async fn listener(seems: Seems) -> (SocketAddr, Option<TcpListener>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    if matches!(seems, Seems::Deaf) {
        return (address, Some(listener));
    }
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 1024];
                match seems {
                    Seems::Closing | Seems::Deaf => {}
                    Seems::Mute => {
                        while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
                    }
                    Seems::Babbling => {
                        let _ = stream.write_all(b"220 mail.abc.test ESMTP\r\n").await;
                        let _ = stream.read(&mut bytes).await;
                    }
                }
            });
        }
    });
    (address, None)
}

fn impatient() -> Timing {
    Timing {
        operation: Duration::from_millis(300),
        pause: Duration::from_secs(3600),
        ..at_once()
    }
}

async fn check_trouble(address: SocketAddr) {
    let home = Home::at(settings(&format!("ldap://{address}"), impatient()));
    for _ in 0..2 {
        let answer = home.by_address("ann@abc.test").await;
        assert!(is_temporary(&answer), "{address}: {answer:?}");
        let table = home.directory.table();
        assert!(table.domain(&domain("abc.test")).is_err());
        assert!(table.complete().await, "there was something to ask for");
        assert!(
            table.domain(&domain("abc.test")).is_err(),
            "and nobody said"
        );
        assert!(!table.complete().await, "it is not asked for twice");
        let way = crate::LoginWay::new(crate::LoginSettings::default());
        let outcome = way
            .login(
                &home.directory,
                &NoPeerNames,
                logins::request("ann@abc.test", PASSWORD),
            )
            .await;
        assert!(
            matches!(outcome, LoginOutcome::Unavailable(_)),
            "{outcome:?}"
        );
        assert!(
            home.directory.inner.server.is_reachable().is_err(),
            "the breaker is open"
        );
    }
}

#[tokio::test]
async fn a09_a_server_that_refuses_is_temporary_trouble() {
    let (address, listener) = listener(Seems::Deaf).await;
    drop(listener);
    check_trouble(address).await;
}

#[tokio::test]
async fn a09_servers_that_say_nothing_are_temporary_trouble() {
    for seems in [Seems::Deaf, Seems::Mute, Seems::Closing, Seems::Babbling] {
        let (address, _listener) = listener(seems).await;
        check_trouble(address).await;
    }
}

/// Passes bytes on until it is told to swallow them: the connections stay open.
async fn relay(to: SocketAddr, is_dead: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(to).await else {
                continue;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(pass(from_client, to_server, Arc::clone(&is_dead)));
            tokio::spawn(pass(from_server, to_client, Arc::clone(&is_dead)));
        }
    });
    address
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    is_dead: Arc<AtomicBool>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut bytes).await {
        if read == 0 {
            return;
        }
        if !is_dead.load(Ordering::SeqCst) && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a09_a_half_open_connection_is_temporary_trouble_and_known_people_stay() {
    let server = Slapd::start(&two_domains());
    let is_dead = Arc::new(AtomicBool::new(false));
    let address = relay(server.address(), Arc::clone(&is_dead)).await;
    let timing = Timing {
        operation: Duration::from_millis(500),
        pause: Duration::ZERO,
        ..at_once()
    };
    let home = Home::at(settings(&format!("ldap://{address}"), timing));
    assert_eq!(home.by_address("ann@abc.test").await.as_deref(), Ok("ann"));

    is_dead.store(true, Ordering::SeqCst);
    assert_eq!(
        home.by_address("ann@abc.test").await.as_deref(),
        Ok("ann"),
        "she is known"
    );
    let answer = home.by_address("bob@abc.test").await;
    assert!(is_temporary(&answer), "{answer:?}");
    let answer = home.by_address("nobody@abc.test").await;
    assert!(is_temporary(&answer), "{answer:?}");

    is_dead.store(false, Ordering::SeqCst);
    // One question goes through an open breaker, and a refresh behind may be it: who comes while
    // it is under way is put off once more.
    let goes_on = async {
        loop {
            let answer = home.by_address("bob@abc.test").await;
            if !is_temporary(&answer) {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(30), goes_on).await;
    assert_eq!(answer.expect("it goes on by itself").as_deref(), Ok("bob"));
}

#[tokio::test]
async fn a09_known_people_stay_known_and_others_are_put_off() {
    let mut server = Slapd::start(&two_domains());
    let home = Home::of(&server);
    assert_eq!(home.by_address("ann@abc.test").await.as_deref(), Ok("ann"));
    assert!(is_missing(&home.by_address("nobody@abc.test").await));
    let abc = home.tenant("abc.test").await;
    let ann = home
        .directory
        .person_by_uid(abc, "ann")
        .await
        .expect("there")
        .id;

    server.stop();
    assert_eq!(home.by_address("ann@abc.test").await.as_deref(), Ok("ann"));
    assert_eq!(
        home.directory.person(abc, ann).await.expect("known").id,
        ann
    );
    for address in ["bob@abc.test", "nobody@abc.test", "ann@elsewhere.test"] {
        let answer = home.by_address(address).await;
        assert!(is_temporary(&answer), "{address}: {answer:?}");
    }
    assert!(is_temporary(&home.directory.people(abc).await));
    for person in [Some((abc, ann)), None] {
        let fits = home
            .directory
            .verify_password(person, Secret::new(PASSWORD.to_owned()));
        assert!(
            is_temporary(&fits.await),
            "known and unknown people look the same"
        );
    }

    server.launch();
    assert_eq!(home.by_address("bob@abc.test").await.as_deref(), Ok("bob"));
    let fits = home
        .directory
        .verify_password(Some((abc, ann)), Secret::new(PASSWORD.to_owned()));
    assert_eq!(fits.await, Ok(true));
}

#[tokio::test]
async fn what_was_known_is_not_used_for_ever() {
    let mut server = Slapd::start(&two_domains());
    let timing = Timing {
        stale: Duration::ZERO,
        ..at_once()
    };
    let home = Home::at(settings(&server.url(), timing));
    assert_eq!(home.by_address("ann@abc.test").await.as_deref(), Ok("ann"));
    server.stop();
    assert!(is_temporary(&home.by_address("ann@abc.test").await));
}

#[tokio::test]
async fn a_server_without_its_entries_is_out_of_order() {
    let server = Slapd::start(&two_domains());
    let home = Home::of(&server);
    assert_eq!(home.by_address("ann@abc.test").await.as_deref(), Ok("ann"));
    for name in ["abc.test", "xyz.test"] {
        server.change(&format!(
            "dn: ou={name},{SUFFIX}\nchangetype: modify\ndelete: objectClass\nobjectClass: mailDomain\n-\n\
             delete: postroomServiceName\n-\ndelete: objectClass\nobjectClass: inetDomain\n-\ndelete: inetDomainAlias\n"
        ));
    }
    let answer = home.directory.domain(&domain("other.test")).await;
    assert!(is_temporary(&answer), "{answer:?}");
    assert_eq!(
        home.by_address("ann@abc.test").await.as_deref(),
        Ok("ann"),
        "she is known"
    );
}

#[tokio::test]
async fn a_password_of_the_reader_that_is_wrong_is_trouble() {
    let server = Slapd::start(&two_domains());
    let mut settings = settings(&server.url(), at_once());
    settings.bind_password = Secret::new("wrong".to_owned());
    let home = Home::at(settings);
    let answer = home.directory.domains().await;
    assert!(
        matches!(&answer, Err(LookupError::Temporary(cause)) if cause.contains("directory.bind_dn")),
        "{answer:?}"
    );
}
