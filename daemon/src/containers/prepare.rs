//! The steps of a start, from the network lease to the launch. Blocking; each step that leaves something pushes its
//! undo, and all of them run when a later step fails.

use std::borrow::Cow;
use std::fs;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use api_spec::container::ContainerConfig;
use oci_spec::runtime::Spec;
use runtime::launch::{Kind, LaunchFds, LaunchRequest, StdioConfig};
use runtime::monitor::protocol::Role;
use runtime::plan::Plan;
use runtime::rootfs::Rootfs;
use runtime::timeline::{Step, Timeline};
use store::{Snapshot, crash};

use super::Service;
use super::error::Error;
use super::handle::Streams;
use super::launchers::Connections;
use super::logging;
use super::monitor::{self, RunDir};
use super::networks::{Attachment, Linked, addresses};
use super::propagation;
use super::record::{Definition, Progress, Writer};
use super::start::Peers;
use super::start::limit::Stage;
use crate::spec::{self, Files, Mode, Resolver, mode};

/// The OCI runtime spec of the container's last start.
const BUNDLE: &str = "config.json";
/// The host's name servers, and where they are if systemd-resolved stands before them.
const RESOLV_CONF: &str = "/etc/resolv.conf";
const RESOLVED_CONF: &str = "/run/systemd/resolve/resolv.conf";

/// A start to be carried out.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) service: Arc<Service>,
    pub(super) definition: Arc<Definition>,
    pub(super) name: String,
    pub(super) writer: Arc<Writer>,
    pub(super) progress: Progress,
    pub(super) run_dir: RunDir,
    pub(super) peers: Peers,
    /// Clients that are to be connected before the program runs.
    pub(super) attaches: Vec<Streams>,
    /// How far it has come.
    pub(super) stage: Arc<Stage>,
    pub(super) timeline: Timeline,
}

/// A start that is under way; how it goes comes over `control`.
#[derive(Debug)]
pub(super) struct Launched {
    /// The streams are in the order of [`Task::attaches`].
    pub(super) connections: Connections,
    pub(super) networks: Vec<Attachment>,
}

/// What has to be taken back if a later step fails; newest first.
#[derive(Default)]
pub(super) struct Undo(Vec<Box<dyn FnOnce()>>);

impl Undo {
    pub(super) fn push(&mut self, step: impl FnOnce() + 'static) {
        self.0.push(Box::new(step));
    }

    /// The start has succeeded.
    fn forget(mut self) {
        self.0.clear();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        while let Some(step) = self.0.pop() {
            step();
        }
    }
}

impl Task {
    /// Carries the start out up to the launch.
    pub(super) fn run(mut self) -> Result<Launched, Error> {
        let mut undo = Undo::default();
        self.stage.enter("networks")?;
        self.timeline.mark(Step::Begun);
        let linked = self.service.linked(&self.definition, &self.name)?;
        let networks = self.lease(&mut undo)?;
        self.progress.networks.clone_from(&networks);
        crash::step("start.leased");
        self.timeline.mark(Step::Leased);
        self.writer.update(&self.progress).map_err(Error::internal)?;
        crash::step("start.recorded");
        self.stage.enter("files of the container")?;
        self.timeline.mark(Step::Recorded);
        let snapshot = self.snapshot()?;
        self.service.views.give_way(&self.definition.id);
        if self.definition.host_config.auto_remove && self.progress.last_exit.is_some() {
            forget_volatile(&snapshot.work);
        }
        let netns = self.netns(&networks, &mut undo)?;
        crash::step("start.connected");
        self.timeline.mark(Step::Connected);
        let files = self.files(&snapshot, &networks, &linked)?;
        self.stage.enter("sources of binds and volumes")?;
        self.bind_sources()?;
        self.mount_volumes(&mut undo)?;
        self.timeline.mark(Step::Filed);
        let joined = self.peers.namespaces;
        let (spec, plan) = self.service.compile(&self.definition, &files, &linked, joined)?;
        crash::step("start.compiled");
        self.stage.leave()?;
        self.timeline.mark(Step::Compiled);
        let launched = self.launch(plan, &snapshot, netns.as_ref(), networks, &mut undo)?;
        undo.forget();
        crash::step("start.launched");
        // Init is at work meanwhile.
        self.write_bundle(&spec, &snapshot.dir);
        Ok(launched)
    }

