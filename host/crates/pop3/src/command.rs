//! One line, understood.

use crate::maildrop::Number;

/// A command (RFC 1939 §5 to §7, RFC 2449 §5, RFC 2595 §4, RFC 5034 §4). Keywords are without
/// case.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Capa,
    Stls,
    User {
        name: String,
    },
    Pass {
        password: String,
    },
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
    Stat,
    List {
        number: Option<Number>,
    },
    Uidl {
        number: Option<Number>,
    },
    Retr {
        number: Number,
    },
    Top {
        number: Number,
        lines: u64,
    },
    Dele {
        number: Number,
    },
    Noop,
    Rset,
    Quit,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    Unknown,
    Syntax,
}

impl Command {
    /// ```text
    /// command = keyword *(SP arg) CRLF     ; RFC 2449 §4
    /// ```
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Mistake> {
        let (keyword, rest) = match line.iter().position(|&byte| byte == b' ') {
            Some(space) => (&line[..space], Some(&line[space + 1..])),
            None => (line, None),
        };
        let keyword = keyword.to_ascii_uppercase();
        match &keyword[..] {
            b"CAPA" => nothing(rest, Self::Capa),
            b"STLS" => nothing(rest, Self::Stls),
            // Names and passwords may hold spaces: all of the rest belongs to them.
            b"USER" => Ok(Self::User { name: text(rest)? }),
            b"PASS" => Ok(Self::Pass {
                password: text(rest)?,
            }),
            b"AUTH" => auth(&text(rest)?),
            b"STAT" => nothing(rest, Self::Stat),
            b"LIST" => Ok(Self::List {
                number: optional(rest)?,
            }),
            b"UIDL" => Ok(Self::Uidl {
                number: optional(rest)?,
            }),
            b"RETR" => Ok(Self::Retr {
                number: optional(rest)?.ok_or(Mistake::Syntax)?,
            }),
            b"TOP" => top(&text(rest)?),
            b"DELE" => Ok(Self::Dele {
                number: optional(rest)?.ok_or(Mistake::Syntax)?,
            }),
            b"NOOP" => nothing(rest, Self::Noop),
            b"RSET" => nothing(rest, Self::Rset),
            b"QUIT" => nothing(rest, Self::Quit),
            _ => Err(Mistake::Unknown),
        }
    }
}

fn nothing(rest: Option<&[u8]>, command: Command) -> Result<Command, Mistake> {
    // Trailing spaces are common enough to be let pass.
    let empty = rest.is_none_or(|rest| rest.iter().all(|&byte| byte == b' '));
    if empty {
        Ok(command)
    } else {
        Err(Mistake::Syntax)
    }
}

fn text(rest: Option<&[u8]>) -> Result<String, Mistake> {
    let text = str::from_utf8(rest.unwrap_or_default()).map_err(|_| Mistake::Syntax)?;
    if text.is_empty() {
        Err(Mistake::Syntax)
    } else {
        Ok(text.to_owned())
    }
}

fn optional(rest: Option<&[u8]>) -> Result<Option<Number>, Mistake> {
    let text = str::from_utf8(rest.unwrap_or_default()).map_err(|_| Mistake::Syntax)?;
    let text = text.trim_matches(' ');
    if text.is_empty() {
        Ok(None)
    } else {
        number(text).map(Some)
    }
}

fn top(rest: &str) -> Result<Command, Mistake> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let (Some(first), Some(second), None) = (words.next(), words.next(), words.next()) else {
        return Err(Mistake::Syntax);
    };
    Ok(Command::Top {
        number: number(first)?,
        lines: digits(second)?,
    })
}

fn auth(rest: &str) -> Result<Command, Mistake> {
    let mut words = rest
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned);
    let mechanism = words.next().ok_or(Mistake::Syntax)?;
    let initial = words.next();
    if words.next().is_some() {
        Err(Mistake::Syntax)
    } else {
        Ok(Command::Auth { mechanism, initial })
    }
}

fn number(text: &str) -> Result<Number, Mistake> {
    let number = usize::try_from(digits(text)?).map_err(|_| Mistake::Syntax)?;
    Ok(Number(number))
}

/// Digits only: `+1` is a number to Rust but not to POP3.
fn digits(text: &str) -> Result<u64, Mistake> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Mistake::Syntax);
    }
    text.parse().map_err(|_| Mistake::Syntax)
}
