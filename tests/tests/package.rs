//! The Debian package: made of the binaries that the tests drive, and looked at from outside.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::source;

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        // The tests do not ask how small it is.
        .env("DPKG_DEB_COMPRESSOR_TYPE", "none")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn package(into: &Path) -> PathBuf {
    let script = source::root().join("contrib/deb.sh");
    let binaries = harness::daemon::jockerd();
    let binaries = binaries.parent().expect("a directory");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    output("sh", &[&text(&script), &text(binaries), &text(into)]);
    let made = std::fs::read_dir(into).expect("a directory").next().expect("a package");
    made.expect("an entry").path()
}

#[test]
fn has_programs_units_and_pages() {
    let directory = tempfile::tempdir().expect("a directory");
    let package = package(directory.path());
    let package = package.to_string_lossy();
    let list = output("dpkg-deb", &["--contents", &package]);
    for (mode, path) in [
        ("-rwxr-xr-x root/root", "./usr/bin/jocker"),
        ("-rwxr-xr-x root/root", "./usr/bin/jockerd"),
        ("-rw-r--r-- root/root", "./usr/lib/systemd/system/jockerd.service"),
        ("-rw-r--r-- root/root", "./usr/lib/systemd/system/jockerd.socket"),
        ("-rw-r--r-- root/root", "./usr/lib/sysusers.d/jocker.conf"),
        ("-rw-r--r-- root/root", "./usr/share/bash-completion/completions/jocker"),
        ("-rw-r--r-- root/root", "./usr/share/doc/jocker/copyright"),
        ("-rw-r--r-- root/root", "./usr/share/man/man1/jocker.1"),
        ("-rw-r--r-- root/root", "./usr/share/man/man8/jockerd.8"),
    ] {
        let has = |line: &str| line.starts_with(mode) && line.ends_with(&format!(" {path}"));
        assert!(list.lines().any(has), "{mode} {path} in\n{list}");
    }
    let strange = list.lines().find(|line| !line.contains("root/root") || line.contains("/local/"));
    assert_eq!(strange, None);
    assert_eq!(output("dpkg-deb", &["--field", &package, "Package"]).trim(), "jocker");

    let unpacked = directory.path().join("unpacked");
    let unpacked_text = unpacked.to_string_lossy();
    output("dpkg-deb", &["--raw-extract", &package, &unpacked_text]);
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        output("sh", &["-n", &format!("{unpacked_text}/DEBIAN/{script}")]);
    }
    let read = |path: &str| std::fs::read_to_string(unpacked.join(path)).expect("a file");
    let client = read("usr/share/man/man1/jocker.1");
    for command in ["run", "exec", "volume", "completion"] {
        assert!(client.contains(&format!("\n.SS jocker {command}\n")), "{command}: {client}");
    }
    assert!(
        client.contains("\\-\\-publish")
            && read("usr/share/man/man8/jockerd.8").contains("\\-\\-data\\-root")
    );
    assert!(read("usr/lib/systemd/system/jockerd.service").contains("ExecStart=/usr/bin/jockerd "));
}
