//! The translation as a whole.

use std::path::Path;

use oci_spec::runtime::{LinuxNamespaceType, Mount};

use super::*;

fn facts() -> HostFacts {
    HostFacts {
        bounding: runtime::caps::CapabilitySet::ALL.names().collect(),
        cgroup_parent: "/jocker".to_owned(),
        ipc_mounts: vec!["/dev/shm".into()],
        thermal_throttle: vec!["/sys/devices/system/cpu/cpu0/thermal_throttle".to_owned()],
        ..HostFacts::default()
    }
}

fn config() -> ContainerConfig {
    ContainerConfig {
        hostname: "web".to_owned(),
        cmd: Some(api_spec::container::StringList(vec!["true".to_owned()])),
        ..ContainerConfig::default()
    }
}

fn translate(host_config: &HostConfig) -> Spec {
    let (files, facts, config) = (Files::default(), facts(), config());
    let source = Source {
        id: "abc",
        config: &config,
        host_config,
        files: &files,
        volumes: &[],
        inherited: &[],
        devices: &Devices::default(),
        joined: Joined::default(),
        host: &facts,
    };
    build(&source).0
}

fn mount_at(spec: &Spec, target: &str) -> Option<Mount> {
    let mounts = spec.mounts().as_ref()?;
    mounts.iter().find(|mount| mount.destination() == Path::new(target)).cloned()
}

fn namespaces(spec: &Spec) -> Vec<LinuxNamespaceType> {
    let list = spec.linux().as_ref().unwrap().namespaces().as_ref().unwrap();
    list.iter().map(|namespace| namespace.typ()).collect()
}

#[test]
fn defaults_are_docker_s() {
    let spec = translate(&HostConfig { shm_size: 67_108_864, ..HostConfig::default() });
    let linux = spec.linux().as_ref().unwrap();
    assert_eq!(linux.masked_paths().as_ref().unwrap().len(), MASKED_PATHS.len() + 1);
    assert_eq!(linux.readonly_paths().as_ref().unwrap().len(), 5);
    assert_eq!(linux.cgroups_path().as_deref(), Some(Path::new("/jocker/abc")));
    assert_eq!(linux.sysctl().as_ref().unwrap()["net.ipv4.ip_unprivileged_port_start"], "0");
    let shm = mount_at(&spec, "/dev/shm").unwrap();
    assert!(shm.options().as_ref().unwrap().contains(&"size=67108864".to_owned()));
    assert_eq!(spec.hostname().as_deref(), Some("web"));
    use LinuxNamespaceType as Type;
    assert_eq!(namespaces(&spec), [Type::Mount, Type::Network, Type::Uts, Type::Pid, Type::Ipc]);
    let process = spec.process().as_ref().unwrap();
    assert_eq!(process.no_new_privileges(), Some(false));
    let sets = process.capabilities().as_ref().unwrap();
    assert_eq!(sets.effective().as_ref().unwrap().len(), 14);
    assert!(sets.inheritable().as_ref().unwrap().is_empty());
    assert!(sets.ambient().as_ref().unwrap().is_empty());
}

#[test]
fn host_modes_make_no_namespace() {
    let host = || "host".to_owned();
    let spec = translate(&HostConfig {
        network_mode: host(),
        pid_mode: host(),
        ipc_mode: host(),
        uts_mode: host(),
        ..HostConfig::default()
    });
    assert_eq!(namespaces(&spec), [LinuxNamespaceType::Mount]);
    assert_eq!(mount_at(&spec, "/dev/shm").unwrap().typ().as_deref(), Some("bind"));
    assert!(spec.hostname().is_none());
    assert!(spec.linux().as_ref().unwrap().sysctl().as_ref().unwrap().is_empty());
}

#[test]
fn privileged_hides_nothing() {
    let spec = translate(&HostConfig { privileged: true, ..HostConfig::default() });
    let linux = spec.linux().as_ref().unwrap();
    assert!(linux.masked_paths().as_ref().unwrap().is_empty());
    let options = mount_at(&spec, "/sys").unwrap().options().clone().unwrap();
    assert!(options.contains(&"rw".to_owned()) && !options.contains(&"ro".to_owned()));
}

#[test]
fn what_is_asked_for_replaces_defaults_and_is_sorted() {
    let spec = translate(&HostConfig {
        binds: Some(vec!["/a:/x/y/z".into(), "/b:/x".into(), "/c:/dev/shm".into()]),
        ..HostConfig::default()
    });
    assert_eq!(mount_at(&spec, "/dev/shm").unwrap().source().as_deref(), Some(Path::new("/c")));
    let depths: Vec<usize> = (spec.mounts().as_ref().unwrap().iter())
        .map(|mount| mount.destination().components().count())
        .collect();
    assert!(depths.is_sorted());
}
