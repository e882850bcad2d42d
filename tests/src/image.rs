//! Images as bytes, made in memory: layers, config, manifest, index. `registry` serves them;
//! [`Image::archive`] packs one for `docker load`.

mod layer;

use std::sync::OnceLock;

pub use layer::{Compression, Files, Layer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::packages;

/// Where programs are found in the test images.
pub const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which names a manifest gives to its media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// OCI image spec 1.1.
    Oci,
    /// Docker's schema 2.
    Docker,
}

/// A single-platform image.
#[derive(Clone, Debug)]
pub struct Image {
    /// Lowest first.
    pub layers: Vec<Layer>,
    /// The bytes of the config document.
    pub config: Vec<u8>,
    /// The bytes of the manifest.
    pub manifest: Vec<u8>,
    /// The manifest's own media type.
    pub media_type: &'static str,
}

/// `sha256:<hex>` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Image {
    /// An image of `layers` for this platform; `settings` are the config's `config` object.
    pub fn new(flavour: Flavour, layers: Vec<Layer>, settings: &Value) -> Self {
        Self::for_architecture("amd64", flavour, layers, settings)
    }

    /// An image of `layers` that says it is for `architecture` on Linux.
    pub fn for_architecture(
        architecture: &str,
        flavour: Flavour,
        layers: Vec<Layer>,
        settings: &Value,
    ) -> Self {
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "created": "2024-02-03T04:05:06Z",
            "config": settings,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": layers.iter().map(|_| json!({"created": "2024-02-03T04:05:06Z",
                "created_by": "test"})).collect::<Vec<_>>(),
        });
        let config = config.to_string().into_bytes();
        let (media_type, config_type) = match flavour {
            Flavour::Oci => (
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
            ),
            Flavour::Docker => (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
            ),
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config_type, &config),
            "layers": layers.iter().map(|layer| layer.descriptor(flavour)).collect::<Vec<_>>(),
        });
        Self { layers, config, manifest: manifest.to_string().into_bytes(), media_type }
    }

    /// A single-layer busybox with a few users and groups; built once a process.
    pub fn busybox() -> &'static Self {
        static BUSYBOX: OnceLock<Image> = OnceLock::new();
        BUSYBOX.get_or_init(|| {
            let layer = busybox_files().layer(Compression::Gzip);
            Self::new(Flavour::Oci, vec![layer], &json!({ "Cmd": ["sh"], "Env": [PATH] }))
        })
    }

    /// Docker's name for the image: the config's digest.
    pub fn id(&self) -> String {
        digest(&self.config)
    }

    /// Digest of the manifest.
    pub fn manifest_digest(&self) -> String {
        digest(&self.manifest)
    }

    /// A `docker save`-like archive that tags the image as `name`.
    pub fn archive(&self, name: &str) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut names = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            names.push(format!("{index}/layer.tar"));
            append(&mut tar, &names[index], &layer.tar);
        }
        append(&mut tar, "config.json", &self.config);
        let list = json!([{ "Config": "config.json", "RepoTags": [name], "Layers": names }]);
        append(&mut tar, "manifest.json", list.to_string().as_bytes());
        tar.into_inner().expect("archive in memory")
    }
}

/// An image index over `images` (architecture, image).
pub fn index(images: &[(&str, &Image)]) -> Vec<u8> {
    let manifests: Vec<_> = images
        .iter()
        .map(|(architecture, image)| {
            let mut entry = descriptor(image.media_type, &image.manifest);
            entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
            entry
        })
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    })
    .to_string()
    .into_bytes()
}

/// The root file system that all ordinary tests use.
pub fn busybox_files() -> Files {
    let program = std::fs::read(packages::busybox()).expect("busybox is read");
    let mut files = Files::new();
    for dir in ["bin", "etc", "proc", "sys", "dev", "root", "var", "home", "usr", "usr/bin"] {
        files = files.dir(dir, 0o755);
    }
    files = files.dir("tmp", 0o1777).file("bin/busybox", 0o755, &program);
    for applet in APPLETS {
        files = files.link(&format!("bin/{applet}"), "busybox");
    }
    files.file("etc/passwd", 0o644, PASSWD.as_bytes()).file("etc/group", 0o644, GROUP.as_bytes())
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    daemon:x:1:1:daemon:/usr/sbin:/bin/false\n\
    app:x:1000:1000:app:/home/app:/bin/sh\n\
    nobody:x:65534:65534:nobody:/home:/bin/false\n";

const GROUP: &str = "root:x:0:\ndaemon:x:1:\nextra:x:70:app\nmore:x:71:app,daemon\napp:x:1000:\n\
    nobody:x:65534:\n";

/// The applets that tests call; fewer links, faster unpacking.
const APPLETS: [&str; 72] = [
    "[",
    "arp",
    "ash",
    "awk",
    "base64",
    "basename",
    "cat",
    "chmod",
    "chown",
    "clear",
    "cmp",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "du",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "grep",
    "head",
    "hostname",
    "id",
    "ifconfig",
    "ip",
    "kill",
    "killall",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mknod",
    "mount",
    "mv",
    "nc",
    "nproc",
    "od",
    "ping",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "route",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "stty",
    "sync",
    "tail",
    "tar",
    "test",
    "touch",
    "true",
    "tty",
    "umount",
    "uname",
    "uniq",
    "unshare",
    "wc",
    "yes",
];

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, bytes).expect("archive in memory");
}
