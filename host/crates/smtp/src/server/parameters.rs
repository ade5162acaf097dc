//! The parameters of MAIL and RCPT.

use mail::words::{self, Word};
use mail::{Body, Mailbox, ReversePath};

/// What a report shall bring back (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// The whole message.
    Full,
    /// The header section.
    Headers,
}

/// When a report is wanted (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// Never.
    Never,
    /// In these cases.
    On {
        /// Delivered.
        success: bool,
        /// Failed for good.
        failure: bool,
        /// Late.
        delay: bool,
    },
}

/// The recipient as the sender first named it (RFC 3461 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// `rfc822`, `utf-8`, … in lower case.
    pub address_type: String,
    /// Decoded, except for `utf-8`, which is kept as it came (RFC 6533 §3).
    pub address: String,
}

/// The parameters of MAIL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailParameters {
    /// SIZE in bytes (RFC 1870).
    pub size: Option<u64>,
    /// BODY (RFC 6152).
    pub body: Body,
    /// SMTPUTF8 (RFC 6531 §3.4).
    pub utf8: bool,
    /// AUTH (RFC 4954 §5): what another server says of the sender. Not proof of anything.
    pub auth: Option<ReversePath>,
    /// RET.
    pub ret: Option<Return>,
    /// ENVID, decoded (RFC 3461 §4.4).
    pub envid: Option<String>,
}

/// The parameters of RCPT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecipientParameters {
    /// NOTIFY.
    pub notify: Option<Notify>,
    /// ORCPT.
    pub orcpt: Option<OriginalRecipient>,
}

/// Longest ENVID as it comes (RFC 3461 §4.4).
const ENVID: usize = 100;
/// Longest ORCPT as it comes (RFC 3461 §4.2).
const ORCPT: usize = 500;

/// Reads the parameters of MAIL.
pub(super) fn parse_mail(text: &str) -> Result<MailParameters, &'static Word> {
    let mut parameters = MailParameters::default();
    let mut seen = Vec::new();
    for (keyword, value) in split(text, &mut seen)? {
        match keyword.as_str() {
            "SIZE" => parameters.size = Some(size(value)?),
            "BODY" => parameters.body = body(value)?,
            "SMTPUTF8" => parameters.utf8 = absent(value)?,
            "AUTH" => parameters.auth = Some(auth(value)?),
            "RET" => parameters.ret = Some(ret(value)?),
            "ENVID" => parameters.envid = Some(envid(value)?),
            _ => return Err(&words::PARAMETER_UNKNOWN),
        }
    }
    Ok(parameters)
}

/// Reads the parameters of RCPT.
pub(super) fn parse_recipient(text: &str) -> Result<RecipientParameters, &'static Word> {
    let mut parameters = RecipientParameters::default();
    let mut seen = Vec::new();
    for (keyword, value) in split(text, &mut seen)? {
        match keyword.as_str() {
            "NOTIFY" => parameters.notify = Some(notify(value)?),
            "ORCPT" => parameters.orcpt = Some(orcpt(value)?),
            _ => return Err(&words::PARAMETER_UNKNOWN),
        }
    }
    Ok(parameters)
}

/// ```text
/// esmtp-param = esmtp-keyword ["=" esmtp-value]      ; RFC 5321 §4.1.2
/// ```
/// No keyword may come twice.
fn split<'a>(
    text: &'a str,
    seen: &mut Vec<String>,
) -> Result<Vec<(String, Option<&'a str>)>, &'static Word> {
    let mut parameters = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let keyword = keyword.to_ascii_uppercase();
        let is_keyword = !keyword.is_empty()
            && keyword
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_keyword || value == Some("") || seen.contains(&keyword) {
            return Err(&words::PARAMETER_SYNTAX);
        }
        seen.push(keyword.clone());
        parameters.push((keyword, value));
    }
    Ok(parameters)
}

fn present(value: Option<&str>) -> Result<&str, &'static Word> {
    value.ok_or(&words::PARAMETER_SYNTAX)
}

