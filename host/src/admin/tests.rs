//! The API without sockets: the router, and callers as the admission would make them.

mod document;
mod erasing;
mod foreign;
mod moving;
mod roles;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler as _;
use axum::routing::any_service;
use axum::{Extension, Router};
use mail::{Domain, Mailbox};
use serde_json::{Value, json};
use store::{QueueFilter, QueueRow};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::caller::Signed;
use super::routes::Route;
use super::{Api, Caller, router};
use crate::config::Config;
use crate::server::Server;

/// What stands for the names in braces of a route.
#[derive(Debug, Clone)]
struct Objects {
    domain: String,
    person: String,
    group: String,
    alias: String,
    plugin: String,
    entry: String,
}

impl Objects {
    /// Of a domain: one of each.
    fn of(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            person: format!("bob@{domain}"),
            group: format!("team@{domain}"),
            alias: format!("sales@{domain}"),
            plugin: "forward".to_owned(),
            // The greatest there is; no queue has come so far.
            entry: store::QueueId(u64::MAX).to_string(),
        }
    }

    fn put_into(&self, text: &str) -> String {
        [
            ("{domain}", &self.domain),
            ("{person}", &self.person),
            ("{login}", &self.person),
            ("{group}", &self.group),
            ("{alias}", &self.alias),
            ("{plugin}", &self.plugin),
            ("{entry}", &self.entry),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    status: u16,
    body: Value,
}

/// A server with abc.test, whose administrator is ann, and xyz.test, which is called xyz.example
/// too.
pub(crate) struct World {
    server: Server,
    pub(crate) api: Api,
    _data: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = Config {
            hostname: "mail.site.test".to_owned(),
            data: data.path().join("data"),
            dns: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 9))],
            ..Config::default()
        };
        let listen = &mut config.listen;
        for addresses in [
            &mut listen.submission,
            &mut listen.submissions,
            &mut listen.imap,
            &mut listen.imaps,
            &mut listen.pop3,
            &mut listen.pop3s,
            &mut listen.https,
            &mut listen.metrics,
        ] {
            addresses.clear();
        }
        listen.smtp = vec![any];
        config.limits.disk_reserve_bytes = 0;
        config.limits.disk_reserve_percent = 0;
        let server = Server::start(config).await.expect("a server");
        let (stop, _) = net::shutdown();
        let api = Api {
            site: Arc::clone(server.site()),
            stop: Arc::new(stop),
            bound: Arc::default(),
            tokens: Arc::default(),
            tasks: super::Tasks::default(),
            held: super::Held::default(),
        };
        let world = Self {
            server,
            api,
            _data: data,
        };
        for (domain, more) in [
            ("abc.test", json!({ "administrators": ["ann@abc.test"] })),
            ("xyz.test", json!({ "aliases": ["xyz.example"] })),
        ] {
            let mut new = json!({ "name": domain });
            let fields = new.as_object_mut().expect("it is an object");
            fields.extend(more.as_object().cloned().expect("it is an object"));
            world.operator("POST", "/v1/domains", new).await;
            world.furnish(domain).await;
        }
        let ann = json!({ "mail": "ann@abc.test", "password": "the secret of ann" });
        let root = json!({ "mail": "root@abc.test", "roles": ["site"] });
        for person in [ann, root] {
            let added = world.operator("POST", "/v1/users", person).await;
            assert_eq!(added.status, 200, "{added:?}");
        }
        world
    }

    /// One of each object in a domain, where it is not there.
    async fn furnish(&self, domain: &str) {
        let objects = Objects::of(domain);
        let away = json!({ "mail": format!("away@{domain}"), "delivery_options": ["autoreply"], "autoreply": { "text": "away" } });
        let path = format!("/v1/domains/{domain}");
        self.operator("PATCH", &path, json!({ "status": "active" }))
            .await;
        for (path, new) in [
            ("/v1/users", json!({ "mail": objects.person })),
            ("/v1/users", away),
            ("/v1/groups", json!({ "mail": objects.group })),
            (
                "/v1/aliases",
                json!({ "address": objects.alias, "targets": [objects.person] }),
            ),
        ] {
            let made = self.operator("POST", path, new).await;
            assert!([200, 409].contains(&made.status), "{path}: {made:?}");
        }
        let path = format!("/v1/domains/{domain}/plugins");
        self.operator("POST", &path, json!({ "plugin": "forward" }))
            .await;
        // Without its plugin the option waits, and so does the letter.
        self.operator("DELETE", &format!("{path}/autoreply"), Value::Null)
            .await;
        self.operator("POST", &format!("{path}/deploy"), json!({}))
            .await;
        if self.entries(domain).is_empty() {
            self.mail(&format!("away@{domain}")).await;
        }
    }

    /// The queue rows of a domain.
    fn entries(&self, domain: &str) -> Vec<QueueRow> {
        let access = mail::Access {
            tenant: mail::Tenant::HOST,
            principal: mail::Principal::Site,
        };
        let filter = QueueFilter {
            max: 100,
            ..QueueFilter::default()
        };
        let rows = self.api.site.store.queue(&access, &filter);
        let mut rows = rows.expect("the store answers");
        rows.retain(|row| row.address.domain().as_str() == domain);
        rows
    }

    /// A letter over SMTP.
    async fn mail(&self, recipient: &str) {
        let bound = self.server.bound().iter().find(|(name, _)| name == "mx");
        let address = bound.expect("it listens").1;
        let mut stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("it listens");
        let (reader, mut writer) = stream.split();
        let mut replies = BufReader::new(reader).lines();
        let commands = [
            "EHLO x.example".to_owned(),
            "MAIL FROM:<joe@example.org>".to_owned(),
            format!("RCPT TO:<{recipient}>"),
            "DATA".to_owned(),
            "Subject: x\r\n\r\nx\r\n.".to_owned(),
            "QUIT".to_owned(),
        ];
        let mut commands = commands.iter();
        while let Some(reply) = replies.next_line().await.expect("it is read") {
            assert!(reply.starts_with(['2', '3']), "{recipient}: {reply}");
            if reply.as_bytes().get(3) == Some(&b' ')
                && let Some(command) = commands.next()
            {
                let line = format!("{command}\r\n");
                writer.write_all(line.as_bytes()).await.expect("written");
            }
        }
        assert_eq!(commands.len(), 0);
    }

    /// One call of anybody.
    async fn call(&self, caller: &Caller, method: &str, target: &str, body: Body) -> Answer {
        let app: Router = router(self.api.clone())
            .layer(Extension(caller.clone()))
            .layer(axum::middleware::from_fn(super::error::shape));
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("content-type", "application/json")
            .body(body)
            .expect("a request");
        let response = any_service::<_, ()>(app).call(request, ()).await;
        let status = response.status().as_u16();
        let is_file = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind == "application/octet-stream");
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("a body");
        let text = String::from_utf8_lossy(&bytes);
        if is_file {
            let body = Value::String(text.into_owned());
            return Answer { status, body };
        }
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|error| panic!("{method} {target}: {status} {text}: {error}"));
        Answer { status, body }
    }

    async fn operator(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = Body::from(body.to_string());
        self.call(&Caller::Operator, method, path, body).await
    }

    /// A route, said about some objects.
    async fn ask(&self, caller: &Caller, route: &Route, objects: &Objects) -> Answer {
        let mut target = objects.put_into(route.path);
        if !route.query.is_empty() {
            target.push('?');
            target.push_str(&objects.put_into(route.query));
        }
        let body = Body::from(objects.put_into(route.body));
        self.call(caller, route.method, &target, body).await
    }

    /// A person that signed in.
    async fn person(&self, address: &str) -> Caller {
        let mailbox: Mailbox = address.parse().expect("an address");
        let directory = &self.api.site.directory;
        let domain = directory.domain(mailbox.domain()).await.expect("a domain");
        let person = directory
            .person_by_address(domain.tenant(), &mailbox)
            .await
            .expect("a person");
        Caller::Person(Arc::new(Signed {
            login: address.to_owned(),
            domain,
            person,
        }))
    }

    pub(crate) async fn domain(&self, name: &str) -> Arc<directory::DomainEntry> {
        let name = Domain::parse(name).expect("a name");
        self.api.site.directory.domain(&name).await.expect("there")
    }
}
