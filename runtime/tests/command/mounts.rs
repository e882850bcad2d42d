//! Mounts with other owners.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use serde_json::{Value, json};

use crate::bed::{Bed, possible, text};

/// A directory of the host with a file of user 1000, group 2000, bound at `/data` with these options and maps.
fn bed(script: &str, options: &[&str], maps: Option<Value>) -> Bed {
    let mut bed = Bed::new(script);
    fs::create_dir(bed.path("data")).unwrap();
    fs::create_dir(bed.path("data/below")).unwrap();
    fs::write(bed.path("data/file"), "").unwrap();
    chown(bed.path("data/file"), Some(1000), Some(2000)).unwrap();
    let mut mount = json!({
        "destination": "/data", "type": "bind", "source": bed.path("data"), "options": options,
    });
    if let Some(maps) = maps {
        mount["uidMappings"] = maps.clone();
        mount["gidMappings"] = maps;
    }
    bed.mount(mount);
    bed
}

fn with_user_namespace(bed: &mut Bed) {
    // In its root it may make nothing.
    fs::create_dir(bed.inside("data")).unwrap();
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    bed.spec["linux"]["uidMappings"] = maps.clone();
    bed.spec["linux"]["gidMappings"] = maps;
    bed.spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
    for path in ["bundle", ""] {
        fs::set_permissions(bed.path(path), PermissionsExt::from_mode(0o755)).unwrap();
    }
}

#[test]
fn files_have_the_owners_of_the_mount_s_maps() {
    if !possible() {
        return;
    }
    let maps = json!([{"containerID": 0, "hostID": 5000, "size": 1500},
        {"containerID": 2000, "hostID": 20_000, "size": 1}]);
    let show = "stat -c '%u %g' /data/file; touch /data/new 2> /dev/null || echo no new owner";
    // Root has no id in the map, and so makes no files there.
    let plain = bed(show, &["bind"], Some(maps.clone()));
    assert_eq!(plain.must(&["run", "ID"]), "6000 20000\nno new owner\n");
    let asked = bed(show, &["rbind", "idmap"], Some(maps));
    assert_eq!(asked.must(&["run", "ID"]), "6000 20000\nno new owner\n");
    let untouched = bed("stat -c '%u %g' /data/file", &["bind"], None);
    assert_eq!(untouched.must(&["run", "ID"]), "1000 2000\n");
}

#[test]
fn without_maps_the_container_s_are_taken() {
    if !possible() {
        return;
    }
    let script = "stat -c '%u %g' /data/file; touch /data/new";
    let mut bed = bed(script, &["bind", "idmap", "nosuid"], None);
    fs::set_permissions(bed.path("data"), PermissionsExt::from_mode(0o777)).unwrap();
    with_user_namespace(&mut bed);
    assert_eq!(bed.must(&["run", "ID"]), "1000 2000\n");
    // What the container's root makes belongs to root.
    let made = fs::metadata(bed.path("data/new")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 0);
}

#[test]
fn ridmap_reaches_the_mounts_below() {
    if !possible() {
        return;
    }
    let maps = json!([{"containerID": 0, "hostID": 7000, "size": 1500}]);
    for (option, owner) in [("idmap", "0\n"), ("ridmap", "7000\n")] {
        let bed = bed("stat -c %u /data/below", &["rbind", option], Some(maps.clone()));
        fs::write(bed.path("bundle/config.json"), bed.spec.to_string()).unwrap();
        let run = bed.command(&["run", "ID"]);
        let mount = format!("mount -t tmpfs none {:?} && exec \"$@\"", bed.path("data/below"));
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", &mount, "sh"])
            .arg(run.get_program())
            .args(run.get_args())
            .current_dir(bed.path("bundle"))
            .output()
            .unwrap();
        assert_eq!(text(&output.stdout), owner, "{option}: {}", text(&output.stderr));
    }
}

#[test]
fn what_can_not_be_mapped_is_named() {
    if !possible() {
        return;
    }
    for (options, maps, wanted) in [
        (&["bind", "idmap"][..], None, "mounts[3].options"),
        (
            &["bind"],
            Some(json!([{"containerID": 0, "hostID": 0, "size": 0}])),
            "mounts[3].uidMappings[0].size",
        ),
    ] {
        let output = bed("true", options, maps).run(&["run", "ID"]);
        assert!(!output.status.success());
        let errors = text(&output.stderr);
        assert!(errors.contains(wanted), "{errors}");
    }
    let mut bed = Bed::new("true");
    let one = json!([{"containerID": 0, "hostID": 5, "size": 1}]);
    bed.mount(json!({
        "destination": "/x", "type": "tmpfs", "uidMappings": one, "gidMappings": one,
    }));
    let errors = text(&bed.run(&["run", "ID"]).stderr);
    assert!(errors.contains("mounts[3].uidMappings"), "{errors}");
}
