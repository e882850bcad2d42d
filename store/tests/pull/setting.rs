//! A store of its own and impatient registries for one test.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use store::pull::{Progress, PullError, PullOptions, Pulled, pull};
use store::reference::Reference;
use store::registry::{Credentials, Registries, RegistryConfig, RetryPolicy, Timeouts};
use store::{Digest, Store};
use tempfile::TempDir;

pub(crate) struct Setting {
    pub(crate) root: TempDir,
    pub(crate) store: Store,
    pub(crate) registries: Registries,
    pub(crate) options: PullOptions,
    pub(crate) progress: Mutex<Vec<Progress>>,
}

/// A configuration that does not wait long.
pub(crate) fn impatient() -> RegistryConfig {
    RegistryConfig {
        certs_dirs: Vec::new(),
        retry: RetryPolicy {
            attempts: 4,
            first_delay: Duration::from_millis(5),
            longest_delay: Duration::from_millis(20),
        },
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            read: Duration::from_millis(500),
            document: Duration::from_secs(5),
        },
        ..RegistryConfig::default()
    }
}

impl Setting {
    pub(crate) fn new() -> Self {
        Self::with(impatient())
    }

    pub(crate) fn with(config: RegistryConfig) -> Self {
        let root = tempfile::tempdir().expect("directory");
        Self {
            store: Store::open(root.path()).expect("store"),
            registries: Registries::new(config).expect("registries"),
            options: PullOptions {
                platform: Some("linux/amd64".parse().expect("platform")),
                ..PullOptions::default()
            },
            progress: Mutex::default(),
            root,
        }
    }

    pub(crate) fn login(mut self, username: &str, password: &str) -> Self {
        self.options.credentials = Some(Credentials {
            username: username.to_owned(),
            password: password.to_owned(),
            ..Credentials::default()
        });
        self
    }

    pub(crate) async fn pull(&self, reference: &str) -> Result<Pulled, PullError> {
        let reference = Reference::parse_normalized(reference).expect("reference");
        let note = |progress| self.progress.lock().expect("progress").push(progress);
        pull(&self.store, &self.registries, &reference, &self.options, note).await
    }

    /// The message of a pull that must fail.
    pub(crate) async fn refused(&self, reference: &str) -> String {
        let error = self.pull(reference).await.expect_err("pull");
        assert!(self.store.images().list().expect("list").is_empty(), "an image of a failed pull");
        error.to_string()
    }

    /// A file of the `layer`th layer of an image.
    pub(crate) fn file(&self, image: &Digest, layer: usize, path: &str) -> Vec<u8> {
        fs::read(self.layer_dir(image, layer).join(path)).expect(path)
    }

    pub(crate) fn layer_dir(&self, image: &Digest, layer: usize) -> PathBuf {
        let image = self.store.images().get(image).expect("images").expect("image");
        self.root.path().join("layers").join(image.chain[layer].hex()).join("diff")
    }

    /// Names below a directory of the store.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.path().join(directory)).expect(directory);
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("entry").file_name().into_string().expect("name"))
            .collect();
        names.sort();
        names
    }

    pub(crate) fn told(&self) -> Vec<Progress> {
        self.progress.lock().expect("progress").clone()
    }
}
