//! Killed at every named step of a pull: the next process opens the store and pulls the image,
//! and nothing else is left.

use std::os::unix::process::ExitStatusExt as _;

use store::{Store, crash};

use crate::child::pull_in_child;
use crate::faulty::Registry;
use crate::images::{self, Compressed, Image, Layer};

/// The first parts of the names of steps that a pull goes through.
const PULL_STEPS: &[&str] = &["store.ingest.", "store.layer.", "store.commit."];

#[test]
fn every_step_of_a_pull_may_be_the_last() {
    let layer = |seed| {
        Layer::new(&[("x", &images::noise(600_000, seed)), ("dir/y", b"y")], Compressed::Gzip)
    };
    let image = Image::new(vec![layer(1), layer(2)]);
    let registry = Registry::start(image.content("a:latest"));
    let name = format!("{}/a", registry.domain());
    let is_pull_step = |step: &&&str| PULL_STEPS.iter().any(|part| step.starts_with(part));
    let mut killed = 0;
    for step in crash::STEPS.iter().filter(is_pull_step) {
        let root = tempfile::tempdir().expect("directory");
        let output = pull_in_child(root.path(), &name, "unused", &[(crash::VARIABLE, step)]);
        assert_eq!(output.status.signal(), Some(9), "{step}: not reached");
        killed += 1;
        let output = pull_in_child(root.path(), &name, "unused", &[]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{step}: {text}");
        let store = Store::open(root.path()).expect("store");
        let stored = store.images().list().expect("images");
        assert_eq!(stored.len(), 1, "{step}");
        assert_eq!((&stored[0].id, stored[0].tags.len()), (&image.id(), 1), "{step}");
        for (at, seed) in [(0, 1), (1, 2)] {
            let diff = root.path().join("layers").join(stored[0].chain[at].hex()).join("diff");
            assert_eq!(std::fs::read(diff.join("x")).expect(step), images::noise(600_000, seed));
        }
        let left = std::fs::read_dir(root.path().join("ingest")).expect("ingest");
        assert_eq!(left.count(), 0, "{step}");
    }
    assert!(killed > 5, "only {killed} steps");
}
