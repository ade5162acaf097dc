//! The server side of an exchange, one state for each response that is awaited.

use crate::{Credentials, Mechanism, SaslError, decode, encode};

/// What the protocol does next.
#[derive(Debug)]
pub enum Progress {
    /// Send `line` as a challenge (already base64, empty for an empty challenge), then give the
    /// peer's next line to `exchange`.
    Challenge {
        /// Base64, without `334`, `+` or line ending.
        line: String,
        /// Awaits the answer.
        exchange: Exchange,
    },
    /// The exchange is complete; the host decides.
    Done(Credentials),
}

/// A running exchange.
#[derive(Debug)]
pub struct Exchange {
    state: State,
}

#[derive(Debug)]
enum State {
    PlainResponse(ExpectPlainResponse),
    LoginName(ExpectLoginName),
    LoginPassword(ExpectLoginPassword),
}

impl Exchange {
    /// Begins. `initial` is the initial response as it stood on the command line: base64, or
    /// `=` for an empty one (RFC 4954 §4, RFC 4959 §3, RFC 5034 §4), or `None`.
    ///
    /// # Errors
    /// Any [`SaslError`]; the exchange is over then.
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>) -> Result<Progress, SaslError> {
        let state = match mechanism {
            Mechanism::Plain => State::PlainResponse(ExpectPlainResponse),
            Mechanism::Login => State::LoginName(ExpectLoginName),
        };
        let exchange = Self { state };
        match initial {
            None => Ok(exchange.challenge()),
            Some(b"=") => exchange.handle_response(b""),
            Some(text) => exchange.handle_response(&decode(text)?),
        }
    }

    /// The peer's answer to a challenge: one line without its line ending.
    ///
    /// # Errors
    /// [`SaslError::Cancelled`] for `*`, else any [`SaslError`]; the exchange is over then.
    pub fn handle_line(self, line: &[u8]) -> Result<Progress, SaslError> {
        if line == b"*" {
            return Err(SaslError::Cancelled);
        }
        self.handle_response(&decode(line)?)
    }

    /// The peer's answer, decoded, for protocols that carry bytes.
    ///
    /// # Errors
    /// Any [`SaslError`]; the exchange is over then.
    pub fn handle_response(self, response: &[u8]) -> Result<Progress, SaslError> {
        match self.state {
            State::PlainResponse(state) => state.handle(response),
            State::LoginName(state) => state.handle(response),
            State::LoginPassword(state) => state.handle(response),
        }
    }

    fn challenge(self) -> Progress {
        let text: &[u8] = match self.state {
            State::PlainResponse(_) => b"",
            // The two prompts are fixed by what clients compare with.
            State::LoginName(_) => b"Username:",
            State::LoginPassword(_) => b"Password:",
        };
        Progress::Challenge {
            line: encode(text),
            exchange: self,
        }
    }
}

/// ```text
/// message = [authzid] UTF8NUL authcid UTF8NUL passwd     ; RFC 4616 §2
/// ```
#[derive(Debug)]
struct ExpectPlainResponse;

impl ExpectPlainResponse {
    fn handle(self, response: &[u8]) -> Result<Progress, SaslError> {
        let mut parts = utf8(response)?.split('\0');
        let (Some(authorization), Some(login), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SaslError::Malformed);
        };
        Credentials::new(
            Some(authorization.to_owned()),
            login.to_owned(),
            password.to_owned(),
        )
        .map(Progress::Done)
    }
}

#[derive(Debug)]
struct ExpectLoginName;

impl ExpectLoginName {
    fn handle(self, response: &[u8]) -> Result<Progress, SaslError> {
        let login = utf8(response)?.to_owned();
        if login.len() > crate::IDENTITY_BYTES {
            return Err(SaslError::TooLong);
        }
        let state = State::LoginPassword(ExpectLoginPassword { login });
        Ok(Exchange { state }.challenge())
    }
}

#[derive(Debug)]
struct ExpectLoginPassword {
    login: String,
}

impl ExpectLoginPassword {
    fn handle(self, response: &[u8]) -> Result<Progress, SaslError> {
        let password = utf8(response)?.to_owned();
        Credentials::new(None, self.login, password).map(Progress::Done)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, SaslError> {
    str::from_utf8(bytes).map_err(|_| SaslError::NotUtf8)
}
