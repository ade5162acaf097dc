//! Starting and stopping a server.
//!
//! Order of the start: the store (its lock says that nobody else serves the directory), the
//! directory, certificate, plugins, listeners; only then is anything served. Order of the stop:
//! listeners take nothing new and wait for open sessions, the outflow finishes its attempts, the
//! store is closed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use directory::{DirectoryAdmin, LookupError};
use mail::Domain;
use net::{
    CertificateFiles, Certificates, DnsResolver, Gate, GateLimits, Shutdown, ShutdownTrigger,
};
use store::Store;
use tokio::task::JoinSet;

use crate::admin::{self, Api, Front};
use crate::backup::Note;
use crate::config::{Config, DirectoryKind};
use crate::listen::{self, Bound};
use crate::outflow;
use crate::plugins::Plugins;
use crate::reload::{self, Reload};
use crate::settings::{LiveSettings, Settings};
use crate::site::Site;
use crate::telemetry::Metrics;
use crate::{follow, metrics_http, plugins, shared, store_stopped};

/// A running server.
pub struct Server {
    site: Arc<Site>,
    /// Were there no domains at the start?
    nobody: bool,
    bound: Arc<Vec<(String, SocketAddr)>>,
    trigger: Arc<ShutdownTrigger>,
    tasks: JoinSet<anyhow::Result<()>>,
    outflow: JoinSet<()>,
    outflow_trigger: ShutdownTrigger,
    reload: Reload,
}

/// Runs a server until SIGTERM or Ctrl-C. `read` reads the configuration, now and at SIGHUP.
///
/// # Errors
/// The configuration is wrong, or something could not be opened.
pub async fn run(read: impl Fn() -> anyhow::Result<Config> + Send + 'static) -> anyhow::Result<()> {
    // From here on: a reload right after the start must not end the process.
    let hangups = reload::hangups();
    let server = Server::start(read()?).await?;
    server.announce();
    server.stop_at_signal();
    if let Some(hangups) = hangups {
        tokio::spawn(server.reload.clone().at_signal(hangups, read));
    }
    server.stopped().await
}

impl Server {
    /// Opens everything and serves.
    ///
    /// # Errors
    /// What could not be opened, and what helps. Nothing is served then.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let data = config.data.clone();
        std::fs::create_dir_all(&data)
            .with_context(|| format!("cannot make {}", data.display()))?;
        refuse_foreign(&data)?;
        let site = Arc::new(open_site(config).await?);
        prepare_domains(&site).await?;
        let nobody = !follow::is_needed(&site)
            && site
                .directory
                .domains()
                .await
                .is_ok_and(|domains| domains.is_empty());
        let settings = site.settings();
        let certificates = certificates(&settings.config)?;
        let listeners = listen::bind_all(&site)?;
        let admin_listener = admin::bind(&settings.config.admin_socket())?;
        let sendmail_socket = settings.config.sendmail.socket.as_deref();
        let sendmail_listener = sendmail_socket.map(admin::handin::bind).transpose()?;
        let (trigger, shutdown) = net::shutdown();
        let trigger = Arc::new(trigger);
        let mut tasks = JoinSet::new();
        let mut bound: Vec<(String, SocketAddr)> = listeners.iter().map(name_and_address).collect();
        for address in settings.config.listen.metrics() {
            let listener = net::bind(address)
                .with_context(|| format!("cannot listen on {address} for metrics"))?;
            bound.push(("metrics".to_owned(), listener.local_addr()?));
            tasks.spawn(metrics_http::serve(
                Arc::clone(&site),
                listener,
                shutdown.clone(),
            ));
        }
        let bound = Arc::new(bound);
        let gate = Gate::new(GateLimits::from(&settings.config.limits));
        let reload = Reload {
            site: Arc::clone(&site),
            certificates: certificates.clone(),
            gate: gate.clone(),
        };
        let api = Api {
            site: Arc::clone(&site),
            stop: Arc::clone(&trigger),
            bound: Arc::clone(&bound),
            tokens: Arc::default(),
            tasks: admin::Tasks::default(),
            held: admin::Held::default(),
        };
        let front = Front::new(api.clone());
        for listener in listeners {
            let certificates = certificates.clone();
            tasks.spawn(listen::serve(
                Arc::clone(&site),
                front.clone(),
                listener,
                certificates,
                gate.clone(),
                shutdown.clone(),
            ));
        }
        if let Some(listener) = sendmail_listener {
            let (api, shutdown) = (api.clone(), shutdown.clone());
            tasks.spawn(async move {
                admin::handin::serve(listener, api, shutdown).await;
                Ok(())
            });
        }
        let admin_shutdown = shutdown.clone();
        tasks.spawn(async move {
            admin::serve(admin_listener, api, admin_shutdown).await;
            Ok(())
        });
        tasks.spawn(store_stopped::watch(Arc::clone(&site), shutdown.clone()));
        let (outflow_trigger, outflow_shutdown) = net::shutdown();
        let outflow = start_outflow(&site, &outflow_shutdown);
        site.metrics.ready.set(1);
        Ok(Self {
            site,
            nobody,
            bound,
            trigger,
            tasks,
            outflow,
            outflow_trigger,
            reload,
        })
    }

    /// Where it listens, by service.
    pub fn bound(&self) -> &[(String, SocketAddr)] {
        &self.bound
    }

    /// Its parts, for tests that look behind the sockets.
    #[cfg(test)]
    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.trigger.stop();
    }

    /// Stops it at SIGTERM or Ctrl-C.
    pub(crate) fn stop_at_signal(&self) {
        let trigger = Arc::clone(&self.trigger);
        tokio::spawn(async move {
            signal().await;
            tracing::info!("stopping: open sessions may end first");
            trigger.stop();
        });
    }

    /// Waits until it has stopped.
    ///
    /// # Errors
    /// A listener or the store failed on the way.
    pub async fn stopped(mut self) -> anyhow::Result<()> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(Err(error)) = ended {
                self.trigger.stop();
                // The first one is why it stops.
                result = result.and(Err(error));
            }
        }
        self.site.metrics.ready.set(0);
        self.outflow_trigger.stop();
        while self.outflow.join_next().await.is_some() {}
        let socket = self.site.settings().config.admin_socket();
        if let Err(error) = std::fs::remove_file(&socket) {
            tracing::debug!(%error, "the admin socket was gone");
        }
        if let Some(socket) = &self.site.settings().config.sendmail.socket {
            let _ = std::fs::remove_file(socket);
        }
        let site = Arc::clone(&self.site);
        let closed = tokio::task::spawn_blocking(move || {
            // Before: a closed index says nothing any more, and closing adds no record.
            write_note(&*site.store, &site.note);
            site.store.close()
        })
        .await?;
        tracing::info!("stopped");
        result?;
        Ok(closed?)
    }

    /// Says where it listens, and what a first start does next.
    fn announce(&self) {
        for (name, address) in self.bound.iter() {
            tracing::info!(service = name, %address, "listening");
        }
        if self.nobody {
            let settings = self.site.settings();
            let data = settings.config.data.display();
            eprintln!(
                "\nThis server has no domains yet. In another terminal:\n  postroom --data {data} domain add abc.test\n  postroom --data {data} user add ann@abc.test\n"
            );
        }
    }
}

