//! Thin functions over the generated imports, of the same shapes as those of the fake host.

use super::imports::postroom::plugin as host;
use crate::log::Level;
use crate::program::Ended;

pub(crate) type Context<'call> = &'call host::types::Context;
pub(crate) type Message<'call> = &'call host::message::Message;
pub(crate) type Part = host::message::Part;
pub(crate) type Draft = host::submit::Draft;

pub(crate) fn context_all(context: Context<'_>, key: &str) -> Vec<String> {
    context.all(key)
}

pub(crate) fn context_settings(context: Context<'_>, name: &str) -> Vec<String> {
    context.settings(name)
}

pub(crate) fn context_remember(context: Context<'_>, name: &str, value: &str) {
    context.remember(name, value);
}

pub(crate) fn context_recall(context: Context<'_>, name: &str) -> Option<String> {
    context.recall(name)
}

pub(crate) fn message_size(message: Message<'_>) -> u64 {
    message.size()
}

pub(crate) fn message_header(message: Message<'_>, name: &str) -> Option<String> {
    message.header(name)
}

pub(crate) fn message_headers(message: Message<'_>, name: &str) -> Vec<String> {
    message.headers(name)
}

pub(crate) fn message_raw_headers(message: Message<'_>) -> Vec<(String, Vec<u8>)> {
    message.raw_headers()
}

pub(crate) fn message_raw(message: Message<'_>, offset: u64, length: u32) -> Vec<u8> {
    message.raw(offset, length)
}

pub(crate) fn message_parts(message: Message<'_>) -> Vec<Part> {
    message.parts()
}

pub(crate) fn message_auth_results(message: Message<'_>) -> Vec<String> {
    message.auth_results()
}

pub(crate) fn prepend_header(message: Message<'_>, name: &str, value: &str) -> Result<(), String> {
    host::edit::prepend_header(message, name, value)
}

pub(crate) fn append_header(message: Message<'_>, name: &str, value: &str) -> Result<(), String> {
    host::edit::append_header(message, name, value)
}

pub(crate) fn replace_header(message: Message<'_>, name: &str, value: &str) -> Result<(), String> {
    host::edit::replace_header(message, name, value)
}

pub(crate) fn remove_header(message: Message<'_>, name: &str) -> Result<(), String> {
    host::edit::remove_header(message, name)
}

pub(crate) fn clock_now() -> u64 {
    host::clock::now()
}

pub(crate) fn config_get(key: &str) -> Option<String> {
    host::config::get(key)
}

pub(crate) fn config_all(key: &str) -> Vec<String> {
    host::config::all(key)
}

pub(crate) fn config_json() -> String {
    host::config::json()
}

pub(crate) fn log_write(level: Level, text: &str) {
    let level = match level {
        Level::Debug => host::log::Level::Debug,
        Level::Info => host::log::Level::Info,
        Level::Warn => host::log::Level::Warn,
        Level::Error => host::log::Level::Error,
    };
    host::log::write(level, text);
}

pub(crate) fn kv_get(key: &str) -> Option<Vec<u8>> {
    host::kv::get(key)
}

pub(crate) fn kv_set(key: &str, value: &[u8], ttl_seconds: Option<u64>) {
    host::kv::set(key, value, ttl_seconds);
}

pub(crate) fn kv_compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl_seconds: Option<u64>,
) -> bool {
    host::kv::compare_and_set(key, expected, value, ttl_seconds)
}

pub(crate) fn kv_remove(key: &str) {
    host::kv::remove(key);
}

pub(crate) fn submit_send(draft: Draft) -> Result<(), String> {
    host::submit::send(draft)
}

pub(crate) fn submit_forward(
    message: Message<'_>,
    sender: &str,
    recipients: &[String],
) -> Result<(), String> {
    host::submit::forward(message, sender, recipients)
}

pub(crate) fn mailbox_append(
    message: Message<'_>,
    mailbox: &str,
    flags: &[String],
) -> Result<(), String> {
    host::mailbox::append(message, mailbox, flags)
}

pub(crate) fn file_append(label: &str, bytes: &[u8]) -> Result<(), String> {
    host::file::append(label, bytes)
}

pub(crate) fn file_append_mbox(label: &str, message: Message<'_>) -> Result<(), String> {
    host::file::append_mbox(label, message)
}

pub(crate) fn program_run(label: &str, message: Message<'_>) -> Result<Ended, String> {
    let ended = host::program::run(label, message)?;
    Ok(Ended {
        exit_code: ended.exit_code(),
        timed_out: ended.timed_out(),
        output: ended.output(),
    })
}
