//! The socket for mail of this machine's users (`sendmail.socket`): everybody may connect to it,
//! and can do one thing, hand in a message.
//!
//! Who it is the kernel says (SO_PEERCRED), not the client. An ordinary user sends as
//! USER@hostname and as nobody else, in the envelope as well as in From and Sender, so that mail made here can be told from forged mail; root,
//! the server's own user and those of `sendmail.any_sender` name any sender. Everything else is as
//! for every message: the steps of the intake, its limits, its trace, where the user's name stands.
//!
//! How it fails: beyond [`CONNECTIONS`] of one user, or [`ALL`] together, a connection is closed at
//! once; one that says nothing for a while, or lives too long, ends. The client then asks its
//! caller to try again, who still has the message.

use std::collections::HashMap;
use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use axum::Extension;
use axum::body::Body;
use axum::handler::Handler as _;
use axum::middleware::from_fn;
use axum::routing::any_service;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use mail::{Domain, Mailbox, limits, words};
use net::Shutdown;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::{Api, ApiError, error};
use crate::local_users;

/// Connections of one user.
const CONNECTIONS: usize = 8;
/// Connections of all users.
const ALL: usize = 64;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalUser {
    uid: u32,
    name: String,
}

impl LocalUser {
    /// For the trace.
    pub(super) fn text(&self) -> String {
        format!("handed in by {} (uid {})", self.name, self.uid)
    }

    /// May this user send as `from`? Without a domain it is an address of this server.
    pub(super) fn check(
        &self,
        from: &str,
        hostname: &Domain,
        any_sender: &[String],
    ) -> Result<(), ApiError> {
        let own = rustix::process::geteuid().as_raw();
        let is_free = self.uid == 0 || self.uid == own || any_sender.contains(&self.name);
        let bare = from.trim().trim_start_matches('<').trim_end_matches('>');
        let is_own = match Mailbox::parse(bare) {
            Ok(address) => {
                let localpart = address.localpart().to_string();
                address.domain() == hostname && localpart == self.name
            }
            Err(_) => bare == self.name,
        };
        if is_free || is_own {
            return Ok(());
        }
        Err(self.denied(from, hostname))
    }

    /// Says who this user is.
    pub(super) fn denied(&self, from: &str, hostname: &Domain) -> ApiError {
        ApiError::denied(words::CLI_SENDMAIL_SENDER.help_with(&[
            ("name", &self.name),
            ("hostname", hostname.as_str()),
            ("from", from),
        ]))
    }

    pub(super) const fn uid(&self) -> u32 {
        self.uid
    }
}

/// Binds the socket, for everybody. Its folder must be there, and be the server's alone to write.
pub(crate) fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    let listener = super::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))
        .with_context(|| format!("cannot open {} for everybody", path.display()))?;
    Ok(listener)
}

/// Serves the socket until the server stops.
pub(crate) async fn serve(listener: UnixListener, api: Api, mut shutdown: Shutdown) {
    let places = Places::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the sendmail socket was not taken");
                // Most often: no file descriptor is free at the moment.
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let uid = stream.peer_cred().map(|peer| peer.uid());
        let Some(place) = uid.ok().and_then(|uid| places.take(uid)) else {
            continue;
        };
        connections.spawn(attend(stream, place, api.clone()));
    }
    // What is handed in at this moment is answered.
    let grace = Duration::from_secs(api.site.settings().config.drain_seconds);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(grace, all).await;
}

async fn attend(stream: UnixStream, place: Place, api: Api) {
    let user = LocalUser {
        uid: place.uid,
        name: local_users::name_of(place.uid),
    };
    let app = super::handing_in(api)
        .layer(Extension(user))
        .layer(from_fn(error::shape));
    let app = any_service::<_, ()>(app);
    let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(app.call(request.map(Body::new), ()).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP_HEAD_TIME)
        .max_buf_size(limits::HTTP_HEAD)
        .max_headers(limits::HTTP_FIELDS)
        // One message a connection: nobody keeps a place.
        .keep_alive(false);
    let served = builder.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(limits::HTTP_CONNECTION_TIME, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection to the sendmail socket broke"),
        Err(_) => tracing::debug!(
            uid = place.uid,
            "a connection to the sendmail socket took too long"
        ),
    }
}

/// How many connections each user has.
#[derive(Debug, Clone, Default)]
struct Places(Arc<Mutex<HashMap<u32, usize>>>);

impl Places {
    fn take(&self, uid: u32) -> Option<Place> {
        // Each use is one addition or subtraction: a panic cannot leave half of one.
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&uid).copied().unwrap_or_default();
        if all >= ALL || own >= CONNECTIONS {
            tracing::warn!(uid, "too many connections to the sendmail socket");
            return None;
        }
        taken.insert(uid, own + 1);
        Some(Place {
            uid,
            places: self.clone(),
        })
    }
}

/// One of them, as long as it lives.
#[derive(Debug)]
struct Place {
    uid: u32,
    places: Places,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mail::Domain;

    use super::{ALL, CONNECTIONS, LocalUser, Places};

    #[test]
    fn a_user_sends_as_nobody_else() {
        let host = Domain::parse("mail.site.test").expect("a domain");
        let user = |uid, name: &str| LocalUser {
            uid,
            name: name.to_owned(),
        };
        let ann = user(u32::MAX - 7, "ann");
        let any = ["www-data".to_owned()];
        for (from, may) in [
            ("ann", true),
            ("<ann>", true),
            ("ann@mail.site.test", true),
            ("<ann@MAIL.site.test>", true),
            ("", false),
            ("<>", false),
            ("root", false),
            ("ann@abc.test", false),
            ("anna", false),
            ("Ann", false),
            ("root@mail.site.test", false),
        ] {
            assert_eq!(ann.check(from, &host, &any).is_ok(), may, "{from}");
            for free in [user(0, "root"), user(u32::MAX - 8, "www-data")] {
                assert!(free.check(from, &host, &any).is_ok(), "{free:?} {from}");
            }
        }
    }

    #[test]
    fn places_are_few_and_come_back() {
        let places = Places::default();
        let own: Vec<_> = (0..CONNECTIONS).map_while(|_| places.take(1)).collect();
        assert_eq!(own.len(), CONNECTIONS);
        assert!(places.take(1).is_none(), "one user has so many");
        let others: Vec<_> = (2..).map_while(|uid| places.take(uid)).collect();
        assert_eq!(own.len() + others.len(), ALL, "all together so many");
        drop(own);
        assert!(places.take(1).is_some());
        drop(others);
        assert_eq!(places.0.lock().expect("no panic").len(), 0);
    }
}
