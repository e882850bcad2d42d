//! Power cuts: a child is killed at each named step while its store lies on a file system of its
//! own, and what goes on is the disk as it is at that moment: what was not synced stays behind in
//! the page cache. Whatever the store is then, it opens, every image that it lists is whole to the
//! last byte, and what was answered as done is done.
//!
//! The disk is an ext4 image on a loop device, mounted so that it commits its journal only when
//! asked to. `JOCKER_POWER_CUTS` is the number of cuts at most (a hundred and more are possible);
//! by default each step has one. Needs root and a free loop device.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use store::Store;
use store::check::check;
use store::crash::{STEPS, VARIABLE};

use crate::fixture::{OCI, Sample, assert_whole};
use crate::specimen::Specimen;

/// Names the bed's directory, and the store's root to the child.
const DIRECTORY: &str = "JOCKER_TEST_POWER_BED";
const ROOT: &str = "JOCKER_TEST_POWER_ROOT";
/// At most so many cuts.
const CUTS: &str = "JOCKER_POWER_CUTS";
const DISK_BYTES: u64 = 96 << 20;
const SIGKILL: i32 = 9;
/// The journal waits, and a rename over a file does not write that file's data by itself.
const MOUNT_OPTIONS: &str = "loop,commit=300,noauto_da_alloc";

/// Larger than what is written back early, and than what fits into an inode.
fn layer(name: &str) -> Vec<u8> {
    let noise: Vec<u8> = (0..200_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3] ^ name.as_bytes()[0])
        .collect();
    let tar = Specimen::default().directory("etc", 0o755).file(&format!("etc/{name}"), &noise);
    // `var` has no entry: a commit settles it.
    tar.file(&format!("var/{name}"), name.as_bytes()).symlink("link", name).finish()
}

fn image(names: &[&str]) -> Sample {
    Sample::of_tars(OCI, names.iter().map(|name| layer(name)).collect())
}

/// What the child does until it dies: two pulls, two containers, two removals.
fn live(store: &Store) {
    for name in ["one", "two"] {
        let id = image(&["base", name]).pull(store, name);
        let image = store.images().get(&id).expect("get").expect("image");
        store.snapshots().prepare(name, &image, None).expect("prepare");
    }
    for name in ["one", "two"] {
        assert!(store.snapshots().remove(name).expect("remove snapshot"));
        let id = store.images().resolve(name).expect("image").id.clone();
        store.images().remove(&id).expect("remove image");
    }
}

#[test]
#[ignore = "a part of another test, run by it"]
fn child() {
    let root = PathBuf::from(env::var_os(ROOT).expect(ROOT));
    live(&Store::open(&root).expect("open"));
}

