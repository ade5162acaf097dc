//! TLS is being set up.

use mail::Transport;

use super::{ExpectLogin, State};
use crate::connection::Connection;

/// After STLS. Whatever the peer said before is forgotten (RFC 2595 §4).
#[derive(Debug)]
pub(crate) struct ExpectHandshake;

impl ExpectHandshake {
    pub(crate) fn handle(self, transport: Transport, connection: &mut Connection) -> State {
        connection.transport = transport;
        connection.lines.clear();
        State::ExpectLogin(ExpectLogin)
    }
}
