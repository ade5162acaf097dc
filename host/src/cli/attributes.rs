//! `ATTRIBUTE=VALUE` arguments.

use anyhow::Context as _;
use serde_json::{Map, Value};

/// Reads them into an object. An empty value is `null`: it removes the attribute.
pub(crate) fn read(arguments: &[String]) -> anyhow::Result<Map<String, Value>> {
    arguments.iter().map(|argument| {
        let (name, value) = argument
            .split_once('=')
            .with_context(|| format!("'{argument}' is not ATTRIBUTE=VALUE"))?;
        let value = if value.is_empty() { Value::Null } else { Value::from(value) };
        Ok((name.trim().to_owned(), value))
    }).collect()
}
