//! What a test that was killed could not clear away: the next test does.
//!
//! Directories carry the test's pid in their name (`jt<pid>-<number>`); when that process is gone,
//! whatever is still in the control groups of its containers is ended and its directories go.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::audit::{cgroups_of_container, pids_of_container};
use crate::patience::becomes;

static SWEPT: Once = Once::new();

/// Clears away what dead tests left; once a process.
pub(super) fn sweep() {
    SWEPT.call_once(|| {
        for parent in [std::env::temp_dir(), PathBuf::from("/run")] {
            for entry in fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok) {
                let name = entry.file_name();
                if name.to_str().is_some_and(is_of_a_dead_test) {
                    end_containers(&entry.path().join("data"));
                    let _somebody_else_sweeps = fs::remove_dir_all(entry.path());
                }
            }
        }
    });
}

fn is_of_a_dead_test(name: &str) -> bool {
    let pid = name.strip_prefix("jt").and_then(|rest| rest.split('-').next());
    let pid = pid.and_then(|pid| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

/// Ends all processes of the containers that a data root knows.
pub(super) fn end_containers(data_root: &Path) {
    let containers = fs::read_dir(data_root.join("containers"));
    let ids: Vec<_> = containers
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.len() == 64)
        .collect();
    becomes(Duration::from_secs(10), || {
        let pids: Vec<_> = ids.iter().flat_map(|id| pids_of_container(id)).collect();
        end(&pids);
        ids.iter().for_each(|id| thaw(id));
        pids.is_empty()
    });
}

/// Lets frozen processes go on: under version 1 they hear no signal, SIGKILL neither.
fn thaw(id: &str) {
    for group in cgroups_of_container(id) {
        for (file, value) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
            let file = group.join(file);
            if file.exists() {
                let _gone_already = fs::write(file, value);
            }
        }
    }
}

/// SIGKILL to each.
pub(super) fn end(pids: &[u32]) {
    for pid in pids {
        let pid = i32::try_from(*pid).expect("a pid");
        let _gone_already = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dead_tests_are_swept() {
        assert!(!is_of_a_dead_test(&format!("jt{}-0", std::process::id())));
        assert!(is_of_a_dead_test("jt4194305-0"));
        for name in ["jt", "jtx-1", "other", "jt-5"] {
            assert!(!is_of_a_dead_test(name), "{name}");
        }
    }
}
