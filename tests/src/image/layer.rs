//! One layer: files to tar, tar to a compressed blob.

use std::io::Write;

use serde_json::Value;
use tar::EntryType;

use super::{Flavour, descriptor, digest};

/// How a layer's tar is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, fastest level.
    Gzip,
    /// zstd, level 1.
    Zstd,
}

/// A layer, both forms of it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The uncompressed tar.
    pub tar: Vec<u8>,
    /// Digest of the tar.
    pub diff_id: String,
    /// What the registry serves.
    pub blob: Vec<u8>,
    /// Digest of the blob.
    pub digest: String,
    compression: Compression,
}

impl Layer {
    /// A layer of any bytes that are (or pretend to be) a tar.
    pub fn new(tar: Vec<u8>, compression: Compression) -> Self {
        let blob = match compression {
            Compression::Plain => tar.clone(),
            Compression::Gzip => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(&tar).expect("gzip in memory");
                encoder.finish().expect("gzip in memory")
            }
            Compression::Zstd => zstd::encode_all(tar.as_slice(), 1).expect("zstd in memory"),
        };
        Self { diff_id: digest(&tar), digest: digest(&blob), tar, blob, compression }
    }

    pub(super) fn descriptor(&self, flavour: Flavour) -> Value {
        let suffix = match self.compression {
            Compression::Plain => "",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        };
        let media_type = match (flavour, suffix) {
            (Flavour::Oci, "") => "application/vnd.oci.image.layer.v1.tar".to_owned(),
            (Flavour::Oci, suffix) => format!("application/vnd.oci.image.layer.v1.tar+{suffix}"),
            (Flavour::Docker, "") => "application/vnd.docker.image.rootfs.diff.tar".to_owned(),
            (Flavour::Docker, suffix) => {
                format!("application/vnd.docker.image.rootfs.diff.tar.{suffix}")
            }
        };
        descriptor(&media_type, &self.blob)
    }
}

/// The entries of a tar in the making.
pub struct Files {
    tar: tar::Builder<Vec<u8>>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Files")
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

impl Files {
    /// No entries.
    pub fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()) }
    }

    /// A regular file.
    pub fn file(mut self, path: &str, mode: u32, bytes: &[u8]) -> Self {
        let mut header = header(EntryType::Regular, mode);
        header.set_size(bytes.len() as u64);
        self.tar.append_data(&mut header, path, bytes).expect("tar in memory");
        self
    }

    /// A directory.
    pub fn dir(mut self, path: &str, mode: u32) -> Self {
        let mut header = header(EntryType::Directory, mode);
        self.tar.append_data(&mut header, path, &b""[..]).expect("tar in memory");
        self
    }

    /// A symbolic link.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        let mut header = header(EntryType::Symlink, 0o777);
        self.tar.append_link(&mut header, path, target).expect("tar in memory");
        self
    }

    /// A hard link.
    pub fn hard_link(mut self, path: &str, target: &str) -> Self {
        let mut header = header(EntryType::Link, 0o644);
        self.tar.append_link(&mut header, path, target).expect("tar in memory");
        self
    }

    /// An entry whose name is put into the header as it is: `..`, absolute, empty.
    pub fn hostile(mut self, path: &str, kind: EntryType, target: &str, bytes: &[u8]) -> Self {
        let mut header = header(kind, 0o644);
        header.set_size(bytes.len() as u64);
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.tar.append(&header, bytes).expect("tar in memory");
        self
    }

    /// The tar.
    pub fn finish(self) -> Vec<u8> {
        self.tar.into_inner().expect("tar in memory")
    }

    /// The tar as a layer.
    pub fn layer(self, compression: Compression) -> Layer {
        Layer::new(self.finish(), compression)
    }
}

fn header(kind: EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_706_933_106);
    header.set_size(0);
    header
}
