//! The runtime: components in, chains published, calls made.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use mail::{DomainId, Secret, Tenant};
use tokio::sync::Semaphore;

use crate::binding::{Binding, Common};
use crate::cache::Cache;
use crate::call_facts::CallFacts;
use crate::capabilities::Capabilities;
use crate::chain::{BindingSpec, Chain, ChainSpec};
use crate::circuit::OpenCircuit;
use crate::compile::{CompileHelper, Compiler};
use crate::digest::Digest;
use crate::engine::engine;
use crate::error::{CallFailure, LoadError, PublishError, RuntimeError};
use crate::gate::Gate;
use crate::guests::{CallClock, GuestThreads, within};
use crate::hook::Hook;
use crate::imports::linker;
use crate::limits::CallLimits;
use crate::live::{Live, Question, RawAnswer};
use crate::loaded::Loaded;
use crate::meter::{Meters, Reading};
use crate::registry::{From, Installed, Registry};
use crate::state::{Call, Owner};
use crate::{Grants, Stamp};

/// How the runtime is set up.
pub struct Config {
    /// Where compiled components are kept; `None`: compiled again at every start.
    pub cache_folder: Option<PathBuf>,
    /// Authenticates the cache. Kept where the server keeps its secrets, and the same at every start.
    pub cache_key: Secret<[u8; 32]>,
    /// Where installed components are kept; `None`: in memory, until the end of the process.
    pub component_folder: Option<PathBuf>,
    /// Plugins that come with the server: name and component.
    pub bundled: Vec<(String, Bytes)>,
    /// The ceiling of every call.
    pub limits: CallLimits,
    /// Who compiles components that were sent; `None`: this process, as suits tests and authors.
    pub compile_helper: Option<CompileHelper>,
    /// Largest component in bytes. 8 MiB; JavaScript and Python want 32 MiB.
    pub component_bytes: usize,
    /// Instances alive at once.
    pub instances: u32,
    /// Threads for guests; `None`: half the cores, at least 1.
    pub threads: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_folder: None,
            cache_key: Secret::new([0; 32]),
            component_folder: None,
            bundled: Vec::new(),
            compile_helper: None,
            limits: CallLimits::default(),
            component_bytes: 8 * 1024 * 1024,
            instances: 2000,
            threads: None,
        }
    }
}

/// The plugin runtime. Clones are the same one.
#[derive(Clone)]
pub struct Runtime(pub(crate) Arc<Core>);

pub(crate) struct Core {
    pub(crate) guests: GuestThreads,
    gate: Gate,
    meters: Meters,
    pub(crate) capabilities: Arc<dyn Capabilities>,
    limits: CallLimits,
    registry: Arc<Registry>,
    bundled: Vec<Installed>,
    /// For instances that wait to be reused: half of all.
    warm_places: Arc<Semaphore>,
    chains: RwLock<HashMap<DomainId, Arc<Chain>>>,
    empty: Arc<Chain>,
    /// Bundled components stay loaded.
    _kept: Mutex<Vec<Arc<Loaded>>>,
}

