//! Archives of images in every order and form: their layers are unpacked before it is known what they
//! are, and nothing stays of what turns out to be something else.

use std::io::Read;
use std::sync::Mutex;

use serde_json::json;
use store::archive::{LoadError, LoadProgress};
use store::{Digest, ImageId, Store};

use crate::fixture::{Ground, OCI, Sample, assert_empty, assert_whole, gzip, names};
use crate::specimen::Specimen;

/// Larger than what is read at once.
fn noise(seed: u8) -> Vec<u8> {
    (0..900_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ seed).collect()
}

fn sample() -> Sample {
    let layer = |seed: u8| {
        let tar = Specimen::default().directory("etc", 0o755);
        tar.file(&format!("etc/file-{seed}"), &noise(seed)).finish()
    };
    // The first one comes twice: one file, two layers.
    Sample::of_tars(OCI, [1, 2, 3, 1].map(layer).to_vec())
}

/// Docker's form: a list, a config, and layers by any names.
fn members(sample: &Sample, pack: impl Fn(&[u8]) -> Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let layers = ["a/layer.tar", "b/layer.tar", "c.tar", "a/layer.tar"];
    let list = json!([{"Config": "it.json", "RepoTags": ["loaded:v1"], "Layers": layers}]);
    let mut members: Vec<(String, Vec<u8>)> = layers[..3]
        .iter()
        .zip(sample.tars())
        .map(|(name, tar)| ((*name).to_owned(), pack(tar)))
        .collect();
    members.push(("it.json".to_owned(), sample.config().to_vec()));
    members.push(("manifest.json".to_owned(), list.to_string().into_bytes()));
    members
}

fn archive(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let empty = Specimen::default();
    members.iter().fold(empty, |tar, (name, bytes)| tar.file(name, bytes)).finish()
}

fn load(store: &Store, archive: impl Read) -> Result<Vec<ImageId>, LoadError> {
    let loaded = Mutex::new(Vec::new());
    let tell = |step| {
        if let LoadProgress::Image(image) = step {
            loaded.lock().expect("lock").push(image.image);
        }
    };
    store.images().load(archive, &[], &tell)?;
    Ok(loaded.into_inner().expect("lock"))
}

/// Nothing is left on its way.
fn assert_settled(store: &Store) {
    assert_whole(store);
    let left: Vec<String> = names(store, "ingest").into_iter().collect();
    assert!(left.iter().all(|name| name.ends_with(".partial")), "{left:?}");
}

#[test]
fn any_order_and_form_makes_the_same_image() {
    let ground = Ground::new();
    let sample = sample();
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("zstd");
    let forms = [members(&sample, <[u8]>::to_vec), members(&sample, gzip), members(&sample, zstd)];
    for (form, mut members) in forms.into_iter().enumerate() {
        for turn in 0..members.len() {
            members.rotate_left(1);
            let plain = archive(&members);
            let whole = if turn % 2 == 0 { plain } else { gzip(&plain) };
            let images = load(&ground.store, &whole[..]).expect("load");
            let what = format!("form {form}, turn {turn}");
            assert_eq!(images, [Digest::of(sample.config())], "{what}");
            assert_settled(&ground.store);
            for (chain_id, seed) in sample.chain().iter().zip([1, 2, 3, 1]) {
                let place = ground.store.root().join("layers").join(chain_id.hex());
                let file = place.join(format!("diff/etc/file-{seed}"));
                assert!(std::fs::read(file).expect("file") == noise(seed), "{what}");
                let info = ground.store.layers().info(chain_id).expect("info").expect("layer");
                assert_eq!((info.size, info.entries), (900_000, 2), "{what}");
            }
            // What is here already is no work, and harms nothing.
            assert_eq!(load(&ground.store, &whole[..]).expect("again"), images, "{what}");
            ground.store.images().remove(&images[0]).expect("remove");
            assert_empty(&ground.store);
        }
    }
}

#[test]
fn what_no_image_names_leaves_nothing() {
    let ground = Ground::new();
    let sample = sample();
    let mut members = members(&sample, gzip);
    let hostile = Specimen::default().file("../../outside", b"x").finish();
    let cut = Specimen::default().file("half", &noise(9)).cut();
    let good = sample.tars()[0].clone();
    for (name, bytes) in [("hostile.tar", hostile.clone()), ("cut.gz", gzip(&cut)), ("good", good)]
    {
        members.insert(0, (name.to_owned(), bytes));
    }
    members.insert(0, ("not.gz".to_owned(), b"\x1f\x8b and no more".to_vec()));
    let images = load(&ground.store, &archive(&members)[..]).expect("load");
    assert_settled(&ground.store);
    ground.store.images().remove(&images[0]).expect("remove");
    assert_empty(&ground.store);
    for (name, bytes) in &mut members {
        if name == "c.tar" {
            *bytes = hostile.clone();
        }
    }
    let error = load(&ground.store, &archive(&members)[..]).expect_err("hostile");
    assert!(error.to_string().contains("outside"), "{error}");
    assert_settled(&ground.store);
    assert!(!ground.store.root().join("outside").exists());
}

#[test]
fn an_archive_that_breaks_off_leaves_nothing() {
    let ground = Ground::new();
    for members in [members(&sample(), <[u8]>::to_vec), members(&sample(), gzip)] {
        let whole = archive(&members);
        for part in 1..12 {
            let cut = &whole[..whole.len() * part / 12];
            load(&ground.store, cut).expect_err("a part");
            assert_settled(&ground.store);
            assert!(ground.store.images().list().expect("list").is_empty());
        }
    }
}
