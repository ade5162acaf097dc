//! Command lines (RFC 5321 §4.1.1).

use mail::words::{self, Word};

/// A command with its arguments still in text form, but for the envelope's paths, which
/// [`super::path`] and [`super::parameters`] read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// EHLO or HELO.
    Hello {
        name: &'a str,
        extended: bool,
    },
    /// What follows `MAIL FROM:`.
    Mail(&'a str),
    /// What follows `RCPT TO:`.
    Recipient(&'a str),
    Data,
    /// RFC 3030 §2.
    Chunk {
        size: u64,
        last: bool,
    },
    Reset,
    Noop,
    Quit,
    Verify,
    Help,
    StartTls,
    /// RFC 4954 §4.
    Auth {
        mechanism: &'a str,
        initial: Option<&'a [u8]>,
    },
}

/// Why a line is no command, and whether what follows it can still be one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotACommand {
    /// Answer this and go on.
    Refuse(&'static Word),
    /// Answer this and close.
    Close(&'static Word),
}

use NotACommand::{Close, Refuse};

/// Other protocols' first words (HTTP, RFC 9110 §9). Whoever made a client send them to this
/// port must not get it to send commands in the lines that follow.
const FOREIGN: &[&str] = &[
    "GET", "POST", "PUT", "HEAD", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI",
];

/// Longest name in EHLO and HELO in bytes.
const HELLO_NAME: usize = mail::limits::DOMAIN;

/// Reads a line without its CRLF.
pub(super) fn parse(line: &[u8]) -> Result<Command<'_>, NotACommand> {
    let is_chunk = is_chunk(line);
    parse_text(line).map_err(|word| {
        // Without the size of the chunk nobody knows where the next command begins.
        if is_chunk || is_foreign(line) {
            Close(word)
        } else {
            Refuse(word)
        }
    })
}

/// Does the line begin with BDAT, so that octets follow it?
pub(super) fn is_chunk(line: &[u8]) -> bool {
    line.get(..4)
        .is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
        && !line.get(4).is_some_and(u8::is_ascii_alphanumeric)
}

fn is_foreign(line: &[u8]) -> bool {
    let verb = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    FOREIGN
        .iter()
        .any(|foreign| verb.eq_ignore_ascii_case(foreign.as_bytes()))
}

fn parse_text(line: &[u8]) -> Result<Command<'_>, &'static Word> {
    let text = str::from_utf8(line).map_err(|_| &words::NUL_OR_CONTROL)?;
    if text.contains(char::is_control) {
        return Err(&words::NUL_OR_CONTROL);
    }
    // RFC 5321 §4.1.1: white space at the end is to be tolerated.
    let text = text.trim_end_matches(' ');
    let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
    let bare = |command| {
        if argument.is_empty() {
            Ok(command)
        } else {
            Err(&words::PARAMETER_SYNTAX)
        }
    };
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => hello(argument, true),
        "HELO" => hello(argument, false),
        "MAIL" => Ok(Command::Mail(
            strip_keyword(argument, "FROM:").ok_or(&words::SENDER_SYNTAX)?,
        )),
        "RCPT" => Ok(Command::Recipient(
            strip_keyword(argument, "TO:").ok_or(&words::RECIPIENT_SYNTAX)?,
        )),
        "DATA" => bare(Command::Data),
        "BDAT" => chunk(argument),
        "RSET" => bare(Command::Reset),
        "NOOP" => Ok(Command::Noop),
        "QUIT" => bare(Command::Quit),
        "VRFY" if argument.is_empty() => Err(&words::PARAMETER_SYNTAX),
        "VRFY" => Ok(Command::Verify),
        "HELP" => Ok(Command::Help),
        "STARTTLS" => bare(Command::StartTls),
        "AUTH" => auth(argument),
        "EXPN" | "TURN" | "ETRN" | "ATRN" | "SEND" | "SOML" | "SAML" => {
            Err(&words::NOT_IMPLEMENTED)
        }
        _ => Err(&words::UNKNOWN_COMMAND),
    }
}

/// `FROM:` or `TO:`, and blanks behind it: they are not in the grammar, but common.
fn strip_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let start = argument.get(..keyword.len())?;
    let rest = &argument[keyword.len()..];
    start
        .eq_ignore_ascii_case(keyword)
        .then(|| rest.trim_start_matches(' '))
}

/// One printable ASCII word. RFC 5321 §4.1.4 forbids to refuse a name for not being the peer's,
/// and many are no domains at all; what must not happen is that one forges a line in a trace
/// field or a log.
fn hello(name: &str, extended: bool) -> Result<Command<'_>, &'static Word> {
    let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word && name.len() <= HELLO_NAME {
        Ok(Command::Hello { name, extended })
    } else {
        Err(&words::HELO_SYNTAX)
    }
}

/// ```text
/// bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ]      ; RFC 3030 §2
/// ```
fn chunk(argument: &str) -> Result<Command<'_>, &'static Word> {
    let (size, marker) = argument.split_once(' ').unwrap_or((argument, ""));
    let is_number =
        !size.is_empty() && size.len() <= 20 && size.bytes().all(|byte| byte.is_ascii_digit());
    let last = match marker {
        "" => false,
        marker if marker.eq_ignore_ascii_case("LAST") => true,
        _ => return Err(&words::PARAMETER_SYNTAX),
    };
    if !is_number {
        return Err(&words::EIGHT_BIT_UNKNOWN_SIZE);
    }
    let size = size.parse().map_err(|_| &words::EIGHT_BIT_UNKNOWN_SIZE)?;
    Ok(Command::Chunk { size, last })
}

fn auth(argument: &str) -> Result<Command<'_>, &'static Word> {
    let mut parts = argument.split(' ');
    let mechanism = parts.next().filter(|name| !name.is_empty());
    let initial = parts.next().map(str::as_bytes);
    match (mechanism, parts.next()) {
        (Some(mechanism), None) => Ok(Command::Auth { mechanism, initial }),
        _ => Err(&words::PARAMETER_SYNTAX),
    }
}
