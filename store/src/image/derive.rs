//! Images made here: a layer of a container's files or of an archive, on the layers of another
//! image or on none.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Write};

use serde_json::{Map, Value, json};

use super::{Image, ImageError, ImageId, Images, NewLayer};
use crate::Inner;
use crate::digest::{Digest, Hasher};
use crate::durable;
use crate::error::{Context, IoError};
use crate::layer::pack::PackError;
use crate::layer::{LayerError, Layers, chain_ids};
use crate::layout::{self, TAR};
use crate::lease::Lease;
use crate::pull::decompress::{self, Decoder};
use crate::pull::foreign::{self, Form};
use crate::reference::Reference;
use crate::registry::manifest::MANIFEST_LIMIT;
use crate::room::Gauge;

/// Bytes that are read or written at once.
const BUFFER: usize = 256 << 10;
/// The archive without an entry: what a container that changed nothing gives.
const EMPTY_TAR: [u8; 1024] = [0; 1024];

/// Why an image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    /// The files cannot be read, or not written as a layer.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The archive cannot be read or decompressed.
    #[error("read archive: {0}")]
    Read(#[source] io::Error),
    /// The base's manifest does not parse.
    #[error("manifest of the base image: {0}")]
    Manifest(#[from] serde_json::Error),
    /// The layer cannot be unpacked.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The image cannot be committed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A call on the file system failed.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// A layer's blob that no image names yet. The lease keeps it.
#[derive(Debug)]
pub struct FreshLayer {
    blob: Digest,
    diff_id: Digest,
    /// Of the blob, in bytes.
    size: u64,
    /// What the media type says of its compression.
    suffix: &'static str,
    _lease: Lease,
}

impl FreshLayer {
    /// Whether it is an archive without any entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.diff_id == Digest::of(&EMPTY_TAR)
    }
}

/// Copies and tells who failed.
fn copy(mut from: impl Read, into: &mut dyn Write) -> Result<(), DeriveError> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => into.write_all(&buffer[..count]).map_err(PackError::Write)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DeriveError::Read(error)),
        }
    }
}

impl Images {
    /// Takes what `pack` writes, a tar, for a layer.
    ///
    /// # Errors
    /// What `pack` says, or the file system's.
    pub fn pack_layer(
        &self,
        pack: impl FnOnce(&mut dyn Write) -> Result<(), PackError>,
    ) -> Result<FreshLayer, DeriveError> {
        let lease = Lease::new(&self.inner, "layer of a container");
        let (blob, size) = self.inner.write_blob(|into| Ok(pack(into)?))?;
        Ok(FreshLayer { diff_id: blob.clone(), blob, size, suffix: "", _lease: lease })
    }

    /// Takes an archive for a layer. The bytes of a plain one, or of one that gzip or zstd compressed,
    /// stay as they are; what else the host can inflate becomes plain.
    ///
    /// # Errors
    /// The stream's, or the file system's.
    pub fn read_layer(&self, mut archive: impl Read) -> Result<FreshLayer, DeriveError> {
        let lease = Lease::new(&self.inner, "layer of an archive");
        let (blob, size) = self.inner.write_blob(|into| {
            let mut beginning = Vec::with_capacity(foreign::MAGIC_LEN);
            let read = archive.by_ref().take(foreign::MAGIC_LEN as u64).read_to_end(&mut beginning);
            read.map_err(DeriveError::Read)?;
            let form = Form::of(&beginning);
            let whole = Cursor::new(beginning).chain(archive);
            if form.is_none() {
                return copy(whole, into);
            }
            let mut whole = BufReader::with_capacity(BUFFER, whole);
            copy(Decoder::of_archive(&mut whole).map_err(DeriveError::Read)?, into)
        })?;
        let suffix = decompress::suffix(&mut self.inner.open_blob(&blob)?);
        let suffix = suffix.map_err(DeriveError::Read)?;
        let diff_id = match suffix {
            "" => blob.clone(),
            _ => self.inner.diff_id(&blob).map_err(DeriveError::Read)?,
        };
        Ok(FreshLayer { blob, diff_id, size, suffix, _lease: lease })
    }