    fn snapshot(&self) -> Result<Snapshot, Error> {
        let id = &self.definition.id;
        let snapshot = self.service.store.snapshots().get(id).map_err(Error::internal)?;
        snapshot.ok_or_else(|| Error::Internal(format!("container {id} has no file system")))
    }

    /// Writes the three files of `/etc`, or finds those of the container whose network is shared.
    fn files(
        &self,
        snapshot: &Snapshot,
        networks: &[Attachment],
        linked: &[Linked],
    ) -> Result<Files, Error> {
        let (config, host_config) = (&self.definition.config, &self.definition.host_config);
        if let Mode::Container(name) = mode(&host_config.network_mode) {
            let peer = self.service.resolve(name)?;
            let peer = self.service.store.snapshots().get(peer.id()).map_err(Error::internal)?;
            return Ok(peer.map(|peer| files_in(&peer.dir)).unwrap_or_default());
        }
        let files = files_in(&snapshot.dir);
        let own_namespace = !is_host(&self.definition);
        let linked: Vec<_> =
            linked.iter().map(|link| (link.address, link.names.as_str())).collect();
        let gateway = self.service.networks.gateway().map(IpAddr::V4);
        let named = host_config.extra_hosts.as_ref().is_some_and(|hosts| !hosts.is_empty());
        let hosts = match own_namespace || named {
            true => spec::etc_hosts(&spec::Hosts {
                host_config,
                names: &spec::host_names(&config.hostname, &config.domainname),
                addresses: &addresses(networks),
                linked: &linked,
                gateway,
            }),
            false => fs::read_to_string("/etc/hosts").unwrap_or_default(),
        };
        let resolver = match own_namespace {
            false => Resolver::Host,
            true if networks.iter().any(|network| network.names.is_some()) => Resolver::Own,
            true => Resolver::Reachable,
        };
        let resolv_conf = spec::etc_resolv_conf(&host_resolv_conf(), host_config, resolver);
        write(&files.hosts, &hosts)?;
        write(&files.resolv_conf, &resolv_conf)?;
        write(&files.hostname, &format!("{}\n", config.hostname))?;
        Ok(files)
    }

    /// Makes the directories that are to be bound and are not there, as Docker does.
    fn bind_sources(&self) -> Result<(), Error> {
        for source in spec::bind_sources(&self.definition.host_config) {
            if source.symlink_metadata().is_err() {
                fs::create_dir_all(&source).map_err(|error| {
                    let path = source.display();
                    Error::Internal(format!(
                        "error while creating mount source path '{path}': {error}"
                    ))
                })?;
            }
        }
        let definition = &self.definition;
        propagation::check(&spec::host_binds(&definition.host_config, &definition.inherited))
    }

    /// Has those volumes mounted that have a file system of their own.
    fn mount_volumes(&self, undo: &mut Undo) -> Result<(), Error> {
        for each in &self.definition.volumes {
            self.service.volumes.enter_for(&each.name, &self.definition.id)?;
            let (service, definition) = (self.service.clone(), Arc::clone(&self.definition));
            let name = each.name.clone();
            undo.push(move || service.volumes.leave_for(&name, &definition.id));
        }
        Ok(())
    }

    /// Leaves the spec beside the container, for people and other runtimes to read. Nothing here depends on it.
    fn write_bundle(&self, spec: &Spec, directory: &Path) {
        if self.definition.host_config.auto_remove {
            return;
        }
        let text = serde_json::to_vec(spec).map_err(std::io::Error::from);
        if let Err(error) = text.and_then(|text| fs::write(directory.join(BUNDLE), text)) {
            tracing::warn!(container.id = self.definition.id, %error, "no bundle");
        }
    }

