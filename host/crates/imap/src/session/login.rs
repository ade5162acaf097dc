//! LOGIN and AUTHENTICATE (RFC 3501 §6.2.2, §6.2.3).

use mail::words;
use sasl::{Credentials, Exchange, Mechanism, Progress, SaslError};

use super::dispatch::extensions;
use super::job::{Context, Finish, Next, Single};
use super::{Advance, ImapSession, Work};
use crate::ask::{Answer, Ask, LoginOutcome};
use crate::frame::Framed;

/// Awaits the client's answer to a challenge.
pub(super) struct ExpectResponse {
    tag: String,
    exchange: Exchange,
}

impl ImapSession {
    pub(super) fn login(&mut self, tag: String, login: String, password: String) -> Advance {
        if !self.encrypted {
            return self.finish(tag, Finish::word(&words::IMAP_PRIVACY_REQUIRED));
        }
        match Credentials::new(None, login, password) {
            Ok(credentials) => self.check(tag, credentials),
            // A name that nobody can have is refused in the words of any other.
            Err(_) => self.finish(tag, refused()),
        }
    }

    pub(super) fn authenticate(
        &mut self,
        tag: String,
        mechanism: &str,
        initial: Option<&[u8]>,
    ) -> Advance {
        if !self.encrypted {
            return self.finish(tag, Finish::word(&words::IMAP_PRIVACY_REQUIRED));
        }
        if Mechanism::parse(mechanism) != Some(Mechanism::Plain) {
            return self.finish(tag, Finish::word(&words::IMAP_MECHANISM_UNKNOWN));
        }
        let progress = Exchange::start(Mechanism::Plain, initial);
        self.exchanged(tag, progress)
    }

    pub(super) fn expect_response(&mut self, state: ExpectResponse) -> Advance {
        match self.framer.poll(self.frame_limits()) {
            Framed::NeedMore => self.wait(Work::ExpectResponse(state)),
            Framed::Command => {
                let line = self.framer.take();
                let progress = state.exchange.handle_line(&line);
                self.exchanged(state.tag, progress)
            }
            // Base64 has neither braces nor bare LF.
            Framed::Literal { .. } | Framed::TooLong | Framed::BareLineFeed => {
                self.out
                    .tagged(&state.tag, &words::IMAP_AUTH_MALFORMED.line());
                self.say_goodbye(&words::IMAP_CANNOT_GO_ON)
            }
        }
    }

    fn exchanged(&mut self, tag: String, progress: Result<Progress, SaslError>) -> Advance {
        match progress {
            Ok(Progress::Challenge { line, exchange }) => {
                self.out.line(&format!("+ {line}"));
                self.work = Work::ExpectResponse(ExpectResponse { tag, exchange });
                Advance::Again
            }
            Ok(Progress::Done(credentials)) => self.check(tag, credentials),
            Err(SaslError::Cancelled) => self.complete(&tag, &words::IMAP_AUTH_CANCELLED.line()),
            Err(SaslError::Empty) => self.finish(tag, refused()),
            Err(_) => self.complete(&tag, &words::IMAP_AUTH_MALFORMED.line()),
        }
    }

    fn check(&mut self, tag: String, credentials: Credentials) -> Advance {
        let ask = Ask::Authenticate(credentials);
        let job = Single::new(ask, |answer, context: &mut Context<'_>| match answer {
            Answer::Login(LoginOutcome::Accepted) => Finish::line(format!(
                "OK [CAPABILITY {}] {}",
                extensions(&context.config.limits),
                words::IMAP_SIGNED_IN.text()
            ))
            .then(Next::SignedIn),
            Answer::Login(LoginOutcome::Refused) => refused(),
            Answer::Login(LoginOutcome::Unavailable) => Finish::word(&words::IMAP_UNAVAILABLE),
            other => Finish::of_wrong_answer(&other, context.config),
        });
        self.start(tag, Box::new(job))
    }
}

/// The same words for every reason.
fn refused() -> Finish {
    Finish::word(&words::IMAP_AUTH_FAILED).then(Next::SignInFailed)
}
