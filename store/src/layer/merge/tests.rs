//! What comes into a tree, and what cannot leave it. Needs root.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;
use crate::layer::specimen::Specimen;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.0.path().join("root/d")).unwrap();
        fs::write(tree.0.path().join("victim"), "safe").unwrap();
        tree
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join("root").join(name)
    }

    fn merge_with(&self, at: &str, archive: Specimen, how: Merging) -> Result<(), MergeError> {
        let root = File::open(self.path("")).unwrap();
        merge(root.as_fd(), at.as_bytes(), &archive.finish()[..], how)
    }

    fn merge(&self, at: &str, archive: Specimen) -> Result<(), MergeError> {
        self.merge_with(at, archive, Merging::default())
    }
}

#[test]
fn directories_stay_and_the_rest_is_replaced() {
    let tree = Tree::new();
    fs::write(tree.path("d/kept"), "old").unwrap();
    fs::write(tree.path("d/file"), "old").unwrap();
    fs::create_dir_all(tree.path("d/deep/er")).unwrap();
    let archive =
        Specimen::default().directory("d/", 0o755).file("d/file", b"new").file("d/deep", b"f");
    tree.merge("/", archive.file("d/.wh.kept", b"plain")).unwrap();
    let read = |name: &str| fs::read_to_string(tree.path(name)).unwrap();
    assert_eq!(
        (read("d/kept"), read("d/file"), read("d/deep")),
        ("old".into(), "new".into(), "f".into())
    );
    assert_eq!(read("d/.wh.kept"), "plain");
}

#[test]
fn kinds_are_kept_when_asked() {
    let tree = Tree::new();
    fs::write(tree.path("file"), "").unwrap();
    let how = Merging { keep_kinds: true, ..Merging::default() };
    let text = |archive| tree.merge_with("/", archive, how).unwrap_err().to_string();
    assert_eq!(
        text(Specimen::default().file("d", b"x")),
        "cannot overwrite directory \"/d\" with a non-directory"
    );
    assert_eq!(
        text(Specimen::default().directory("file", 0o755)),
        "cannot overwrite non-directory \"/file\" with a directory"
    );
}

#[test]
fn owners_are_the_archive_s_or_one_for_all() {
    let tree = Tree::new();
    let how = Merging { owner: Some((5, 7)), ..Merging::default() };
    tree.merge_with("/d", Specimen::default().file("f", b"x").directory("e/", 0o755), how).unwrap();
    for name in ["d/f", "d/e"] {
        let stat = fs::metadata(tree.path(name)).unwrap();
        assert_eq!((stat.uid(), stat.gid()), (5, 7), "{name}");
    }
    assert_eq!(fs::metadata(tree.path("d")).unwrap().uid(), 0);
}

#[test]
fn links_stay_inside() {
    let tree = Tree::new();
    symlink("/../../../..", tree.path("up")).unwrap();
    symlink("../victim", tree.path("out")).unwrap();
    let archive = Specimen::default().file("up/victim", b"in").file("out", b"in");
    tree.merge("/", archive).unwrap();
    assert_eq!(fs::read_to_string(tree.0.path().join("victim")).unwrap(), "safe");
    assert_eq!(fs::read_to_string(tree.path("victim")).unwrap(), "in");
    assert!(fs::symlink_metadata(tree.path("out")).unwrap().is_file());
    assert!(tree.merge("/d", Specimen::default().file("../../x", b"")).is_err());
    let escape = Specimen::default().hardlink("h", "../victim");
    assert!(tree.merge("/", escape).is_err());
}
