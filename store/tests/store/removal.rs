//! What removal frees and what leases keep.

use std::fs;
use std::time::{Duration, SystemTime};

use store::{Digest, ImageError};

use crate::fixture::{Ground, OCI, Sample, assert_empty, assert_whole, names};

#[test]
fn removal_frees_all() {
    let ground = Ground::new();
    let sample = Sample::new(OCI, &["one", "two"]);
    let id = sample.pull(&ground.store, "busybox");
    let removed = ground.store.images().remove(&id).expect("remove");
    assert_eq!(removed.layers.len(), 2);
    assert_eq!(removed.names, ["busybox:latest", &format!("busybox@{}", sample.manifest_digest())]);
    assert!(matches!(ground.store.images().remove(&id), Err(ImageError::NotFound(_))));
    assert_empty(&ground.store);
}

#[test]
fn shared_layers_stay() {
    let ground = Ground::new();
    let one = Sample::new(OCI, &["base", "one"]).pull(&ground.store, "one");
    let two = Sample::new(OCI, &["base", "two"]).pull(&ground.store, "two");
    let removed = ground.store.images().remove(&one).expect("remove");
    assert_eq!((removed.layers.len(), removed.blobs.len()), (1, 3));
    assert_whole(&ground.store);
    ground.store.images().remove(&two).expect("remove");
    assert_empty(&ground.store);
}

#[test]
fn a_lease_keeps_what_a_pull_relies_on() {
    let ground = Ground::new();
    let sample = Sample::new(OCI, &["base"]);
    let id = sample.pull(&ground.store, "old");
    let lease = ground.store.lease("pull");
    let new = sample.fetch(&ground.store, "new");
    let removed = ground.store.images().remove(&id).expect("remove");
    assert_eq!(removed.layers.len(), 1, "said at once");
    assert!(ground.store.images().list().expect("list").is_empty());
    ground.store.images().commit(new).expect("commit");
    drop(lease);
    assert_whole(&ground.store);
    assert_eq!(ground.store.images().list().expect("list").len(), 1);
    let lease = ground.store.lease("pull");
    ground.store.images().remove(&id).expect("remove");
    assert!(ground.store.layers().has(&sample.chain()[0]));
    drop(lease);
    assert_empty(&ground.store);
}

#[test]
fn what_a_broken_pull_left_is_swept_after_a_day() {
    let ground = Ground::new();
    let sample = Sample::new(OCI, &["one"]);
    drop(sample.fetch(&ground.store, "never"));
    let mut ingest = ground.store.ingest(&Digest::of(b"x"), None).expect("ingest");
    ingest.write(b"half").expect("write");
    ingest.keep();
    drop(ground.store.lease("another pull"));
    assert_eq!(names(&ground.store, "layers").len(), 1, "a retry may want it");
    let long_ago = SystemTime::now() - Duration::from_secs(25 * 3600);
    for directory in ["blobs/sha256", "layers", "ingest"] {
        for name in names(&ground.store, directory) {
            let path = ground.store.root().join(directory).join(name);
            fs::File::open(path).and_then(|file| file.set_modified(long_ago)).expect("utimens");
        }
    }
    drop(ground.store.lease("another pull"));
    assert_empty(&ground.store);
}