fn start_outflow(site: &Arc<Site>, shutdown: &Shutdown) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(outflow::run(Arc::clone(site), shutdown.clone()));
    tasks.spawn(outflow::measure(Arc::clone(site), shutdown.clone()));
    tasks.spawn(plugins::circuits::run(Arc::clone(site), shutdown.clone()));
    tasks.spawn(upkeep(Arc::clone(site), shutdown.clone()));
    if follow::is_needed(site) {
        tasks.spawn(follow::run(Arc::clone(site), shutdown.clone()));
    }
    tasks
}

async fn note(site: &Arc<Site>) {
    let site = Arc::clone(site);
    let noted = tokio::task::spawn_blocking(move || write_note(&*site.store, &site.note)).await;
    if let Err(error) = noted {
        tracing::warn!(%error, "noting how far the store is failed");
    }
}

/// Values of plugins and trace lines whose time is over go, a bounded number at a time.
async fn upkeep(site: Arc<Site>, mut shutdown: Shutdown) {
    while !shutdown.is_requested() {
        if let Err(error) = site.store.expire(crate::site::now(), 1000).await {
            tracing::debug!(%error, "upkeep");
        }
        note(&site).await;
        tokio::select! {
            () = shutdown.requested() => break,
            () = tokio::time::sleep(std::time::Duration::from_secs(60)) => {}
        }
    }
}

fn name_and_address(bound: &Bound) -> (String, SocketAddr) {
    (bound.service().name().to_owned(), bound.address())
}

/// What may be in a data directory before the first start.
const EXPECTED: &[&str] = &["lost+found", "tls"];

/// A directory of somebody else is not made ours: a wrong path would spread a server over a
/// home directory.
fn refuse_foreign(data: &Path) -> anyhow::Result<()> {
    if data.join("store").exists() {
        return Ok(());
    }
    for entry in
        std::fs::read_dir(data).with_context(|| format!("cannot read {}", data.display()))?
    {
        let name = entry?.file_name();
        anyhow::ensure!(
            EXPECTED.iter().any(|expected| name == *expected),
            "{} has '{}' in it and no store, so it is not a postroom data directory; name an empty or a new directory by `data` in postroom.toml or by --data",
            data.display(),
            name.display()
        );
    }
    Ok(())
}

