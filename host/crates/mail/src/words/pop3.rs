//! POP3 replies (RFC 1939, response codes of RFC 2449 §8 and RFC 3206).

use super::Codes;
use super::words;

const fn ok() -> Codes {
    Codes::Pop3("+OK", None)
}

const fn err(code: Option<&'static str>) -> Codes {
    Codes::Pop3("-ERR", code)
}

words! {
    POP3:
    POP3_GREETING = ok(), "{host} Postroom is ready",
        "The connection is open.", "-";
    POP3_USER_OK = ok(), "Now the password",
        "USER; said of every name.", "-";
    POP3_SIGNED_IN = ok(), "Signed in",
        "PASS or AUTH succeeded and the mailbox is locked for this session.", "-";
    POP3_TLS_READY = ok(), "Begin the TLS handshake",
        "STLS was accepted.", "-";
    POP3_CAPABILITIES = ok(), "The capabilities follow",
        "CAPA.", "-";
    POP3_STAT = ok(), "{count} {bytes}",
        "STAT: messages and bytes.", "-";
    POP3_LISTING = ok(), "{count} messages, {bytes} bytes",
        "LIST without an argument.", "-";
    POP3_SCAN_LINE = ok(), "{number} {value}",
        "LIST or UIDL with an argument.", "-";
    POP3_UNIQUE_IDS = ok(), "The unique ids follow",
        "UIDL without an argument.", "-";
    POP3_MESSAGE_FOLLOWS = ok(), "{bytes} bytes follow",
        "RETR.", "-";
    POP3_TOP_FOLLOWS = ok(), "The top of the message follows",
        "TOP.", "-";
    POP3_DELETED = ok(), "Message {number} is marked; QUIT deletes it",
        "DELE.", "-";
    POP3_RESET = ok(), "No message is marked any more",
        "RSET.", "-";
    POP3_NOOP = ok(), "Nothing done",
        "NOOP.", "-";
    POP3_BYE = ok(), "{host} closes the connection",
        "QUIT; marked messages are deleted.", "-";

    POP3_UNKNOWN_COMMAND = err(None), "This command is not known",
        "The first word of the line is no command.", "Look at the client.";
    POP3_SYNTAX = err(None), "The argument is not well formed",
        "A message number or a count is missing or no number.", "Look at the client.";
    POP3_WRONG_STATE = err(None), "Not in this state",
        "A command before or after sign-in that belongs to the other side of it, or PASS without USER.", "Look at the client.";
    POP3_NO_MESSAGE = err(None), "There is no such message",
        "A number out of range, or the message is marked for deletion.", "LIST shows the numbers.";
    POP3_LINE_TOO_LONG = err(None), "The line is too long",
        "A command line over 255 bytes.", "Look at the client.";
    POP3_AUTH_FAILED = err(Some("AUTH")), "User name or password is wrong, or signing in is not allowed here",
        "The login way refused; the log says at which step.", "`postroom explain --login USER` shows the step.";
    POP3_NEEDS_TLS = err(None), "Signing in needs TLS",
        "USER, PASS or AUTH on a plaintext connection.", "Switch TLS on in the client.";
    POP3_AUTH_CANCELLED = err(None), "Signing in was cancelled",
        "The client sent `*`.", "-";
    POP3_AUTH_MALFORMED = err(None), "The sign-in data is not well formed",
        "Not base64, or not what the mechanism sends.", "Look at the client.";
    POP3_MECHANISM_UNKNOWN = err(None), "This way of signing in is not offered",
        "AUTH with a mechanism that was not announced.", "Use what CAPA lists.";
    POP3_TLS_NOT_OFFERED = err(None), "TLS is not offered here",
        "STLS without a certificate, or on an encrypted connection.", "-";
    POP3_TEMPORARY = err(Some("SYS/TEMP")), "Not possible for the moment",
        "The directory or the store does not answer.", "Try again in a minute.";
    POP3_IN_USE = err(Some("IN-USE")), "Another POP3 session has this mailbox open",
        "One POP3 session at a time may have a mailbox (RFC 1939 §8).", "Close the other one.";
    POP3_LOGIN_FAILURES = err(Some("AUTH")), "Too many failed attempts to sign in",
        "3 failures on one connection; it is closed.", "Correct the password, then connect again.";
    POP3_NOT_DELETED = err(Some("SYS/TEMP")), "The marked messages were not deleted",
        "The store could not carry out QUIT; nothing was deleted.", "Try again.";
    POP3_TROUBLE = err(Some("SYS/TEMP")), "Something failed here; try again later",
        "An error of this server; the log has the cause.", "Look at the log of the server.";
    POP3_DAMAGED = err(Some("SYS/PERM")), "The message is damaged in the store",
        "Its checksum does not match.", "Look at the log of the server.";
    POP3_TOO_MANY_BAD = err(None), "Too many commands that were no commands",
        "20 wrong commands in one session; it is closed.", "Look at the client.";
    POP3_TOO_MANY_CONNECTIONS = err(Some("SYS/TEMP")), "Too many connections",
        "`limits.connections` or `limits.connections_per_address` reached.", "Close some.";
    POP3_REVOKED = err(Some("AUTH")), "Access to this account has ended",
        "Domain or person was put into a state that refuses sign-in, or the password was changed. Nothing was deleted.", "Ask the administrator of the domain.";
    POP3_SHUTTING_DOWN = err(Some("SYS/TEMP")), "The server is stopping",
        "The server is being stopped.", "Connect again in a minute.";
}
