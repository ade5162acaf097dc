//! The domains and people of the demo, made by command lines.

use std::path::Path;

use anyhow::Context as _;
use clap::Parser as _;
use mail::Secret;
use serde_json::Value;

use super::screen::Screen;
use super::stage::{FILE_LABEL, Ports};
use super::wire::{Begin, Imap, Pop3, Smtp};
use crate::cli::client::Client;
use crate::cli::{self, Arguments, Remote};

/// What `abc.test` does not take.
const POLICY: &str = r#"{"denied_senders": ["@casino.example"],
  "refused_extensions": ["exe"],
  "refused_words": ["lottery"],
  "reason": "Questions: ann@abc.test"}"#;

/// Everybody, with what each is here for. The first word of a line is the address, the rest are
/// further arguments of `postroom user add`.
const EVERYBODY: &[&[&str]] = &[
    &["ann@abc.test"],
    &[
        "bob@abc.test",
        "--option",
        "mailbox",
        "--option",
        "autoreply",
        "--attribute",
        "autoreply-text=I am at sea until Monday.",
    ],
    &[
        "cat@abc.test",
        "--option",
        "mailbox",
        "--option",
        "file",
        "--attribute",
        "file=archive",
    ],
    &[
        "dan@abc.test",
        "--option",
        "forward",
        "--attribute",
        "forward-to=zoe@xyz.test",
    ],
    &["tom@abc.test"],
    &["zoe@xyz.test"],
    &["old@idle.test"],
];

/// Who administers `abc.test`, from afar.
pub(super) const ADMINISTRATOR: &str = "ann@abc.test";

/// A person.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) address: String,
    pub(super) password: String,
}

/// Who there is, and the ways to the server.
pub(super) struct People {
    /// The operator's way: the admin socket.
    client: Client,
    /// The administrator's way, once signed in: HTTPS with a token.
    afar: Option<Client>,
    pub(super) ports: Ports,
    everybody: Vec<Person>,
}

impl People {
    /// Nobody yet.
    pub(super) const fn new(client: Client, ports: Ports) -> Self {
        Self {
            client,
            afar: None,
            ports,
            everybody: Vec::new(),
        }
    }

    /// Makes the domains, the people, and the policy of one domain.
    pub(super) async fn settle(&mut self, screen: &mut Screen) -> anyhow::Result<()> {
        screen.section("Virtual domains and their people");
        self.run(
            screen,
            &["domain", "add", "abc.test", "--admin", ADMINISTRATOR],
        )
        .await?;
        for domain in ["xyz.test", "idle.test"] {
            self.run(screen, &["domain", "add", domain]).await?;
        }
        self.run(
            screen,
            &["domain", "set", "abc.test", "people-may-file=true"],
        )
        .await?;
        for words in EVERYBODY {
            let mut line = vec!["user", "add"];
            line.extend_from_slice(words);
            let answer = self.run(screen, &line).await?;
            let password = answer.get("password").and_then(Value::as_str);
            self.everybody.push(Person {
                address: words.first().copied().unwrap_or_default().to_owned(),
                password: password.context("`user add` gave no password")?.to_owned(),
            });
        }
        let office = [
            "group",
            "add",
            "office@abc.test",
            "--shared",
            "office",
            "--member",
            "ann@abc.test",
            "--member",
            "bob@abc.test",
        ];
        self.run(screen, &office).await?;
        self.run(screen, &["domain", "set", "idle.test", "state=inactive"])
            .await?;
        let domains = self.ask(&["domain", "list"]).await?;
        let count = domains.as_array().map_or(0, Vec::len);
        let people = self.everybody.len();
        screen.check(
            count == 3 && people == EVERYBODY.len(),
            &format!(
                "{count} domains with {people} people; each got a password of its own, shown once"
            ),
            &domains.to_string(),
        );

        screen.section("A policy of its own for abc.test: a WebAssembly plugin");
        let bind = [
            "plugin",
            "bind",
            "abc.test",
            "domain-policy",
            "--config",
            POLICY,
        ];
        self.run(screen, &bind).await?;
        self.run(screen, &["plugin", "deploy", "abc.test"]).await?;
        let bound = self.ask(&["plugin", "list", "abc.test"]).await?;
        let others = self.ask(&["plugin", "list", "xyz.test"]).await?;
        let runs = |chain: &Value| chain["running"].to_string().contains("domain-policy@");
        screen.check(
            runs(&bound) && !runs(&others),
            "abc.test now asks the plugin about its mail from outside; xyz.test does not",
            &format!("{bound} {others}"),
        );
        Ok(())
    }

