//! `postroom sendmail`: hands in a message as programs have done it since the first `sendmail`.
//!
//! Exit codes are those of `sysexits.h`, which callers know: 0 taken, 64 usage, 65 bad data, 67 no
//! such user, 69 refused, 75 try again later, 77 not allowed.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::{Config, Sendmail};
use crate::local_users;

use super::client::{Client, NoServer, Refused, segment};

const USAGE: u8 = 64;
const DATA: u8 = 65;
const NO_USER: u8 = 67;
const UNAVAILABLE: u8 = 69;
const TEMPORARY: u8 = 75;
const NO_PERMISSION: u8 = 77;

/// What the options say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// `-t`
    from_header: bool,
    /// `-i`, `-oi`: a line with one dot is text.
    ignores_dots: bool,
    /// `-f`, `-r`
    from: Option<String>,
    /// `-F`
    name: String,
    recipients: Vec<String>,
}

/// Reads the options and standard input, and hands the message to the server.
pub(super) async fn run(client: &Client, arguments: &[OsString]) -> ExitCode {
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(problem) => return fail(USAGE, &problem),
    };
    let mut message = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut message) {
        return fail(
            TEMPORARY,
            &format!("standard input cannot be read: {error}"),
        );
    }
    if !options.ignores_dots {
        message = up_to_dot(message);
    }
    let from = options.from.clone().unwrap_or_else(user_name);
    let path = format!(
        "/v1/messages?from={}&name={}&to={}&from_header={}",
        segment(&from),
        segment(&options.name),
        segment(&options.recipients.join("\n")),
        options.from_header
    );
    match client.upload(&path, message).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(exit_code(&error), &format!("{error:#}")),
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    match error
        .downcast_ref::<Refused>()
        .map(|refused| refused.status)
    {
        Some(400) => DATA,
        Some(401 | 403) => NO_PERMISSION,
        Some(404) => NO_USER,
        Some(408 | 429 | 500..) => TEMPORARY,
        Some(_) => UNAVAILABLE,
        None if is_forbidden(error) => NO_PERMISSION,
        // Nobody answers: the message is still with the caller, who may try again.
        None => TEMPORARY,
    }
}

/// The socket is there and not for us.
fn is_forbidden(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<NoServer>())
        .any(NoServer::is_forbidden)
}

fn fail(code: u8, problem: &str) -> ExitCode {
    eprintln!("sendmail: {problem}");
    ExitCode::from(code)
}

fn parse(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments.iter().map(|argument| {
        let text = argument.to_str();
        text.ok_or_else(|| format!("'{}' is not UTF-8", argument.display()))
    });
    while let Some(argument) = arguments.next() {
        let argument = argument?;
        if argument == "--" {
            for recipient in arguments {
                options.recipients.push(recipient?.to_owned());
            }
            break;
        }
        let Some(letters) = argument.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            options.recipients.push(argument.to_owned());
            continue;
        };
        let (letter, rest) = letters.split_at(letters.chars().next().map_or(0, char::len_utf8));
        // The value stands behind the letter or in the next argument.
        let mut value = || match rest {
            "" => arguments
                .next()
                .unwrap_or_else(|| Err(format!("-{letter} needs a value"))),
            rest => Ok(rest),
        };
        match letter {
            "f" | "r" => options.from = Some(value()?.to_owned()),
            "F" => value()?.clone_into(&mut options.name),
            // Of no meaning here, but with a value.
            "B" | "N" | "R" | "V" | "O" | "X" | "h" | "L" | "C" => {
                value()?;
            }
            "o" if rest == "i" => options.ignores_dots = true,
            // Other settings (-odb, -oem, -om …) are for another program's queue.
            "o" => {}
            "b" if rest == "m" => {}
            "b" => {
                return Err(format!(
                    "-{letters} is not done here: this command only hands in a message; `postroom queue list` shows the queue, `postroom serve` is the server"
                ));
            }
            "t" | "i" | "v" | "m" | "n" | "e" | "U" | "G" => flags(letters, &mut options)?,
            _ => return Err(unknown(argument)),
        }
    }
    Ok(options)
}

