//! The container service: every container is an actor of its own; here is how they are found, made and adopted.
//!
//! ```text
//! http ──► Containers ──► Handle ──queue──► actor ──► prepare (store, networks, spec, launcher)
//!              │             ▲                ▲
//!           registry     snapshots        control socket of the monitor
//! ```
//!
//! Reads (list, inspect, wait) look at snapshots and never wait for an actor.

mod actor;
mod adopt;
mod create;
mod depends;
mod devices;
mod ended;
mod error;
mod exec;
mod files;
mod filters;
mod handle;
mod health;
mod launchers;
mod logging;
mod monitor;
mod names;
mod networks;
mod pause;
mod plan;
mod prepare;
mod propagation;
mod prune;
mod record;
mod registry;
mod remove;
mod rename;
mod restart;
mod select;
mod sequel;
mod shut_down;
mod signals;
mod start;
mod state;
mod stats;
mod stop;
mod timeline;
mod top;
mod update;
mod validate;
mod view;
mod volumes;
mod wait;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api_spec::container::{
    ContainerInspect, ContainerSummary, CreateRequest, CreateResponse, LogConfig,
};
use api_spec::network::NetworkContainer;
use runtime::caps::CapabilitySet;
use runtime::launch::Launcher;
use runtime::plan::Host;
use store::Store;

pub(crate) use error::Error;
pub(crate) use exec::{Exec, ExecStart};
pub(crate) use files::{MARK, Source as FileSource};
pub(crate) use handle::{Attached, Handle, Outcome, Streams};
pub(crate) use logging::check_default as check_log_default;
pub(crate) use networks::{OLD_MAC, shown_in_network};
pub(crate) use select::{Form, Selection};
pub(crate) use signals::{SIGKILL, parse as parse_signal};
pub(crate) use state::State;
pub(crate) use wait::Condition;

use crate::config::{CgroupDriver, Config};
use crate::events::Events;
use crate::guest;
use crate::logs::Source;
use crate::networks::Networks;
use crate::spec::HostFacts;
use crate::volumes::Volumes;
use launchers::Launchers;
use registry::Registry;

/// The name of the only runtime.
pub(crate) const RUNTIME_NAME: &str = "jocker";
/// What containers that share the host's IPC see of it, where it is there.
const IPC_MOUNTS: [&str; 2] = ["/dev/mqueue", "/dev/shm"];

/// Every container of the daemon. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Containers(Arc<Service>);

/// What the service stands on.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) volumes: Volumes,
    pub(crate) networks: Networks,
    pub(crate) launcher: Launcher,
    pub(crate) events: Events,
    pub(crate) config: Arc<Config>,
}

/// What the actors share.
#[derive(Debug)]
struct Service {
    store: Store,
    volumes: Volumes,
    launchers: Launchers,
    networks: Networks,
    events: Events,
    host: Host,
    facts: HostFacts,
    filters: filters::Filters,
    /// What containers have whose client names no log driver.
    log_default: LogConfig,
    execs: exec::Execs,
    probes: health::Slots,
    views: files::Views,
    sampler: stats::Sampler,
    registry: Mutex<Registry>,
    /// Directories of running containers: one a container.
    run_root: PathBuf,
    data_root: PathBuf,
    /// How long a container may take from its start to its program.
    start_limit: Duration,
}

/// How many containers there are, for `GET /info`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) running: usize,
    pub(crate) paused: usize,
    pub(crate) stopped: usize,
}

/// A container that uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageUse {
    pub(crate) id: String,
    pub(crate) running: bool,
}