impl Runtime {
    /// Starts the engine and loads the bundled plugins. Takes as long as compiling them where the
    /// cache has none; to be called outside of async code, or on a blocking thread.
    pub fn new(config: Config, capabilities: Arc<dyn Capabilities>) -> Result<Self, RuntimeError> {
        for folder in config.cache_folder.iter().chain(&config.component_folder) {
            let trouble = |error| RuntimeError::Folder {
                what: folder.display().to_string(),
                error,
            };
            std::fs::create_dir_all(folder).map_err(trouble)?;
        }
        let engine = engine(config.instances, &config.limits)?;
        let linker = linker(&engine).map_err(|error| RuntimeError::Engine(format!("{error:#}")))?;
        let cache = Cache::new(config.cache_folder, *config.cache_key.expose_secret());
        let registry = Registry::new(
            linker,
            cache,
            config.component_folder,
            config.component_bytes,
            config.compile_helper.map(Compiler::new),
        );
        let (mut bundled, mut kept) = (Vec::new(), Vec::new());
        for (name, component) in config.bundled {
            let trouble = |error| RuntimeError::Bundled {
                name: name.clone(),
                error,
            };
            let loaded = registry.load(&component, From::Server).map_err(trouble)?;
            registry.bundle(loaded.digest, component);
            bundled.push(registry.describe(&loaded));
            kept.push(loaded);
        }
        Ok(Self(Arc::new(Core {
            guests: GuestThreads::start(&engine, config.threads)?,
            gate: Gate::default(),
            meters: Meters::default(),
            capabilities,
            limits: config.limits,
            registry: Arc::new(registry),
            bundled,
            warm_places: Arc::new(Semaphore::new(config.instances as usize / 2)),
            chains: RwLock::default(),
            empty: Arc::new(Chain::empty()),
            _kept: Mutex::new(kept),
        })))
    }

    /// Checks, compiles, tries out and keeps a component. Installing it again changes nothing.
    pub async fn install(&self, component: Bytes) -> Result<Installed, LoadError> {
        let loaded = self.try_out(component.clone()).await?;
        self.0.registry.keep(loaded.digest, &component)?;
        Ok(self.0.registry.describe(&loaded))
    }

    /// Says all that [`Runtime::install`] would say, and keeps nothing.
    pub async fn inspect(&self, component: Bytes) -> Result<Installed, LoadError> {
        let loaded = self.try_out(component).await?;
        Ok(self.0.registry.describe(&loaded))
    }

    /// What is known of an installed or bundled component.
    pub async fn installed(&self, digest: Digest) -> Result<Installed, LoadError> {
        let loaded = self.find(digest).await?;
        Ok(self.0.registry.describe(&loaded))
    }

    /// The plugins that come with the server.
    pub fn bundled(&self) -> &[Installed] {
        &self.0.bundled
    }

    /// Makes a chain the one of its domain. All of it is loaded and checked first; if anything is
    /// wrong the chain before stays. Who holds the old chain goes on with it; who pins one from now
    /// on gets the new one.
    pub async fn publish(
        &self,
        tenant: Tenant,
        spec: ChainSpec,
    ) -> Result<Arc<Chain>, PublishError> {
        // Before the work, and again under the lock: two may publish at once.
        is_newer(self.pin(tenant).generation(), spec.generation)?;
        let chain = Arc::new(self.check(tenant, spec).await?);
        let mut chains = self
            .0
            .chains
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let current = chains
            .get(&tenant.domain())
            .map_or(0, |chain| chain.generation());
        is_newer(current, chain.generation())?;
        chains.insert(tenant.domain(), Arc::clone(&chain));
        Ok(chain)
    }

    /// Loads and checks a chain without publishing it.
    pub async fn check(&self, tenant: Tenant, spec: ChainSpec) -> Result<Chain, PublishError> {
        check_twice(&spec)?;
        let mut bindings = Vec::with_capacity(spec.bindings.len());
        for binding in &spec.bindings {
            bindings.push(Arc::new(
                self.bind(tenant, spec.generation, binding.clone()).await?,
            ));
        }
        bindings.sort_by_key(|binding| (binding.spec.level, binding.spec.order));
        check_options(&bindings)?;
        Ok(Chain { spec, bindings })
    }

    /// The chain of a domain as it is now; an empty one where none was published. Held by whoever
    /// works with it from the first hook to the last.
    pub fn pin(&self, tenant: Tenant) -> Arc<Chain> {
        let chains = self.0.chains.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(chains.get(&tenant.domain()).unwrap_or(&self.0.empty))
    }

