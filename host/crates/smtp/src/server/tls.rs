//! STARTTLS (RFC 3207).

use mail::words;

use super::connection::Connection;
use super::hello::ExpectHello;
use super::sender::ExpectMail;
use super::state::State;

/// STARTTLS was sent.
pub(super) fn start(connection: &mut Connection) -> State {
    if connection.offers_starttls() {
        connection.say(&words::TLS_READY);
        connection.start_tls();
        return State::Handshake(ExpectHandshake);
    }
    let word = if connection.transport.encrypted {
        &words::TLS_ALREADY
    } else {
        &words::TLS_NOT_OFFERED
    };
    connection.refuse_command(word);
    State::Mail(ExpectMail)
}

/// The driver does the handshake.
#[derive(Debug)]
pub(super) struct ExpectHandshake;

impl ExpectHandshake {
    /// RFC 3207 §4.2: what was learned in plaintext is forgotten.
    pub(super) fn handle_encrypted(self, connection: &mut Connection) -> State {
        // Bytes that came in between were not encrypted.
        if !connection.input.is_empty() {
            connection.close();
            return State::Closed;
        }
        connection.is_authenticated = false;
        State::Hello(ExpectHello)
    }
}
