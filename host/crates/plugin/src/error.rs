//! What can go wrong: with a component, with a chain, with a call.

use crate::digest::DigestError;

/// Why the runtime cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine refused its configuration, or the machine has too little address space.
    #[error("the plugin engine cannot start: {0}")]
    Engine(String),
    /// A folder cannot be made or read.
    #[error("{what}: {error}")]
    Folder {
        /// Which.
        what: String,
        /// Why.
        error: std::io::Error,
    },
    /// A bundled plugin does not load.
    #[error("the bundled plugin '{name}' cannot be used: {error}")]
    Bundled {
        /// Its name.
        name: String,
        /// Why.
        error: LoadError,
    },
}

/// Why a file is no plugin that can be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Damaged, or something else.
    #[error("it is not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// A core module.
    #[error("it is a core module and not a component; `postroom plugin build` makes components")]
    CoreModule,
    /// Over the limit.
    #[error("it has {bytes} bytes; the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Without `plugin.toml`.
    #[error("it carries no plugin.toml; `postroom plugin build` puts it in")]
    NoManifest,
    /// With one that cannot be used.
    #[error("its plugin.toml cannot be used: {0}")]
    Manifest(String),
    /// It wants something that this server does not have.
    #[error("it imports {0}, which this server does not offer")]
    UnknownImport(String),
    /// It exports a hook that this server does not have.
    #[error("it exports {0}, which is no hook of this server")]
    UnknownExport(String),
    /// Made for another version of the contract.
    #[error("{name} is of version {found}; this server offers {offered}")]
    Version {
        /// The import or export.
        name: String,
        /// Its version.
        found: String,
        /// What would do.
        offered: &'static str,
    },
    /// Nothing to call.
    #[error("it exports no hook")]
    NoHook,
    /// An import or export of the right name and wrong type.
    #[error("{0}")]
    Type(String),
    /// The compiler refused it.
    #[error("it cannot be compiled: {0}")]
    Compile(String),
    /// Compiling it went over a limit.
    #[error("compiling it takes {0}; a smaller component, or one with smaller functions, helps")]
    TooCostly(String),
    /// The compiler could not do its work.
    #[error("the compiler failed: {0}")]
    Compiler(String),
    /// It could not be instantiated within its limits.
    #[error("it cannot be started: {0}")]
    Start(CallFailure),
    /// No component of that digest was installed.
    #[error("no component {0} is installed")]
    Unknown(String),
    /// The file system.
    #[error("{0}")]
    Disk(String),
}

impl From<DigestError> for LoadError {
    fn from(error: DigestError) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// Why a chain was not published. The one before stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The component.
    #[error("the plugin '{plugin}' cannot be used: {error}")]
    Load {
        /// Its name.
        plugin: String,
        /// Why.
        error: LoadError,
    },
    /// It imports what is not granted.
    #[error("the plugin '{plugin}' imports {import}, which is not granted to binding '{binding}'")]
    NotGranted {
        /// Its name.
        plugin: String,
        /// The binding.
        binding: String,
        /// The whole name of the import.
        import: String,
        /// The word that would grant it.
        grant: String,
    },
    /// The configuration.
    #[error(
        "the configuration of binding '{binding}' does not fit the plugin '{plugin}': {detail}"
    )]
    Config {
        /// The plugin's name.
        plugin: String,
        /// The binding.
        binding: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The binding names another plugin than the component is.
    #[error("binding '{binding}' is for '{wanted}', but the component is '{found}'")]
    Name {
        /// The binding.
        binding: String,
        /// What it says.
        wanted: String,
        /// What the manifest says.
        found: String,
    },
    /// Two bindings with one id, or two for one delivery option.
    #[error("two bindings of one chain are '{0}'")]
    Twice(String),
    /// Not newer than the chain that is there.
    #[error("generation {wanted} is not newer than {current}")]
    Stale {
        /// What is there.
        current: u64,
        /// What was to come.
        wanted: u64,
    },
}

/// Why a call gave no answer. What happens then is the failure policy of the binding; nothing that
/// the call wanted to happen happens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// It trapped.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It called itself too deeply.
    #[error("it used up its stack")]
    Stack,
    /// It computed too long.
    #[error("it used up its CPU time of {0} ms")]
    Cpu(u64),
    /// It took too long with its waiting.
    #[error("it took longer than {0} ms")]
    Wall(u64),
    /// It wanted more memory, tables or instances.
    #[error("it wanted more memory than it may have")]
    Memory,
    /// It called the host too often, or moved or held too much.
    #[error("it went over a limit: {0}")]
    Budget(String),
    /// It gave the host something that the contract forbids.
    #[error("it broke the contract: {0}")]
    Contract(String),
    /// Its answer is none.
    #[error("its answer cannot be used: {0}")]
    Answer(String),
    /// Its `start` said no.
    #[error("its start failed: {0}")]
    Start(String),
    /// The domain has too many calls going on, or the machine has.
    #[error("too many calls at once")]
    Busy,
    /// The host could not do its part.
    #[error("the host could not help: {0}")]
    Host(String),
    /// It failed so often that it is not called for now.
    #[error("it failed too often and is left alone for {0} s")]
    Circuit(u64),
    /// The component is not there.
    #[error("it is not loaded: {0}")]
    NotLoaded(String),
}