impl Containers {
    /// Reads the facts of the host. Blocking; [`Containers::adopt`] comes next.
    pub(crate) fn open(parts: Parts) -> Result<Self, Error> {
        let Parts { store, volumes, networks, launcher, events, config } = parts;
        let host = Host::probe();
        let facts = HostFacts {
            cgroup_v2: matches!(host.layout, runtime::cgroup::Layout::V2 { .. }),
            io_weight: host.layout.has_io_weight(),
            thermal_throttle: thermal_throttle(),
            bounding: host.bounding.intersection(CapabilitySet::ALL).names().collect(),
            init: Some(guest::put_into(&config.exec_root).map_err(Error::internal)?),
            ipc_mounts: IPC_MOUNTS.iter().map(PathBuf::from).filter(|path| path.is_dir()).collect(),
            cgroup_systemd: config.cgroups.driver == CgroupDriver::Systemd,
            cgroup_parent: config.cgroups.parent.clone(),
            devices: devices::all(),
        };
        Ok(Self(Arc::new(Service {
            networks,
            run_root: config.exec_root.join("containers"),
            data_root: config.data_root.clone(),
            start_limit: config.start_limit,
            filters: filters::Filters::default(),
            log_default: logging::default(config.log_driver.as_deref(), &config.log_options),
            execs: exec::Execs::default(),
            probes: health::Slots::default(),
            views: files::Views::default(),
            sampler: stats::Sampler::default(),
            registry: Mutex::default(),
            store,
            volumes,
            launchers: Launchers::new(launcher),
            events,
            host,
            facts,
        })))
    }

    /// Whether the containers' control groups are of version 2.
    pub(crate) fn cgroup_v2(&self) -> bool {
        self.0.facts.cgroup_v2
    }

    /// Takes the stored containers over: those that run go on, those that ended meanwhile get their end. Must run
    /// within the async runtime; does not wait for any container.
    pub(crate) fn adopt(&self) -> Result<(), Error> {
        self.0.adopt()
    }

    /// Creates a container.
    pub(crate) async fn create(
        &self,
        request: CreateRequest,
        name: Option<String>,
        platform: String,
    ) -> Result<CreateResponse, Error> {
        self.0.create(request, name, platform).await
    }

    /// Finds a container by id, name, or an unambiguous beginning of the id.
    pub(crate) fn resolve(&self, name: &str) -> Result<Handle, Error> {
        self.0.resolve(name)
    }

    /// The chosen containers, newest first.
    pub(crate) fn list(&self, selection: &Selection) -> Result<Vec<ContainerSummary>, Error> {
        select::list(&self.0, selection)
    }

    /// The same as JSON that ends with a line feed, in the form of an API version.
    pub(crate) fn list_json(
        &self,
        selection: &Selection,
        form: &Form<'_>,
    ) -> Result<Vec<u8>, Error> {
        select::json(&self.0, selection, form)
    }

    /// All that there is to know of one container.
    pub(crate) fn inspect(&self, handle: &Handle, size: bool) -> Result<ContainerInspect, Error> {
        view::inspect(&self.0, handle, size)
    }

    /// Where the container's log is, unless it has none that can be read.
    pub(crate) fn log_source(&self, handle: &Handle) -> Result<Option<Source>, Error> {
        let snapshot = self.0.store.snapshots().get(handle.id()).map_err(Error::internal)?;
        // Without a snapshot it is being removed.
        let snapshot = snapshot.ok_or_else(|| Error::NoContainer(handle.id().to_owned()))?;
        Ok(logging::source(&handle.definition, &snapshot.log))
    }

    /// Tells that something happened to a container.
    pub(crate) fn tell(&self, handle: &Handle, action: &str, attributes: &[(&str, String)]) {
        let name = &handle.snapshot().name;
        self.0.events.publish(actor::event(&handle.definition, name, action, attributes));
    }

    /// Makes an exec in a running container, which the client `named` so.
    pub(crate) fn create_exec(
        &self,
        handle: &Handle,
        named: &str,
        config: api_spec::exec::ExecConfig,
    ) -> Result<Arc<Exec>, Error> {
        self.0.create_exec(handle, named, config)
    }

