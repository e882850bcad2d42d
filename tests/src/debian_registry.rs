//! A real registry: Debian's `docker-registry` on a free port of 127.0.0.1, filled by skopeo.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::docker::{Run, finish};
use crate::image::Image;
use crate::isolation::isolate;
use crate::packages::program;
use crate::patience::eventually;

/// The running registry; it ends with the value.
#[derive(Debug)]
pub struct DebianRegistry {
    port: u16,
    child: Child,
    dir: TempDir,
}

impl DebianRegistry {
    /// Starts one without content.
    #[track_caller]
    pub fn start() -> Self {
        Self::guarded(None)
    }

    /// Starts one; with a line of an htpasswd file, `user:bcrypt hash`, for this user alone.
    #[track_caller]
    pub fn guarded(user: Option<&str>) -> Self {
        isolate();
        let dir = TempDir::new().expect("directory of the registry");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("its number").port();
        drop(free);
        let root = dir.path().join("content");
        let mut config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\n\
             \x20 delete: {{ enabled: true }}\nhttp: {{ addr: '127.0.0.1:{port}' }}\n",
            root.display()
        );
        if let Some(user) = user {
            let users = dir.path().join("htpasswd");
            fs::write(&users, format!("{user}\n")).expect("users of the registry");
            let path = users.display();
            config += &format!("auth:\n  htpasswd: {{ realm: tests, path: {path} }}\n");
        }
        let file = dir.path().join("config.yml");
        fs::write(&file, config).expect("configuration of the registry");
        let child = Command::new(program("docker-registry", "docker-registry"))
            .arg("serve")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is executed");
        eventually("the registry's port", Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { port, child, dir }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Pushes `image` by skopeo; gives the whole reference.
    #[track_caller]
    pub fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        let archive = self.dir.path().join("push.tar");
        fs::write(&archive, image.archive("push:me")).expect("archive");
        let reference = format!("{}/{name}:{tag}", self.host());
        let from = format!("docker-archive:{}", archive.display());
        skopeo(&["copy", "--dest-tls-verify=false", &from, &format!("docker://{reference}")]).ok();
        reference
    }
}

impl Drop for DebianRegistry {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Runs skopeo without a policy file.
#[track_caller]
pub fn skopeo(args: &[&str]) -> Run {
    let mut command = Command::new(program("skopeo", "skopeo"));
    command.arg("--insecure-policy").args(args);
    finish(command, b"")
}

/// `skopeo inspect` of an image layout's entry.
#[track_caller]
pub fn inspect_layout(layout: &Path, digest_or_name: &str) -> serde_json::Value {
    let reference = format!("oci:{}:{digest_or_name}", layout.display());
    let text = skopeo(&["inspect", &reference]).ok();
    serde_json::from_str(&text).expect("skopeo's JSON")
}
