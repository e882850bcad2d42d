use oci_spec::runtime::Process;
use serde_json::{Value, json};

use super::*;
use crate::caps::CapabilitySet;
use crate::cgroup::{Hierarchy, Layout};
use crate::plan::{Attribute, Capabilities, MountKind, Part, PropagationKind, User};

fn host() -> Host {
    let hierarchy = |names: &[&str], at: &str| Hierarchy {
        controllers: names.iter().map(ToString::to_string).collect(),
        mount: Path::new("/sys/fs/cgroup").join(at),
    };
    let hierarchies =
        vec![hierarchy(&["cpu", "cpuacct"], "cpu,cpuacct"), hierarchy(&["memory"], "memory")];
    Host {
        layout: Layout::V1 {
            hierarchies,
            unified: Some("/sys/fs/cgroup/unified".into()),
            unified_controllers: Vec::new(),
        },
        bounding: CapabilitySet::ALL.without(CapabilitySet::named("SYS_RESOURCE").unwrap()),
        selinux: false,
        apparmor: false,
    }
}

fn spec() -> Value {
    json!({
        "ociVersion": "1.2.0",
        "root": {"path": "/srv/root", "readonly": true},
        "hostname": "box",
        "process": {"user": {"uid": 1, "gid": 2, "additionalGids": [3]}, "args": ["sh"], "cwd": "/"},
        "mounts": [],
        "linux": {
            "cgroupsPath": "/jocker/abc",
            "namespaces": [{"type": "mount"}, {"type": "uts"}, {"type": "pid"}, {"type": "network"}],
        },
    })
}

fn compiled(spec: &Value) -> Result<Plan, PlanError> {
    compile(&serde_json::from_value(spec.clone()).unwrap(), &Extras::default(), &host())
}

/// Sets one field of the plain spec by its JSON pointer and compiles.
fn with(pointer: &str, value: Value) -> Result<Plan, PlanError> {
    let mut spec = spec();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    spec.pointer_mut(parent).unwrap()[name] = value;
    compiled(&spec)
}

fn mount(mount: Value) -> Result<Plan, PlanError> {
    with("/mounts", Value::Array(vec![mount]))
}

#[test]
fn groups_of_systemd() {
    let plan = with("/linux/cgroupsPath", json!("a.slice:b:c")).unwrap();
    assert_eq!(plan.cgroup.path, "/a.slice/b-c.scope");
    assert!(plan.cgroup.unit.is_some());
    assert_eq!(with("/linux/cgroupsPath", json!("a/b")).unwrap().cgroup.path, "/a/b");
}

#[test]
fn a_plain_spec() {
    let plan = compiled(&spec()).unwrap();
    assert_eq!(plan.namespaces.create.len(), 4);
    assert!(plan.root.readonly && plan.root.path.as_deref() == Some(Path::new("/srv/root")));
    assert_eq!(plan.hostname.as_deref(), Some("box"));
    assert_eq!(plan.cgroup.path, "/jocker/abc");
    assert_eq!(plan.process.user, User::Id { uid: 1, gid: 2, groups: vec![3] });
    assert_eq!(plan.process.capabilities, Capabilities::default());
    assert_eq!(plan.devices.len(), 6);
    assert!(!plan.is_exec() && plan.seccomp.is_none());
}

#[test]
fn plans_survive_json() {
    let mut spec = spec();
    spec["mounts"] = json!([{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "size=1m"]}]);
    let plan = compiled(&spec).unwrap();
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    let readable = r#"{"target":"/dev","mount":"filesystem","fstype":"tmpfs","source":"tmpfs","parameters":[["size","1m"]],"attributes":{"set":["no_suid"]}}"#;
    assert!(json.contains(readable), "{json}");
}

#[test]
fn what_is_not_supported_is_named() {
    for (pointer, value, path) in [
        ("/linux/mountLabel", json!("x"), "linux.mountLabel"),
        ("/process/selinuxLabel", json!("x"), "process.selinuxLabel"),
        ("/linux/intelRdt", json!({"closID": "x"}), "linux.intelRdt"),
        ("/process/apparmorProfile", json!("x"), "process.apparmorProfile"),
    ] {
        match with(pointer, value) {
            Err(PlanError::Unsupported { path: found, .. }) => assert_eq!(found, path),
            other => panic!("{path}: {other:?}"),
        }
    }
    let user =
        json!([{"type": "mount"}, {"type": "uts"}, {"type": "user", "path": "/proc/1/ns/user"}]);
    let plan = with("/linux/namespaces", user).unwrap();
    assert!(plan.namespaces.user.is_none() && plan.namespaces.is_in_user());
    // Nothing asked for, nothing refused.
    with("/linux/uidMappings", json!([])).unwrap();
    with("/process/apparmorProfile", json!("")).unwrap();
}

