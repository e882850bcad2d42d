//! A bundle's `config.json`: compiled for both kinds of control groups, the plan comes through its
//! own JSON unchanged.

#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use oci_spec::runtime::Spec;
use runtime::caps::CapabilitySet;
use runtime::cgroup::{Hierarchy, Layout};
use runtime::plan::{Extras, Host, Plan, compile, compile_exec};

const CONTROLLERS: [&str; 8] =
    ["blkio", "cpu", "cpuset", "devices", "freezer", "hugetlb", "memory", "pids"];

fn layouts() -> [Layout; 2] {
    let controllers = CONTROLLERS.map(str::to_owned);
    let hierarchy = |name: &String| Hierarchy {
        controllers: vec![name.clone()],
        mount: PathBuf::from("/sys/fs/cgroup").join(name),
    };
    let hierarchies = controllers.iter().map(hierarchy).collect();
    let mount = PathBuf::from("/sys/fs/cgroup");
    [
        Layout::V1 { hierarchies, unified: None, unified_controllers: Vec::new() },
        Layout::V2 { mount, controllers: controllers.into() },
    ]
}

fn check(plan: &Plan) {
    let text = serde_json::to_vec(plan).expect("a plan is json");
    assert_eq!(serde_json::from_slice::<Plan>(&text).expect("of its own"), *plan);
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(spec) = serde_json::from_slice::<Spec>(bytes) else { return };
    for layout in layouts() {
        let bounding = CapabilitySet::ALL;
        let host = Host { layout, bounding, selinux: true, apparmor: true };
        let extras = Extras::default();
        if let Ok(plan) = compile(&spec, &extras, &host) {
            check(&plan);
        }
        if let Some(process) = spec.process()
            && let Ok(plan) = compile_exec(&spec, process, &extras, &host)
        {
            check(&plan);
        }
    }
});