#[test]
fn a_power_cut_at_any_step_leaves_whole_images() {
    let directory = tempfile::tempdir().expect("directory");
    // Mounts of a namespace of its own go with it, however the test ends.
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(env::current_exe().expect("own path"))
        .args(["--exact", "power::bed", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .output()
        .expect("unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "a part of another test, run by it"]
fn bed() {
    let bed = Bed::new(PathBuf::from(env::var_os(DIRECTORY).expect(DIRECTORY)));
    bed.forgets_what_was_not_synced();
    let wanted = env::var(CUTS).ok().map(|text| text.parse().expect("a number"));
    let wanted: usize = wanted.unwrap_or(STEPS.len());
    let (mut cuts, mut steps) = (0, STEPS.to_vec());
    for nth in 1.. {
        steps.retain(|step| cuts < wanted && bed.cut(step, nth, &mut cuts));
        if steps.is_empty() {
            break;
        }
    }
    println!("{cuts} power cuts");
    assert_eq!(cuts, wanted, "the child reaches no more steps");
}

/// Disks as files, and where they are mounted.
struct Bed {
    directory: PathBuf,
    at: PathBuf,
}

impl Bed {
    /// A disk with a store that has one image.
    fn new(directory: PathBuf) -> Self {
        let at = directory.join("at");
        fs::create_dir(&at).expect("mkdir");
        let bed = Self { directory, at };
        let base = fs::File::create_new(bed.disk("base")).expect("disk");
        base.set_len(DISK_BYTES).expect("size");
        run("mkfs.ext4", &[OsStr::new("-q"), OsStr::new("-F"), bed.disk("base").as_os_str()]);
        bed.mount("base");
        let store = Store::open(&bed.root()).expect("open");
        image(&["base", "bystander"]).pull(&store, "bystander");
        store.settle();
        drop(store);
        bed.unmount();
        bed
    }

    fn disk(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn root(&self) -> PathBuf {
        self.at.join("root")
    }

    fn mount(&self, disk: &str) {
        let disk = self.disk(disk);
        run(
            "mount",
            &["-o".as_ref(), MOUNT_OPTIONS.as_ref(), disk.as_os_str(), self.at.as_os_str()],
        );
    }

    fn unmount(&self) {
        run("umount", &[self.at.as_os_str()]);
    }

    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.disk(from), self.disk(to));
        run("cp", &["--sparse=always".as_ref(), from.as_os_str(), to.as_os_str()]);
    }

    /// The power goes: the disk as it is, mounted again; the page cache stays behind.
    fn power_goes(&self) {
        self.copy("disk", "cut");
        self.unmount();
        self.mount("cut");
    }

    /// That a cut is one.
    fn forgets_what_was_not_synced(&self) {
        self.copy("base", "disk");
        self.mount("disk");
        fs::write(self.at.join("synced"), "synced").expect("write");
        fs::File::open(&self.at).and_then(|dir| sync_all(&dir)).expect("sync");
        fs::write(self.at.join("lost"), "lost").expect("write");
        self.power_goes();
        assert_eq!(fs::read_to_string(self.at.join("synced")).expect("read"), "synced");
        assert!(!self.at.join("lost").exists(), "what was not synced survives: no power cut");
        self.unmount();
    }

    /// One cut, at the `nth` time that the child reaches a step; whether it does.
    fn cut(&self, step: &str, nth: usize, cuts: &mut usize) -> bool {
        self.copy("base", "disk");
        self.mount("disk");
        let status = Command::new(env::current_exe().expect("own path"))
            .args(["--exact", "power::child", "--ignored"])
            .env(ROOT, self.root())
            .env(VARIABLE, format!("{step}#{nth}"))
            .output()
            .expect("child")
            .status;
        if status.success() {
            self.unmount();
            assert!(nth > 1, "{step} is never reached");
            return false;
        }
        assert_eq!(status.signal(), Some(SIGKILL), "{step}#{nth}: {status}");
        self.power_goes();
        judge(&self.root(), step, nth);
        self.unmount();
        *cuts += 1;
        true
    }
}

/// What must hold after any cut.
fn judge(root: &Path, step: &str, nth: usize) {
    let cut = format!("{step}#{nth}");
    let store = Store::open(root).unwrap_or_else(|error| panic!("{cut}: {error}"));
    assert!(store.recovery().missing_blobs.is_empty(), "{cut}: {:?}", store.recovery());
    assert!(store.recovery().missing_layers.is_empty(), "{cut}: {:?}", store.recovery());
    assert_whole(&store);
    store.images().resolve("bystander").unwrap_or_else(|error| panic!("{cut}: {error}"));
    // The first image is committed before its container is made, and removed before the second.
    let is_there = store.images().resolve("one").is_ok();
    let (committed, removed) = match step {
        "store.snapshot.made" | "store.snapshot.recorded" => (true, false),
        "store.snapshot.forgotten" | "store.snapshot.renamed" => (nth == 1, nth > 1),
        "store.remove.listed" => (false, true),
        _ => (false, false),
    };
    assert!(is_there || !committed, "{cut}: a committed image is lost");
    assert!(!is_there || !removed, "{cut}: a removed image is there again");
    drop(store);
    let checked = check(root, false).expect("check");
    assert_eq!(checked.findings, [], "{cut}");
    let store = Store::open(root).expect("open");
    for name in ["one", "two"] {
        store.snapshots().remove(name).expect("remove");
    }
    live(&store);
    assert_whole(&store);
}

fn sync_all(directory: &fs::File) -> std::io::Result<()> {
    Ok(rustix::fs::syncfs(directory)?)
}

fn run(program: &str, arguments: &[&OsStr]) {
    let output = Command::new(program).args(arguments).output().expect(program);
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}