    /// The domain has no plugins from now on.
    pub fn unpublish(&self, tenant: Tenant) {
        self.0
            .chains
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&tenant.domain());
    }

    /// The circuits that are not closed, of all domains.
    pub fn open_circuits(&self) -> Vec<(DomainId, OpenCircuit)> {
        let chains = self.0.chains.read().unwrap_or_else(PoisonError::into_inner);
        let of = |(domain, chain): (&DomainId, &Arc<Chain>)| {
            let domain = *domain;
            let open = chain.open_circuits();
            open.into_iter().map(move |circuit| (domain, circuit))
        };
        chains.iter().flat_map(of).collect()
    }

    /// The counters.
    pub fn readings(&self) -> Vec<Reading> {
        self.0.meters.readings()
    }

    async fn bind(
        &self,
        tenant: Tenant,
        generation: u64,
        spec: BindingSpec,
    ) -> Result<Binding, PublishError> {
        let trouble = |error| PublishError::Load {
            plugin: spec.plugin.clone(),
            error,
        };
        let loaded = self.find(spec.digest).await.map_err(trouble)?;
        check_grants(&loaded, &spec)?;
        check_schema(&loaded, &spec)?;
        let before = self.pin(tenant);
        let same = before.bindings.iter().find(|other| other.spec == spec);
        let mut binding = Binding::new(
            tenant,
            generation,
            spec,
            loaded,
            &Common {
                ceiling: &self.0.limits,
                capabilities: &self.0.capabilities,
                places: &self.0.warm_places,
                gate: &self.0.gate,
                meters: &self.0.meters,
            },
        );
        if let Some(same) = same {
            binding.go_on_from(same);
        }
        self.check_config(binding).await
    }

    /// The plugin's own say about its configuration.
    async fn check_config(&self, binding: Binding) -> Result<Binding, PublishError> {
        if !binding.has(Hook::CheckConfig) {
            return Ok(binding);
        }
        let binding = Arc::new(binding);
        let asked = Arc::clone(&binding);
        let call = self.0.guests.spawn(async move {
            let limits = &asked.limits;
            let clock = Arc::new(CallClock::start(limits.session_cpu_ms, limits.wall_ms));
            let facts = CallFacts::Nothing;
            let call = Call::new(
                Hook::CheckConfig,
                facts,
                None,
                BTreeMap::new(),
                Arc::clone(&clock),
                limits,
            );
            within(clock, async {
                let mut live = Live::start(&asked, call).await?;
                let config = Question::Config(asked.spec.config.to_string());
                live.ask(&asked.loaded, Hook::CheckConfig, config).await
            })
            .await
        });
        let answer = match call {
            Some(call) => call
                .await
                .unwrap_or_else(|error| Err(CallFailure::Host(error.to_string()))),
            None => Err(CallFailure::Busy),
        };
        let refusal = match answer {
            Ok(RawAnswer::Checked(Ok(()))) => None,
            Ok(RawAnswer::Checked(Err(text))) => Some(crate::verdict::escaped(&text, 400)),
            Ok(_) => Some("check-config gave no answer".to_owned()),
            Err(failure) => Some(failure.to_string()),
        };
        match (refusal, Arc::try_unwrap(binding)) {
            (None, Ok(binding)) => Ok(binding),
            (refusal, binding) => {
                let (plugin, id) = match &binding {
                    Ok(binding) => (binding.spec.plugin.clone(), binding.spec.id.clone()),
                    Err(shared) => (shared.spec.plugin.clone(), shared.spec.id.clone()),
                };
                let detail = refusal.unwrap_or_else(|| "the check did not end".to_owned());
                Err(PublishError::Config {
                    plugin,
                    binding: id,
                    detail,
                })
            }
        }
    }

    async fn try_out(&self, component: Bytes) -> Result<Arc<Loaded>, LoadError> {
        let registry = Arc::clone(&self.0.registry);
        let loaded = blocking(move || registry.load(&component, From::Upload)).await?;
        let owner = Arc::new(Owner {
            // Nobody's: without a grant nothing is asked in its name.
            tenant: Tenant::HOST,
            stamp: Arc::new(Stamp {
                binding: String::new(),
                plugin: loaded.manifest.name.clone(),
                version: loaded.manifest.version.clone(),
                digest: loaded.digest,
                generation: 0,
            }),
            config: serde_json::Value::Null,
            grants: Grants::default(),
            capabilities: Arc::clone(&self.0.capabilities),
        });
        let limits = Arc::new(self.0.limits.clone());
        let tried = Arc::clone(&loaded);
        let call = self.0.guests.spawn(async move {
            let clock = Arc::new(CallClock::start(limits.session_cpu_ms, limits.wall_ms));
            let facts = CallFacts::Nothing;
            let call = Call::new(
                Hook::Start,
                facts,
                None,
                BTreeMap::new(),
                Arc::clone(&clock),
                &limits,
            );
            within(clock, async {
                Ok(Live::try_out(&tried, owner, limits, call).await)
            })
            .await
        });
        match call {
            Some(call) => match call.await {
                Ok(Ok(tried)) => tried.map(|()| loaded),
                Ok(Err(failure)) => Err(LoadError::Start(failure)),
                Err(error) => Err(LoadError::Start(CallFailure::Host(error.to_string()))),
            },
            None => Err(LoadError::Start(CallFailure::Busy)),
        }
    }

    async fn find(&self, digest: Digest) -> Result<Arc<Loaded>, LoadError> {
        let registry = Arc::clone(&self.0.registry);
        blocking(move || registry.find(digest)).await
    }
}

