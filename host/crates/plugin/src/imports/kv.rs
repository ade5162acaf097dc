//! `kv`: the table of the plugin in the domain. Reads go to the host, writes are recorded.

use std::sync::Arc;

use wasmtime::Result;

use super::interfaces::kv::Host;
use crate::effect::{Effect, KvWrite};
use crate::error::CallFailure;
use crate::state::State;

/// Longest key in bytes.
const KEY_BYTES: usize = 256;
/// Longest value in bytes.
const VALUE_BYTES: usize = 64 * 1024;
/// Writes of one call.
const WRITES: usize = 256;

impl State {
    fn enter_kv(&mut self, key: &str) -> Result<()> {
        self.must_be_granted("kv")?;
        self.enter()?;
        if !(1..=KEY_BYTES).contains(&key.len()) {
            return Err(
                CallFailure::Contract(format!("a kv key has 1 to {KEY_BYTES} bytes")).into(),
            );
        }
        Ok(())
    }

    /// The value in the view of this call: its own writes, else what the host has.
    async fn kv_value(&mut self, key: &str) -> Result<Option<Vec<u8>>> {
        if let Some(written) = self.call.kv_written.get(key) {
            return Ok(written.clone());
        }
        let owner = Arc::clone(&self.owner);
        let value = owner
            .capabilities
            .kv_read(owner.tenant, &owner.stamp.plugin, key)
            .await;
        Ok(value.map_err(|trouble| CallFailure::Host(trouble.to_string()))?)
    }

    fn kv_write(
        &mut self,
        key: String,
        value: Option<Vec<u8>>,
        ttl_seconds: Option<u64>,
        expected: Option<Option<Vec<u8>>>,
    ) -> Result<()> {
        let size = value.as_ref().map_or(0, Vec::len);
        if size > VALUE_BYTES {
            return Err(CallFailure::Contract(format!(
                "a kv value has at most {VALUE_BYTES} bytes"
            ))
            .into());
        }
        self.call.kv_writes += 1;
        if self.call.kv_writes > WRITES {
            return Err(CallFailure::Budget(format!("more than {WRITES} kv writes")).into());
        }
        self.call.spend(key.len() + 2 * size)?;
        self.call.kv_written.insert(key.clone(), value.clone());
        let plugin = self.owner.stamp.plugin.clone();
        self.call.effects.push(Effect::Kv(KvWrite {
            plugin,
            key,
            value,
            ttl_seconds,
            expected,
        }));
        Ok(())
    }
}

impl Host for State {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>> {
        self.enter_kv(&key)?;
        self.kv_value(&key).await
    }

    fn set(&mut self, key: String, value: Vec<u8>, ttl_seconds: Option<u64>) -> Result<()> {
        self.enter_kv(&key)?;
        self.kv_write(key, Some(value), ttl_seconds, None)
    }

    async fn compare_and_set(
        &mut self,
        key: String,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl_seconds: Option<u64>,
    ) -> Result<bool> {
        self.enter_kv(&key)?;
        if self.kv_value(&key).await? != expected {
            return Ok(false);
        }
        self.kv_write(key, Some(value), ttl_seconds, Some(expected))?;
        Ok(true)
    }

    fn remove(&mut self, key: String) -> Result<()> {
        self.enter_kv(&key)?;
        self.kv_write(key, None, None, None)
    }
}
