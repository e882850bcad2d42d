//! The daemon under test: a jockerd of the test's own, or the one that `JOCKER_TEST_HOST` names.
//!
//! `daemon/own.rs` starts, kills and clears away a private jockerd; `daemon/work.rs` has the short
//! forms of create, start, wait, logs, exec that most tests use; `daemon/sweep.rs` clears away what
//! killed tests left.

mod own;
mod sweep;
mod work;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::client::Client;
use crate::image::Image;
use crate::isolation::other_daemon;
use crate::registry::Registry;
use own::Own;
pub use own::{built, jockerd};

/// The image that every [`Daemon::start`] has: [`Image::busybox`].
pub const IMAGE: &str = "jocker-test:latest";

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A name that no other test uses.
pub fn name() -> String {
    format!("jt-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// How a private daemon is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    args: Vec<String>,
    env: Vec<(String, String)>,
    config: Option<Value>,
    without_image: bool,
}

/// A daemon and what belongs to it; all is cleared away when the value is dropped.
#[derive(Debug)]
pub struct Daemon {
    client: Client,
    own: Option<Own>,
    registry: Option<Registry>,
}

impl Options {
    /// dockerd-like defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more argument.
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// One more environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The content of the configuration file.
    pub fn config(mut self, config: Value) -> Self {
        self.config = Some(config);
        self
    }

    /// Without [`IMAGE`].
    pub fn without_image(mut self) -> Self {
        self.without_image = true;
        self
    }

    /// Starts a jockerd; `None` (and a note) when the tests drive another daemon.
    #[track_caller]
    pub fn start(self) -> Option<Daemon> {
        if other_daemon().is_some() {
            eprintln!("skipped: this test needs a jockerd of its own");
            return None;
        }
        let with_image = !self.without_image;
        let own = Own::start(&self);
        let mut daemon =
            Daemon { client: Client::new(&own.socket()), own: Some(own), registry: None };
        if with_image {
            daemon.pull_test_image();
        }
        Some(daemon)
    }
}

impl Daemon {
    /// The daemon under test, with [`IMAGE`].
    #[track_caller]
    pub fn start() -> Self {
        let Some(socket) = other_daemon() else {
            return Options::new().start().expect("no other daemon is asked for");
        };
        let daemon = Self { client: Client::new(Path::new(&socket)), own: None, registry: None };
        let present = daemon.client.get(&format!("/images/{IMAGE}/json"));
        if present.status != 200 || present.json()["Id"] != Image::busybox().id() {
            let archive = Image::busybox().archive(IMAGE);
            let kind = [("Content-Type", "application/x-tar")];
            daemon.client.send("POST", "/images/load?quiet=1", &kind, &archive).expect(200);
        }
        daemon
    }

    /// A jockerd of the test's own; `None` (and a note) when the tests drive another daemon.
    #[track_caller]
    pub fn ours() -> Option<Self> {
        Options::new().start()
    }

    /// Whether this is somebody else's daemon.
    pub fn is_reference(&self) -> bool {
        self.own.is_none()
    }

    /// HTTP to the daemon.
    pub fn http(&self) -> &Client {
        &self.client
    }

    /// Path of the daemon's socket.
    pub fn socket(&self) -> &Path {
        self.client.socket()
    }

    /// The in-process registry that served [`IMAGE`].
    #[track_caller]
    pub fn registry(&self) -> &Registry {
        self.registry.as_ref().expect("only a private daemon with an image has a registry")
    }

    /// Pid of a private jockerd.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.mine().pid()
    }

    /// `--data-root` of a private jockerd.
    #[track_caller]
    pub fn data_root(&self) -> PathBuf {
        self.mine().data_root()
    }

    /// `--exec-root` of a private jockerd.
    #[track_caller]
    pub fn exec_root(&self) -> PathBuf {
        self.mine().exec_root()
    }

    /// What a private jockerd has logged so far.
    #[track_caller]
    pub fn log(&self) -> String {
        self.mine().log()
    }

    /// `kill -9` of a private jockerd.
    #[track_caller]
    pub fn kill9(&mut self) {
        self.mine_mut().kill9();
    }

    /// SIGTERM to a private jockerd; its exit code.
    #[track_caller]
    pub fn stop(&mut self) -> Option<i32> {
        self.mine_mut().stop()
    }

    /// Waits until a private jockerd has ended by itself.
    #[track_caller]
    pub fn wait_for_end(&mut self) {
        self.mine_mut().wait_for_end();
    }

    /// Starts a private jockerd again on the same roots, with `options` instead of the old.
    #[track_caller]
    pub fn start_again(&mut self, options: &Options) {
        self.mine_mut().start_again(options);
    }

    #[track_caller]
    fn mine(&self) -> &Own {
        self.own.as_ref().expect("a daemon of the test's own")
    }

    #[track_caller]
    fn mine_mut(&mut self) -> &mut Own {
        self.own.as_mut().expect("a daemon of the test's own")
    }

    #[track_caller]
    fn pull_test_image(&mut self) {
        let registry = Registry::start();
        let reference = registry.push("jocker-test", "latest", Image::busybox());
        let pulled = self.client.post(&format!("/images/create?fromImage={reference}")).expect(200);
        assert!(!pulled.text().contains("\"error\""), "pull: {}", pulled.text());
        let tag = format!("/images/{reference}/tag?repo=jocker-test&tag=latest");
        self.client.post(&tag).expect(201);
        self.registry = Some(registry);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let prefix = format!("/jt-{}-", std::process::id());
        if self.client.is_up() && !std::thread::panicking() || self.own.is_none() {
            for container in self.list_all() {
                let named = container["Names"][0].as_str().unwrap_or_default();
                if self.own.is_some() || named.starts_with(&prefix) {
                    let id = container["Id"].as_str().unwrap_or_default();
                    self.client.delete(&format!("/containers/{id}?force=1&v=1"));
                }
            }
        }
    }
}