/// Compiling takes a while and must not hold up other tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(LoadError::Compile(error.to_string())))
}

const fn is_newer(current: u64, wanted: u64) -> Result<(), PublishError> {
    if wanted <= current {
        return Err(PublishError::Stale { current, wanted });
    }
    Ok(())
}

fn check_twice(spec: &ChainSpec) -> Result<(), PublishError> {
    let mut ids = HashSet::new();
    match spec
        .bindings
        .iter()
        .find(|binding| !ids.insert(&binding.id))
    {
        Some(binding) => Err(PublishError::Twice(binding.id.clone())),
        None => Ok(()),
    }
}

fn check_options(bindings: &[Arc<Binding>]) -> Result<(), PublishError> {
    let mut options = HashSet::new();
    let mut serving = bindings.iter().filter(|binding| binding.has(Hook::Deliver));
    match serving.find(|binding| !options.insert(binding.option())) {
        Some(binding) => Err(PublishError::Twice(binding.option().to_owned())),
        None => Ok(()),
    }
}

fn check_grants(loaded: &Loaded, spec: &BindingSpec) -> Result<(), PublishError> {
    if loaded.manifest.name != spec.plugin {
        return Err(PublishError::Name {
            binding: spec.id.clone(),
            wanted: spec.plugin.clone(),
            found: loaded.manifest.name.clone(),
        });
    }
    match loaded
        .imports
        .iter()
        .find(|(_, interface)| !spec.grants.allow(interface))
    {
        Some((import, interface)) => Err(PublishError::NotGranted {
            plugin: spec.plugin.clone(),
            binding: spec.id.clone(),
            import: import.clone(),
            grant: interface.clone(),
        }),
        None => Ok(()),
    }
}

fn check_schema(loaded: &Loaded, spec: &BindingSpec) -> Result<(), PublishError> {
    let wrong = |detail: String| PublishError::Config {
        plugin: spec.plugin.clone(),
        binding: spec.id.clone(),
        detail,
    };
    if !spec.config.is_object() {
        return Err(wrong("it is not a JSON object".to_owned()));
    }
    let Some(schema) = &loaded.manifest.config else {
        return Ok(());
    };
    let validator = jsonschema::validator_for(schema).map_err(|error| wrong(error.to_string()))?;
    let errors: Vec<String> = validator
        .iter_errors(&spec.config)
        .map(|error| {
            let place = error.instance_path.to_string();
            if place.is_empty() {
                error.to_string()
            } else {
                format!("{place}: {error}")
            }
        })
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(wrong(errors.join("; ")))
    }
}
