//! A child is killed at each named step of a pull, a container's life and a removal; whatever it
//! leaves, the next open finds a legal store in which the same can be done to its end.

use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use store::Store;
use store::crash::{STEPS, VARIABLE};

use crate::fixture::{Ground, OCI, Sample, assert_empty, assert_whole, names};

/// Names the root to the child.
const ROOT: &str = "JOCKER_TEST_ROOT";
const SIGKILL: i32 = 9;

/// Another image that must come through everything unharmed.
fn bystander() -> Sample {
    Sample::new(OCI, &["base", "bystander"])
}

fn live(store: &Store) {
    let id = Sample::new(OCI, &["base", "two"]).pull(store, "busybox");
    let image = store.images().get(&id).expect("get").expect("image");
    store.snapshots().prepare("c1", &image, None).expect("prepare");
    assert!(store.snapshots().remove("c1").expect("remove snapshot"));
    store.images().remove(&id).expect("remove image");
}

/// The child: does nothing unless a root is named.
#[test]
fn child() {
    if let Ok(root) = env::var(ROOT) {
        live(&Store::open(Path::new(&root)).expect("open"));
    }
}

fn die_at(step: &str, root: &Path) -> ExitStatus {
    Command::new(env::current_exe().expect("own path"))
        .args(["--exact", "recovery::child"])
        .env(ROOT, root)
        .env(VARIABLE, step)
        .output()
        .expect("spawn")
        .status
}

#[test]
fn a_kill_at_any_step_leaves_a_legal_store() {
    for step in STEPS {
        let ground = Ground::new();
        bystander().pull(&ground.store, "bystander");
        let root = ground.store.root().to_owned();
        let directory = ground.close();
        let status = die_at(step, &root);
        assert_eq!(status.signal(), Some(SIGKILL), "{step} is not reached: {status}");
        let store = Store::open(&root).unwrap_or_else(|error| panic!("{step}: {error}"));
        assert!(store.recovery().missing_blobs.is_empty(), "{step}");
        assert!(store.recovery().missing_layers.is_empty(), "{step}");
        assert_whole(&store);
        if store.images().resolve("busybox").is_err() {
            assert_eq!(names(&store, "layers").len(), 2, "{step}: only the bystander's");
        }
        // A container that was on its way is there whole or gone; the daemon decides.
        if let Some(snapshot) = store.snapshots().get("c1").expect("get") {
            assert!(snapshot.upper.exists() && snapshot.work.exists(), "{step}");
            store.snapshots().remove("c1").expect("remove");
        }
        live(&store);
        assert_whole(&store);
        let bystander = store.images().resolve("bystander").expect("bystander");
        store.images().remove(&bystander.id).expect("remove");
        assert_empty(&store);
        drop(directory);
    }
}

#[test]
fn a_pull_goes_on_with_what_a_dead_one_had() {
    let ground = Ground::new();
    let root = ground.store.root().to_owned();
    let directory = ground.close();
    die_at("store.commit.synced", &root);
    let store = Store::open(&root).expect("open");
    assert_eq!(store.recovery().returned_blobs, 4, "two layers, config, manifest");
    for name in names(&store, "ingest") {
        let digest = store::Digest::from_hex(name.trim_end_matches(".partial")).expect("digest");
        let ingest = store.ingest(&digest, None).expect("ingest");
        assert!(ingest.offset() > 0);
        ingest.commit().expect("whole");
    }
    drop(directory);
}

#[test]
fn damage_is_reported_and_mended_by_a_pull() {
    let ground = Ground::new();
    let sample = Sample::new(OCI, &["one", "two"]);
    let id = sample.pull(&ground.store, "busybox");
    let chain = sample.chain();
    fs::remove_dir_all(ground.store.root().join("layers").join(chain[1].hex())).expect("damage");
    fs::remove_file(ground.store.root().join("blobs/sha256").join(id.hex())).expect("damage");
    let ground = ground.reopen();
    assert_eq!(ground.store.recovery().missing_layers, [chain[1].clone()]);
    assert_eq!(ground.store.recovery().missing_blobs, std::slice::from_ref(&id));
    assert!(ground.store.images().list().expect("list").is_empty(), "only whole images");
    assert_eq!(sample.pull(&ground.store, "busybox"), id);
    assert_eq!(ground.store.images().resolve("busybox").expect("mended").id, id);
    assert_whole(&ground.store);
}
