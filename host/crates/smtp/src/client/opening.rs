//! From the greeting to the first message: EHLO, STARTTLS, AUTH.

use mail::{Reply, words};
use sasl::{Mechanism, client::Exchange};

use super::link::Link;
use super::offers::Offers;
use super::ready::Ready;
use super::state::State;
use super::types::{Protocol, Step, TlsPolicy};

/// The server speaks first.
#[derive(Debug)]
pub(super) struct ExpectGreeting;

impl ExpectGreeting {
    pub(super) fn handle_reply(self, reply: &Reply, link: &mut Link) -> State {
        if reply.code().number() == 220 {
            return say_hello(Hello::Extended, link);
        }
        let outcome = if reply.code().is_permanent() {
            // RFC 5321 §3.1, RFC 7504: this host takes no mail. Another one may.
            link.outcome(&words::REMOTE_NO_SMTP, &[("reply", &reply.to_string())])
        } else {
            link.session_outcome(reply)
        };
        link.close(&outcome)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hello {
    /// EHLO, LHLO.
    Extended,
    /// HELO.
    Plain,
}

fn say_hello(hello: Hello, link: &mut Link) -> State {
    let verb = match (hello, link.config.protocol) {
        (Hello::Plain, _) => "HELO",
        (Hello::Extended, Protocol::Smtp) => "EHLO",
        (Hello::Extended, Protocol::Lmtp) => "LHLO",
    };
    let line = format!("{verb} {}", link.config.hostname);
    link.command(&line);
    link.wait_for_command();
    State::HelloReply(ExpectHelloReply { hello })
}

/// EHLO or HELO was sent.
#[derive(Debug)]
pub(super) struct ExpectHelloReply {
    hello: Hello,
}

impl ExpectHelloReply {
    pub(super) fn handle_reply(self, reply: &Reply, link: &mut Link) -> State {
        if reply.code().number() == 250 {
            link.offers = match self.hello {
                Hello::Extended => Offers::parse(reply),
                Hello::Plain => Offers::default(),
            };
            return encrypt(link);
        }
        // RFC 5321 §3.2: a server that does not know EHLO may know HELO.
        let may_fall_back = link.config.protocol == Protocol::Smtp && self.hello == Hello::Extended;
        if reply.code().is_permanent() && may_fall_back {
            return say_hello(Hello::Plain, link);
        }
        let outcome = link.session_outcome(reply);
        link.close(&outcome)
    }
}

/// STARTTLS, where it is wanted and offered.
fn encrypt(link: &mut Link) -> State {
    if link.is_encrypted || link.config.tls == TlsPolicy::Never {
        return authenticate(link);
    }
    if link.offers.starttls {
        link.command("STARTTLS");
        link.wait_for_command();
        return State::StartTlsReply(ExpectStartTlsReply);
    }
    go_on_in_plaintext("STARTTLS is not offered", link)
}

fn go_on_in_plaintext(detail: &str, link: &mut Link) -> State {
    if link.config.tls == TlsPolicy::Required {
        let outcome = link.outcome(&words::REMOTE_TLS_FAILED, &[("detail", detail)]);
        return link.close(&outcome);
    }
    authenticate(link)
}

/// STARTTLS was sent.
#[derive(Debug)]
pub(super) struct ExpectStartTlsReply;

impl ExpectStartTlsReply {
    /// `has_more` says that bytes follow the reply.
    pub(super) fn handle_reply(self, reply: &Reply, has_more: bool, link: &mut Link) -> State {
        match reply.code().number() {
            // Sent in plaintext, so anybody may have put them there (RFC 3207 §6).
            220 if has_more => State::Handshake(ExpectHandshake).fail_tls(LEFTOVER, link),
            220 => {
                link.push(Step::StartTls);
                State::Handshake(ExpectHandshake)
            }
            421 => {
                let outcome = link.session_outcome(reply);
                link.close(&outcome)
            }
            _ => go_on_in_plaintext(&reply.to_string(), link),
        }
    }
}

/// What is said of bytes that came before the handshake ended.
pub(super) const LEFTOVER: &str = "bytes came before the handshake ended";

/// The driver does the handshake.
#[derive(Debug)]
pub(super) struct ExpectHandshake;

impl ExpectHandshake {
    /// RFC 3207 §4.2: what the server offered in plaintext is forgotten.
    pub(super) fn handle_encrypted(self, link: &mut Link) -> State {
        link.is_encrypted = true;
        link.offers = Offers::default();
        say_hello(Hello::Extended, link)
    }
}

/// AUTH, where there is something to log in with.
fn authenticate(link: &mut Link) -> State {
    let Some(credentials) = link.config.credentials.clone() else {
        return Ready::first(link);
    };
    if !link.is_encrypted && !link.config.plaintext_login {
        return fail_auth("the connection is not encrypted", link);
    }
    let Some(mechanism) = link.offers.mechanism() else {
        return fail_auth("neither PLAIN nor LOGIN is offered", link);
    };
    let (exchange, initial) = Exchange::start(mechanism, &credentials);
    // Servers that take LOGIN seldom take an initial response with it.
    let held = match mechanism {
        Mechanism::Plain => {
            link.command(&format!("AUTH PLAIN {}", initial.expose_secret()));
            None
        }
        Mechanism::Login => {
            link.command("AUTH LOGIN");
            Some(initial)
        }
    };
    link.wait_for_command();
    State::AuthReply(ExpectAuthReply { exchange, held })
}

/// Our login is our configuration: the message is not to blame and waits.
fn fail_auth(detail: &str, link: &mut Link) -> State {
    let outcome = link.outcome(&words::REMOTE_AUTH_FAILED, &[("detail", detail)]);
    link.close(&outcome)
}

/// AUTH or a response was sent.
#[derive(Debug)]
pub(super) struct ExpectAuthReply {
    exchange: Exchange,
    /// The initial response, to be sent on the first challenge.
    held: Option<mail::Secret<String>>,
}

impl ExpectAuthReply {
    pub(super) fn handle_reply(mut self, reply: &Reply, link: &mut Link) -> State {
        match reply.code().number() {
            235 => {
                link.is_authenticated = true;
                Ready::first(link)
            }
            334 => {
                let held = self.held.take().map(Ok);
                let Ok(response) = held.unwrap_or_else(|| self.exchange.handle_challenge()) else {
                    return fail_auth("another challenge came", link);
                };
                link.command(response.expose_secret());
                link.wait_for_command();
                State::AuthReply(self)
            }
            _ => fail_auth(&reply.to_string(), link),
        }
    }
}
