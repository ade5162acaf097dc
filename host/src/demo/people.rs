//! The domains and people of the demo, made by command lines.

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::Value;

use super::screen::Screen;
use super::stage::{FILE_LABEL, Ports};
use super::wire::{Begin, Imap, Pop3, Smtp};
use crate::cli::client::Client;
use crate::cli::{self, Arguments};

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
    &["zoe@xyz.test"],
    &["tom@xyz.test"],
    &["old@idle.test"],
];

/// A person.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) address: String,
    pub(super) password: String,
}

/// Who there is, and the ways to the server.
pub(super) struct People {
    client: Client,
    pub(super) ports: Ports,
    everybody: Vec<Person>,
}

impl People {
    /// Nobody yet.
    pub(super) const fn new(client: Client, ports: Ports) -> Self {
        Self {
            client,
            ports,
            everybody: Vec::new(),
        }
    }

    /// Makes the domains, the people, and the policy of one domain.
    pub(super) async fn settle(&mut self, screen: &mut Screen) -> anyhow::Result<()> {
        screen.section("Virtual domains and their people");
        for domain in ["abc.test", "xyz.test", "idle.test"] {
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
        let line = || format!("postroom {}", words.join(" "));
        let typed = std::iter::once(&"postroom").chain(words);
        let arguments = Arguments::try_parse_from(typed).with_context(line)?;
        cli::ask(&self.client, &arguments.command)
            .await
            .with_context(line)
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

/// The label in [`EVERYBODY`] is the one of the configuration.
const _: () = assert!(matches!(FILE_LABEL.as_bytes(), b"archive"));
