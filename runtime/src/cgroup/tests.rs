//! Updates that are refused half way: systemd and the group have afterwards what they had before.

use std::cell::RefCell;
use std::os::unix::fs::symlink;
use std::rc::Rc;

use super::*;

const PATH: &str = "/system.slice/jocker-a.scope";

/// What systemd is told: files and their values.
type Told = Rc<RefCell<Vec<Vec<(String, String)>>>>;

/// A directory in a control group's place, with the files of a group that has limits.
fn group(root: &Path) -> Cgroup {
    let cgroup = Cgroup::open(PATH, &Layout::V2 { mount: root.to_owned(), controllers: vec![] });
    let directory = cgroup.directories().next().unwrap();
    fs::create_dir_all(directory).unwrap();
    for (file, value) in [("memory.max", "1000\n"), ("pids.max", "max\n")] {
        fs::write(directory.join(file), value).unwrap();
    }
    cgroup
}

fn plan(limits: &[(&str, &str)]) -> CgroupPlan {
    let limits = limits.iter().map(|(file, value)| Write {
        controller: String::new(),
        file: (*file).to_owned(),
        or_file: None,
        value: (*value).to_owned(),
    });
    let unit = systemd::Unit { name: "jocker-a.scope".into(), slice: "system.slice".into() };
    CgroupPlan {
        path: PATH.to_owned(),
        unit: Some(unit),
        limits: limits.collect(),
        devices: vec![],
    }
}

/// A systemd that refuses what names 666.
fn systemd(told: &Told) -> Box<Tell> {
    let told = Rc::clone(told);
    Box::new(move |unit, limits| {
        let pairs = limits.iter().map(|limit| (limit.file.clone(), limit.value.clone()));
        told.borrow_mut().push(pairs.collect());
        match limits.iter().any(|limit| limit.value == "666") {
            true => Err(CgroupError::Timeout { what: "answer", path: unit.name.clone().into() }),
            false => Ok(()),
        }
    })
}

fn read(cgroup: &Cgroup, file: &str) -> String {
    files::read(&cgroup.directories().next().unwrap().join(file)).unwrap().trim().to_owned()
}

#[track_caller]
fn has_its_old_limits(cgroup: &Cgroup) {
    assert_eq!(
        (read(cgroup, "memory.max"), read(cgroup, "pids.max")),
        ("1000".into(), "max".into())
    );
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(file, value)| ((*file).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_the_kernel_refuses_is_taken_back_from_systemd_too() {
    let (root, told) = (tempfile::tempdir().unwrap(), Told::default());
    let cgroup = group(root.path());
    // Reads well, and nobody can write to it.
    let refused = cgroup.directories().next().unwrap().join("cpu.max");
    symlink("/proc/sys/kernel/ostype", refused).unwrap();
    let new = [("memory.max", "2000"), ("pids.max", "7"), ("cpu.max", "1 3")];
    let error = cgroup.update_telling(&plan(&new), &systemd(&told)).unwrap_err();
    assert!(matches!(&error, CgroupError::Write { value, .. } if value == "1 3"), "{error}");
    let old = [("memory.max", "1000"), ("pids.max", "max"), ("cpu.max", "Linux")];
    assert_eq!(*told.borrow(), [pairs(&new), pairs(&old)]);
    has_its_old_limits(&cgroup);
}

#[test]
fn what_systemd_refuses_reaches_no_group() {
    let (root, told) = (tempfile::tempdir().unwrap(), Told::default());
    let cgroup = group(root.path());
    let new = [("memory.max", "2000"), ("pids.max", "666")];
    let error = cgroup.update_telling(&plan(&new), &systemd(&told)).unwrap_err();
    assert!(matches!(&error, CgroupError::Timeout { .. }), "{error}");
    // It may have taken some of it before it refused, or all of it without an answer.
    assert_eq!(told.borrow()[1], pairs(&[("memory.max", "1000"), ("pids.max", "max")]));
    has_its_old_limits(&cgroup);
}

#[test]
fn an_update_that_was_done_can_be_taken_back() {
    let (root, told) = (tempfile::tempdir().unwrap(), Told::default());
    let cgroup = group(root.path());
    let new = [("memory.max", "2000")];
    let replaced = cgroup.update_telling(&plan(&new), &systemd(&told)).unwrap();
    assert_eq!(read(&cgroup, "memory.max"), "2000");
    cgroup.restore_telling(&replaced, &systemd(&told)).unwrap();
    assert_eq!(*told.borrow(), [pairs(&new), pairs(&[("memory.max", "1000")])]);
    assert_eq!(read(&cgroup, "memory.max"), "1000");
}
