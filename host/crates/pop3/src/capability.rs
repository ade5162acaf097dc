//! CAPA.

use crate::config::Tls;
use crate::connection::Connection;

/// The capabilities, one a line (RFC 2449 §6). What holds before sign-in is told after it too
/// (RFC 2449 §5). Nothing tells which version runs.
pub(crate) fn capabilities(connection: &Connection) -> Vec<&'static str> {
    let mut list = vec![
        "TOP",
        "UIDL",
        "RESP-CODES",
        "AUTH-RESP-CODE",
        "PIPELINING",
        "EXPIRE NEVER",
    ];
    if connection.transport.encrypted {
        list.extend(["USER", "SASL PLAIN"]);
    } else if connection.config.tls == Tls::Available {
        list.push("STLS");
    }
    list.push("IMPLEMENTATION Postroom");
    list
}
