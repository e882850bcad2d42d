//! Containers' directories over images' layers.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};
use store::SnapshotError;

use crate::fixture::{Ground, OCI, Sample, assert_empty, assert_whole, mode};
use crate::specimen::Specimen;

#[test]
fn a_snapshot_is_data_for_a_mount() {
    let ground = Ground::new();
    let sample = Sample::new(OCI, &["one", "two"]);
    sample.pull(&ground.store, "busybox");
    let image = ground.store.images().resolve("busybox").expect("image");
    let snapshots = ground.store.snapshots();
    let made = snapshots.prepare("c1", &image, None).expect("prepare");
    assert!(made.lower[0].join("etc/file-1").exists(), "topmost first");
    assert!(made.lower[1].join("etc/file-0").exists());
    assert_eq!((mode(&made.upper), mode(&made.work), mode(&made.dir)), (0o755, 0o700, 0o700));
    assert!(matches!(snapshots.prepare("c1", &image, None), Err(SnapshotError::Exists(_))));
    for id in ["", ".", "..", "a/b", "../x", &"x".repeat(129)] {
        assert!(
            matches!(snapshots.prepare(id, &image, None), Err(SnapshotError::InvalidId(_))),
            "{id}"
        );
    }
    drop(snapshots);
    let ground = ground.reopen();
    let snapshots = ground.store.snapshots();
    assert_eq!(snapshots.get("c1").expect("get"), Some(made.clone()));
    symlink("/", made.upper.join("link")).expect("symlink");
    assert!(snapshots.remove("c1").expect("remove"));
    assert!(!snapshots.remove("c1").expect("remove again"));
    assert_eq!(snapshots.get("c1").expect("get"), None);
    assert_whole(&ground.store);
}

#[test]
fn overlay_shows_what_the_image_says() {
    let ground = Ground::new();
    let lower = Specimen::default()
        .file("gone", b"1")
        .file("dir/old", b"1")
        .file("swapped/old", b"1")
        .file("kept", b"1");
    let upper = Specimen::default()
        .file(".wh.gone", b"")
        .file("dir/new", b"2")
        .file("dir/.wh..wh..opq", b"")
        .file(".wh.swapped", b"")
        .file("swapped/new", b"2");
    let sample = Sample::of_tars(OCI, vec![lower.finish(), upper.finish()]);
    let id = sample.pull(&ground.store, "busybox");
    let image = ground.store.images().get(&id).expect("get").expect("image");
    let snapshot = ground.store.snapshots().prepare("c1", &image, None).expect("prepare");
    let lower: Vec<&str> =
        snapshot.lower.iter().map(|path| path.to_str().expect("utf-8")).collect();
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).expect("fsopen");
    fsconfig_set_string(&overlay, "lowerdir", lower.join(":")).expect("lowerdir");
    fsconfig_set_string(&overlay, "upperdir", &snapshot.upper).expect("upperdir");
    fsconfig_set_string(&overlay, "workdir", &snapshot.work).expect("workdir");
    fsconfig_create(&overlay).expect("create");
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    let root = fsmount(&overlay, flags, MountAttrFlags::empty()).expect("fsmount");
    let names = |directory: &str| {
        let directory = openat(&root, directory, OFlags::DIRECTORY, Mode::empty()).expect("open");
        let mut names: Vec<String> = Dir::read_from(&directory)
            .expect("readdir")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name != "." && name != "..")
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("."), ["dir", "kept", "swapped"]);
    assert_eq!((names("dir"), names("swapped")), (vec!["new".to_owned()], vec!["new".to_owned()]));
}

#[test]
fn layers_stay_as_long_as_a_container_does() {
    let ground = Ground::new();
    let id = Sample::new(OCI, &["one", "two"]).pull(&ground.store, "busybox");
    let image = ground.store.images().resolve("busybox").expect("image");
    let snapshot = ground.store.snapshots().prepare("c1", &image, None).expect("prepare");
    let removed = ground.store.images().remove(&id).expect("remove");
    assert!(removed.layers.is_empty() && removed.blobs.len() == 4);
    let ground = ground.reopen();
    assert!(snapshot.lower.iter().all(|lower| lower.exists()));
    let late = ground.store.snapshots().prepare("c2", &image, None);
    assert!(late.is_ok(), "the layers are still there");
    ground.store.snapshots().remove("c1").expect("remove");
    ground.store.snapshots().remove("c2").expect("remove");
    assert_empty(&ground.store);
    let gone = ground.store.snapshots().prepare("c3", &image, None).expect_err("gone");
    assert!(matches!(gone, SnapshotError::MissingLayer(_)));
    assert_empty(&ground.store);
}

#[test]
fn an_image_without_layers_has_an_empty_lower_directory() {
    let ground = Ground::new();
    Sample::new(OCI, &[]).pull(&ground.store, "scratch-like");
    let image = ground.store.images().resolve("scratch-like").expect("image");
    let snapshot = ground.store.snapshots().prepare("c1", &image, None).expect("prepare");
    assert_eq!(snapshot.lower.len(), 1);
    assert_eq!(fs::read_dir(&snapshot.lower[0]).expect("readdir").count(), 0);
}
