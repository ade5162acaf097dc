//! The routing table of one question.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail::{Domain, DomainId, Mailbox};
use routing::{DomainFacts, Entry, Lookup, Unavailable};
use tokio::task::JoinSet;

use super::Inner;
use super::cache::{Answer, Named};
use crate::{LookupError, Table};

/// Questions under way for one table.
const AT_ONCE: usize = 8;

type Facts<T> = Result<Option<T>, Unavailable>;

/// Answers once and then always the same, so that one question sees one state.
pub(super) struct LdapTable {
    inner: Arc<Inner>,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    domains: HashMap<Domain, Facts<Arc<DomainFacts>>>,
    entries: HashMap<(DomainId, String), Facts<Entry>>,
    missing: Vec<Missing>,
}

/// What the server has to be asked.
enum Missing {
    Domain(Domain),
    Entry(DomainId, String),
}

enum Found {
    Domain(Domain, Facts<Arc<DomainFacts>>),
    Entry(DomainId, String, Facts<Entry>),
}

impl LdapTable {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self {
            inner,
            said: Mutex::default(),
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        // Each answer is put in by one insert.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the server says otherwise: so nothing is asked for twice, whatever becomes of it.
    fn say_unavailable(&self, missing: &[Missing]) {
        let mut said = self.said();
        for one in missing {
            match one {
                Missing::Domain(name) => {
                    said.domains.insert(name.clone(), asking());
                }
                Missing::Entry(domain, key) => {
                    said.entries.insert((*domain, key.clone()), asking());
                }
            }
        }
    }

    fn say(&self, found: Found) {
        let mut said = self.said();
        match found {
            Found::Domain(name, facts) => {
                said.domains.insert(name, facts);
            }
            Found::Entry(domain, key, facts) => {
                said.entries.insert((domain, key), facts);
            }
        }
    }
}

fn asking<T>() -> Facts<T> {
    Err(Unavailable("it is being asked".to_owned()))
}

fn unavailable(error: LookupError) -> Unavailable {
    Unavailable(match error {
        LookupError::NotFound(cause) | LookupError::Temporary(cause) => cause,
    })
}

impl Lookup for LdapTable {
    fn domain(&self, name: &Domain) -> Facts<Arc<DomainFacts>> {
        let mut said = self.said();
        if let Some(answer) = said.domains.get(name) {
            return answer.clone();
        }
        match self.inner.cached_domain(name) {
            Some(answer) => {
                let answer = answer.map_err(unavailable);
                said.domains.insert(name.clone(), answer.clone());
                answer
            }
            None => {
                said.missing.push(Missing::Domain(name.clone()));
                asking()
            }
        }
    }

    fn entry(&self, domain: DomainId, address: &Mailbox) -> Facts<Entry> {
        let mut said = self.said();
        let key = address.key();
        if let Some(answer) = said.entries.get(&(domain, key.clone())) {
            return answer.clone();
        }
        let timing = &self.inner.server.settings().timing;
        let cached = self
            .inner
            .cache()
            .named(Named::Address, domain, &key, timing);
        if let Answer::Fresh(held) = cached {
            let answer = Ok(held.map(|held| held.facts));
            said.entries.insert((domain, key), answer.clone());
            return answer;
        }
        said.missing.push(Missing::Entry(domain, key));
        asking()
    }
}

impl Table for LdapTable {
    fn complete(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        let missing = std::mem::take(&mut self.said().missing);
        Box::pin(async move {
            if missing.is_empty() {
                return false;
            }
            self.say_unavailable(&missing);
            let (mut asked, mut missing) = (JoinSet::new(), missing.into_iter());
            loop {
                while asked.len() < AT_ONCE
                    && let Some(one) = missing.next()
                {
                    let inner = Arc::clone(&self.inner);
                    asked.spawn(async move { find(&inner, one).await });
                }
                match asked.join_next().await {
                    None => break,
                    Some(Ok(found)) => self.say(found),
                    Some(Err(error)) => tracing::error!(%error, "a question was not asked"),
                }
            }
            true
        })
    }
}

async fn find(inner: &Arc<Inner>, missing: Missing) -> Found {
    match missing {
        Missing::Domain(name) => {
            let facts_of = |id: DomainId| {
                let domains = inner.known_domains()?;
                Some(Arc::clone(&domains.nodes.get(&id)?.facts))
            };
            let id = inner.domain_named(&name).await;
            let facts = id.map(|id| id.and_then(facts_of)).map_err(unavailable);
            Found::Domain(name, facts)
        }
        Missing::Entry(domain, key) => {
            let held = inner.named(Named::Address, domain, &key).await;
            let facts = held
                .map(|held| held.map(|held| held.facts))
                .map_err(unavailable);
            Found::Entry(domain, key, facts)
        }
    }
}