    /// Makes the image of a config, the layers of `base` and one more, unless that is empty. The
    /// config's `rootfs` is written here, and what its last step of history says of an empty layer.
    ///
    /// # Errors
    /// See [`DeriveError`].
    pub fn derive(
        &self,
        base: Option<&Image>,
        layer: &FreshLayer,
        mut config: Map<String, Value>,
        reference: Option<Reference>,
    ) -> Result<ImageId, DeriveError> {
        let (mut descriptors, mut layers) = match base {
            Some(base) => self.inner.layers_of(base)?,
            None => (Vec::new(), Vec::new()),
        };
        if layer.is_empty() && base.is_some() {
            let step = config.get_mut("history").and_then(Value::as_array_mut);
            if let Some(step) = step.and_then(|steps| steps.last_mut()) {
                step["empty_layer"] = Value::Bool(true);
            }
        } else {
            let media_type = format!("{TAR}{}", layer.suffix);
            descriptors
                .push(json!({"mediaType": media_type, "digest": layer.blob, "size": layer.size}));
            let mut diff_ids: Vec<Digest> =
                layers.iter().map(|layer: &NewLayer| layer.diff_id.clone()).collect();
            diff_ids.push(layer.diff_id.clone());
            let chain_id = chain_ids(&diff_ids).pop().unwrap_or_else(|| layer.diff_id.clone());
            self.unpack_fresh(layer, &chain_id)?;
            let (blob, diff_id) = (layer.blob.clone(), layer.diff_id.clone());
            layers.push(NewLayer { blob, diff_id, chain_id });
        }
        let parent = base.map(|base| base.id.clone());
        Ok(self.assemble(reference, config, &descriptors, layers, parent)?)
    }

    fn unpack_fresh(&self, layer: &FreshLayer, chain_id: &Digest) -> Result<(), DeriveError> {
        let layers = Layers { inner: self.inner.clone() };
        if layers.has(chain_id) {
            return Ok(());
        }
        let mut source = BufReader::with_capacity(BUFFER, self.inner.open_blob(&layer.blob)?);
        let decoder = Decoder::new(&mut source).map_err(DeriveError::Read)?;
        layers.unpack(chain_id, &layer.diff_id, decoder)?;
        Ok(())
    }
}

impl Inner {
    /// Writes a blob whose digest is known at its end only; digest and size in bytes.
    pub(super) fn write_blob(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), DeriveError>,
    ) -> Result<(Digest, u64), DeriveError> {
        let temporary = self.ingest_dir().join(format!("blob-{}", self.next_number()));
        let file = durable::write_new(&temporary, b"")?;
        let (hasher, gauge) = (Hasher::default(), Gauge::default());
        let mut hashing = Hashing { file, hasher, size: 0, gauge, store: self };
        let mut buffered = io::BufWriter::with_capacity(BUFFER, &mut hashing);
        let written =
            write(&mut buffered).and_then(|()| Ok(buffered.flush().on("write", &temporary)?));
        drop(buffered);
        let Hashing { hasher, size, .. } = hashing;
        let digest = hasher.finish();
        let placed = written.and_then(|()| {
            Ok(std::fs::rename(&temporary, self.blob_path(&digest)).on("rename", &temporary)?)
        });
        if placed.is_err() {
            self.throw_away(&temporary)?;
        }
        placed.map(|()| (digest, size))
    }

    pub(super) fn open_blob(&self, digest: &Digest) -> Result<File, IoError> {
        let path = self.blob_path(digest);
        File::open(&path).on("open", &path)
    }

    fn diff_id(&self, blob: &Digest) -> io::Result<Digest> {
        let file = self.open_blob(blob).map_err(|error| error.source)?;
        let mut source = BufReader::with_capacity(BUFFER, file);
        let mut decoder = Decoder::new(&mut source)?;
        let (mut hasher, mut buffer) = (Hasher::default(), vec![0; BUFFER]);
        loop {
            match decoder.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// An image's manifest, with OCI's media types.
    pub(super) fn oci_manifest(&self, image: &Image) -> Result<Value, DeriveError> {
        let bytes = self
            .read_small(&image.manifest.digest, MANIFEST_LIMIT)
            .map_err(|error| DeriveError::Image(error.into()))?;
        let manifest: Value = serde_json::from_slice(&bytes)?;
        Ok(layout::to_oci(manifest.clone()).unwrap_or(manifest))
    }

    /// The descriptors of an image's layers, and the layers.
    pub(super) fn layers_of(
        &self,
        image: &Image,
    ) -> Result<(Vec<Value>, Vec<NewLayer>), DeriveError> {
        let manifest = self.oci_manifest(image)?;
        let descriptors = manifest["layers"].as_array().cloned().unwrap_or_default();
        let diff_ids = image.config.rootfs().diff_ids();
        let mismatch = || ImageError::LayersMismatch { image: image.id.clone() };
        if descriptors.len() != diff_ids.len() || diff_ids.len() != image.chain.len() {
            return Err(mismatch().into());
        }
        let mut layers = Vec::with_capacity(descriptors.len() + 1);
        for ((descriptor, diff_id), chain_id) in descriptors.iter().zip(diff_ids).zip(&image.chain)
        {
            let digest = |text: &str| Digest::parse(text).map_err(|_| mismatch());
            layers.push(NewLayer {
                blob: digest(descriptor["digest"].as_str().unwrap_or_default())?,
                diff_id: digest(diff_id)?,
                chain_id: chain_id.clone(),
            });
        }
        Ok((descriptors, layers))
    }
}

struct Hashing<'a> {
    file: File,
    hasher: Hasher,
    size: u64,
    gauge: Gauge,
    store: &'a Inner,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gauge.count(self.store, bytes.len() as u64)?;
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
