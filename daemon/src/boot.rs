//! From a configuration to a daemon that answers. In order: what refuses a second daemon, the
//! sockets (clients may queue from then on), the launcher, the services, the first accept.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runtime::cgroup::systemd;
use runtime::launch::{LaunchError, Launcher};
use store::registry::{ConfigError, Registries, RegistryConfig};
use store::{OpenError, Store};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Services};
use crate::config::{CgroupDriver, Config};
use crate::containers::{self, Containers};
use crate::events::Events;
use crate::http::Server;
use crate::images::{self, Images};
use crate::listen::{ListenError, Sockets};
use crate::networks::{self, Networks};
use crate::pidfile::{Pidfile, PidfileError};
use crate::shutdown::{self, Signals};
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
    #[error("embedded image: {0}")]
    Embedded(#[source] images::Error),
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
    let pidfile = Pidfile::hold(&config.pidfile)?;
    let sockets = Sockets::open(&config.hosts, config.group.as_deref())?;
    let launcher = Launcher::spawn()?;
    Ok(Foundations { store, launcher, sockets, _pidfile: pidfile })
}

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// When a service cannot be opened; later failures are answers and log lines.
pub(crate) async fn run(config: Config, mut base: Foundations) -> Result<(), BootError> {
    let system = |call| move |source| BootError::System { call, source };
    let mut signals = Signals::listen().map_err(system("sigaction"))?;
    let stop = CancellationToken::new();
    let mut listeners = Vec::new();
    for listener in base.sockets.take() {
        listeners.push(tokio::net::UnixListener::from_std(listener).map_err(system("epoll_ctl"))?);
    }
    let drain = config.drain;
    let hosts: Vec<_> = config.hosts.iter().map(ToString::to_string).collect();
    let app = open(config, base.store.clone(), base.launcher)?;
    let server = Arc::new(Server::new(app, stop.clone()));
    for listener in listeners {
        let server = Arc::clone(&server);
        tokio::spawn(async move { server.accept_from(listener).await });
    }
    notify(sd_notify::NotifyState::Ready);
    tracing::info!(hosts = hosts.join(" "), version = env!("CARGO_PKG_VERSION"), "jockerd answers");

    let signal = signals.end().await;
    tracing::info!(signal, "jockerd ends, containers go on");
    notify(sd_notify::NotifyState::Stopping);
    stop.cancel();
    shutdown::drain(&server, &mut signals, drain).await;
    Ok(())
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
    Ok(App::new(Services {
        config,
        store,
        registries,
        events,
        containers,
        images,
        networks,
        volumes,
    }))
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
