//! Programs that the tests use: from PATH, or out of a Debian package that is downloaded and
//! unpacked beside the build, never installed; nothing of it starts by itself.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::isolation::outside;

/// The path of `program`, taken out of Debian's `package` when PATH has none.
#[track_caller]
pub fn program(program: &str, package: &str) -> PathBuf {
    on_path(program).unwrap_or_else(|| unpacked(program, package))
}

/// A statically linked busybox.
#[track_caller]
pub fn busybox() -> PathBuf {
    let found = on_path("busybox").filter(|path| is_static(path));
    found.unwrap_or_else(|| unpacked("busybox", "busybox-static"))
}

/// Compose v2, from where the docker CLI looks for plugins, else out of a newer Debian's package.
#[track_caller]
pub fn compose() -> PathBuf {
    let folders = ["/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec"];
    let installed = folders.map(|dir| Path::new(dir).join("docker/cli-plugins/docker-compose"));
    installed.into_iter().find(|file| file.is_file()).unwrap_or_else(|| {
        let (root, _lock) = programs();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/reference.sh");
        let done = outside("bash").args([script, "compose"]).arg(root.join("compose")).output();
        let done = done.expect("bash is executed");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "compose can not be had: {said}");
        PathBuf::from(String::from_utf8_lossy(&done.stdout).trim())
    })
}

/// A root file system, as a tar, of Debian's `package` and all that it needs.
#[track_caller]
pub fn root_of(package: &str) -> PathBuf {
    let (root, _lock) = programs();
    let archive = root.join(format!("{package}.tar"));
    if !archive.is_file() {
        let unfinished = root.join(format!("{package}.part.tar"));
        let mut command = outside("mmdebstrap");
        command.args(["--quiet", "--variant=extract", &format!("--include={package}"), "bookworm"]);
        let status = command.arg(&unfinished).status().expect("mmdebstrap is executed");
        assert!(status.success(), "no root of Debian's {package}: mmdebstrap says {status}");
        fs::rename(&unfinished, &archive).expect("rename");
    }
    archive
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// An ELF file without a PT_INTERP (type 3) program header, elf(5).
fn is_static(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path) else { return false };
    let u16_at = |at: usize| {
        bytes.get(at..at + 2).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])))
    };
    // e_phoff is a u64 at 32, e_phentsize a u16 at 54, e_phnum a u16 at 56 (64-bit form).
    let table = u16_at(32);
    (0..u16_at(56)).all(|index| u16_at(table + index * u16_at(54)) != 3)
}

/// The directory of what was downloaded, for one process alone as long as the lock is open.
#[track_caller]
fn programs() -> (PathBuf, File) {
    let root = std::env::temp_dir().join("jocker-tests-programs");
    fs::create_dir_all(&root).expect("directory for programs");
    let lock = File::create(root.join("lock")).expect("lock file");
    flock(&lock, FlockOperation::LockExclusive).expect("lock");
    (root, lock)
}

#[track_caller]
fn unpacked(program: &str, package: &str) -> PathBuf {
    let (root, _lock) = programs();
    let found = || {
        ["usr/bin", "bin", "usr/sbin", "sbin"]
            .iter()
            .map(|dir| root.join(dir).join(program))
            .find(|file| file.is_file())
    };
    found().unwrap_or_else(|| {
        let script = format!(
            "apt-get -q -o APT::Sandbox::User=root download {package} >&2 && dpkg -x {package}_*.deb ."
        );
        let status = outside("sh").arg("-c").arg(script).current_dir(&root).status();
        let done = status.is_ok_and(|status| status.success());
        assert!(done, "no `{program}` on PATH, and Debian's package {package} can not be had");
        found().unwrap_or_else(|| panic!("package {package} holds no {program}"))
    })
}