    /// Finds an exec by its id.
    pub(crate) fn exec(&self, id: &str) -> Result<Arc<Exec>, Error> {
        self.0.execs.get(id).ok_or_else(|| Error::NoExec(id.to_owned()))
    }

    /// Starts an exec.
    pub(crate) async fn start_exec(
        &self,
        exec: &Arc<Exec>,
        how: ExecStart,
    ) -> Result<Option<tokio::net::UnixStream>, Error> {
        self.0.start_exec(exec, how).await
    }

    /// The table of a container's processes that `ps` would print with these arguments.
    pub(crate) async fn top(
        &self,
        handle: &Handle,
        arguments: &str,
    ) -> Result<api_spec::container::TopResponse, Error> {
        let (service, handle) = (Arc::clone(&self.0), handle.clone());
        let arguments = arguments.to_owned();
        let work = move || service.top(&handle, &arguments);
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }

    /// What a start of a container would do now.
    pub(crate) async fn plan(&self, handle: &Handle) -> Result<runtime::plan::Plan, Error> {
        let (service, handle) = (Arc::clone(&self.0), handle.clone());
        let work = move || service.plan_of(&handle);
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }

    /// When the steps of a container's last start were done.
    pub(crate) fn timeline(&self, handle: &Handle) -> Result<api_spec::container::Timeline, Error> {
        self.0.timeline(handle)
    }

    /// Refuses an update that can not be right for any container, drops what the kernel has not. Returns warnings.
    pub(crate) fn check_update(
        &self,
        update: &mut api_spec::container::HostConfig,
    ) -> Result<Vec<String>, Error> {
        self.0.check_update(update)
    }

    /// The running containers in a network, by id.
    pub(crate) fn in_network(&self, network: &str) -> BTreeMap<String, NetworkContainer> {
        let mut shown = BTreeMap::new();
        for handle in self.0.registry().all() {
            let seen = handle.snapshot();
            let mut attachments = seen.progress.networks.iter();
            let attachment = attachments.find(|attachment| attachment.id == network);
            let container = attachment.and_then(|it| shown_in_network(handle.id(), &seen.name, it));
            shown.extend(container.map(|container| (handle.id().to_owned(), container)));
        }
        shown
    }

    /// How many containers there are.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for handle in self.0.registry().all() {
            match handle.snapshot().progress.state {
                State::Running(_) | State::Restarting(_) => counts.running += 1,
                State::Paused(_) => counts.paused += 1,
                _ => counts.stopped += 1,
            }
        }
        counts
    }

    /// How many containers are made from each image, by its id (`sha256:…`).
    pub(crate) fn by_image(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for handle in self.0.registry().all() {
            *counts.entry(handle.definition.image_id.clone()).or_default() += 1;
        }
        counts
    }

    /// The containers made from the image with this id (`sha256:…`).
    pub(crate) fn using_image(&self, image: &str) -> Vec<ImageUse> {
        let handles = self.0.registry().all();
        let uses = handles.into_iter().filter(|handle| handle.definition.has_image(image));
        uses.map(|handle| ImageUse {
            id: handle.id().to_owned(),
            running: {
                let state = &handle.snapshot().progress.state;
                state.is_live() || matches!(state, State::Restarting(_))
            },
        })
        .collect()
    }
}

impl Service {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resolve(&self, name: &str) -> Result<Handle, Error> {
        self.registry().resolve(name)
    }

    /// The container is gone: its name is free, its execs are forgotten.
    fn forget(&self, id: &str, name: &str) {
        self.registry().remove(id, name);
        self.execs.forget_container(id);
    }
}

/// `thermal_throttle` of each CPU that has one: hidden from containers.
fn thermal_throttle() -> Vec<String> {
    let Ok(cpus) = fs::read_dir("/sys/devices/system/cpu") else { return Vec::new() };
    let mut paths: Vec<String> = cpus
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("cpu"))
        .map(|entry| entry.path().join("thermal_throttle"))
        .filter(|path| path.is_dir())
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    paths.sort();
    paths
}
