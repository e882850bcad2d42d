//! A container as `inspect` shows it.

use std::collections::BTreeMap;
use std::path::Path;

use api_spec::container::{ContainerInspect, ContainerState, DriverData, MountPoint};
use api_spec::network::{DefaultBridge, NetworkSettings, PortMap};

use super::Service;
use super::error::Error;
use super::handle::{Handle, Snapshot};
use super::logging;
use super::networks::endpoints;
use super::prepare::files_in;
use super::record::Definition;
use super::state::State;
use crate::logs::Form;
use crate::networks::{BRIDGE, port_map};
use crate::spec::{self, command_line};

/// What Docker calls the kind of snapshot that we have.
const DRIVER: &str = "overlay2";
const PLATFORM: &str = "linux";

pub(super) fn inspect(
    service: &Service,
    handle: &Handle,
    size: bool,
) -> Result<ContainerInspect, Error> {
    let definition = &handle.definition;
    let seen = handle.snapshot();
    let progress = &seen.progress;
    let mut line = command_line(&definition.config).into_iter();
    let snapshot = service.store.snapshots().get(&definition.id).map_err(Error::internal)?;
    let mut inspect = ContainerInspect {
        id: definition.id.clone(),
        created: definition.created.clone(),
        path: line.next().unwrap_or_default(),
        args: line.collect(),
        state: ContainerState {
            health: progress.health.clone(),
            ..progress.state.to_api(progress.last_exit.as_ref())
        },
        image: definition.image_id.clone(),
        name: format!("/{}", seen.name),
        restart_count: progress.restart_count,
        driver: DRIVER.to_owned(),
        platform: PLATFORM.to_owned(),
        // The end of an exec may be heard of after that of its container.
        exec_ids: progress.state.running().and_then(|_| service.execs.running_in(&definition.id)),
        host_config: api_spec::container::HostConfig {
            links: service.shown_links(definition, &seen.name),
            ..definition.host_config.clone()
        },
        mounts: mounts(service, definition),
        config: definition.config.clone(),
        network_settings: network_settings(definition, &seen),
        ..ContainerInspect::default()
    };
    let Some(snapshot) = snapshot else { return Ok(inspect) };
    let path = |path: &Path| path.to_string_lossy().into_owned();
    if has_run(&progress.state) {
        let files = files_in(&snapshot.dir);
        inspect.resolv_conf_path = path(&files.resolv_conf);
        inspect.hostname_path = path(&files.hostname);
        inspect.hosts_path = path(&files.hosts);
        // As Docker: only where people may look for themselves.
        let place = logging::place(definition, &snapshot.log);
        if let Some(place) = place.filter(|place| place.form == Form::Json) {
            inspect.log_path = path(&place.path);
        }
    }
    let lower: Vec<String> = snapshot.lower.iter().map(|lower| path(lower)).collect();
    inspect.graph_driver = DriverData {
        name: DRIVER.to_owned(),
        data: Some(BTreeMap::from([
            ("LowerDir".to_owned(), lower.join(":")),
            ("UpperDir".to_owned(), path(&snapshot.upper)),
            ("WorkDir".to_owned(), path(&snapshot.work)),
        ])),
    };
    if size {
        let upper = i64::try_from(snapshot.size()).unwrap_or(i64::MAX);
        let image = service.image_size(&definition.image_id);
        inspect.size_rw = Some(upper);
        inspect.size_root_fs = Some(upper.saturating_add(image));
    }
    Ok(inspect)
}

fn has_run(state: &State) -> bool {
    !matches!(state, State::Created)
}

/// Mounts that inspect and list report.
pub(super) fn mounts(service: &Service, definition: &Definition) -> Vec<MountPoint> {
    let host_config = &definition.host_config;
    let bind = |source: String, destination: String, mode: String, rw, propagation: String| {
        let kind = "bind".to_owned();
        MountPoint {
            r#type: kind,
            source,
            destination,
            mode,
            rw,
            propagation,
            ..MountPoint::default()
        }
    };
    let mut list = Vec::new();
    for each in spec::binds(host_config).filter(|bind| !bind.is_volume()) {
        let source = each.source.to_string_lossy().into_owned();
        list.push(bind(source, each.target, each.mode, !each.readonly, each.propagation));
    }
    let asked = host_config.mounts.iter().flatten().filter(|mount| mount.r#type != "volume");
    for mount in asked.chain(&definition.inherited) {
        let propagation = match mount.bind_options.as_ref().map(|options| &options.propagation) {
            _ if mount.r#type != "bind" => String::new(),
            Some(propagation) if !propagation.is_empty() => propagation.clone(),
            _ => "rprivate".to_owned(),
        };
        list.push(MountPoint {
            r#type: mount.r#type.clone(),
            source: mount.source.clone(),
            destination: mount.target.clone(),
            rw: !mount.read_only && mount.r#type != "image",
            propagation,
            ..MountPoint::default()
        });
    }
    list.extend(service.volume_points(definition));
    list
}

fn network_settings(definition: &Definition, seen: &Snapshot) -> NetworkSettings {
    let networks = endpoints(&definition.id, &seen.progress.networks);
    let mut settings = NetworkSettings::default();
    if seen.progress.state.running().is_some() {
        settings.sandbox_id.clone_from(&definition.id);
        settings.ports = ports(definition, seen);
    }
    let of_bridge = networks.get(BRIDGE).map(|bridge| DefaultBridge {
        endpoint_id: bridge.endpoint_id.clone(),
        gateway: bridge.gateway.clone(),
        ip_address: bridge.ip_address.clone(),
        ip_prefix_len: bridge.ip_prefix_len,
        mac_address: bridge.mac_address.clone(),
        ipv6_gateway: bridge.ipv6_gateway.clone(),
        global_ipv6_address: bridge.global_ipv6_address.clone(),
        global_ipv6_prefix_len: bridge.global_ipv6_prefix_len,
        ..DefaultBridge::default()
    });
    settings.default_bridge = Some(of_bridge.unwrap_or_default());
    settings.networks = networks;
    settings
}

/// Exposed and published ports; Docker shows none for containers without a bridge that leads out.
pub(super) fn ports(definition: &Definition, seen: &Snapshot) -> PortMap {
    let mut leases = seen
        .progress
        .networks
        .iter()
        .filter_map(|it| it.lease.as_ref())
        .filter(|lease| lease.gateway.is_some() && lease.macvlan.is_none())
        .peekable();
    if leases.peek().is_none() {
        return PortMap::new();
    }
    let published: Vec<_> = leases.flat_map(|lease| lease.ports.iter().copied()).collect();
    port_map(&definition.config, &published)
}

impl Service {
    pub(super) fn image_size(&self, id: &str) -> i64 {
        let id = store::Digest::parse(id).ok();
        let image = id.and_then(|id| self.store.images().get(&id).ok().flatten());
        image.and_then(|image| i64::try_from(image.size).ok()).unwrap_or(0)
    }

    /// Bytes of a container's own files.
    pub(super) fn size_rw(&self, id: &str) -> i64 {
        let snapshot = self.store.snapshots().get(id).ok().flatten();
        snapshot.map_or(0, |snapshot| i64::try_from(snapshot.size()).unwrap_or(i64::MAX))
    }
}
