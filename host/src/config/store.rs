//! How the mail store collects, and where its keys are.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// Mail that is gone takes room until the store collects it: beside other work, slowly. Keys are
/// outside of the data directory, so that a copy of it cannot be read by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Whether the store collects by itself. Without it `postroom store compact` does.
    pub collect: bool,
    /// Bytes a second that it reads and writes at most for that; while it compresses it also takes a quarter of one processor at most.
    pub collect_bytes_per_second: u64,
    /// How long new mail is left where it was written, in seconds: what goes within that time
    /// is never copied.
    pub collect_after_seconds: u64,
    /// Mail that was collected before is collected again when this share of it is gone, in
    /// percent.
    pub collect_dead_percent: u8,
    /// The directory of the key file. Default: beside the data directory, with `.keys` behind
    /// its name.
    pub keys: Option<PathBuf>,
    /// The master key, a file that only the server's user can read. Default: `master.key` beside
    /// the key file.
    pub master_key: Option<PathBuf>,
}

impl Default for Store {
    fn default() -> Self {
        let ours = store::Config::default();
        Self {
            collect: ours.collect,
            collect_bytes_per_second: ours.collect_bytes_per_second,
            collect_after_seconds: ours.collect_age.as_secs(),
            collect_dead_percent: ours.collect_dead_percent,
            keys: None,
            master_key: None,
        }
    }
}

impl Store {
    /// Refuses values that cannot work.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.collect_bytes_per_second >= 1024 * 1024,
            "store.collect_bytes_per_second must be at least 1048576: below it the store grows faster than it collects"
        );
        ensure!(
            (5..=90).contains(&self.collect_dead_percent),
            "store.collect_dead_percent must be from 5 to 90"
        );
        Ok(())
    }

    /// For the store, beside what it has from elsewhere.
    pub(crate) fn apply(&self, to: store::Config) -> store::Config {
        store::Config {
            collect: self.collect,
            collect_bytes_per_second: self.collect_bytes_per_second,
            collect_age: Duration::from_secs(self.collect_after_seconds),
            collect_dead_percent: self.collect_dead_percent,
            ..to
        }
    }
}
