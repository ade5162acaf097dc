//! SMTP and submission: the session's questions, answered by the intake.

use std::collections::BTreeMap;
use std::sync::Arc;

use directory::Login;
use mail::trace::Hop;
use mail::{Body, Direction, Envelope, Mailbox, Reply, ReversePath, Service, Transport, words};
use net::{Connection, DriveOptions, Handler};
use routing::Sender;
use smtp::server::{Answer, Ask, Config, MailParameters, Mode as SessionMode, Server, Tls};
use store::{BodyRef, BodyWriter};

use super::{SignIn, SignedIn, Watchdog};
use crate::intake::{
    Fate, MessageContext, Mode, RecipientContext, Transaction, run_message, run_recipient,
};
use crate::site::{self, Site};

/// Serves one connection.
pub(super) async fn attend(
    site: Arc<Site>,
    service: Service,
    connection: Connection,
    drive: DriveOptions,
) {
    let mode = if service == Service::Mx {
        SessionMode::Mx
    } else {
        SessionMode::Submission
    };
    let tls = if service.is_implicit_tls() {
        Tls::Implicit
    } else {
        Tls::Available
    };
    let mut config = Config::new(site.hostname.clone(), mode, tls);
    config.limits = site.settings().config.limits.clone();
    let Connection {
        stream,
        transport,
        shutdown,
    } = connection;
    let mut session = Server::new(
        Arc::new(config),
        transport.clone(),
        std::time::Instant::now(),
    );
    let (watchdog, shutdown) = Watchdog::new(shutdown);
    let mut adapter = Adapter {
        site,
        service,
        transport: transport.clone(),
        helo: String::new(),
        hop: Hop::Smtp,
        login: None,
        open: None,
        watchdog,
    };
    net::drive(
        stream,
        transport,
        &mut session,
        &mut adapter,
        &drive,
        shutdown,
    )
    .await;
}

struct Adapter {
    site: Arc<Site>,
    service: Service,
    transport: Transport,
    helo: String,
    hop: Hop,
    login: Option<Box<Login>>,
    open: Option<Open>,
    watchdog: Watchdog,
}

/// A transaction with its body so far.
struct Open {
    transaction: Transaction,
    body: Option<BodyWriter>,
    /// The head of the message, as far as it came.
    failed: Option<store::Error>,
}

impl Handler<Server> for Adapter {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Connect { .. } | Ask::Quit => Answer::Accept,
            Ask::Hello {
                name,
                extended,
                transport,
            } => {
                self.helo = name;
                self.hop = if extended { Hop::Esmtp } else { Hop::Smtp };
                self.transport = transport;
                Answer::Accept
            }
            Ask::Authenticate { credentials, .. } => self.authenticate(&credentials).await,
            Ask::Mail {
                reverse_path,
                parameters,
            } => self.mail(reverse_path, parameters).await,
            Ask::Recipient { forward_path, .. } => self.recipient(forward_path).await,
            Ask::Data { .. } => self.data().await,
            Ask::EndOfData { is_eight_bit, .. } => self.end_of_data(is_eight_bit).await,
            Ask::Reset => {
                self.open = None;
                Answer::Accept
            }
        }
    }

    async fn body(&mut self, bytes: Vec<u8>) {
        let Some(open) = &mut self.open else { return };
        if open.failed.is_some() {
            return;
        }
        if let Some(writer) = &mut open.body
            && let Err(error) = writer.write(&bytes)
        {
            open.failed = Some(error);
            open.body = None;
        }
    }

    async fn discard_body(&mut self) {
        self.open = None;
    }

    fn transport_changed(&mut self, transport: &Transport) {
        self.transport = transport.clone();
        self.login = None;
        self.open = None;
    }
}

