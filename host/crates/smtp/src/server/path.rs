//! The paths of MAIL and RCPT (RFC 5321 §4.1.2).

use mail::words::{self, Word};
use mail::{ForwardPath, Mailbox, ReversePath};

use super::parameters::{self, MailParameters, RecipientParameters};

/// Reads what follows `MAIL FROM:`.
///
/// ```text
/// Reverse-path = Path / "<>"
/// ```
pub(super) fn parse_mail(text: &str) -> Result<(ReversePath, MailParameters), &'static Word> {
    let (inner, rest) = split(text).ok_or(&words::SENDER_SYNTAX)?;
    let path = match inner {
        "" => ReversePath::Null,
        inner => ReversePath::Mailbox(Mailbox::parse(inner).map_err(|_| &words::SENDER_SYNTAX)?),
    };
    let parameters = parameters::parse_mail(rest)?;
    // RFC 6531 §3.4: without the parameter the command is ASCII.
    if !text.is_ascii() && !parameters.utf8 {
        return Err(&words::UTF8_NEEDS_EXTENSION);
    }
    Ok((path, parameters))
}

/// Reads what follows `RCPT TO:`. `utf8` says whether MAIL had SMTPUTF8.
///
/// ```text
/// Forward-path = Path / "<Postmaster>"
/// ```
pub(super) fn parse_recipient(
    text: &str,
    utf8: bool,
) -> Result<(ForwardPath, RecipientParameters), &'static Word> {
    let (inner, rest) = split(text).ok_or(&words::RECIPIENT_SYNTAX)?;
    if !text.is_ascii() && !utf8 {
        return Err(&words::UTF8_NEEDS_EXTENSION);
    }
    let path = if inner.eq_ignore_ascii_case("postmaster") {
        ForwardPath::Postmaster
    } else {
        // Source routes are refused by `Mailbox::parse` (RFC 5321 §4.1.1.3, appendix C).
        ForwardPath::Mailbox(Mailbox::parse(inner).map_err(|_| &words::RECIPIENT_SYNTAX)?)
    };
    Ok((path, parameters::parse_recipient(rest)?))
}

/// What is in the angle brackets, and what follows behind a blank. A `>` inside quotes does not
/// end the path.
fn split(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?;
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (index, c) in inner.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => {
                let rest = &inner[index + 1..];
                let is_separate = rest.is_empty() || rest.starts_with(' ');
                return is_separate.then_some((&inner[..index], rest));
            }
            _ => {}
        }
    }
    None
}
