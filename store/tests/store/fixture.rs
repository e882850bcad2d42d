//! A store in a temporary directory, and images made of a few bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use store::layer::chain_ids;
use store::{Digest, ImageId, Manifest, NewImage, NewLayer, Reference, Store};
use tempfile::TempDir;

use crate::specimen::Specimen;

pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A store that goes with its directory.
pub(crate) struct Ground {
    pub(crate) store: Store,
    directory: TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().expect("tempdir");
        let store = Store::open(&directory.path().join("root")).expect("open");
        Self { store, directory }
    }

    /// Ends this store and opens its directory again.
    pub(crate) fn reopen(self) -> Self {
        let Self { store, directory } = self;
        drop(store);
        let store = Store::open(&directory.path().join("root")).expect("open again");
        Self { store, directory }
    }

    /// Ends this store; its directory stays until the answer is dropped.
    pub(crate) fn close(self) -> TempDir {
        drop(self.store);
        self.directory
    }

    /// A directory beside the store.
    pub(crate) fn beside(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("utf-8").to_owned()
    }
}

pub(crate) fn reference(text: &str) -> Reference {
    Reference::parse_normalized(text).expect("reference")
}

/// An image as a registry would send it.
pub(crate) struct Sample {
    tars: Vec<Vec<u8>>,
    config: Vec<u8>,
    manifest: Vec<u8>,
    media_type: &'static str,
}

impl Sample {
    /// One layer for each text, with a file `file-<n>` that holds it.
    pub(crate) fn new(media_type: &'static str, texts: &[&str]) -> Self {
        let tars: Vec<Vec<u8>> = (0..)
            .zip(texts)
            .map(|(n, text)| {
                let tar = Specimen::default().directory("etc", 0o755);
                tar.file(&format!("etc/file-{n}"), text.as_bytes()).finish()
            })
            .collect();
        Self::of_tars(media_type, tars)
    }

    /// One layer for each tar.
    pub(crate) fn of_tars(media_type: &'static str, tars: Vec<Vec<u8>>) -> Self {
        let diff_ids: Vec<Digest> = tars.iter().map(|tar| Digest::of(tar)).collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "created": "2024-05-06T07:08:09.123456789Z",
            "config": {"Cmd": ["sh"], "Healthcheck": {"Test": ["NONE"]}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string().into_bytes();
        let docker = media_type == DOCKER;
        let descriptor = |bytes: &[u8], media_type: &str| json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()});
        let layer_type = if docker {
            "application/vnd.docker.image.rootfs.diff.tar.gzip"
        } else {
            "application/vnd.oci.image.layer.v1.tar+gzip"
        };
        let config_type = if docker {
            "application/vnd.docker.container.image.v1+json"
        } else {
            "application/vnd.oci.image.config.v1+json"
        };
        let layers: Vec<Value> =
            tars.iter().map(|tar| descriptor(&gzip(tar), layer_type)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(&config, config_type),
            "layers": layers,
        });
        Self { tars, config, manifest: manifest.to_string().into_bytes(), media_type }
    }

    pub(crate) fn tars(&self) -> &[Vec<u8>] {
        &self.tars
    }

    pub(crate) fn config(&self) -> &[u8] {
        &self.config
    }

    pub(crate) fn chain(&self) -> Vec<Digest> {
        chain_ids(&self.tars.iter().map(|tar| Digest::of(tar)).collect::<Vec<_>>())
    }

    pub(crate) fn manifest_digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }

    /// What a pull does, without the network; blobs that wait in part are taken up.
    pub(crate) fn pull(&self, store: &Store, name: &str) -> ImageId {
        let _lease = store.lease("test");
        let new = self.fetch(store, name);
        store.images().commit(new).expect("commit")
    }

    /// A pull up to its commit.
    pub(crate) fn fetch(&self, store: &Store, name: &str) -> NewImage {
        let mut layers = Vec::new();
        for (tar, chain_id) in self.tars.iter().zip(self.chain()) {
            let compressed = gzip(tar);
            let blob = Digest::of(&compressed);
            let diff_id = Digest::of(tar);
            if store.blob(&blob).expect("blob").is_none() {
                let size = compressed.len() as u64;
                let mut ingest = store.ingest(&blob, Some(size)).expect("ingest");
                let offset = usize::try_from(ingest.offset()).expect("small");
                for part in compressed[offset..].chunks(64) {
                    ingest.write(part).expect("write");
                }
                ingest.commit().expect("commit blob");
            }
            if !store.layers().has(&chain_id) {
                let decoder = GzDecoder::new(&compressed[..]);
                store.layers().unpack(&chain_id, &diff_id, decoder).expect("unpack");
            }
            layers.push(NewLayer { blob, diff_id, chain_id });
        }
        NewImage {
            reference: Some(reference(name)),
            manifest: Manifest {
                digest: store.put(&self.manifest).expect("put manifest"),
                media_type: self.media_type.to_owned(),
                size: self.manifest.len() as u64,
            },
            index: None,
            registry_digest: Some(self.manifest_digest()),
            config: store.put(&self.config).expect("put config"),
            layers,
            parent: None,
        }
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("gzip");
    encoder.finish().expect("gzip")
}

/// Names in a directory of the store.
pub(crate) fn names(store: &Store, directory: &str) -> BTreeSet<String> {
    fs::read_dir(store.root().join(directory))
        .expect("readdir")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("utf-8"))
        .collect()
}

/// Everything that the rows and `index.json` name is there and whole, and nothing else is.
pub(crate) fn assert_whole(store: &Store) {
    store.settle();
    let images = store.images().list().expect("list");
    let mut layers = BTreeSet::new();
    for image in &images {
        store.read_small(&image.id, 1 << 20).expect("config");
        store.read_small(&image.manifest.digest, 1 << 20).expect("manifest");
        for chain_id in &image.chain {
            assert!(store.layers().has(chain_id), "{chain_id}");
            layers.insert(chain_id.hex());
        }
    }
    let index = fs::read(store.root().join("index.json")).expect("index.json");
    let index: Value = serde_json::from_slice(&index).expect("json");
    for descriptor in index["manifests"].as_array().expect("manifests") {
        let digest = Digest::parse(descriptor["digest"].as_str().expect("text")).expect("digest");
        let manifest = store.read_small(&digest, 1 << 20).expect("manifest of index.json");
        let manifest: Value = serde_json::from_slice(&manifest).expect("json");
        for layer in manifest["layers"].as_array().expect("layers") {
            let digest = Digest::parse(layer["digest"].as_str().expect("text")).expect("digest");
            store.read_small(&digest, 1 << 20).expect("layer of index.json");
        }
    }
    assert!(layers.is_subset(&names(store, "layers")));
    assert_eq!(names(store, "trash"), BTreeSet::new());
    let unpacking = names(store, "ingest").into_iter().find(|name| !name.ends_with(".partial"));
    assert_eq!(unpacking, None);
}

/// Nothing is left of any image or container.
pub(crate) fn assert_empty(store: &Store) {
    store.settle();
    for directory in ["blobs/sha256", "layers", "containers", "ingest", "trash"] {
        assert_eq!(names(store, directory), BTreeSet::new(), "{directory}");
    }
    assert!(store.images().list().expect("list").is_empty());
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).expect("stat").mode() & 0o7777
}