impl Adapter {
    async fn authenticate(&mut self, credentials: &sasl::Credentials) -> Answer {
        // RFC 4616 §2: acting for somebody else is not offered.
        if credentials
            .authorization
            .as_ref()
            .is_some_and(|other| *other != credentials.login)
        {
            return Answer::Reply(words::AUTH_FAILED.reply());
        }
        let sign_in = SignIn {
            service: self.service,
            login: &credentials.login,
            password: &credentials.password,
            transport: &self.transport,
        };
        match sign_in.run(&self.site).await {
            SignedIn::In(login) => {
                self.watchdog.guard(&self.site, &login);
                self.login = Some(login);
                Answer::Accept
            }
            SignedIn::Refused => Answer::Reply(words::AUTH_FAILED.reply()),
            SignedIn::Unavailable => Answer::Reply(words::AUTH_TEMPORARY.reply()),
        }
    }

    async fn mail(&mut self, reverse_path: ReversePath, parameters: MailParameters) -> Answer {
        self.open = None;
        if let Some(reply) = trouble(&|| self.site.store.space()).await {
            return Answer::Reply(reply);
        }
        let sender = match &self.login {
            Some(login) => {
                if let Some(reply) = foreign_sender(login, &reverse_path) {
                    return Answer::Reply(reply);
                }
                Sender::Authenticated(login.person.id)
            }
            None if self
                .site
                .settings()
                .trusted
                .iter()
                .any(|network| network.contains(self.transport.peer)) =>
            {
                Sender::Trusted
            }
            None => Sender::Stranger,
        };
        let submitter = self
            .login
            .as_ref()
            .map(|login| (login.tenant, login.person.mail.clone()));
        self.open = Some(Open {
            transaction: Transaction {
                declared_size: parameters.size,
                envelope: self.envelope(reverse_path, parameters),
                sender,
                hop: self.hop,
                submitter,
                mode: Mode::Real,
                recipients: Vec::new(),
                hooks: BTreeMap::new(),
                group: None,
            },
            body: None,
            failed: None,
        });
        Answer::Accept
    }

    fn envelope(&self, reverse_path: ReversePath, parameters: MailParameters) -> Envelope {
        Envelope {
            id: self.site.store.envelope_id(),
            reverse_path,
            direction: if self.login.is_some() {
                Direction::Submission
            } else {
                Direction::Inbound
            },
            authenticated: self.login.as_ref().map(|login| login.person.id),
            peer: Some(self.transport.peer),
            helo: self.helo.clone(),
            encrypted: self.transport.encrypted,
            received: site::now(),
            body: parameters.body,
            utf8: parameters.utf8,
            envid: parameters.envid,
        }
    }

    async fn recipient(&mut self, path: mail::ForwardPath) -> Answer {
        let Some(open) = &mut self.open else {
            return Answer::Reply(words::TEMPORARY_TROUBLE.reply());
        };
        let mut context = RecipientContext {
            site: &self.site,
            transaction: &mut open.transaction,
            path,
            routed: None,
            fate: Fate::default(),
            sentences: Vec::new(),
        };
        let (step, reply) = run_recipient(&mut context).await;
        if !reply.code().is_positive() {
            let domain = context.domain();
            self.site
                .metrics
                .refuse(domain.as_ref().map(|domain| &domain.name), step);
            tracing::info!(
                envelope = %open.transaction.envelope.id, step, reply = %reply, peer = %self.transport.peer,
                "recipient refused"
            );
        }
        Answer::Reply(reply)
    }

    async fn data(&mut self) -> Answer {
        let Some(open) = &mut self.open else {
            return Answer::Reply(words::TEMPORARY_TROUBLE.reply());
        };
        if let Some(reply) = trouble(&|| self.site.store.space()).await {
            return Answer::Reply(reply);
        }
        match self.site.store.begin_body() {
            Ok(body) => {
                open.body = Some(body);
                Answer::Accept
            }
            Err(error) => Answer::Reply(reply_to(&error)),
        }
    }

