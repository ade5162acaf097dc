//! The plugins of this server: which components are installed, which chain each domain has.
//!
//! A domain has *wishes* (its bindings as administered) and an *effective chain* (what runs, one
//! generation). `deploy` turns wishes into the next generation: it is checked and loaded, then
//! swapped in at once, then written down; only then does the call return. The generation before
//! is kept, for `rollback`.
//!
//! A domain that was never administered has the delivery options that come with the server.
//!
//! A component that the operator installs is there for every domain; one that a domain installs
//! is there for that domain alone, under its own name, whatever others call theirs.

pub(crate) mod circuits;
mod state;
mod uploads;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use directory::{Directory, DirectoryAdmin, DomainEntry, LookupError};
use mail::{Access, Principal, Tenant};
use plugin::{BindingSpec, ChainSpec, Digest, Manifest, Runtime};
use serde::{Deserialize, Serialize};
use store::Store;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::admin::ApiError;
use crate::config::Config;
use crate::outflow::HostCapabilities;

/// The components that come with the server, by name.
pub(crate) const BUNDLED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// The delivery options that every new domain has.
const OPTIONS: &[&str] = &["autoreply", "program", "forward", "file", "shared"];

/// What an administrator says of a binding; what is left out stays, or has its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BindRequest {
    /// `NAME` or `NAME@VERSION`.
    pub(crate) plugin: String,
    pub(crate) order: Option<i32>,
    pub(crate) config: Option<serde_json::Value>,
    /// Words of `Grants::grant`.
    pub(crate) grants: Option<Vec<String>>,
    pub(crate) on_failure: Option<plugin::FailurePolicy>,
    pub(crate) reuse: Option<bool>,
    pub(crate) directions: Option<Vec<mail::Direction>>,
}

/// An installed component.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) digest: Digest,
    pub(crate) hooks: Vec<&'static str>,
    pub(crate) asks: Vec<String>,
    /// Packages of WASI of which it imports something; nothing is behind them.
    pub(crate) inert: BTreeSet<String>,
    pub(crate) description: String,
    pub(crate) bundled: bool,
}

/// See the module.
pub(crate) struct Plugins {
    runtime: Runtime,
    capabilities: Arc<HostCapabilities>,
    store: Arc<dyn Store>,
    /// Every component that can be used by somebody.
    components: RwLock<BTreeMap<Digest, Component>>,
    /// Domains whose chain could not be loaded.
    broken: RwLock<HashSet<mail::DomainId>>,
    /// Domains whose chain was published, or could not be.
    prepared: RwLock<HashSet<mail::DomainId>>,
    /// Where uploaded components lie.
    folder: std::path::PathBuf,
    /// One change of a chain at a time.
    changing: Mutex<()>,
    /// What administrators are to be told; taken by who tells them.
    notices: std::sync::Mutex<Option<UnboundedReceiver<circuits::Told>>>,
}

impl Plugins {
    /// Starts the runtime and loads every installed component.
    pub(crate) async fn start(
        config: &Config,
        store: Arc<dyn Store>,
        directory: Arc<dyn DirectoryAdmin>,
    ) -> anyhow::Result<Self> {
        let (sender, notices) = circuits::channel();
        let capabilities = Arc::new(HostCapabilities::new(
            config,
            Arc::clone(&store),
            directory,
            sender,
        )?);
        let folder = config.data.join("plugins");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let settings = state::runtime_config(&config.data, &folder)?;
        let for_runtime: Arc<dyn plugin::Capabilities> = Arc::clone(&capabilities) as Arc<_>;
        let runtime =
            tokio::task::spawn_blocking(move || Runtime::new(settings, for_runtime)).await??;
        let plugins = Self {
            runtime,
            capabilities,
            store,
            components: RwLock::default(),
            broken: RwLock::default(),
            prepared: RwLock::default(),
            folder: folder.clone(),
            changing: Mutex::new(()),
            notices: std::sync::Mutex::new(Some(notices)),
        };
        for installed in plugins.runtime.bundled() {
            plugins.know(installed);
        }
        let in_folder = state::digests_in(&folder)?;
        for digest in in_folder.iter().copied() {
            match plugins.runtime.installed(digest).await {
                Ok(installed) => {
                    plugins.know(&installed);
                }
                // Its domains defer what needs it; everything else goes on.
                Err(error) => {
                    tracing::error!(%digest, %error, "an installed plugin cannot be loaded");
                }
            }
        }
        plugins.adopt(&in_folder).await?;
        Ok(plugins)
    }

