//! What a daemon may leave behind. An [`Audit`] is taken before and after; the two must be equal.
//!
//! Links, firewall rules and processes are those of the test's own network namespace, so that
//! nothing that runs beside the test is counted; mounts and files are those under its roots.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::isolation::{namespace, processes_in};
use crate::patience::{becomes, eventually};

/// Cleaning up behind the reply's back may take this long.
const SETTLES: Duration = Duration::from_secs(20);
/// Time between two looks that must see the same.
const REST: Duration = Duration::from_millis(500);

/// Everything that can leak, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Mount points under the daemon's roots, in the host's mount table.
    pub mounts: BTreeSet<String>,
    /// Names of network links.
    pub links: BTreeSet<String>,
    /// The nftables rule set, without counters.
    pub rules: String,
    /// `name` of each process but the test itself.
    pub processes: Vec<String>,
    /// Open descriptors of the daemon that name network namespaces or pidfds.
    pub descriptors: usize,
    /// Files and directories under the roots, the database and logs excepted.
    pub files: BTreeSet<PathBuf>,
}

impl Audit {
    /// Looks until two looks see the same: what is cleaned up behind a reply's back is done then.
    #[track_caller]
    pub fn settled(daemon: &Daemon) -> Self {
        let mut last = Self::of(daemon);
        eventually("a daemon at rest", SETTLES, || {
            std::thread::sleep(REST);
            let now = Self::of(daemon);
            let same = now == last;
            last = now.clone();
            same.then_some(now)
        })
    }

    /// Looks at all of it.
    #[track_caller]
    pub fn of(daemon: &Daemon) -> Self {
        let roots = [daemon.data_root(), daemon.exec_root()];
        let mut files = BTreeSet::new();
        for root in &roots {
            collect_files(root, &mut files);
        }
        Self {
            mounts: mounts_under(&roots),
            links: links(),
            rules: rules(),
            processes: names_of(&processes_in(&namespace())),
            descriptors: descriptors(daemon.pid()),
            files,
        }
    }

    /// Names of the network links of the test's namespace.
    pub fn links() -> BTreeSet<String> {
        links()
    }

    /// Fails unless the daemon comes back to this state soon.
    #[track_caller]
    pub fn must_return(&self, daemon: &Daemon) {
        if !becomes(SETTLES, || Self::of(daemon) == *self) {
            let now = Self::of(daemon);
            panic!("left behind:\n{}", self.difference(&now));
        }
    }

    fn difference(&self, now: &Self) -> String {
        let mut text = changes("mount", &self.mounts, &now.mounts);
        text += &changes("link", &self.links, &now.links);
        text += &changes("file", &self.files, &now.files);
        if now.processes != self.processes {
            text += &format!("processes {:?} were {:?}\n", now.processes, self.processes);
        }
        if now.descriptors != self.descriptors {
            text += &format!("descriptors {} were {}\n", now.descriptors, self.descriptors);
        }
        if now.rules != self.rules {
            text += &format!("rules {} were {}\n", now.rules, self.rules);
        }
        text
    }
}

/// What came (+) and what went (-), a line each.
fn changes<T: Ord + std::fmt::Debug>(what: &str, was: &BTreeSet<T>, is: &BTreeSet<T>) -> String {
    let came = is.difference(was).map(|item| format!("+ {what} {item:?}\n"));
    let went = was.difference(is).map(|item| format!("- {what} {item:?}\n"));
    came.chain(went).collect()
}

/// Directories of control groups, in every hierarchy, whose path has the component `id`.
pub fn cgroups_of_container(id: &str) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mount table");
    let hierarchies = table.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        right.starts_with("cgroup").then(|| left.split(' ').nth(4))?
    });
    let mut found = Vec::new();
    for hierarchy in hierarchies {
        for parent in ["jocker", "docker"] {
            let path = Path::new(hierarchy).join(parent).join(id);
            if path.is_dir() {
                found.push(path);
            }
        }
    }
    found
}

/// Processes in the control groups of a container.
pub fn pids_of_container(id: &str) -> Vec<u32> {
    let mut pids: Vec<u32> = cgroups_of_container(id)
        .iter()
        .filter_map(|path| fs::read_to_string(path.join("cgroup.procs")).ok())
        .flat_map(|text| text.lines().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

fn mounts_under(roots: &[PathBuf]) -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mount table");
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned);
    points.filter(|point| roots.iter().any(|root| Path::new(point).starts_with(root))).collect()
}

fn links() -> BTreeSet<String> {
    let text = output_of("ip", &["-o", "link"]);
    let names = text.lines().filter_map(|line| line.split(": ").nth(1));
    names.map(|name| name.split('@').next().unwrap_or(name).to_owned()).collect()
}

fn rules() -> String {
    output_of("nft", &["-s", "list", "ruleset"])
}

fn names_of(pids: &[u32]) -> Vec<String> {
    let name = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    let mut names: Vec<_> =
        pids.iter().filter_map(name).map(|name| name.trim().to_owned()).collect();
    names.retain(|name| name != "ip" && name != "nft");
    names.sort();
    names
}

fn descriptors(pid: u32) -> usize {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors of the daemon");
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("pidfd")).count()
}

fn collect_files(dir: &Path, into: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("jocker.db") {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect_files(&path, into);
        }
        into.insert(path);
    }
}

fn output_of(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