async fn open_site(config: Config) -> anyhow::Result<Site> {
    let hostname = Domain::parse(&config.hostname)?;
    let note = Note::at(config.head_note());
    let store = open_store(&config, &note).await?;
    let path = config.data.join("directory.redb");
    let labels = config
        .program
        .iter()
        .map(|program| program.label.clone())
        .collect();
    let directory = open_directory(&config, path, labels).await?;
    let resolver = DnsResolver::new(&net::dns::DnsSettings {
        servers: config.dns.clone(),
        ..Default::default()
    })
    .map_err(|error| anyhow::anyhow!("the resolver cannot start: {error}"))?;
    let metrics = Metrics::new()?;
    let plugins = Plugins::start(&config, Arc::clone(&store), Arc::clone(&directory)).await?;
    let remote = delivery::remote::Remote::new(hostname.clone(), net::ClientTls::opportunistic()?);
    let login = directory::LoginWay::new(directory::LoginSettings {
        separator: Some(config.login.separator),
        default_domain: config.login.default_domain.clone(),
        allow_plaintext: false,
    });
    Ok(Site {
        places: outflow::Places::default(),
        hostname,
        directory,
        store,
        plugins,
        resolver: Arc::new(resolver),
        note,
        metrics,
        login,
        maildrops: listen::Maildrops::default(),
        shapes: listen::Shapes::default(),
        remote,
        settings: LiveSettings::new(Settings::new(config)?),
    })
}

async fn open_directory(
    config: &Config,
    path: PathBuf,
    programs: BTreeSet<String>,
) -> anyhow::Result<Arc<dyn DirectoryAdmin>> {
    let shown = path.display().to_string();
    let settings = match config.directory.kind {
        DirectoryKind::Embedded => None,
        DirectoryKind::Ldap => Some(config.directory.ldap()?),
    };
    let open = move || -> Result<Arc<dyn DirectoryAdmin>, directory::OpenError> {
        if let Some(settings) = settings {
            return Ok(Arc::new(directory::LdapDirectory::open(&path, settings)?));
        }
        let options = directory::Options {
            programs: Some(programs),
            ..directory::Options::default()
        };
        Ok(Arc::new(directory::EmbeddedDirectory::open(
            &path, options,
        )?))
    };
    let opened = tokio::task::spawn_blocking(open).await?;
    opened.with_context(|| format!("cannot open {shown}"))
}

/// Plugins and shared mailboxes of every domain. A directory that does not answer yet is no
/// reason not to start: its domains are prepared when it does.
async fn prepare_domains(site: &Arc<Site>) -> anyhow::Result<()> {
    let prepared = async {
        site.plugins.publish_all(&*site.directory).await?;
        shared::reconcile_all(site).await
    };
    match prepared.await {
        Err(error @ LookupError::Temporary(_)) if follow::is_needed(site) => {
            tracing::warn!(%error, "started without the directory: mail and logins are put off until it answers");
            Ok(())
        }
        prepared => Ok(prepared?),
    }
}

/// A store that is behind its note is opened for reading only.
async fn open_store(config: &Config, note: &Note) -> anyhow::Result<Arc<dyn Store>> {
    let path = config.data.join("store");
    let limits = &config.limits;
    let settings = config.store.apply(store::Config {
        disk_reserve_bytes: limits.disk_reserve_bytes,
        disk_reserve_percent: limits.disk_reserve_percent,
        at_least: note.read(),
        ..config.store_settings()?
    });
    let opened =
        tokio::task::spawn_blocking(move || store::Embedded::open(&path, settings)).await?;
    let store: Arc<dyn Store> = Arc::new(opened?);
    write_note(&*store, note);
    Ok(store)
}

/// Notes how far the store is, unless it takes no changes: then it may be an older one.
fn write_note(store: &dyn Store, note: &Note) {
    let is_sound = store.space().is_ok_and(|space| space.latched.is_none());
    match store.head() {
        Ok(head) if is_sound => note.write(head),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "how far the store is cannot be read"),
    }
}

/// The configured certificate, or a self-signed one made at the first start.
fn certificates(config: &Config) -> anyhow::Result<Certificates> {
    let files = match (&config.tls.certificate, &config.tls.key) {
        (Some(chain), Some(key)) => CertificateFiles {
            chain: chain.clone(),
            key: key.clone(),
        },
        _ => self_signed(&config.data, &Domain::parse(&config.hostname)?)?,
    };
    Ok(Certificates::load(files, [])?)
}

fn self_signed(data: &Path, hostname: &Domain) -> anyhow::Result<CertificateFiles> {
    let folder = data.join("tls");
    let files = CertificateFiles {
        chain: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    };
    if files.chain.exists() && files.key.exists() {
        return Ok(files);
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let names = [
        hostname.to_string(),
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
    ];
    net::tls::write_self_signed(&names, &files)?;
    tracing::warn!(
        certificate = %files.chain.display(),
        "made a self-signed certificate: clients will warn. Set tls.certificate and tls.key in postroom.toml to use a real one"
    );
    Ok(files)
}

/// SIGTERM or Ctrl-C.
pub(crate) async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
