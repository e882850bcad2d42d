//! From a configuration to a daemon that answers. In order: what refuses a second daemon, the
//! sockets (clients may queue from then on), the launcher, the services, the first accept.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime::cgroup::systemd;
use runtime::launch::{LaunchError, Launcher};
use rustix::process::{Resource, Rlimit};
use store::registry::{ConfigError, Registries, RegistryConfig};
use store::{OpenError, RecordError, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Services};
use crate::config::flags::Flags;
use crate::config::tls::Access;
use crate::config::{CgroupDriver, Config};
use crate::containers::{self, Containers};
use crate::engine;
use crate::events::Events;
use crate::http::Server;
use crate::http::accept::Listener;
use crate::images::{self, Images};
use crate::listen::{ListenError, Sockets, tls};
use crate::logging::Level;
use crate::metrics;
use crate::networks::{self, Networks};
use crate::pidfile::{Pidfile, PidfileError};
use crate::quiet::Quiet;
use crate::reload::{self, Live};
use crate::shutdown::{self, Asked, Signals};
use crate::volumes::{self, Volumes};

/// Others may pass through the roots but not list them; what is inside has its own modes.
const ROOT_MODE: u32 = 0o711;

/// Why the daemon does not come up. Each text is one line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BootError {
    #[error("create {}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Pidfile(#[from] PidfileError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("listen on tcp://: {0}")]
    Tls(#[from] tls::TlsError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(transparent)]
    Launcher(#[from] LaunchError),
    #[error(transparent)]
    Registries(#[from] ConfigError),
    #[error(transparent)]
    Volumes(#[from] volumes::Error),
    #[error(transparent)]
    Networks(#[from] networks::Error),
    #[error(transparent)]
    Containers(#[from] containers::Error),
    #[error("native.cgroupdriver=systemd, but systemd is not this host's init")]
    NoSystemd,
    #[error("listen on {address} for metrics: {source}")]
    Metrics { address: String, source: io::Error },
    #[error("embedded image: {0}")]
    Embedded(#[source] images::Error),
    #[error("id of the engine: {0}")]
    Engine(#[from] RecordError),
    #[error("{call}: {source}")]
    System { call: &'static str, source: io::Error },
}

/// What is opened before threads are started.
#[derive(Debug)]
pub(crate) struct Foundations {
    store: Store,
    launcher: Launcher,
    sockets: Sockets,
    _pidfile: Pidfile,
}

/// Opens what the daemon stands on. Must be called while the process has one thread.
///
/// # Errors
/// When another daemon uses the same data root, pidfile or socket, or something cannot be opened.
pub(crate) fn lay(config: &Config) -> Result<Foundations, BootError> {
    if config.cgroups.driver == CgroupDriver::Systemd && !systemd::is_booted() {
        return Err(BootError::NoSystemd);
    }
    make_root(&config.data_root)?;
    make_root(&config.exec_root)?;
    let store = Store::open(&config.data_root)?;
    store.keep_free(config.disk_reserve);
    let pidfile = Pidfile::hold(&config.pidfile)?;
    let sockets = Sockets::open(&config.hosts, config.group.as_deref())?;
    let launcher = Launcher::spawn()?;
    // Behind the launcher: containers inherit what the daemon was started with.
    allow_descriptors();
    Ok(Foundations { store, launcher, sockets, _pidfile: pidfile })
}

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// When a service cannot be opened; later failures are answers and log lines.
pub(crate) async fn run(
    config: Config,
    flags: Flags,
    level: Level,
    mut base: Foundations,
) -> Result<(), BootError> {
    let system = |call| move |source| BootError::System { call, source };
    let mut signals = Signals::listen().map_err(system("sigaction"))?;
    let stop = CancellationToken::new();
    let mut listeners = Vec::new();
    for listener in base.sockets.take() {
        let listener = tokio::net::UnixListener::from_std(listener);
        listeners.push(Listener::Unix(listener.map_err(system("epoll_ctl"))?));
    }
    listeners.extend(on_tcp(&mut base.sockets, &config.access)?);
    let metrics = match &config.metrics_address {
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .map_err(|source| BootError::Metrics { address: address.clone(), source })?,
        ),
        None => None,
    };
    let hosts: Vec<_> = config.hosts.iter().map(ToString::to_string).collect();
    let app = open(config, base.store.clone(), base.launcher)?;
    let quiet = Arc::new(Quiet::default());
    let server = Arc::new(Server::new(app.clone(), stop.clone(), Arc::clone(&quiet)));
    if let Some(listener) = metrics {
        tokio::spawn(metrics::serve(listener, app.clone(), stop.clone()));
    }
    for listener in listeners {
        let server = Arc::clone(&server);
        tokio::spawn(async move { server.accept_from(listener).await });
    }
    notify(sd_notify::NotifyState::Ready);
    tracing::info!(hosts = hosts.join(" "), version = env!("CARGO_PKG_VERSION"), "jockerd answers");
    tokio::spawn(async move { quiet.keep().await });

    let signal = loop {
        match signals.next().await {
            Asked::End(signal) => break signal,
            Asked::Reload => reload::reload(&app, &flags, &level).await,
        }
    };
    let containers_end = app.config.shutdown_containers;
    tracing::info!(signal, containers_end, "jockerd ends");
    notify(sd_notify::NotifyState::Stopping);
    stop.cancel();
    let limit = app.live.get().drain;
    let containers = async {
        if containers_end {
            app.containers.shut_down(limit).await;
        }
    };
    shutdown::drain(&server, &mut signals, limit, containers).await;
    let networks = app.networks.clone();
    if let Err(error) = tokio::task::spawn_blocking(move || networks.close()).await {
        tracing::error!(%error, "bridges are left");
    }
    Ok(())
}

/// The sockets on TCP, with what is asked of clients there. Loud when that is nothing.
fn on_tcp(sockets: &mut Sockets, access: &Access) -> Result<Vec<Listener>, BootError> {
    let sockets = sockets.take_tcp();
    if sockets.is_empty() {
        return Ok(Vec::new());
    }
    let tls = match access {
        Access::Certified(files) => Some(tls::acceptor(files, true)?),
        Access::Encrypted(files) => Some(tls::acceptor(files, false)?),
        Access::Open => None,
    };
    if !matches!(access, Access::Certified(_)) {
        tracing::warn!(
            encrypted = tls.is_some(),
            "WHOEVER REACHES THE API ON TCP IS ROOT ON THIS MACHINE: no certificate is asked for"
        );
    }
    let listener = |socket| {
        let socket = TcpListener::from_std(socket)
            .map_err(|source| BootError::System { call: "epoll_ctl", source })?;
        Ok(Listener::Tcp(socket, tls.clone()))
    };
    sockets.into_iter().map(listener).collect()
}

fn open(config: Config, store: Store, launcher: Launcher) -> Result<App, BootError> {
    let config = Arc::new(config);
    let registries = Registries::new(RegistryConfig {
        insecure: config.insecure_registries.clone(),
        mirrors: config.registry_mirrors.clone(),
        max_concurrent_downloads: config.max_concurrent_downloads,
        ..RegistryConfig::default()
    })?;
    if config.embedded_image {
        images::embedded::ensure(&store).map_err(BootError::Embedded)?;
    }
    let events = Events::new();
    let volumes = Volumes::open(store.clone(), events.clone())?;
    let networks = Networks::open(&config, store.records(), events.clone())?;
    let containers = Containers::open(containers::Parts {
        networks: networks.clone(),
        config: Arc::clone(&config),
        store: store.clone(),
        volumes: volumes.clone(),
        launcher,
        events: events.clone(),
    })?;
    containers.adopt()?;
    let images = Images::new(store.clone(), registries.clone(), containers.clone(), events.clone());
    let live = Live::new(&config);
    Ok(App::new(Services {
        config,
        live,
        engine_id: engine::id(&store.records())?,
        store,
        registries,
        events,
        containers,
        images,
        networks,
        volumes,
    }))
}

/// As many open descriptors as we may have: each connection is one. A failure leaves fewer.
fn allow_descriptors() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open descriptors stays low");
    }
}

/// Makes a root directory, if need be with those above it.
fn make_root(path: &Path) -> Result<(), BootError> {
    let failed = |source| BootError::Directory { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(ROOT_MODE).create(path).map_err(failed)?;
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
    if mode != ROOT_MODE {
        fs::set_permissions(path, Permissions::from_mode(ROOT_MODE)).map_err(failed)?;
    }
    Ok(())
}

/// Tells systemd, if it started us (sd_notify(3)).
fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
