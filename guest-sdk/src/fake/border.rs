//! The fake host's side of the border, of the same shapes as the generated one.

use std::cell::RefCell;

use super::message;
use super::state::{Effect, with_host};
use crate::log::Level;
use crate::program::Ended;

pub(crate) type Context<'call> = &'call Here;
pub(crate) type Message<'call> = &'call Here;
pub(crate) use super::message::Part;

/// Stands for a handle: the state is the thread's.
#[derive(Debug)]
pub(crate) struct Here;

pub(super) const CONTEXT: Context<'_> = &Here;
pub(super) const MESSAGE: Message<'_> = &Here;

/// Bytes that one `raw` returns at most.
const RAW_PIECE: usize = 1024 * 1024;
/// Bytes of notes a plugin and message.
const NOTES: usize = 4096;
/// Longest header value in bytes.
const HEADER_VALUE: usize = 10_000;
/// Longest kv key in bytes.
const KV_KEY: usize = 256;
/// Longest kv value in bytes.
const KV_VALUE: usize = 64 * 1024;
/// Longest body of a draft in bytes.
const DRAFT_TEXT: usize = 256 * 1024;
/// Most bytes that a call may append to a file.
const FILE_BYTES: usize = 1024 * 1024;

pub(crate) fn context_all(_: Context<'_>, key: &str) -> Vec<String> {
    with_host(|host| {
        host.facts
            .iter()
            .filter(|(known, _)| known == key)
            .map(|(_, value)| value.clone())
            .collect()
    })
}

pub(crate) fn context_settings(_: Context<'_>, name: &str) -> Vec<String> {
    with_host(|host| {
        let settings = host
            .settings
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        settings.map(|(_, value)| value.clone()).collect()
    })
}

pub(crate) fn context_remember(_: Context<'_>, name: &str, value: &str) {
    with_host(|host| {
        host.notes.insert(name.to_owned(), value.to_owned());
        let size: usize = host
            .notes
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        assert!(
            size <= NOTES,
            "a plugin may leave {NOTES} bytes of notes on a message"
        );
    });
}

pub(crate) fn context_recall(_: Context<'_>, name: &str) -> Option<String> {
    with_host(|host| host.notes.get(name).cloned())
}

pub(crate) fn message_size(_: Message<'_>) -> u64 {
    with_host(|host| host.message.len() as u64)
}

pub(crate) fn message_header(message: Message<'_>, name: &str) -> Option<String> {
    message_headers(message, name).into_iter().next()
}

pub(crate) fn message_headers(_: Message<'_>, name: &str) -> Vec<String> {
    with_host(|host| message::texts(&host.message, name))
}

pub(crate) fn message_raw_headers(_: Message<'_>) -> Vec<(String, Vec<u8>)> {
    with_host(|host| message::fields(&host.message))
}

pub(crate) fn message_raw(_: Message<'_>, offset: u64, length: u32) -> Vec<u8> {
    with_host(|host| {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(host.message.len());
        let length = (length as usize)
            .min(RAW_PIECE)
            .min(host.message.len() - start);
        host.message[start..start + length].to_vec()
    })
}

pub(crate) fn message_parts(_: Message<'_>) -> Vec<Part> {
    with_host(|host| message::parts(&host.message))
}

pub(crate) fn message_auth_results(_: Message<'_>) -> Vec<String> {
    with_host(|host| host.auth_results.clone())
}

