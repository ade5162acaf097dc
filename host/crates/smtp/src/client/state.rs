//! All states in one place.

use mail::{Outcome, Reply, words};

use super::link::Link;
use super::opening::{
    ExpectAuthReply, ExpectGreeting, ExpectHandshake, ExpectHelloReply, ExpectStartTlsReply,
};
use super::ready::{ExpectQuitReply, Ready};
use super::transaction::{ExpectBody, ExpectEndReply, ExpectEnvelopeReply};

/// Where a connection is.
///
/// ```text
///  Greeting ─> HelloReply ─> StartTlsReply ─> Handshake ─> HelloReply ─> AuthReply ─> Ready
///  Ready ─> EnvelopeReply* ─> Body ─> EndReply ─> Ready ─> QuitReply
/// ```
#[derive(Debug, Default)]
pub(super) enum State {
    Greeting(ExpectGreeting),
    HelloReply(ExpectHelloReply),
    StartTlsReply(ExpectStartTlsReply),
    Handshake(ExpectHandshake),
    AuthReply(ExpectAuthReply),
    Ready(Ready),
    EnvelopeReply(ExpectEnvelopeReply),
    Body(ExpectBody),
    EndReply(ExpectEndReply),
    QuitReply(ExpectQuitReply),
    #[default]
    Closed,
}

impl State {
    /// One reply. `has_more` says that bytes follow it.
    pub(super) fn handle_reply(self, reply: &Reply, has_more: bool, link: &mut Link) -> Self {
        match self {
            Self::Greeting(state) => state.handle_reply(reply, link),
            Self::HelloReply(state) => state.handle_reply(reply, link),
            Self::StartTlsReply(state) => state.handle_reply(reply, has_more, link),
            Self::AuthReply(state) => state.handle_reply(reply, link),
            Self::Ready(state) => state.handle_reply(reply, link),
            Self::EnvelopeReply(state) => state.handle_reply(reply, has_more, link),
            Self::Body(state) => state.handle_reply(reply, link),
            Self::EndReply(state) => state.handle_reply(reply, link),
            Self::QuitReply(state) => state.handle_reply(reply, link),
            state @ (Self::Handshake(_) | Self::Closed) => state,
        }
    }

    /// The connection ends here, for this reason.
    pub(super) fn give_up(self, outcome: &Outcome, link: &mut Link) -> Self {
        match self {
            Self::EnvelopeReply(state) => state.into_transaction().give_up(outcome, link),
            Self::Body(state) => state.into_transaction().give_up(outcome, link),
            Self::EndReply(state) => state.into_transaction().give_up(outcome, link),
            Self::Closed => Self::Closed,
            _ => link.close(outcome),
        }
    }

    /// The handshake failed, or must not begin.
    pub(super) fn fail_tls(self, detail: &str, link: &mut Link) -> Self {
        let outcome = link.outcome(&words::REMOTE_TLS_FAILED, &[("detail", detail)]);
        self.give_up(&outcome, link)
    }

    /// What is said of a connection that breaks now.
    pub(super) fn loss(&self, link: &Link) -> Outcome {
        match self {
            Self::EndReply(_) => link.outcome(&words::LOST_AFTER_DOT, &[]),
            state => link.outcome(&words::CONNECTION_LOST, &[("phase", state.phase())]),
        }
    }

    pub(super) fn phase(&self) -> &'static str {
        match self {
            Self::Greeting(_) => "the greeting",
            Self::HelloReply(_) => "EHLO",
            Self::StartTlsReply(_) => "STARTTLS",
            Self::Handshake(_) => "the TLS handshake",
            Self::AuthReply(_) => "AUTH",
            Self::EnvelopeReply(state) => state.phase(),
            Self::Body(_) => "the text of the message",
            Self::EndReply(_) => "the end of the message",
            Self::Ready(_) | Self::QuitReply(_) | Self::Closed => "the end of the session",
        }
    }

    pub(super) const fn is_handshake(&self) -> bool {
        matches!(self, Self::Handshake(_))
    }
}
