//! The client side: what to send for each challenge.
//!
//! ```text
//!   let (mut exchange, initial) = client::Exchange::start(mechanism, credentials);
//!   "AUTH <mechanism> <initial>"                    -> server
//!   while the server answers 334 <challenge>: exchange.handle_challenge() -> server
//! ```

use mail::Secret;

use crate::{Credentials, Mechanism, SaslError, encode};

/// A running exchange, as a client.
#[derive(Debug)]
pub struct Exchange {
    /// Responses still to send, the next one last.
    responses: Vec<Secret<String>>,
}

impl Exchange {
    /// Begins. The initial response, base64, goes on the command line of a protocol that has
    /// room for it; a protocol that has not sends it as the answer to the first challenge.
    pub fn start(mechanism: Mechanism, credentials: &Credentials) -> (Self, Secret<String>) {
        let password = credentials.password.expose_secret();
        match mechanism {
            Mechanism::Plain => {
                let authorization = credentials.authorization.as_deref().unwrap_or_default();
                let message = format!("{authorization}\0{}\0{password}", credentials.login);
                (
                    Self {
                        responses: Vec::new(),
                    },
                    secret(&message),
                )
            }
            Mechanism::Login => (
                Self {
                    responses: vec![secret(password)],
                },
                secret(&credentials.login),
            ),
        }
    }

    /// The next response, base64. The text of a challenge is never looked at: both mechanisms
    /// go by order, and servers word their prompts as they like.
    ///
    /// # Errors
    /// [`SaslError::UnexpectedChallenge`] if nothing is left to send; answer `*` then.
    pub fn handle_challenge(&mut self) -> Result<Secret<String>, SaslError> {
        self.responses.pop().ok_or(SaslError::UnexpectedChallenge)
    }
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(encode(text.as_bytes()))
}
