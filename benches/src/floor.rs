//! The bare floor: what the kernel asks for one container, by system calls alone.
//!
//! A small single-threaded copy of this command does it again and again: overlay by fsopen,
//! clone3 into new namespaces, the usual mounts and devices, pivot_root, exec of `true`, wait. No
//! daemon, no log, no limits, no capabilities, no seccomp filter, no answer to anybody.

mod child;
mod sys;
pub(crate) mod usage;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::fd::OwnedFd;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};

use crate::table::Table;

/// First argument of the copy.
const ARGUMENT: &str = "--floor";

/// What the copy shall do.
#[derive(Debug)]
pub(crate) struct Request {
    root: PathBuf,
    rounds: usize,
    form: Form,
}

/// How much of a container it is; each has all of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Namespaces,
    Network,
    Groups,
    /// The mounts that Docker adds, too.
    Docker,
}

const FORMS: [(Form, &str); 4] = [
    (Form::Namespaces, "floor: namespaces without net"),
    (Form::Network, "floor: with net namespace"),
    (Form::Groups, "floor: with net namespace and cgroups"),
    (Form::Docker, "floor: and the mounts of Docker's defaults"),
];

impl Request {
    /// The request in this process's arguments, if it is a copy.
    pub(crate) fn of_arguments() -> Option<Self> {
        let args: Vec<_> = std::env::args().skip(1).collect();
        let [first, root, rounds, name] = args.as_slice() else { return None };
        let (form, _) = FORMS.into_iter().find(|(_, known)| known == name)?;
        (first == ARGUMENT).then(|| Self {
            root: PathBuf::from(root),
            rounds: rounds.parse().unwrap_or(1),
            form,
        })
    }
}

/// Measures the floor in its forms.
pub(crate) fn measure(rounds: usize, table: &mut Table) -> Result<()> {
    let root = std::env::temp_dir().join(format!("jocker-bench-{}", std::process::id()));
    prepare(&root)?;
    for (_, name) in FORMS {
        let output = Command::new(std::env::current_exe()?)
            .args([ARGUMENT.as_ref(), root.as_os_str()])
            .args([&rounds.to_string(), name])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "floor: {}", String::from_utf8_lossy(&output.stderr));
        let samples: Vec<f64> = text.lines().filter_map(|line| line.parse().ok()).collect();
        table.cost(name, "ms", vec![samples]);
    }
    fs::remove_dir_all(&root)?;
    Ok(())
}

/// The lower directory: a busybox and the mount points.
fn prepare(root: &Path) -> Result<()> {
    let lower = root.join("lower");
    for dir in ["bin", "proc", "sys", "dev", "etc", "tmp"] {
        fs::create_dir_all(lower.join(dir))?;
    }
    fs::create_dir_all(root.join("etc"))?;
    for file in child::ETC {
        fs::write(lower.join("etc").join(file), "")?;
        fs::write(root.join("etc").join(file), "")?;
    }
    fs::copy(harness::packages::busybox(), lower.join("bin/busybox"))?;
    std::os::unix::fs::symlink("busybox", lower.join("bin/true"))?;
    fs::create_dir_all(root.join("point"))?;
    Ok(())
}

/// The copy's work: prints the milliseconds of each round.
pub(crate) fn serve(request: &Request) -> Result<()> {
    let hierarchies = if request.form >= Form::Groups { hierarchies()? } else { Vec::new() };
    let etc = request.root.join("etc");
    for round in 0..=request.rounds {
        let upper = request.root.join(format!("upper{round}"));
        let work = request.root.join(format!("work{round}"));
        fs::create_dir_all(&upper)?;
        fs::create_dir_all(&work)?;
        crate::settle();
        let begin = Instant::now();
        let groups = make_groups(&hierarchies)?;
        let mount = overlay(&request.root.join("lower"), &upper, &work)?;
        let work = child::Work {
            mount: &mount,
            point: &request.root.join("point"),
            groups: &groups,
            etc: (request.form == Form::Docker).then_some(etc.as_path()),
        };
        let network = request.form >= Form::Network;
        let child = sys::clone_into_namespaces(network, || child::run(&work))?;
        let status = sys::wait(child)?;
        let took = begin.elapsed();
        ensure!(status == 0, "the floor's child failed at step {}", status - child::FIRST_STEP);
        if round > 0 {
            println!("{}", took.as_secs_f64() * 1000.0);
        }
        for group in groups {
            fs::remove_dir(group)?;
        }
    }
    Ok(())
}

fn overlay(lower: &Path, upper: &Path, work: &Path) -> Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, path) in [("lowerdir", lower), ("upperdir", upper), ("workdir", work)] {
        fsconfig_set_string(&context, key, path).context(key)?;
    }
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// Mount points of all control group hierarchies with controllers of use to a container.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let rows = table.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let kind = right.split(' ').next()?;
        let point = left.split(' ').nth(4)?;
        let wanted = kind == "cgroup" || (kind == "cgroup2" && point == "/sys/fs/cgroup");
        wanted.then(|| PathBuf::from(point))
    });
    Ok(rows.collect())
}

/// A new group in each hierarchy; cpusets of version 1 take processes only when they are filled.
fn make_groups(hierarchies: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let name = format!("jocker-bench-{}", std::process::id());
    let mut groups = Vec::new();
    for hierarchy in hierarchies {
        let group = hierarchy.join(&name);
        fs::create_dir(&group)?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if hierarchy.join(file).exists() {
                fs::write(group.join(file), fs::read(hierarchy.join(file))?)?;
            }
        }
        groups.push(group);
    }
    Ok(groups)
}