/// Options without values may stand together: `-ti`.
fn flags(letters: &str, options: &mut Options) -> Result<(), String> {
    for letter in letters.chars() {
        match letter {
            't' => options.from_header = true,
            'i' => options.ignores_dots = true,
            'v' | 'm' | 'n' | 'U' | 'G' => {}
            // -em, -ep, -eq: how errors are told; here always by exit code and standard error.
            'e' => return Ok(()),
            _ => return Err(unknown(&format!("-{letters}"))),
        }
    }
    Ok(())
}

fn unknown(argument: &str) -> String {
    format!("unknown option {argument}: `postroom sendmail --help` shows those that are known")
}

/// The text before a line that has only a dot.
fn up_to_dot(message: Vec<u8>) -> Vec<u8> {
    let mut end = 0;
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        if matches!(line, b"." | b".\n" | b".\r\n") {
            return message[..end].to_vec();
        }
        end += line.len();
    }
    message
}

/// The login name of who runs this.
fn user_name() -> String {
    local_users::name_of(rustix::process::getuid().as_raw())
}

/// The socket that this user can hand in mail by: that for everybody, where there is one, else the
/// operator's.
pub(super) fn socket(config: anyhow::Result<Config>) -> PathBuf {
    let (for_all, admin) = match &config {
        Ok(config) => (config.sendmail.socket.clone(), config.admin_socket()),
        // Not everybody may read the configuration.
        Err(_) => (None, Config::default().admin_socket()),
    };
    let for_all = for_all.unwrap_or_else(|| PathBuf::from(Sendmail::SOCKET));
    // The operator's has no rules about senders.
    if is_usable(&admin) || !for_all.exists() {
        return admin;
    }
    for_all
}

fn is_usable(socket: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(socket, Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Options, parse, up_to_dot};

    fn parsed(arguments: &[&str]) -> Result<Options, String> {
        let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
        parse(&arguments)
    }

    #[test]
    fn options_are_those_that_programs_use() {
        let expected = Options {
            from_header: true,
            ignores_dots: true,
            from: Some("a@abc.test".to_owned()),
            name: "Ann".to_owned(),
            recipients: vec!["b@x.test".to_owned(), "-c@x.test".to_owned()],
        };
        for arguments in [
            &[
                "-t",
                "-i",
                "-f",
                "a@abc.test",
                "-F",
                "Ann",
                "b@x.test",
                "--",
                "-c@x.test",
            ][..],
            &[
                "-ti",
                "-fa@abc.test",
                "-FAnn",
                "-bm",
                "b@x.test",
                "--",
                "-c@x.test",
            ],
            &[
                "-oi",
                "-odb",
                "-oem",
                "-t",
                "-r",
                "a@abc.test",
                "-F",
                "Ann",
                "-N",
                "never",
                "b@x.test",
                "--",
                "-c@x.test",
            ],
        ] {
            assert_eq!(
                parsed(arguments),
                Ok(expected_copy(&expected)),
                "{arguments:?}"
            );
        }
    }

    fn expected_copy(options: &Options) -> Options {
        Options {
            from: options.from.clone(),
            name: options.name.clone(),
            recipients: options.recipients.clone(),
            ..*options
        }
    }

    #[test]
    fn what_is_not_known_is_said() {
        for (arguments, part) in [
            (&["-f"][..], "-f needs a value"),
            (&["-bs"], "-bs is not done here"),
            (&["-q"], "unknown option -q"),
            (&["-tq"], "unknown option -tq"),
        ] {
            let error = parsed(arguments).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_lone_dot_ends_the_message() {
        for (text, kept) in [
            ("a\n.\nb\n", "a\n"),
            ("a\r\n.\r\nb", "a\r\n"),
            ("a\n..\n.b\n", "a\n..\n.b\n"),
            (".", ""),
        ] {
            assert_eq!(up_to_dot(text.into()), kept.as_bytes(), "{text:?}");
        }
    }
}
