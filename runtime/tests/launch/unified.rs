//! Version 2's code in the version 2 hierarchy of a hybrid host: what needs no controller. Skipped
//! where version 2 is the only one: there the other tests walk this road.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use runtime::cgroup::{Cgroup, CgroupPlan, DeviceClass, DeviceRule, Layout, layout};

use crate::bed::{GROUPS, remove_parents};

fn rule(allow: bool, kind: DeviceClass, major: Option<u32>, minor: Option<u32>) -> DeviceRule {
    DeviceRule { allow, kind, major, minor, read: true, write: true, mknod: true }
}

/// The hierarchy as if it were the only one, without controllers: nothing of the host changes.
fn unified() -> Option<(PathBuf, Layout)> {
    match layout() {
        Layout::V1 { unified: Some(mount), .. } => {
            Some((mount.clone(), Layout::V2 { mount, controllers: Vec::new() }))
        }
        _ => None,
    }
}

#[test]
fn devices_freezing_killing_removing() {
    let Some((mount, layout)) = unified() else { return };
    let path = format!("{GROUPS}/unified-{}", std::process::id());
    let plan = CgroupPlan {
        path: path.clone(),
        unit: None,
        limits: Vec::new(),
        devices: vec![
            rule(false, DeviceClass::All, None, None),
            rule(true, DeviceClass::Character, Some(1), Some(3)),
        ],
    };
    let cgroup = Cgroup::create(&plan, &layout).unwrap();
    let directory = mount.join(path.trim_start_matches('/'));
    assert!(directory.exists());

    let mut child = Command::new("/bin/busybox")
        .args(["sh", "-c", "read go; cat /dev/null && echo null; cat /dev/zero || echo denied"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    cgroup.attach(child.id().cast_signed()).unwrap();
    assert_eq!(cgroup.pids().unwrap(), [child.id().cast_signed()]);
    cgroup.freeze().unwrap();
    cgroup.thaw().unwrap();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "null\ndenied\n");

    let mut sleeper = Command::new("/bin/busybox").args(["sleep", "1000"]).spawn().unwrap();
    cgroup.attach(sleeper.id().cast_signed()).unwrap();
    assert!(
        matches!(Cgroup::create(&plan, &layout), Err(error) if error.to_string().contains("processes"))
    );
    cgroup.kill().unwrap();
    sleeper.wait().unwrap();
    cgroup.stats().unwrap();
    cgroup.remove().unwrap();
    assert!(!directory.exists());
    remove_parents(&layout);
}
