//! Password hashes: argon2id, with a bound on how many are computed at once.
//!
//! One hash needs 19 MiB, so a thousand logins at once would need 19 GiB. A [`Hasher`] lets a
//! few through at a time; who waits longer than its patience gets "cannot say now" (454), never
//! "wrong password".

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use mail::Secret;
use tokio::sync::Semaphore;

use crate::LookupError;

/// Memory of one hash in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// What hashes of other servers may need: memory in KiB, passes, lanes. More would let one login
/// take the memory or the time of all.
const FOREIGN_MAX: (u32, u32, u32) = (64 * 1024, 4, 4);
/// Hashes of one person.
pub(crate) const FOREIGN_HASHES: usize = 4;
/// Longer passwords are never right and are not hashed as a whole (A05).
pub(crate) const PASSWORD_BYTES: usize = 1024;

/// Nobody's hash: compared with where there is no person, so that it takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$cG9zdHJvb20gbm9ib2R5$7Lw0cTPRzmHBbFBKqBwKPrVVPKVl1cQo0mxCZYl7Q0M";

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The PHC string of a new hash with a random salt. Takes tens of milliseconds and 19 MiB: not
/// for an async thread.
pub fn hash_password(password: &Secret<String>) -> Result<Secret<String>, LookupError> {
    let hash = argon2().hash_password(password.expose_secret().as_bytes());
    hash.map(|hash| Secret::new(hash.to_string()))
        .map_err(|error| LookupError::Temporary(error.to_string()))
}

/// Does the password fit any of the hashes? Without hashes it takes as long and does not.
/// Takes tens of milliseconds and 19 MiB: not for an async thread.
pub fn verify_password(hashes: &[Secret<String>], password: &Secret<String>) -> bool {
    let password = password.expose_secret().as_bytes();
    let usable = !password.is_empty() && password.len() <= PASSWORD_BYTES;
    let password = if usable { password } else { b"-" };
    let fits = |hash: &str| {
        PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(password, &hash).is_ok())
    };
    if hashes.is_empty() {
        let _ = fits(NOBODY);
        return false;
    }
    // Every hash is computed, so that the place of the right one does not show.
    let found = hashes
        .iter()
        .filter(|hash| fits(hash.expose_secret()))
        .count();
    usable && found > 0
}

/// What is wrong with the hash of another server; `None`: logins can compute it.
pub(crate) fn unusable(hash: &Secret<String>) -> Option<String> {
    let Ok(hash) = PasswordHash::new(hash.expose_secret()) else {
        return Some("it is no PHC string".to_owned());
    };
    if hash.algorithm.as_str() != "argon2id" {
        return Some(format!("it is of {}, not of argon2id", hash.algorithm));
    }
    let Ok(params) = Params::try_from(&hash) else {
        return Some("its parameters are not understood".to_owned());
    };
    let (memory, passes, lanes) = FOREIGN_MAX;
    let is_too_much =
        params.m_cost() > memory || params.t_cost() > passes || params.p_cost() > lanes;
    is_too_much.then(|| {
        format!("it needs more than m={memory},t={passes},p={lanes}, which a login may take")
    })
}

/// Computes hashes on blocking threads, a few at once.
#[derive(Debug, Clone)]
pub struct Hasher {
    slots: Arc<Semaphore>,
    patience: Duration,
}

impl Hasher {
    /// At most `at_once` hashes at a time (19 MiB each); who waits longer than `patience` is
    /// sent away.
    pub fn new(at_once: usize, patience: Duration) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(at_once.max(1))),
            patience,
        }
    }

    /// [`hash_password`], bounded.
    pub async fn hash(&self, password: Secret<String>) -> Result<Secret<String>, LookupError> {
        self.run(move || hash_password(&password)).await?
    }

    /// [`verify_password`], bounded.
    pub async fn verify(
        &self,
        hashes: Vec<Secret<String>>,
        password: Secret<String>,
    ) -> Result<bool, LookupError> {
        self.run(move || verify_password(&hashes, &password)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LookupError> {
        let waiting = tokio::time::timeout(self.patience, Arc::clone(&self.slots).acquire_owned());
        let Ok(Ok(slot)) = waiting.await else {
            return Err(LookupError::Temporary("too many logins at once".to_owned()));
        };
        let work = move || {
            let result = work();
            // Held until the memory is free again, also when the caller has gone.
            drop(slot);
            result
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| LookupError::Temporary(error.to_string()))
    }
}

/// As many as there are cores, five seconds.
impl Default for Hasher {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self::new(cores, Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests;