pub(crate) fn prepend_header(_: Message<'_>, name: &str, value: &str) -> Result<(), String> {
    check_edit(name, value)?;
    effect(Effect::Prepended {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

pub(crate) fn append_header(_: Message<'_>, name: &str, value: &str) -> Result<(), String> {
    check_edit(name, value)?;
    effect(Effect::AppendedHeader {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

pub(crate) fn replace_header(_: Message<'_>, name: &str, value: &str) -> Result<(), String> {
    check_edit(name, value)?;
    effect(Effect::Replaced {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

pub(crate) fn remove_header(_: Message<'_>, name: &str) -> Result<(), String> {
    check_edit(name, "")?;
    effect(Effect::Removed {
        name: name.to_owned(),
    })
}

pub(crate) fn clock_now() -> u64 {
    with_host(|host| host.now_ms)
}

pub(crate) fn config_get(key: &str) -> Option<String> {
    with_host(|host| {
        host.config
            .get(key)
            .filter(|value| !value.is_null())
            .map(as_text)
    })
}

pub(crate) fn config_all(key: &str) -> Vec<String> {
    with_host(|host| match host.config.get(key) {
        None | Some(serde_json::Value::Null) => Vec::new(),
        Some(serde_json::Value::Array(items)) => items.iter().map(as_text).collect(),
        Some(value) => vec![as_text(value)],
    })
}

pub(crate) fn config_json() -> String {
    with_host(|host| serde_json::Value::Object(host.config.clone()).to_string())
}

pub(crate) fn log_write(level: Level, text: &str) {
    with_host(|host| host.lines.push((level, text.to_owned())));
}

pub(crate) fn kv_get(key: &str) -> Option<Vec<u8>> {
    with_host(|host| host.kv_value(key).map(<[u8]>::to_vec))
}

pub(crate) fn kv_set(key: &str, value: &[u8], ttl_seconds: Option<u64>) {
    assert!(
        (1..=KV_KEY).contains(&key.len()),
        "a kv key has 1 to {KV_KEY} bytes"
    );
    assert!(
        value.len() <= KV_VALUE,
        "a kv value has at most {KV_VALUE} bytes"
    );
    with_host(|host| {
        let ends_ms =
            ttl_seconds.map(|seconds| host.now_ms.saturating_add(seconds.saturating_mul(1000)));
        host.kv.insert(key.to_owned(), (value.to_vec(), ends_ms));
    });
}

pub(crate) fn kv_compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl_seconds: Option<u64>,
) -> bool {
    let holds = with_host(|host| host.kv_value(key) == expected);
    if holds {
        kv_set(key, value, ttl_seconds);
    }
    holds
}

pub(crate) fn kv_remove(key: &str) {
    with_host(|host| host.kv.remove(key));
}

/// A message in the making.
#[derive(Debug)]
pub(crate) struct Draft(RefCell<Drafted>);

#[derive(Debug, Default)]
struct Drafted {
    sender: String,
    recipients: Vec<String>,
    headers: Vec<(String, String)>,
    text: String,
    attached: bool,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self(RefCell::default())
    }

    pub(crate) fn sender(&self, address: &str) -> Result<(), String> {
        check_sender(address)?;
        address.clone_into(&mut self.0.borrow_mut().sender);
        Ok(())
    }

    pub(crate) fn recipient(&self, address: &str) -> Result<(), String> {
        check_address(address)?;
        self.0.borrow_mut().recipients.push(address.to_owned());
        Ok(())
    }

    pub(crate) fn header(&self, name: &str, value: &str) -> Result<(), String> {
        check_field(name, value)?;
        self.0
            .borrow_mut()
            .headers
            .push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    pub(crate) fn text(&self, text: &str) -> Result<(), String> {
        if text.len() > DRAFT_TEXT {
            return Err("the text is too long".to_owned());
        }
        text.clone_into(&mut self.0.borrow_mut().text);
        Ok(())
    }

    pub(crate) fn attach(&self, _: Message<'_>) -> Result<(), String> {
        self.0.borrow_mut().attached = true;
        Ok(())
    }
}

pub(crate) fn submit_send(draft: Draft) -> Result<(), String> {
    let Drafted {
        sender,
        recipients,
        headers,
        text,
        attached,
    } = draft.0.into_inner();
    if recipients.is_empty() {
        return Err("the message has no recipient".to_owned());
    }
    effect(Effect::Sent {
        sender,
        recipients,
        headers,
        text,
        attached,
    })
}

pub(crate) fn submit_forward(
    _: Message<'_>,
    sender: &str,
    recipients: &[String],
) -> Result<(), String> {
    let is_kept = with_host(|host| {
        host.facts
            .iter()
            .any(|(key, value)| key == "sender" && value == sender)
    });
    if !is_kept {
        check_sender(sender)?;
    }
    if recipients.is_empty() {
        return Err("the message has no recipient".to_owned());
    }
    recipients
        .iter()
        .try_for_each(|address| check_address(address))?;
    effect(Effect::Forwarded {
        sender: sender.to_owned(),
        recipients: recipients.to_vec(),
    })
}

pub(crate) fn mailbox_append(
    _: Message<'_>,
    mailbox: &str,
    flags: &[String],
) -> Result<(), String> {
    if !with_host(|host| host.mailboxes.contains(mailbox)) {
        return Err("there is no such mailbox".to_owned());
    }
    effect(Effect::Filed {
        mailbox: mailbox.to_owned(),
        flags: flags.to_vec(),
    })
}

pub(crate) fn file_append(label: &str, bytes: &[u8]) -> Result<(), String> {
    check_file(label)?;
    if bytes.len() > FILE_BYTES {
        return Err("these are too many bytes for one call".to_owned());
    }
    effect(Effect::Appended {
        label: label.to_owned(),
        bytes: bytes.to_vec(),
    })
}

pub(crate) fn file_append_mbox(label: &str, _: Message<'_>) -> Result<(), String> {
    check_file(label)?;
    effect(Effect::AppendedMbox {
        label: label.to_owned(),
    })
}

pub(crate) fn program_run(label: &str, _: Message<'_>) -> Result<Ended, String> {
    with_host(|host| {
        let ended = host
            .programs
            .get(label)
            .cloned()
            .ok_or_else(|| "there is no such program".to_owned())?;
        host.ran.push(label.to_owned());
        Ok(ended)
    })
}

fn effect(effect: Effect) -> Result<(), String> {
    with_host(|host| host.effects.push(effect));
    Ok(())
}

fn as_text(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn check_file(label: &str) -> Result<(), String> {
    if with_host(|host| host.files.contains(label)) {
        Ok(())
    } else {
        Err("there is no such file".to_owned())
    }
}

fn check_edit(name: &str, value: &str) -> Result<(), String> {
    if ["received", "return-path", "delivered-to"].contains(&name.to_ascii_lowercase().as_str()) {
        return Err("trace fields are left alone".to_owned());
    }
    check_field(name, value)
}

fn check_field(name: &str, value: &str) -> Result<(), String> {
    let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if name.is_empty() || name.len() > 76 || !name.bytes().all(is_name) {
        return Err("this is not the name of a header field".to_owned());
    }
    let is_bad = |c: char| (c.is_control() && c != '\t') || c == '\u{2028}' || c == '\u{2029}';
    if value.len() > HEADER_VALUE || value.contains(is_bad) {
        return Err("a header value is one line without control characters".to_owned());
    }
    Ok(())
}

fn check_sender(address: &str) -> Result<(), String> {
    if address.is_empty() {
        return Ok(());
    }
    check_address(address)?;
    let own = with_host(|host| {
        let mut domains = host.facts.iter().filter(|(key, _)| key == "domain");
        domains.any(|(_, domain)| address.to_lowercase().ends_with(&format!("@{domain}")))
    });
    if own {
        Ok(())
    } else {
        Err("the sender is not an address of this domain".to_owned())
    }
}

fn check_address(address: &str) -> Result<(), String> {
    let is_bad = |c: char| c.is_control() || c.is_whitespace() || c == '<' || c == '>';
    match address.rsplit_once('@') {
        Some((local, domain))
            if !local.is_empty() && !domain.is_empty() && !address.contains(is_bad) =>
        {
            Ok(())
        }
        _ => Err("this is not an address".to_owned()),
    }
}