    fn launch(
        &mut self,
        plan: Plan,
        snapshot: &Snapshot,
        netns: Option<&OwnedFd>,
        networks: Vec<Attachment>,
        undo: &mut Undo,
    ) -> Result<Launched, Error> {
        self.run_dir.create().map_err(Error::internal)?;
        let run_dir = self.run_dir.clone();
        undo.push(move || run_dir.forget());
        let request = LaunchRequest {
            id: self.definition.id.clone(),
            plan,
            rootfs: Some(Rootfs::Overlay {
                lower: snapshot.lower.clone(),
                upper: snapshot.upper.clone(),
                work: snapshot.work.clone(),
                volatile: self.definition.host_config.auto_remove,
            }),
            stdio: stdio(&self.definition),
            log: logging::config(&self.definition, &self.name, &snapshot.log)?,
            record: Some(self.run_dir.record()),
            kind: Kind::Container,
            timeline: std::mem::take(&mut self.timeline),
        };
        let connect = || self.connect(netns).map_err(Error::internal);
        let connections = self.service.launchers.launch(&request, connect)?;
        Ok(Launched { connections, networks })
    }

    /// The monitor's socket, and everybody who is to be connected from the first byte on.
    fn connect(&self, netns: Option<&OwnedFd>) -> std::io::Result<(LaunchFds, Connections)> {
        let listener = Some(self.run_dir.bind()?.into());
        let (control, theirs) = monitor::connection()?;
        let (mut clients, mut streams) = (vec![(Role::Control, theirs)], Vec::new());
        for wanted in &self.attaches {
            let (ours, theirs) = monitor::connection()?;
            clients.push(((*wanted).into(), theirs));
            streams.push(ours);
        }
        let netns = netns.map(OwnedFd::try_clone).transpose()?;
        Ok((
            LaunchFds { listener, clients, netns, target: None },
            Connections { control, streams, monitor: None },
        ))
    }
}

/// The configuration with what linked containers offer put before its environment.
pub(super) fn with_links<'a>(
    config: &'a ContainerConfig,
    linked: &[Linked],
) -> Cow<'a, ContainerConfig> {
    if linked.is_empty() {
        return Cow::Borrowed(config);
    }
    let offered = linked.iter().flat_map(|link| link.environment.iter().cloned());
    let env = offered.chain(config.env.iter().flatten().cloned()).collect();
    Cow::Owned(ContainerConfig { env: Some(env), ..config.clone() })
}

fn is_host(definition: &Definition) -> bool {
    mode(&definition.host_config.network_mode) == Mode::Host
}

/// Where the three files of a container lie.
pub(super) fn files_in(directory: &Path) -> Files {
    Files {
        resolv_conf: directory.join("resolv.conf"),
        hostname: directory.join("hostname"),
        hosts: directory.join("hosts"),
    }
}

/// A volatile overlay can be mounted once: it leaves a mark that says so, for hosts that went down meanwhile. This
/// one did not, or there were no container to restart. kernel: Documentation/filesystems/overlayfs.rst.
fn forget_volatile(work: &Path) {
    if let Err(error) = fs::remove_dir_all(work.join("work/incompat/volatile")) {
        tracing::debug!(%error, "no mark of a volatile overlay");
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text)
        .map_err(|error| Error::Internal(format!("write {}: {error}", path.display())))
}

pub(super) fn host_resolv_conf() -> String {
    let text = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    let mut servers = text.lines().filter_map(|line| line.strip_prefix("nameserver"));
    match (servers.next().map(str::trim), servers.next()) {
        (Some("127.0.0.53"), None) => fs::read_to_string(RESOLVED_CONF).unwrap_or(text),
        _ => text,
    }
}

fn stdio(definition: &Definition) -> StdioConfig {
    let config = &definition.config;
    let [rows, columns] = definition.host_config.console_size;
    let side = |side: u32| u16::try_from(side).ok().filter(|side| *side > 0);
    StdioConfig {
        tty: config.tty,
        stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        console_size: side(rows).zip(side(columns)).filter(|_| config.tty),
    }
}
