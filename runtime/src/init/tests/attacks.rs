//! What broke other runtimes: each test fails on a naive implementation.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::mount::MountPropagationFlags;
use serde_json::json;

use super::*;
use crate::error::StepErrorKind;

/// CVE-2024-21626, CVE-2016-9962: no descriptor of the host is left, by number or as a directory.
#[test]
fn no_descriptor_leaks() {
    if !possible() {
        return;
    }
    let leak = fs::File::open("/").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let output = Container::new("ls -l /proc/self/fd/ | cat").run().output;
    let names: Vec<&str> = output.lines().filter_map(|line| line.split(" -> ").nth(1)).collect();
    // The three streams; the directory that ls reads is no longer there to be named.
    assert_eq!(names.len(), 3, "{output}");
    assert!(!names.contains(&"/"), "{output}");

    let number = std::os::fd::AsRawFd::as_raw_fd(&leak);
    for at in 3..number + 20 {
        let mut container = Container::new("ls ../../..");
        container.spec["process"]["cwd"] = json!(format!("/proc/self/fd/{at}"));
        let outcome = container.run();
        let inside = outcome.failed.is_none() && !outcome.output.contains("boot");
        let refused = outcome.failed.is_some_and(|error| error.kind == StepErrorKind::BadCwd);
        assert!(inside || refused, "descriptor {at}: {}", outcome.output);
    }
}

/// CVE-2021-30465, CVE-2024-45310: targets behind links of the image are made inside the root.
#[test]
fn mount_targets_stay_inside() {
    if !possible() {
        return;
    }
    let host = tempfile::tempdir().unwrap();
    let mut container = Container::new("cat /link/file /there/file; ls /inner | cat");
    // One that is not there, and one that is: a path by its name would lead to it.
    symlink(host.path().join("target"), container.path("link")).unwrap();
    let there = tempfile::tempdir().unwrap();
    symlink(there.path(), container.path("there")).unwrap();
    symlink("../../../../../../inner", container.path("up")).unwrap();
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("file"), "bound\n").unwrap();
    let mounts = container.spec["mounts"].as_array_mut().unwrap();
    mounts.push(json!({"destination": "/link", "type": "bind", "source": source.path(), "options": ["bind"]}));
    mounts.push(json!({"destination": "/there", "type": "bind", "source": source.path(), "options": ["bind"]}));
    mounts.push(json!({"destination": "/up/deep", "type": "tmpfs", "source": "tmpfs"}));
    let outcome = container.run();
    assert_eq!((outcome.failed, outcome.output.as_str()), (None, "bound\nbound\ndeep\n"));
    assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0);
}

/// CVE-2019-16884, CVE-2019-19921, CVE-2023-27561: `/proc` and `/sys` are real directories, and
/// nothing is mounted over what is below.
#[test]
fn procfs_is_where_it_belongs() {
    if !possible() {
        return;
    }
    for name in ["proc", "sys"] {
        let container = Container::new("true");
        fs::create_dir(container.path("elsewhere")).unwrap();
        symlink("/elsewhere", container.path(name)).unwrap();
        let error = container.run().failed.unwrap();
        assert_eq!(error.kind, StepErrorKind::BadMount, "{error}");
    }
    let mut container = Container::new("true");
    symlink("/proc/self", container.path("self")).unwrap();
    let mounts = container.spec["mounts"].as_array_mut().unwrap();
    mounts.push(json!({"destination": "/self/attr", "type": "tmpfs", "source": "tmpfs"}));
    let error = container.run().failed.unwrap();
    assert_eq!(error.kind, StepErrorKind::BadMount, "{error}");
}

/// CVE-2026-41579: the image's `/dev` is a link to the host's; nodes are made in the container's.
#[test]
fn dev_as_a_link() {
    if !possible() {
        return;
    }
    let host = tempfile::tempdir().unwrap();
    let container = Container::new("ls /dev/null");
    symlink(host.path(), container.path("dev")).unwrap();
    let outcome = container.run();
    assert_eq!((outcome.failed, outcome.output.as_str()), (None, "/dev/null\n"));
    assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0);
}

/// CVE-2025-31133: what the image has at `/dev/null` is never bound over a masked path.
#[test]
fn masks_do_not_come_from_the_image() {
    if !possible() {
        return;
    }
    let mut container = Container::new("cat /masked");
    fs::write(container.path("masked"), "secret\n").unwrap();
    fs::write(container.path("decoy"), "decoy\n").unwrap();
    // The container's own device is in somebody else's hands.
    let volume = tempfile::tempdir().unwrap();
    symlink("/decoy", volume.path().join("null")).unwrap();
    let mounts = container.spec["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    mounts.push(json!({"destination": "/dev", "type": "bind", "source": volume.path(), "options": ["bind"]}));
    container.spec["linux"]["maskedPaths"] = json!(["/masked"]);
    let outcome = container.run();
    assert_eq!((outcome.failed, outcome.output.as_str()), (None, ""));
}

/// A FIFO or an endless device in place of `/etc/passwd` neither blocks nor floods.
#[test]
fn user_files_are_regular_and_bounded() {
    if !possible() {
        return;
    }
    // Not a shell: it would read the file itself.
    let mut container = Container::new("");
    container.spec["process"]["args"] = json!(["cat", "/proc/self/status"]);
    let runs_as_root = || container.run().output.contains("Uid:\t0\t0\t0\t0");
    fs::remove_file(container.path("etc/passwd")).unwrap();
    symlink("/dev/zero", container.path("etc/passwd")).unwrap();
    assert!(runs_as_root());
    fs::remove_file(container.path("etc/group")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    let fifo = container.path("etc/group");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(runs_as_root());
    fs::remove_file(&fifo).unwrap();
    fs::write(&fifo, "x".repeat(5 << 20)).unwrap();
    assert_eq!(container.run().failed.unwrap().kind, StepErrorKind::BadUser);
}

/// On a host whose mounts are shared, as systemd makes them, none of the container's appears outside.
#[test]
fn mounts_do_not_spread_on_a_shared_host() {
    if !possible() {
        return;
    }
    // This thread's own namespace plays the host; what others mount on the real one does not come here.
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    for kind in [MountPropagationFlags::PRIVATE, MountPropagationFlags::SHARED] {
        rustix::mount::mount_change("/", kind | MountPropagationFlags::REC).unwrap();
    }
    let table = || fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let source = tempfile::tempdir().unwrap();
    let mut container = Container::new("sleep 0.1");
    container.spec["mounts"].as_array_mut().unwrap().push(
        json!({"destination": "/data", "type": "bind", "source": source.path(), "options": ["rbind"]}),
    );
    let before = table();
    let (outcome, during) = container.run_and(|_| table());
    assert_eq!((outcome.failed, outcome.status), (None, 0));
    assert_eq!((&during, &table()), (&before, &before));
}
