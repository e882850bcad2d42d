//! What is written is read back by the unpacker. Needs root: owners, devices and trusted attributes
//! are made.

use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{
    Dev, Gid, Timespec, Timestamps, Uid, XattrFlags, chownat, lsetxattr, makedev, mknodat,
    utimensat,
};

use super::*;
use crate::ahead::Ahead;
use crate::layer::apply::apply;

const LAYER: Form = Form::Layer { without: "own" };

fn open(path: &Path) -> OwnedFd {
    File::open(path).expect("open").into()
}

fn packed(path: &Path, name: Option<&[u8]>, form: Form) -> Vec<u8> {
    let mut archive = Vec::new();
    pack_directory(&open(path), name, form, &mut archive).expect("packed");
    archive
}

fn unpacked(archive: &[u8]) -> tempfile::TempDir {
    let (to, discard) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ahead = Ahead::new(to.path());
    apply(&mut &archive[..], open(to.path()), open(discard.path()), &Limits::default(), &ahead)
        .expect("unpacked");
    to
}

fn node(base: &Path, name: &str, kind: FileType, device: Dev) {
    let mode = Mode::from_raw_mode(0o640);
    mknodat(CWD, base.join(name), kind, mode, device).expect("mknod");
}

/// One of everything that a tar can hold.
fn zoo(base: &Path) {
    let long = format!("{}/{}", "d".repeat(120), "e".repeat(200));
    fs::create_dir_all(base.join(&long)).unwrap();
    fs::write(base.join(&long).join("file"), "deep").unwrap();
    symlink("t".repeat(300), base.join("long-link")).unwrap();
    fs::write(base.join("a"), vec![7; 3 * BUFFER + 1]).unwrap();
    fs::hard_link(base.join("a"), base.join("b")).unwrap();
    fs::write(base.join("owned"), "x").unwrap();
    let (uid, gid) = (Uid::from_raw(4_000_000_000), Gid::from_raw(3_000_000));
    chownat(CWD, base.join("owned"), Some(uid), Some(gid), AtFlags::empty()).unwrap();
    fs::set_permissions(base.join("owned"), fs::Permissions::from_mode(0o4751)).unwrap();
    lsetxattr(base.join("owned"), "user.k", b"v\n\0=", XattrFlags::empty()).unwrap();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    lsetxattr(base.join("a"), "security.capability", &capability, XattrFlags::empty()).unwrap();
    lsetxattr(base, "user.top", b"t", XattrFlags::empty()).unwrap();
    node(base, "fifo", FileType::Fifo, 0);
    node(base, "block", FileType::BlockDevice, makedev(300, 70_000));
    node(base, "char", FileType::CharacterDevice, makedev(1, 3));
    let name = std::ffi::OsString::from_vec(b"\xff\xfe".to_vec());
    fs::write(base.join(name), "").unwrap();
    for (name, tv_sec, tv_nsec) in
        [("owned", -2, 500_000_000), ("fifo", 1_700_000_000, 1), ("block", 9_000_000_000, 0)]
    {
        let time = Timespec { tv_sec, tv_nsec };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, base.join(name), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

#[test]
fn everything_comes_back_and_the_bytes_are_the_same() {
    let from = tempfile::tempdir().unwrap();
    zoo(from.path());
    let archive = packed(from.path(), Some(b"./"), Form::Plain);
    assert_eq!(archive.len() % 512, 0);
    let to = unpacked(&archive);
    assert_eq!(packed(to.path(), Some(b"./"), Form::Plain), archive);
    let stat = |name: &str| fs::symlink_metadata(to.path().join(name)).unwrap();
    assert_eq!((stat("owned").uid(), stat("owned").gid()), (4_000_000_000, 3_000_000));
    assert_eq!(stat("owned").mode() & 0o7777, 0o4751);
    assert_eq!((stat("owned").mtime(), stat("owned").mtime_nsec()), (-2, 500_000_000));
    assert_eq!(stat("fifo").mtime_nsec(), 1);
    assert_eq!((stat("a").ino(), stat("a").nlink()), (stat("b").ino(), 2));
    assert_eq!(stat("block").rdev(), makedev(300, 70_000));
    assert_eq!(fs::read_link(to.path().join("long-link")).unwrap().as_os_str().len(), 300);
}

#[test]
fn other_programs_read_it() {
    let from = tempfile::tempdir().unwrap();
    zoo(from.path());
    let archive = packed(from.path(), None, Form::Plain);
    let mut names = Vec::new();
    for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
        names.push(entry.unwrap().path_bytes().into_owned());
    }
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);
    assert_eq!(names.first().map(Vec::as_slice), Some(&b"a"[..]));
    assert!(names.iter().any(|name| name.ends_with(b"/file") && name.len() > 320));
}

#[test]
fn a_layer_says_what_is_hidden() {
    let from = tempfile::tempdir().unwrap();
    fs::create_dir_all(from.path().join("etc/new")).unwrap();
    node(from.path(), "etc/gone", FileType::CharacterDevice, 0);
    fs::write(from.path().join("own"), "").unwrap();
    let opaque = "trusted.overlay.opaque";
    lsetxattr(from.path().join("etc/new"), opaque, b"y", XattrFlags::empty()).unwrap();
    let archive = packed(from.path(), None, LAYER);
    let mut tar = tar::Archive::new(&archive[..]);
    let names: Vec<String> = (tar.entries().unwrap())
        .map(|entry| String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap())
        .collect();
    assert_eq!(names, ["etc/", "etc/.wh.gone", "etc/new/", "etc/new/.wh..wh..opq"]);
    let to = unpacked(&archive);
    assert_eq!(packed(to.path(), None, LAYER), archive);
    let redirect = "trusted.overlay.redirect";
    lsetxattr(from.path().join("etc"), redirect, b"/usr", XattrFlags::empty()).unwrap();
    let failed = pack_directory(&open(from.path()), None, LAYER, &mut Vec::new());
    assert!(matches!(failed, Err(PackError::Redirect(path)) if path == "etc"));
}

#[test]
fn one_node_under_another_name() {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("file"), "text").unwrap();
    let mut archive = Vec::new();
    pack_entry(&open(from.path()), c"file", b"other", &mut archive).unwrap();
    assert_eq!(fs::read_to_string(unpacked(&archive).path().join("other")).unwrap(), "text");
    assert!(pack_entry(&open(from.path()), c"none", b"x", &mut Vec::new()).is_err());
}

#[test]
fn file_systems_of_the_kernel_are_empty_directories() {
    assert_eq!(is_kernel_file_system(open(Path::new("/proc"))), Ok(true));
    assert_eq!(is_kernel_file_system(open(Path::new("/sys"))), Ok(true));
    assert_eq!(is_kernel_file_system(open(Path::new("/"))), Ok(false));
}
