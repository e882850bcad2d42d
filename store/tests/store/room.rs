//! A small disk: what would go into the reserve is refused in time, leaves nothing, and takes nothing
//! of what is there. Needs root: the disk is a tmpfs.

use std::path::Path;
use std::process::Command;

use rustix::fs::statvfs;
use store::{ContentError, Digest, Store};

use crate::fixture::{OCI, Sample, assert_whole, names};
use crate::specimen::Specimen;

const DISK: u64 = 64 << 20;
const RESERVE: u64 = 24 << 20;

/// Mounted until it is dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        let disk = Self(tempfile::tempdir().expect("directory"));
        let size = format!("size={DISK}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(disk.0.path());
        assert!(mount.status().expect("mount").success());
        disk
    }

    fn free(&self) -> u64 {
        let stat = statvfs(self.0.path()).expect("statvfs");
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _shown_by_the_directory = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn open(root: &Path) -> Store {
    let store = Store::open(&root.join("root")).expect("open");
    store.keep_free(RESERVE);
    store
}

/// A layer with a file of so many bytes.
fn layer(bytes: u64) -> Vec<u8> {
    let file = vec![7; usize::try_from(bytes).expect("small")];
    Specimen::default().file("large", &file).finish()
}

#[test]
fn what_comes_in_leaves_the_reserve_alone() {
    let disk = Disk::new();
    let store = open(disk.0.path());
    let small = Sample::new(OCI, &["small"]).pull(&store, "small");
    let digest = Digest::of(b"large");
    let error = store.ingest(&digest, Some(DISK)).expect_err("announced");
    let ContentError::Io(error) = error else { panic!("{error}") };
    assert!(error.is_no_space() && error.to_string().contains("67108864 are needed"), "{error}");
    let mut ingest = store.ingest(&digest, None).expect("of an unknown size");
    let piece = vec![1; 1 << 20];
    let written = (0..DISK >> 20).map(|_| ingest.write(&piece)).find_map(Result::err);
    let error = written.expect("the reserve is reached");
    assert!(error.to_string().contains("bytes are free"), "{error}");
    assert!(disk.free() > RESERVE / 2, "{} bytes are free", disk.free());
    ingest.discard().expect("discard");
    let tar = layer(50 << 20);
    let digest = Digest::of(&tar);
    let error = store.layers().unpack(&digest, &digest, &tar[..]).expect_err("a large layer");
    assert!(error.to_string().contains("kept in reserve"), "{error}");
    let large = Specimen::default().file("layer.tar", &tar).finish();
    let error = store.images().load(&large[..], &[], &|_| {}).expect_err("a large archive");
    assert!(error.to_string().contains("kept in reserve"), "{error}");
    store.settle();
    assert!(disk.free() > RESERVE, "{} bytes are free", disk.free());
    assert_eq!(names(&store, "ingest").len(), 0);
    assert_whole(&store);
    // What is small has room still; without any, containers are refused, and removal goes on.
    Sample::new(OCI, &["other"]).pull(&store, "other");
    store.keep_free(2 * DISK);
    let image = store.images().get(&small).expect("get").expect("image");
    let error = store.snapshots().prepare("c1", &image, None).expect_err("no room");
    assert!(error.to_string().contains("kept in reserve"), "{error}");
    assert!(store.snapshots().get("c1").expect("get").is_none());
    store.images().remove(&small).expect("remove");
    assert_whole(&store);
}
