//! Debian's docker-registry, filled by skopeo with what umoci made: the unpacked tree must be the
//! one that umoci unpacks. Needs root.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::setting::Setting;

/// A listing that names everything that a tree has, but for what overlay makes of directories.
const LISTING: &str = r"find . ! -type d -printf '%P|%y|%#m|%U:%G|%n|%l|%T@\n' | LC_ALL=C sort;
    find . -type d -printf '%P|%#m|%U:%G|%TY-%Tm-%Td\n' | LC_ALL=C sort;
    find . -type f -exec sha256sum {} + | LC_ALL=C sort -k2;
    find . -type f -size -1M -exec getfattr -h -d -m - {} + 2>/dev/null || true;
    find . \( -type b -o -type c \) -exec stat -c '%n %t:%T' {} + | LC_ALL=C sort";

/// A root file system with everything that layers have, then changed for a second layer.
const FIRST: &str = r"mkdir -p bin etc/deep/er old usr/lib tmp opaque gone;
    cp $(command -v busybox) bin/busybox; ln bin/busybox bin/sh; ln -s ../bin/sh etc/shell;
    ln -s /nowhere etc/dangling; echo root:x:0:0::/:/bin/sh > etc/passwd; chmod 1777 tmp;
    chmod 4755 bin/busybox; mkfifo etc/pipe; mknod etc/null c 1 3; echo old > opaque/old;
    echo gone > gone/file; chown 1234:5678 etc/passwd; chown -h 7:8 etc/shell; chmod 0 gone/file;
    setfattr -n user.some -v thing etc/passwd || true; touch -d 2001-02-03T04:05:06 etc/passwd;
    head -c 5000000 /dev/urandom > usr/lib/random; touch usr/lib/empty; touch -d 2001-02-03T04:05:06 old";
const SECOND: &str = r"rm -r gone opaque/old etc/shell; mkdir etc/shell; echo in > etc/shell/in;
    echo new > opaque/new; echo changed >> etc/passwd; chmod 700 usr; : > usr/lib/random";

struct Server {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("directory");
        let port = free_port();
        let config = directory.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n",
            directory.path().join("data").display()
        );
        fs::write(&config, text).expect("config");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry");
        let server = Self { process, port, _directory: directory };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("docker-registry does not listen");
    }

    fn push(&self, layout: &Path, name: &str, options: &[&str]) {
        let source = format!("oci:{}:latest", layout.display());
        let target = format!("docker://127.0.0.1:{}/{name}", self.port);
        let mut arguments = vec!["copy", "-q", "--dest-tls-verify=false"];
        arguments.extend(options);
        arguments.extend([source.as_str(), target.as_str()]);
        run(Command::new("skopeo").args(arguments));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("kill");
        self.process.wait().expect("wait");
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    listener.local_addr().expect("address").port()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(stderr));
    String::from_utf8_lossy(stdout).into_owned()
}

fn shell(directory: &Path, script: &str) -> String {
    run(Command::new("sh").arg("-euc").arg(script).current_dir(directory))
}

/// Makes a layout with an image of two layers, and what umoci unpacks of it.
fn layout(directory: &Path) -> (PathBuf, PathBuf) {
    let layout = directory.join("layout");
    let steps = format!(
        "umoci init --layout layout; umoci new --image layout:latest;
         umoci unpack --image layout:latest bundle; (cd bundle/rootfs; {FIRST});
         umoci repack --refresh-bundle --image layout:latest bundle; (cd bundle/rootfs; {SECOND});
         umoci repack --image layout:latest bundle; umoci unpack --image layout:latest expected"
    );
    shell(directory, &steps);
    (layout, directory.join("expected/rootfs"))
}

/// The listing of the layers' overlay, mounted where nobody else sees it.
fn overlay_listing(lower: &[PathBuf]) -> String {
    let directory = tempfile::tempdir().expect("directory");
    let empty = tempfile::tempdir().expect("directory");
    let mut lower: Vec<String> = lower.iter().rev().map(|dir| dir.display().to_string()).collect();
    lower.push(empty.path().display().to_string());
    let script = format!(
        "mount -t overlay -o ro,lowerdir={} overlay . && cd \"$PWD\" && {LISTING}",
        lower.join(":")
    );
    run(Command::new("unshare").args(["-m", "sh", "-euc", &script]).current_dir(directory.path()))
}

#[tokio::test]
async fn the_tree_is_what_umoci_unpacks() {
    let directory = tempfile::tempdir().expect("directory");
    let (layout, expected) = layout(directory.path());
    let server = Server::start();
    let expected = shell(&expected, LISTING);
    for (name, options) in [
        ("oci/image:latest", &[][..]),
        ("docker/image:latest", &["--format=v2s2"]),
        ("zstd/image:latest", &["--dest-compress-format=zstd"]),
    ] {
        server.push(&layout, name, options);
        let setting = Setting::new();
        let pulled = setting.pull(&format!("127.0.0.1:{}/{name}", server.port)).await.expect(name);
        let layers = [setting.layer_dir(&pulled.image, 0), setting.layer_dir(&pulled.image, 1)];
        let actual = overlay_listing(&layers);
        let difference: Vec<_> = actual
            .lines()
            .filter(|line| !expected.contains(*line))
            .chain(expected.lines().filter(|line| !actual.contains(*line)))
            .collect();
        assert!(difference.is_empty(), "{name}: {difference:#?}");
        let copy = directory.path().join(name.replace(['/', ':'], "-"));
        let target = format!("oci:{}:copy", copy.display());
        let name = format!("127.0.0.1:{}/{name}", server.port);
        let source = format!("oci:{}:{name}", setting.root.path().display());
        run(Command::new("skopeo").args(["copy", "-q", &source, &target]));
    }
}

#[tokio::test]
async fn a_real_registry_knows_what_is_not_there() {
    let server = Server::start();
    let name = format!("127.0.0.1:{}/none", server.port);
    let text = Setting::new().refused(&name).await;
    assert_eq!(
        text,
        format!("manifest for {name}:latest not found: manifest unknown: manifest unknown")
    );
}