    async fn end_of_data(&mut self, is_eight_bit: bool) -> Answer {
        let Some(open) = self.open.take() else {
            return Answer::Reply(words::TEMPORARY_TROUBLE.reply());
        };
        if let Some(error) = open.failed {
            return Answer::Reply(reply_to(&error));
        }
        let Some(writer) = open.body else {
            return Answer::Reply(words::TEMPORARY_TROUBLE.reply());
        };
        let body = match finished(writer).await {
            Ok(body) => body,
            Err(reply) => return Answer::Reply(reply),
        };
        let mut transaction = open.transaction;
        if is_eight_bit {
            transaction.envelope.body = Body::EightBitMime;
        }
        let mut context = MessageContext {
            site: &self.site,
            transaction: &mut transaction,
            body,
            rulings: BTreeMap::new(),
            undeliverable: Vec::new(),
            message_id: None,
            sentences: Vec::new(),
        };
        let (step, reply) = run_message(&mut context).await;
        let domains: Vec<_> = transaction
            .recipients
            .iter()
            .filter_map(|taken| taken.domain.clone())
            .collect();
        if reply.code().is_positive() {
            let channel = self.service.name();
            for domain in &domains {
                self.site
                    .metrics
                    .accepted
                    .with_label_values(&[channel, domain.name.as_str()])
                    .inc();
            }
        } else {
            self.site
                .metrics
                .refuse(domains.first().map(|domain| &domain.name), step);
        }
        tracing::info!(envelope = %transaction.envelope.id, step, reply = %reply, "message answered");
        Answer::Reply(reply)
    }
}

/// Ends the body. A large one is synced: that may block, and is not for a worker of the runtime.
async fn finished(writer: BodyWriter) -> Result<BodyRef, Reply> {
    let finished = if writer.waits_for_disk() {
        tokio::task::spawn_blocking(move || writer.finish())
            .await
            .map_err(|_| words::TEMPORARY_TROUBLE.reply())?
    } else {
        writer.finish()
    };
    finished.map_err(|error| reply_to(&error))
}

/// RFC 6409 §6.1: a person sends from own addresses only. The null path is not a person's: it is
/// for reports.
fn foreign_sender(login: &Login, reverse_path: &ReversePath) -> Option<Reply> {
    let Some(mailbox) = reverse_path.mailbox() else {
        return Some(words::SENDER_NOT_OWN.reply_with(&[("address", "<>")]));
    };
    let own = |address: &Mailbox| {
        let names = std::iter::once(&login.domain.name).chain(&login.domain.aliases);
        address.localpart().key() == mailbox.localpart().key()
            && (address.domain() == mailbox.domain()
                || (*address.domain() == login.domain.name
                    && names.clone().any(|name| name == mailbox.domain())))
    };
    if login.person.addresses().any(own) {
        return None;
    }
    Some(words::SENDER_NOT_OWN.reply_with(&[("address", &mailbox.to_string())]))
}

/// Why no mail can be taken now, if so: checked before MAIL and DATA. A disk that stood still for a
/// moment is waited for: the peer waits better than it comes again.
async fn trouble(space: &(dyn Fn() -> store::Result<store::Space> + Sync)) -> Option<Reply> {
    let until = tokio::time::Instant::now() + mail::limits::STORE_PATIENCE;
    loop {
        match space() {
            Ok(space) if space.behind && space.latched.is_none() && space.has_room() => {
                if tokio::time::Instant::now() >= until {
                    return Some(words::STORE_BUSY.reply());
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            space => return trouble_of(space),
        }
    }
}

/// How often a store that is behind is looked at.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(50);

fn trouble_of(space: store::Result<store::Space>) -> Option<Reply> {
    match space {
        Err(error) => Some(reply_to(&error)),
        Ok(space) if space.latched.is_some() => Some(words::TEMPORARY_TROUBLE.reply()),
        Ok(space) if !space.has_room() => Some(words::DISK_RESERVE.reply()),
        Ok(_) => None,
    }
}

/// What a peer is told of the store's trouble.
pub(crate) fn reply_to(error: &store::Error) -> Reply {
    match error {
        store::Error::Full => words::DISK_RESERVE.reply(),
        store::Error::Busy => words::STORE_BUSY.reply(),
        store::Error::OverQuota(_) => words::OVER_QUOTA.reply_with(&[("address", "A recipient")]),
        _ => {
            tracing::error!(%error, "the store refuses");
            words::TEMPORARY_TROUBLE.reply()
        }
    }
}

#[cfg(test)]
mod tests;