fn absent(value: Option<&str>) -> Result<bool, &'static Word> {
    if value.is_none() {
        Ok(true)
    } else {
        Err(&words::PARAMETER_SYNTAX)
    }
}

/// ```text
/// size-value = 1*20DIGIT      ; RFC 1870 §3
/// ```
fn size(value: Option<&str>) -> Result<u64, &'static Word> {
    let digits = present(value)?;
    if digits.len() > 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(&words::EIGHT_BIT_UNKNOWN_SIZE);
    }
    // Twenty digits can be more than 64 bits hold; that is too large for any limit.
    Ok(digits.parse().unwrap_or(u64::MAX))
}

fn body(value: Option<&str>) -> Result<Body, &'static Word> {
    match present(value)?.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(Body::SevenBit),
        "8BITMIME" => Ok(Body::EightBitMime),
        // BINARYMIME (RFC 3030 §3) is not announced: nothing behind us takes it.
        _ => Err(&words::PARAMETER_NOT_IMPLEMENTED),
    }
}

fn auth(value: Option<&str>) -> Result<ReversePath, &'static Word> {
    match present(value)? {
        "<>" => Ok(ReversePath::Null),
        value => {
            let address = xtext(value).ok_or(&words::PARAMETER_SYNTAX)?;
            let mailbox = Mailbox::parse(&address).map_err(|_| &words::PARAMETER_SYNTAX)?;
            Ok(ReversePath::Mailbox(mailbox))
        }
    }
}

fn ret(value: Option<&str>) -> Result<Return, &'static Word> {
    match present(value)?.to_ascii_uppercase().as_str() {
        "FULL" => Ok(Return::Full),
        "HDRS" => Ok(Return::Headers),
        _ => Err(&words::PARAMETER_SYNTAX),
    }
}

fn envid(value: Option<&str>) -> Result<String, &'static Word> {
    let value = present(value)?;
    let envid = xtext(value).filter(|envid| value.len() <= ENVID && envid.is_ascii());
    envid.ok_or(&words::PARAMETER_SYNTAX)
}

/// ```text
/// notify-esmtp-value = "NEVER" / 1#notify-list-element      ; RFC 3461 §4.1
/// ```
fn notify(value: Option<&str>) -> Result<Notify, &'static Word> {
    let value = present(value)?.to_ascii_uppercase();
    if value == "NEVER" {
        return Ok(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for element in value.split(',') {
        match element {
            "SUCCESS" => success = true,
            "FAILURE" => failure = true,
            "DELAY" => delay = true,
            _ => return Err(&words::PARAMETER_SYNTAX),
        }
    }
    Ok(Notify::On {
        success,
        failure,
        delay,
    })
}

/// ```text
/// original-recipient-address = addr-type ";" xtext      ; RFC 3461 §4.2
/// ```
fn orcpt(value: Option<&str>) -> Result<OriginalRecipient, &'static Word> {
    let value = present(value)?;
    let (address_type, address) = value.split_once(';').ok_or(&words::PARAMETER_SYNTAX)?;
    let is_type = !address_type.is_empty()
        && address_type
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_type || address.is_empty() || value.len() > ORCPT {
        return Err(&words::PARAMETER_SYNTAX);
    }
    let address_type = address_type.to_ascii_lowercase();
    let address = match address_type.as_str() {
        "utf-8" => address.to_owned(),
        _ => xtext(address).ok_or(&words::PARAMETER_SYNTAX)?,
    };
    Ok(OriginalRecipient {
        address_type,
        address,
    })
}

/// Decodes xtext (RFC 3461 §4). `None` if it is none, or if it hides control characters: what it
/// says ends up in reports.
///
/// ```text
/// xtext   = *( xchar / hexchar )
/// hexchar = "+" 2(%x30-39 / %x41-46)
/// ```
fn xtext(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => {
                let hex = [bytes.next()?, bytes.next()?].map(hex_digit);
                let [Some(high), Some(low)] = hex else {
                    return None;
                };
                decoded.push(high << 4 | low);
            }
            b'=' => return None,
            byte if byte.is_ascii_graphic() => decoded.push(byte),
            _ => return None,
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// Upper case only.
const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