#[test]
fn labels_where_the_kernel_has_them() {
    let mut spec = spec();
    spec["linux"]["mountLabel"] = json!("a:b:c");
    spec["process"]["selinuxLabel"] = json!("d:e:f");
    spec["process"]["apparmorProfile"] = json!("some-profile");
    let mount =
        |kind: &str| json!({"destination": format!("/{kind}"), "type": kind, "source": "x"});
    spec["mounts"] = json!(["proc", "tmpfs", "devpts"].map(mount));
    let host = Host { selinux: true, apparmor: true, ..host() };
    let spec = serde_json::from_value(spec).unwrap();
    let plan = compile(&spec, &Extras::default(), &host).unwrap();
    assert_eq!(plan.process.selinux_label.as_deref(), Some("d:e:f"));
    assert_eq!(plan.process.apparmor_profile.as_deref(), Some("some-profile"));
    let labelled = plan.mounts.iter().map(|mount| match &mount.what {
        MountKind::Filesystem { parameters, .. } => parameters.as_slice(),
        other => panic!("{other:?}"),
    });
    let label = [("context".to_owned(), Some("a:b:c".to_owned()))];
    assert_eq!(labelled.collect::<Vec<_>>(), [[].as_slice(), &label, &label]);
}

#[test]
fn memory_policies_and_devices() {
    let policy = json!({"mode": "MPOL_BIND", "flags": ["MPOL_F_STATIC_NODES"], "nodes": "0,2-3"});
    let plan = with("/linux/memoryPolicy", policy).unwrap();
    let policy = plan.process.memory_policy.unwrap();
    assert_eq!((policy.mode, policy.nodes.as_slice()), (0x8002, [0, 2, 3].as_slice()));

    let plan = with("/linux/netDevices", json!({"b": {"name": "eth%d"}, "a": {}})).unwrap();
    let devices = plan.namespaces.net_devices.iter();
    let devices: Vec<_> = devices.map(|one| (one.name.as_str(), one.inside.as_str())).collect();
    assert_eq!(devices, [("a", "a"), ("b", "eth%d")]);
}

#[test]
fn a_mount_namespace_by_path_is_joined_last() {
    let listed = json!([
        {"type": "mount", "path": "/m"}, {"type": "uts", "path": "/u"}, {"type": "pid"},
    ]);
    let plan = with("/linux/namespaces", listed).unwrap();
    let joined: Vec<_> = plan.namespaces.join.iter().map(|join| join.kind).collect();
    assert_eq!(joined, [Namespace::Uts, Namespace::Mount]);
    assert!(!plan.namespaces.needs_helper());
}

