//! Directories that a layer's archive has no entry for look like those of the layers below.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use store::{Digest, Store};

use crate::fixture::{Ground, OCI, Sample, assert_whole};
use crate::specimen::Specimen;

const TIME: u64 = 1_234_567_890;

fn directory(tar: Specimen, name: &str, mode: u32, owner: (u64, u64)) -> Specimen {
    tar.header(b'5', name.as_bytes(), |header| {
        header.set_mode(mode);
        header.set_uid(owner.0);
        header.set_gid(owner.1);
        header.set_mtime(TIME);
    })
}

fn base() -> Specimen {
    let tar = directory(Specimen::default(), "tmp", 0o1777, (0, 0));
    let tar = tar.pax(b'x', &[("SCHILY.xattr.user.note", b"kept")]);
    let tar = directory(tar, "private", 0o700, (5, 6));
    directory(tar, "private/sub", 0o2750, (7, 8))
}

fn place(store: &Store, chain_id: &Digest, name: &str) -> PathBuf {
    store.root().join("layers").join(chain_id.hex()).join("diff").join(name)
}

/// Mode, owner and group of a directory in a layer.
fn look(store: &Store, chain_id: &Digest, name: &str) -> (u32, u32, u32) {
    let stat = fs::symlink_metadata(place(store, chain_id, name)).expect(name);
    (stat.mode() & 0o7777, stat.uid(), stat.gid())
}

const PLAIN: (u32, u32, u32) = (0o755, 0, 0);

#[test]
fn they_take_after_the_topmost_directory_below() {
    let ground = Ground::new();
    let store = &ground.store;
    let layers = [
        base(),
        directory(Specimen::default(), "private", 0o711, (9, 9)),
        Specimen::default().file("tmp/y", b"").file("private/sub/deep/y", b""),
        Specimen::default().file("tmp/z", b"").file("private/sub/deep/.wh.y", b""),
    ];
    let tars = layers.into_iter().map(Specimen::finish).collect();
    let sample = Sample::of_tars(OCI, tars);
    sample.pull(store, "busybox");
    let chain = sample.chain();
    for upper in &chain[2..] {
        assert_eq!(look(store, upper, "tmp"), (0o1777, 0, 0));
        assert_eq!(look(store, upper, "private"), (0o711, 9, 9));
        assert_eq!(look(store, upper, "private/sub"), (0o2750, 7, 8));
        assert_eq!(look(store, upper, "private/sub/deep"), PLAIN, "no layer has it");
        let stat = fs::metadata(place(store, upper, "tmp")).expect("stat");
        assert_eq!(stat.mtime().cast_unsigned(), TIME);
    }
    assert!(!store.root().join("layers").join(chain[3].hex()).join("implied").exists());
    assert_whole(store);
}

#[test]
fn attributes_come_along_but_overlays_own() {
    let ground = Ground::new();
    let store = &ground.store;
    let noted = Specimen::default().file("private/.wh..wh..opq", b"");
    let tars = [base(), noted, Specimen::default().file("private/y", b"")];
    let sample = Sample::of_tars(OCI, tars.map(Specimen::finish).into());
    let new = sample.fetch(store, "busybox");
    let chain = sample.chain();
    let target = place(store, &chain[0], "private");
    setxattr(&target, "user.more", b"1", XattrFlags::empty()).expect("setxattr");
    store.images().commit(new).expect("commit");
    let attribute = |layer: usize, name: &str| {
        let mut value = [0; 16];
        let path = place(store, &chain[layer], "private");
        getxattr(path, name, &mut value[..]).ok().map(|length| value[..length].to_vec())
    };
    for layer in [1, 2] {
        assert_eq!(attribute(layer, "user.note").as_deref(), Some(&b"kept"[..]));
        assert_eq!(attribute(layer, "user.more").as_deref(), Some(&b"1"[..]));
    }
    assert!(attribute(1, "trusted.overlay.opaque").is_some());
    assert_eq!(attribute(2, "trusted.overlay.opaque"), None);
}

#[test]
fn what_is_hidden_is_not_taken_after() {
    let ground = Ground::new();
    let store = &ground.store;
    let hidden = [
        Specimen::default().file(".wh.private", b""),
        Specimen::default().file("private", b"a file"),
        Specimen::default().symlink("private", "tmp"),
        Specimen::default().directory("private", 0o755).file("private/.wh..wh..opq", b""),
    ];
    for (name, between) in ["a", "b", "c", "d"].into_iter().zip(hidden) {
        let upper = Specimen::default().file("private/sub/y", b"");
        let tars = [base(), between, upper].map(Specimen::finish);
        let sample = Sample::of_tars(OCI, tars.into());
        sample.pull(store, name);
        let top = &sample.chain()[2];
        assert_eq!(look(store, top, "private"), PLAIN, "{name}");
        assert_eq!(look(store, top, "private/sub"), PLAIN, "{name}");
    }
    let own = Specimen::default().file("private/.wh..wh..opq", b"").file("private/sub/y", b"");
    let sample = Sample::of_tars(OCI, [base(), own].map(Specimen::finish).into());
    sample.pull(store, "own");
    let top = &sample.chain()[1];
    assert_eq!(look(store, top, "private"), (0o700, 5, 6), "only what is in it is hidden");
    assert_eq!(look(store, top, "private/sub"), PLAIN);
    let own = Specimen::default().file(".wh.private", b"").file("private/sub/y", b"");
    let sample = Sample::of_tars(OCI, [base(), own].map(Specimen::finish).into());
    sample.pull(store, "anew");
    assert_eq!(look(store, &sample.chain()[1], "private"), PLAIN);
}

#[test]
fn a_layer_that_was_brought_again_is_settled_without_a_commit() {
    let ground = Ground::new();
    let tars = [base(), Specimen::default().file("tmp/y", b"")].map(Specimen::finish);
    let sample = Sample::of_tars(OCI, tars.into());
    sample.pull(&ground.store, "busybox");
    let top = sample.chain()[1].clone();
    fs::remove_dir_all(ground.store.root().join("layers").join(top.hex())).expect("damage");
    let ground = ground.reopen();
    assert_eq!(ground.store.recovery().missing_layers.len(), 1);
    sample.fetch(&ground.store, "busybox");
    assert_eq!(look(&ground.store, &top, "tmp"), PLAIN, "no commit yet");
    let ground = ground.reopen();
    assert_eq!(look(&ground.store, &top, "tmp"), (0o1777, 0, 0));
    assert_whole(&ground.store);
}