    /// The runtime, for calls.
    pub(crate) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// What administrators are to be told; `None` for all but the first who asks.
    fn take_notices(&self) -> Option<UnboundedReceiver<circuits::Told>> {
        // One assignment: a panic cannot leave it half done.
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.take()
    }

    /// What plugins may ask of the host.
    pub(crate) const fn capabilities(&self) -> &Arc<HostCapabilities> {
        &self.capabilities
    }

    /// Publishes the chain of every domain, at start. A chain that cannot be loaded leaves its
    /// domain without one: hooks then do not run, so the domain's mail is deferred.
    pub(crate) async fn publish_all(&self, directory: &dyn Directory) -> Result<(), LookupError> {
        for domain in directory.domains().await? {
            self.prepare(&domain).await;
        }
        Ok(())
    }

    /// Publishes the chains of domains that have none yet: those of a directory that changes
    /// without this server.
    pub(crate) async fn publish_new(&self, directory: &dyn Directory) -> Result<(), LookupError> {
        for domain in directory.domains().await? {
            self.ensure(&domain).await;
        }
        Ok(())
    }

    /// Publishes the chain of a domain unless that was tried before.
    pub(crate) async fn ensure(&self, domain: &DomainEntry) {
        let is_prepared = || {
            let prepared = self.prepared.read();
            prepared
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&domain.id)
        };
        if is_prepared() {
            return;
        }
        let _changing = self.changing.lock().await;
        if !is_prepared() {
            self.prepare(domain).await;
        }
    }

    async fn prepare(&self, domain: &DomainEntry) {
        if let Err(error) = self.publish_stored(domain.tenant()).await {
            tracing::error!(domain = %domain.name, ?error, "the plugins of a domain cannot be loaded");
            self.broken
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(domain.id);
        }
        self.prepared
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(domain.id);
    }

    /// Publishes the chain of one domain as it is stored, or the default one.
    pub(crate) async fn publish_stored(&self, tenant: Tenant) -> Result<(), ApiError> {
        let chain = match self.current(tenant)? {
            Some(chain) => chain,
            None => self.default_chain(),
        };
        self.publish(tenant, chain).await
    }

    /// Publishes what is stored in the place of whatever runs, also of an equal generation: nobody
    /// uses the domain meanwhile.
    pub(crate) async fn publish_anew(&self, tenant: Tenant) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        self.runtime.unpublish(tenant);
        let published = self.publish_stored(tenant).await;
        if published.is_err() {
            // A policy that does not run must not be taken for one that agrees.
            self.broken
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(tenant.domain());
        }
        published
    }

    fn know(&self, installed: &plugin::Installed) -> Component {
        let Manifest {
            name,
            version,
            description,
            capabilities,
            ..
        } = installed.manifest.clone();
        let component = Component {
            name,
            version,
            digest: installed.digest,
            hooks: installed.hooks.iter().map(|hook| hook.name()).collect(),
            asks: capabilities.words(),
            inert: packages(&installed.inert),
            description,
            bundled: installed.bundled,
        };
        let mut all = self
            .components
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(component.digest, component.clone());
        component
    }

    /// Could the chain of this domain not be loaded? Then its mail waits: a policy that does not
    /// run must not be taken for one that agrees.
    pub(crate) fn is_broken(&self, domain: mail::DomainId) -> bool {
        self.broken
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&domain)
    }

    /// The bindings as administered.
    pub(crate) fn wishes(&self, tenant: Tenant) -> Result<Vec<BindingSpec>, ApiError> {
        match self.read(tenant, state::WISHES)? {
            Some(wishes) => Ok(wishes),
            None => Ok(self.default_chain().bindings),
        }
    }

    /// The effective chain as it is stored.
    pub(crate) fn current(&self, tenant: Tenant) -> Result<Option<ChainSpec>, ApiError> {
        self.read(tenant, state::CURRENT)
    }

    /// Adds or changes a binding among the wishes. `ceiling` bounds administrators of domains.
    pub(crate) async fn bind(
        &self,
        by: Principal,
        tenant: Tenant,
        request: BindRequest,
        ceiling: &plugin::Grants,
    ) -> Result<BindingSpec, ApiError> {
        let _changing = self.changing.lock().await;
        let component = self.find(tenant, &request.plugin)?;
        let mut wishes = self.wishes(tenant)?;
        let before = wishes.iter().find(|spec| spec.plugin == component.name);
        let binding = self.binding(&component, &request, before)?;
        uploads::check_ceiling(by, &binding, before, ceiling)?;
        wishes.retain(|spec| spec.plugin != component.name);
        wishes.push(binding.clone());
        wishes.sort_by_key(|spec| (spec.order, spec.id.clone()));
        self.write(by, tenant, vec![(state::WISHES, state::json(&wishes)?)])
            .await?;
        Ok(binding)
    }

    /// Takes a plugin off the wishes.
    pub(crate) async fn unbind(
        &self,
        by: Principal,
        tenant: Tenant,
        plugin: &str,
    ) -> Result<(), ApiError> {
        let _changing = self.changing.lock().await;
        let mut wishes = self.wishes(tenant)?;
        let before = wishes.len();
        wishes.retain(|spec| spec.plugin != plugin);
        if wishes.len() == before {
            return Err(ApiError::not_found(format!(
                "binding of '{plugin}' in this domain"
            )));
        }
        self.write(by, tenant, vec![(state::WISHES, state::json(&wishes)?)])
            .await
    }

    fn binding(
        &self,
        component: &Component,
        request: &BindRequest,
        before: Option<&BindingSpec>,
    ) -> Result<BindingSpec, ApiError> {
        let mut grants = before.map(|spec| spec.grants.clone()).unwrap_or_default();
        for word in &component.asks {
            // What the administrator binds without naming grants is what the manifest asks for.
            if request.grants.is_none() {
                grants
                    .grant(word)
                    .map_err(|error| ApiError::invalid(error.to_string()))?;
            }
        }
        if let Some(words) = &request.grants {
            grants = plugin::Grants::default();
            for word in words {
                grants
                    .grant(word)
                    .map_err(|error| ApiError::invalid(error.to_string()))?;
            }
        }
        let config = request
            .config
            .clone()
            .or_else(|| before.map(|spec| spec.config.clone()));
        let directions = request
            .directions
            .clone()
            .or_else(|| before.map(|spec| spec.directions.clone()));
        Ok(BindingSpec {
            id: component.name.clone(),
            plugin: component.name.clone(),
            version: component.version.clone(),
            digest: component.digest,
            level: plugin::Level::Domain,
            order: request
                .order
                .or_else(|| before.map(|spec| spec.order))
                .unwrap_or(50),
            config: config.unwrap_or_else(|| serde_json::json!({})),
            grants,
            on_failure: request
                .on_failure
                .or_else(|| before.map(|spec| spec.on_failure))
                .unwrap_or_default(),
            reuse: request
                .reuse
                .or_else(|| before.map(|spec| spec.reuse))
                .unwrap_or(false),
            directions: directions.unwrap_or_else(|| vec![mail::Direction::Inbound]),
            option: before.and_then(|spec| spec.option.clone()),
            limits: before.map(|spec| spec.limits.clone()).unwrap_or_default(),
        })
    }

    /// Makes the wishes effective. With a plugin named, that version is bound first.
    pub(crate) async fn deploy(
        &self,
        by: Principal,
        tenant: Tenant,
        plugin: Option<String>,
        ceiling: &plugin::Grants,
    ) -> Result<u64, ApiError> {
        if let Some(plugin) = plugin {
            self.bind(
                by,
                tenant,
                BindRequest {
                    plugin,
                    ..BindRequest::default()
                },
                ceiling,
            )
            .await?;
        }
        let _changing = self.changing.lock().await;
        let wishes = self.wishes(tenant)?;
        let before = self.effective(tenant)?;
        let next = ChainSpec {
            generation: self.next_generation(tenant)?,
            bindings: wishes,
            ..before.clone()
        };
        self.swap(by, tenant, before, next).await
    }

    /// Goes back to the generation before, as a new generation.
    pub(crate) async fn rollback(&self, by: Principal, tenant: Tenant) -> Result<u64, ApiError> {
        let _changing = self.changing.lock().await;
        let before = self.effective(tenant)?;
        let previous: Option<ChainSpec> = self.read(tenant, state::PREVIOUS)?;
        let Some(previous) = previous else {
            return Err(ApiError::conflict(
                "there is no earlier chain to go back to: nothing was deployed before",
            ));
        };
        let next = ChainSpec {
            generation: self.next_generation(tenant)?,
            ..previous
        };
        self.swap(by, tenant, before, next).await
    }

    /// Publishes, then writes down; if that fails the one before comes back.
    async fn swap(
        &self,
        by: Principal,
        tenant: Tenant,
        before: ChainSpec,
        next: ChainSpec,
    ) -> Result<u64, ApiError> {
        let generation = next.generation;
        self.publish(tenant, next.clone()).await?;
        let written = self
            .write(
                by,
                tenant,
                vec![
                    (state::CURRENT, state::json(&next)?),
                    (state::PREVIOUS, state::json(&before)?),
                    (state::WISHES, state::json(&next.bindings)?),
                ],
            )
            .await;
        if let Err(error) = written {
            let back = ChainSpec {
                generation: generation + 1,
                ..before
            };
            self.publish(tenant, back).await?;
            return Err(error);
        }
        Ok(generation)
    }

    fn effective(&self, tenant: Tenant) -> Result<ChainSpec, ApiError> {
        Ok(self
            .current(tenant)?
            .unwrap_or_else(|| self.default_chain()))
    }

    /// Above everything that was ever published, also by a deploy that could not be written.
    fn next_generation(&self, tenant: Tenant) -> Result<u64, ApiError> {
        let stored = self.current(tenant)?.map_or(1, |chain| chain.generation);
        Ok(stored.max(self.runtime.pin(tenant).generation()) + 1)
    }

    /// The delivery options that come with the server.
    fn default_chain(&self) -> ChainSpec {
        let bindings = OPTIONS
            .iter()
            .filter_map(|name| self.find(Tenant::HOST, name).ok())
            .filter_map(|component| self.binding(&component, &BindRequest::default(), None).ok())
            .collect();
        ChainSpec {
            generation: 1,
            bindings,
            score_quarantine: None,
            score_reject: None,
        }
    }

    async fn publish(&self, tenant: Tenant, chain: ChainSpec) -> Result<(), ApiError> {
        let published = self.runtime.publish(tenant, chain).await;
        if published.is_ok() {
            self.broken
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&tenant.domain());
            self.prepared
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(tenant.domain());
        }
        published.map(|_| ()).map_err(|error| {
            ApiError::invalid(format!("{error}; the chain before goes on running"))
        })
    }

    fn read<T: serde::de::DeserializeOwned>(
        &self,
        tenant: Tenant,
        key: &[u8],
    ) -> Result<Option<T>, ApiError> {
        let bytes = self.store.setting(&Access::system(tenant), key)?;
        let read = bytes
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose();
        read.map_err(|error| {
            ApiError::unavailable(format!("the stored chain cannot be read: {error}"))
        })
    }

    async fn write(
        &self,
        by: Principal,
        tenant: Tenant,
        changes: Vec<(&'static [u8], Vec<u8>)>,
    ) -> Result<(), ApiError> {
        let changes = changes
            .into_iter()
            .map(|(key, value)| (key.to_vec(), Some(value)))
            .collect();
        let access = Access {
            tenant,
            principal: by,
        };
        Ok(self
            .store
            .set_settings(&access, self.store.operation_id(), changes)
            .await?)
    }
}

/// The packages of interfaces: `wasi:io` of `wasi:io/poll@0.2.6`.
fn packages(interfaces: &[String]) -> BTreeSet<String> {
    let package = |name: &String| name.split('/').next().unwrap_or_default().to_owned();
    interfaces.iter().map(package).collect()
}