#[test]
fn what_is_not_valid_is_named() {
    for (pointer, value, path) in [
        ("/hooks", json!({"poststop": [{"path": "x"}]}), "hooks.poststop[0].path"),
        (
            "/hooks",
            json!({"prestart": [{"path": "/x", "timeout": 0}]}),
            "hooks.prestart[0].timeout",
        ),
        (
            "/linux/uidMappings",
            json!([{"containerID": 0, "hostID": 1, "size": 1}]),
            "linux.uidMappings",
        ),
        ("/linux/timeOffsets", json!({"monotonic": {"secs": 1}}), "linux.timeOffsets"),
        (
            "/linux/memoryPolicy",
            json!({"mode": "MPOL_BIND", "nodes": "3-1"}),
            "linux.memoryPolicy.nodes",
        ),
        ("/linux/netDevices", json!({"a/b": {}}), "linux.netDevices[\"a/b\"]"),
        ("/linux/netDevices", json!({"a": {"name": "%d%d"}}), "linux.netDevices[\"a\"].name"),
        (
            "/linux/netDevices",
            json!({"a": {"name": "x"}, "b": {"name": "x"}}),
            "linux.netDevices[\"b\"].name",
        ),
        (
            "/process/ioPriority",
            json!({"class": "IOPRIO_CLASS_BE", "priority": 8}),
            "process.ioPriority.priority",
        ),
        ("/process/args", json!([]), "process.args"),
        ("/process/cwd", json!("relative"), "process.cwd"),
        ("/process/oomScoreAdj", json!(1001), "process.oomScoreAdj"),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]),
            "process.rlimits[0]",
        ),
        ("/linux/namespaces", json!([{"type": "pid"}]), "linux.namespaces"),
        ("/linux/namespaces", json!([{"type": "mount"}, {"type": "mount"}]), "linux.namespaces[1]"),
        ("/linux/namespaces", json!([{"type": "mount"}]), "hostname"),
        ("/linux/maskedPaths", json!(["/a", "/b/../c"]), "linux.maskedPaths[1]"),
        ("/linux/rootfsPropagation", json!("odd"), "linux.rootfsPropagation"),
        ("/linux/sysctl", json!({"kernel.msgmax": "1"}), "linux.sysctl[\"kernel.msgmax\"]"),
        ("/linux/sysctl", json!({"net/../x": "1"}), "linux.sysctl[\"net/../x\"]"),
        ("/linux/sysctl", json!({"vm.swappiness": "1"}), "linux.sysctl[\"vm.swappiness\"]"),
        (
            "/linux/devices",
            json!([{"path": "/dev/x", "type": "c", "major": -1, "minor": 1}]),
            "linux.devices[0].major",
        ),
    ] {
        match with(pointer, value) {
            Err(PlanError::Invalid { path: found, .. } | PlanError::Missing { path: found }) => {
                assert_eq!(found, path);
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn mounts_over_procfs() {
    let bind = |target: &str, source: &str| {
        mount(
            json!({"destination": target, "type": "bind", "source": source, "options": ["rbind"]}),
        )
    };
    for (target, source) in [
        ("/proc/cpuinfo", "/var/lib/lxcfs/cpuinfo"),
        ("/proc", "/proc"),
        ("/procs", "/x"),
        ("/sys", "/sys"),
    ] {
        bind(target, source).unwrap();
    }
    for (target, source) in [
        ("/proc", "/srv/volume"),
        ("/proc/self/attr", "/x"),
        ("/proc//./sys", "/x"),
        ("/", "/x"),
        ("/a/../proc", "/x"),
    ] {
        assert!(matches!(bind(target, source), Err(PlanError::Invalid { .. })), "{target}");
    }
    assert!(mount(json!({"destination": "/proc", "type": "tmpfs", "source": "tmpfs"})).is_err());
    assert!(mount(json!({"destination": "/x", "type": "bind", "source": "relative"})).is_err());
}

#[test]
fn mount_options() {
    let options = ["rbind", "rprivate", "ro", "rw", "ro", "noexec", "rnosuid", "strictatime"];
    let plan = mount(
        json!({"destination": "/data/.", "type": "none", "source": "/srv", "options": options}),
    )
    .unwrap();
    let mount = &plan.mounts[0];
    assert_eq!(mount.target, Path::new("/data"));
    assert_eq!(
        mount.what,
        MountKind::Bind { source: "/srv".into(), recursive: true, beneath: None, ids: None }
    );
    let set = [Attribute::ReadOnly, Attribute::NoExec, Attribute::StrictAtime];
    assert_eq!(
        (mount.attributes.set.as_slice(), mount.attributes.clear.as_slice()),
        (&set[..], &[][..])
    );
    assert_eq!(mount.attributes.set_recursive, [Attribute::NoSuid]);
    let propagation = mount.propagation.unwrap();
    assert!(propagation.recursive && propagation.kind == PropagationKind::Private);
}

#[test]
fn superblocks_are_readonly_where_they_are_not_shared() {
    let plan = |fstype: &str| {
        mount(json!({"destination": "/m", "type": fstype, "source": "/dev/vdb", "options": ["ro", "acl"]})).unwrap()
    };
    let parameters = |plan: &Plan| match &plan.mounts[0].what {
        MountKind::Filesystem { parameters, .. } => parameters.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(parameters(&plan("ext4")), [("acl".to_owned(), None), ("ro".to_owned(), None)]);
    assert_eq!(parameters(&plan("tmpfs")), [("acl".to_owned(), None)]);
}

#[test]
fn control_groups_come_last_and_name_the_container() {
    let plan = with("/mounts", json!([
        {"destination": "/sys", "type": "sysfs", "source": "sysfs"},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]},
        {"destination": "/sys/fs/cgroup/extra", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
    ]))
    .unwrap();
    let targets: Vec<&str> =
        plan.mounts.iter().map(|mount| mount.target.to_str().unwrap()).collect();
    assert_eq!(targets, ["/sys", "/dev", "/sys/fs/cgroup", "/sys/fs/cgroup/extra"]);
    let MountKind::Cgroup { groups } = &plan.mounts[2].what else { panic!("{plan:?}") };
    let found: Vec<_> = groups
        .iter()
        .map(|group| (group.name.as_str(), group.source.to_str().unwrap(), group.links.len()))
        .collect();
    assert_eq!(
        found,
        [
            ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/jocker/abc", 2),
            ("memory", "/sys/fs/cgroup/memory/jocker/abc", 0),
            ("unified", "/sys/fs/cgroup/unified/jocker/abc", 0),
        ]
    );
}

#[test]
fn capabilities_stay_within_the_host() {
    let all: Vec<String> = CapabilitySet::ALL.names().collect();
    let sets =
        json!({"bounding": all, "permitted": all, "effective": all, "ambient": ["CAP_CHOWN"]});
    let found = with("/process/capabilities", sets).unwrap().process.capabilities;
    assert_eq!((found.bounding, found.permitted), (host().bounding, host().bounding));
    // Ambient needs inheritable, which nobody asked for.
    assert!(found.ambient.is_empty() && found.inheritable.is_empty());
}

#[test]
fn devices_of_a_spec_replace_defaults() {
    let devices = json!([{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 5}]);
    let plan = with("/linux/devices", devices).unwrap();
    assert_eq!((plan.devices.len(), plan.devices[5].mode, plan.devices[5].uid), (6, 0o600, 5));
    let bound = mount(
        json!({"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind"]}),
    );
    assert!(bound.unwrap().devices.is_empty());
}

#[test]
fn sysctls_by_either_separator() {
    let sysctl =
        json!({"net.ipv4.conf.eth0/1.forwarding": "1", "net/ipv4/conf/eth0.2/forwarding": "0"});
    let paths: Vec<PathBuf> =
        with("/linux/sysctl", sysctl).unwrap().sysctls.into_iter().map(|s| s.path).collect();
    assert_eq!(
        paths,
        [
            Path::new("net/ipv4/conf/eth0.1/forwarding"),
            Path::new("net/ipv4/conf/eth0.2/forwarding")
        ]
    );
}

#[test]
fn extras() {
    let spec: Spec = serde_json::from_value(spec()).unwrap();
    let extras = Extras {
        user: Some("www:audio".to_owned()),
        group_add: vec!["7".to_owned()],
        make_cwd: true,
        init: Some("/usr/libexec/init".into()),
        parts: Vec::new(),
    };
    let plan = compile(&spec, &extras, &host()).unwrap();
    assert_eq!(plan.process.args, ["/sbin/docker-init", "--", "sh"]);
    assert_eq!(plan.mounts.last().unwrap().target, Path::new("/sbin/docker-init"));
    let user = User::Name { user: "www:audio".to_owned(), group_add: vec!["7".to_owned()] };
    assert!(plan.process.user == user && plan.process.make_cwd);
}

#[test]
fn exec_joins_what_the_container_has() {
    let mut spec = spec();
    spec["linux"]["namespaces"][3]["path"] = json!("/run/netns/x");
    let spec: Spec = serde_json::from_value(spec).unwrap();
    let process: Process = serde_json::from_value(
        json!({"user": {"uid": 0, "gid": 0}, "args": ["ls"], "cwd": "/tmp"}),
    )
    .unwrap();
    let plan = compile_exec(&spec, &process, &Extras::default(), &host()).unwrap();
    assert!(plan.is_exec() && plan.namespaces.create.is_empty() && plan.mounts.is_empty());
    assert!(plan.namespaces.of_target.contains(&Namespace::Network));
    assert_eq!(plan.cgroup.path, "/jocker/abc");
}

#[test]
fn a_bind_begins_at_a_part_of_its_source() {
    let mut spec = spec();
    spec["mounts"] = json!([
        { "destination": "/v", "type": "bind", "source": "/volume/link", "options": ["rbind"] },
        { "destination": "/t", "type": "tmpfs", "source": "tmpfs" },
        { "destination": "/o", "type": "overlay", "source": "overlay", "options": ["lowerdir=/a:/b"] },
    ]);
    let spec: Spec = serde_json::from_value(spec).unwrap();
    let part = |target: &str| {
        let part = Part { target: target.into(), root: "/volume".into(), beneath: "link".into() };
        compile(&spec, &Extras { parts: vec![part], ..Extras::default() }, &host())
    };
    let what = MountKind::Bind {
        source: "/volume".into(),
        recursive: true,
        beneath: Some("link".into()),
        ids: None,
    };
    assert_eq!(part("/v").unwrap().mounts[0].what, what);
    assert!(part("/t").is_err() && part("/none").is_err());
    let of_overlay = |target| match &part(target).unwrap().mounts[2].what {
        MountKind::Filesystem { beneath, .. } => beneath.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of_overlay("/o"), Some("link".into()));
    assert_eq!(of_overlay("/v"), None);
}
