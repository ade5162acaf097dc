//! `config`: the configuration of the binding.

use serde_json::Value;
use wasmtime::Result;

use super::interfaces::config::Host;
use crate::state::State;

impl Host for State {
    fn get(&mut self, key: String) -> Result<Option<String>> {
        self.enter()?;
        Ok(self
            .owner
            .config
            .get(&key)
            .filter(|value| !value.is_null())
            .map(as_text))
    }

    fn all(&mut self, key: String) -> Result<Vec<String>> {
        self.enter()?;
        Ok(match self.owner.config.get(&key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items.iter().map(as_text).collect(),
            Some(value) => vec![as_text(value)],
        })
    }

    fn json(&mut self) -> Result<String> {
        self.enter()?;
        Ok(self.owner.config.to_string())
    }
}

fn as_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}