    /// Shows a command line and runs it.
    pub(super) async fn run(&self, screen: &Screen, words: &[&str]) -> anyhow::Result<Value> {
        screen.command(words);
        self.ask(words).await
    }

    /// Runs a command line: parsed as typed, sent to the admin socket.
    pub(super) async fn ask(&self, words: &[&str]) -> anyhow::Result<Value> {
        typed(&self.client, words).await
    }

    /// Signs the administrator of `abc.test` in, over HTTPS. The certificate is checked: it is
    /// the server's own, so it vouches for itself.
    pub(super) async fn sign_in_from_afar(
        &mut self,
        screen: &Screen,
        certificate: &Path,
    ) -> anyhow::Result<Value> {
        let url = format!("https://{}", self.ports.https);
        screen.line(&format!("export POSTROOM_SERVER={url}"));
        screen.line(&format!("export POSTROOM_AS={ADMINISTRATOR}"));
        screen.line(&format!("export POSTROOM_CAFILE={}", certificate.display()));
        screen.command(&["login"]);
        let remote = Remote {
            server: Some(url.clone()),
            login: Some(ADMINISTRATOR.to_owned()),
            cafile: Some(certificate.to_owned()),
            ..Remote::default()
        };
        let client = Client::remote(cli::remote::Server::new(&url, &remote)?, remote);
        let password = Secret::new(self.person(ADMINISTRATOR)?.password.clone());
        let (answer, token) = cli::remote::sign_in(&client, ADMINISTRATOR, &password).await?;
        self.afar = Some(client.with_token(token));
        Ok(answer)
    }

    /// Shows a command line of the administrator and runs it, over HTTPS.
    pub(super) async fn run_from_afar(
        &self,
        screen: &Screen,
        words: &[&str],
    ) -> anyhow::Result<Value> {
        screen.command(words);
        let client = self.afar.as_ref();
        typed(
            client.context("the administrator has not signed in")?,
            words,
        )
        .await
    }

    /// Everybody, in order.
    pub(super) fn everybody(&self) -> &[Person] {
        &self.everybody
    }

    fn person(&self, address: &str) -> anyhow::Result<&Person> {
        let found = self
            .everybody
            .iter()
            .find(|person| person.address == address);
        found.with_context(|| format!("nobody is called {address}"))
    }

    /// A stranger's server at port 25.
    pub(super) async fn stranger(&self) -> anyhow::Result<Smtp> {
        Smtp::open(self.ports.smtp).await
    }

    /// A person's mail program, to send.
    pub(super) async fn sender(&self, address: &str, begin: Begin) -> anyhow::Result<Smtp> {
        let person = self.person(address)?;
        let port = match begin {
            Begin::Tls => self.ports.submissions,
            Begin::Plain => self.ports.submission,
        };
        Smtp::sign_in(port, begin, &person.address, &person.password).await
    }

    /// A person's mail program, to read by IMAP.
    pub(super) async fn imap(&self, address: &str, begin: Begin) -> anyhow::Result<Imap> {
        let person = self.person(address)?;
        let port = match begin {
            Begin::Tls => self.ports.imaps,
            Begin::Plain => self.ports.imap,
        };
        Imap::sign_in(port, begin, &person.address, &person.password).await
    }

    /// A person's mail program, to read by POP3.
    pub(super) async fn pop3(&self, address: &str, begin: Begin) -> anyhow::Result<Pop3> {
        let person = self.person(address)?;
        let port = match begin {
            Begin::Tls => self.ports.pop3s,
            Begin::Plain => self.ports.pop3,
        };
        Pop3::sign_in(port, begin, &person.address, &person.password).await
    }
}

async fn typed(client: &Client, words: &[&str]) -> anyhow::Result<Value> {
    let line = || format!("postroom {}", words.join(" "));
    let typed = std::iter::once(&"postroom").chain(words);
    let arguments = Arguments::try_parse_from(typed).with_context(line)?;
    cli::ask(client, &arguments.command)
        .await
        .with_context(line)
}

/// The label in [`EVERYBODY`] is the one of the configuration.
const _: () = assert!(matches!(FILE_LABEL.as_bytes(), b"archive"));
