//! Plugins' values and settings.

use mail::{Access, DomainId, OperationId, Timestamp};

use crate::engine::Tx;
use crate::engine::access::administer;
use crate::rows::KvRow;
use crate::view::{Order, View, ViewExt};
use crate::{Error, Result, keys};

const KEY_MAX: usize = 1024;
const VALUE_MAX: usize = 256 * 1024;
const PLUGIN_MAX: usize = 255;
const SETTING_MAX: usize = 4 * 1024 * 1024;

pub(crate) fn check_key(plugin: &str, key: &[u8]) -> Result<()> {
    if plugin.is_empty() || plugin.len() > PLUGIN_MAX {
        return Err(Error::Invalid(format!(
            "a plugin's name has 1 to {PLUGIN_MAX} bytes"
        )));
    }
    if key.len() > KEY_MAX {
        return Err(Error::Invalid(format!("a key has over {KEY_MAX} bytes")));
    }
    Ok(())
}

/// Is the time of a value over?
pub(crate) fn is_over(row: &KvRow, now: Timestamp) -> bool {
    row.expires.is_some_and(|expires| expires <= now)
}

impl Tx<'_> {
    pub(crate) fn put_kv(
        &mut self,
        domain: DomainId,
        plugin: &str,
        key: &[u8],
        value: Option<&[u8]>,
        expires: Option<Timestamp>,
    ) -> Result<()> {
        check_key(plugin, key)?;
        let key = keys::kv_prefix(domain, plugin, key);
        if let Some(old) = self.row::<KvRow>(&key)?
            && let Some(at) = old.expires
        {
            self.delete(keys::expiry(at, &key));
        }
        let Some(value) = value else {
            self.delete(key);
            return Ok(());
        };
        if value.len() > VALUE_MAX {
            return Err(Error::Invalid(format!(
                "a value has over {VALUE_MAX} bytes"
            )));
        }
        if let Some(at) = expires {
            self.put_raw(keys::expiry(at, &key), Vec::new());
        }
        self.outcome.grows = true;
        self.put(
            key,
            &KvRow {
                expires,
                value: value.to_vec(),
            },
        );
        Ok(())
    }

    pub(crate) fn compare_kv(
        &self,
        domain: DomainId,
        plugin: &str,
        key: &[u8],
        expected: Option<&[u8]>,
    ) -> Result<()> {
        check_key(plugin, key)?;
        let present = self
            .row::<KvRow>(&keys::kv_prefix(domain, plugin, key))?
            .filter(|row| !is_over(row, self.now));
        if present.as_ref().map(|row| row.value.as_slice()) == expected {
            Ok(())
        } else {
            Err(Error::Conflict)
        }
    }

    pub(crate) fn set_settings(
        &mut self,
        access: &Access,
        operation: OperationId,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<()> {
        self.once(access.domain(), operation, |tx| {
            administer(access)?;
            for (key, value) in changes {
                tx.put_setting(access.domain(), key, value.as_deref())?;
            }
            Ok(())
        })
    }

    pub(crate) fn put_setting(
        &mut self,
        domain: DomainId,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<()> {
        if key.len() > KEY_MAX || value.is_some_and(|value| value.len() > SETTING_MAX) {
            return Err(Error::Invalid(
                "a setting's key or value is too long".to_owned(),
            ));
        }
        let key = keys::setting(domain, key);
        match value {
            Some(value) => self.put_raw(key, value.to_vec()),
            None => self.delete(key),
        }
        Ok(())
    }

    /// Deletes kv values and trace lines whose time is over.
    pub(crate) fn expire(&mut self, now: Timestamp, max: usize) -> Result<usize> {
        let end = keys::expiries_until(Timestamp(now.0.saturating_add(1)));
        let over = self.range(&keys::expiries(), &end, Order::Ascending, max)?;
        for (key, more) in &over {
            // domain, table, time, then the key of the row; other rows that go with it.
            self.delete(key[17..].to_vec());
            for other in keys::unpack(more) {
                self.delete(other);
            }
            self.delete(key.clone());
        }
        Ok(over.len())
    }
}
