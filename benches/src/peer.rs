//! One of the compared daemons: its socket, its process, its network namespace.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, ensure};
use harness::Client;
use harness::image::Image;
use rustix::net::sockopt::socket_peercred;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

/// The image that containers are made of.
pub(crate) const IMAGE: &str = "jocker-bench:latest";

/// A daemon.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) http: Client,
    /// The process that listens on the socket.
    pub(crate) pid: u32,
}

impl Peer {
    /// `NAME=unix:///path`.
    pub(crate) fn connect(host: &str) -> Result<Self> {
        let (name, socket) = host.split_once('=').context("a daemon is NAME=unix:///path")?;
        let path = socket.strip_prefix("unix://").context("a socket is unix:///path")?;
        let http = Client::new(Path::new(path));
        ensure!(http.is_up(), "{socket} does not answer");
        let listener = socket_peercred(http.connect())?;
        let pid = u32::try_from(listener.pid.as_raw_nonzero().get())?;
        Ok(Self { name: name.to_owned(), http, pid })
    }

    /// Sees to it that the daemon has [`IMAGE`].
    pub(crate) fn provide_image(&self) -> Result<()> {
        let image = Image::busybox();
        let present = self.http.get(&format!("/images/{IMAGE}/json"));
        if present.status == 200 && present.json()["Id"] == image.id() {
            return Ok(());
        }
        let registry =
            harness::registry::Registry::listening(self.listen()?, harness::registry::Guard::Open);
        let reference = registry.push("jocker-bench", "latest", image);
        self.pull(&reference)?;
        let tag = format!("/images/{reference}/tag?repo=jocker-bench&tag=latest");
        self.http.post(&tag).expect(201);
        Ok(())
    }

    /// Pulls, and fails where the daemon says that it failed.
    pub(crate) fn pull(&self, reference: &str) -> Result<()> {
        let answer = self.http.post(&format!("/images/create?fromImage={reference}"));
        ensure!(answer.status == 200, "{}: {}", answer.asked, answer.text());
        ensure!(!answer.text().contains("errorDetail"), "{}: {}", answer.asked, answer.text());
        Ok(())
    }

    /// A listener on 127.0.0.1 of the network namespace that the daemon lives in.
    pub(crate) fn listen(&self) -> Result<TcpListener> {
        Ok(self.within(|| TcpListener::bind("127.0.0.1:0"))??)
    }

    /// Does something in the network namespace that the daemon lives in.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let namespace = File::open(format!("/proc/{}/ns/net", self.pid))?;
        let worker = thread::spawn(move || -> Result<T> {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        });
        worker.join().map_err(|_| anyhow::anyhow!("work in the daemon's network failed"))?
    }

    /// Creates a container; its id.
    pub(crate) fn create(&self, command: &[&str], network: &str) -> String {
        let body: Value = json!({ "Image": IMAGE, "Cmd": command, "StopSignal": "SIGKILL",
            "HostConfig": { "NetworkMode": network } });
        let answer = self.http.post_json("/containers/create", &body).expect(201);
        answer.json()["Id"].as_str().expect("an id").to_owned()
    }

    /// Removes a container, running or not.
    pub(crate) fn remove(&self, id: &str) {
        self.http.delete(&format!("/containers/{id}?force=1")).expect(204);
    }
}
