//! A container as `inspect` shows it.

use std::collections::BTreeMap;
use std::path::Path;

use api_spec::container::{ContainerInspect, ContainerState, DriverData, MountPoint};
use api_spec::network::{EndpointSettings, NetworkSettings, PortMap};

use super::Service;
use super::error::Error;
use super::handle::{Handle, Snapshot};
use super::logging;
use super::prepare::files_in;
use super::record::Definition;
use super::state::State;
use crate::logs::Form;
use crate::networks::{BRIDGE, Lease, port_map};
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
        host_config: definition.host_config.clone(),
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
            rw: !mount.read_only,
            propagation,
            ..MountPoint::default()
        });
    }
    list.extend(service.volume_points(definition));
    list
}

/// The networks that the container is in, by name.
pub(super) fn endpoints(
    definition: &Definition,
    seen: &Snapshot,
) -> BTreeMap<String, EndpointSettings> {
    let mode = definition.host_config.network_mode.as_str();
    if mode.starts_with("container:") {
        return BTreeMap::new();
    }
    let lease = seen.progress.lease.as_ref().filter(|_| seen.progress.state.running().is_some());
    let mut endpoint =
        EndpointSettings { network_id: network_id(mode), ..EndpointSettings::default() };
    if let Some(Lease { address, prefix, gateway, mac, .. }) = lease {
        endpoint.endpoint_id = endpoint_id(&definition.id, mode);
        endpoint.gateway = gateway.to_string();
        endpoint.ip_address = address.to_string();
        endpoint.ip_prefix_len = *prefix;
        endpoint.mac_address = mac_text(mac);
    }
    BTreeMap::from([(mode.to_owned(), endpoint)])
}

fn network_settings(definition: &Definition, seen: &Snapshot) -> NetworkSettings {
    let networks = endpoints(definition, seen);
    let mut settings = NetworkSettings::default();
    if seen.progress.state.running().is_some() {
        settings.sandbox_id.clone_from(&definition.id);
        settings.ports = ports(definition, seen);
    }
    if let Some(bridge) = networks.get(BRIDGE) {
        settings.endpoint_id.clone_from(&bridge.endpoint_id);
        settings.gateway.clone_from(&bridge.gateway);
        settings.ip_address.clone_from(&bridge.ip_address);
        settings.ip_prefix_len = bridge.ip_prefix_len;
        settings.mac_address.clone_from(&bridge.mac_address);
    }
    settings.networks = networks;
    settings
}

/// Exposed and published ports; Docker shows none for containers without a network of their own.
pub(super) fn ports(definition: &Definition, seen: &Snapshot) -> PortMap {
    match &seen.progress.lease {
        Some(lease) => port_map(&definition.config, &lease.ports),
        None => PortMap::new(),
    }
}

fn mac_text(mac: &[u8; 6]) -> String {
    let pairs: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// Ids of the standard networks: the same for ever, made from their names.
pub(super) fn network_id(name: &str) -> String {
    store::Digest::of(format!("network {name}").as_bytes()).hex()
}

pub(super) fn endpoint_id(id: &str, network: &str) -> String {
    store::Digest::of(format!("endpoint {id} {network}").as_bytes()).hex()
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
