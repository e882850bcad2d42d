//! A corpus of odd and hostile archives, each with the answer that it must get: the whole tree that
//! comes of it, or what is wrong with it. Nothing is left of what is refused, and nothing outside
//! of a layer is ever touched.

mod headers;
mod links;
mod nodes;
mod paths;
mod whiteouts;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{lgetxattr, llistxattr, major, minor};
use store::Digest;

use crate::fixture::{Ground, names};
use crate::specimen::Specimen;

/// What specimens set, in seconds.
const TIME: i64 = 1_000_000_000;

/// One archive and its answer.
pub(crate) struct Case {
    name: &'static str,
    archive: Vec<u8>,
    answer: Result<Vec<String>, &'static str>,
}

/// It makes this tree: a line for each node, as [`listing`] writes it.
pub(crate) fn makes(name: &'static str, archive: Specimen, tree: &[&str]) -> Case {
    makes_bytes(name, archive.finish(), tree)
}

pub(crate) fn makes_bytes(name: &'static str, archive: Vec<u8>, tree: &[&str]) -> Case {
    Case { name, archive, answer: Ok(tree.iter().map(|line| (*line).to_owned()).collect()) }
}

/// It is refused, by a text with this in it.
pub(crate) fn refused(name: &'static str, archive: Specimen, text: &'static str) -> Case {
    refused_bytes(name, archive.finish(), text)
}

pub(crate) fn refused_bytes(name: &'static str, archive: Vec<u8>, text: &'static str) -> Case {
    Case { name, archive, answer: Err(text) }
}

#[test]
fn every_archive_gets_its_answer() {
    let cases: Vec<Case> = [
        paths::cases(),
        links::cases(),
        whiteouts::cases(),
        nodes::cases(),
        headers::cases(),
        headers::broken(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(cases.len() >= 140, "{} cases", cases.len());
    assert_eq!(cases.iter().map(|case| case.name).collect::<BTreeSet<_>>().len(), cases.len());
    let ground = Ground::new();
    let layers = ground.store.layers();
    let mut wrong = Vec::new();
    for case in &cases {
        let chain_id = Digest::of(case.name.as_bytes());
        let unpacked = layers.unpack(&chain_id, &Digest::of(&case.archive), &case.archive[..]);
        let place = ground.store.root().join("layers").join(chain_id.hex());
        let answer = match unpacked {
            Ok(_) => Ok(listing(&place.join("diff"))),
            Err(error) => {
                assert!(!place.exists(), "{}: something is left", case.name);
                Err(error.to_string())
            }
        };
        let is_right = match (&case.answer, &answer) {
            (Ok(expected), Ok(actual)) => expected == actual,
            (Err(expected), Err(actual)) => actual.contains(expected),
            _ => false,
        };
        if !is_right {
            wrong.push(format!(
                "{}:\n  expected {:?}\n  got      {answer:?}",
                case.name, case.answer
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    ground.store.settle();
    assert_eq!(names(&ground.store, "ingest"), BTreeSet::new());
    let root = ground.store.root().parent().expect("parent").to_owned();
    assert_eq!(fs::read_dir(root).expect("list").count(), 1, "only the store is there");
}

/// A line for each node below a directory, ordered by path:
/// `path type mode uid:gid more`, where more is what the type has and what is out of the ordinary.
fn listing(root: &Path) -> Vec<String> {
    let (mut lines, mut waiting) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("list") {
            let path = entry.expect("entry").path();
            if path.symlink_metadata().expect("stat").is_dir() {
                waiting.push(path.clone());
            }
            lines.push(line(root, &path));
        }
    }
    lines.sort();
    lines
}

fn line(root: &Path, path: &Path) -> String {
    let stat = path.symlink_metadata().expect("stat");
    let name = path.strip_prefix(root).expect("below").as_os_str().as_bytes();
    let name = name.escape_ascii().to_string();
    let name = if name.len() > 80 { format!("({} bytes)", name.len()) } else { name };
    let kind = stat.file_type();
    let device = || format!("{}:{}", major(stat.rdev()), minor(stat.rdev()));
    let (letter, more) = match () {
        () if kind.is_dir() => ("d", String::new()),
        () if kind.is_symlink() => {
            let target = fs::read_link(path).expect("target").into_os_string();
            let shown = target.as_bytes().escape_ascii().to_string();
            let shown = if shown.len() > 80 { format!("({} bytes)", shown.len()) } else { shown };
            ("l", format!(" -> {shown}"))
        }
        () if kind.is_char_device() => ("c", format!(" {}", device())),
        () if kind.is_block_device() => ("b", format!(" {}", device())),
        () if kind.is_fifo() => ("p", String::new()),
        () => ("f", content(path)),
    };
    let mode = if letter == "l" { String::new() } else { format!("{:o} ", stat.mode() & 0o7777) };
    let mut line = format!("{name} {letter} {mode}{}:{}{more}", stat.uid(), stat.gid());
    let has_time = letter != "d" && !(letter == "c" && stat.rdev() == 0);
    if has_time && (stat.mtime(), stat.mtime_nsec()) != (TIME, 0) {
        line += &format!(" @{}.{:09}", stat.mtime(), stat.mtime_nsec());
    }
    if letter == "f" && stat.nlink() > 1 {
        line += &format!(" x{}", stat.nlink());
    }
    line + &attributes(path)
}

fn content(path: &Path) -> String {
    let bytes = fs::read(path).expect("read");
    let blocks = path.metadata().expect("stat").blocks();
    let holes = if blocks * 512 < bytes.len() as u64 { " holes" } else { "" };
    match bytes.len() {
        0..=40 => format!(" \"{}\"{holes}", bytes.escape_ascii()),
        length => format!(" {length} bytes{holes}"),
    }
}

fn attributes(path: &Path) -> String {
    let mut names = vec![0; 64 << 10];
    let length = llistxattr(path, &mut names[..]).expect("attributes");
    let mut shown = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 4096];
        let length = lgetxattr(path, name, &mut value[..]).expect("attribute");
        shown.push(format!(" {}={}", name.escape_ascii(), value[..length].escape_ascii()));
    }
    shown.sort();
    shown.concat()
}
