//! From the bench to a place.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::bench::Bench;
use super::every::Whole;
use super::take::{Taken, read_manifest};
use super::{OfflineError, Place, Tools};
use crate::archive::{REF_NAME, Saved};
use crate::digest::Digest;
use crate::durable;
use crate::error::{Context, IoError};
use crate::image::{Image, Manifest};
use crate::layout::{self, LAYOUT};
use crate::pull::manifest::Descriptor;
use crate::pull::{ManifestError, json};
use crate::push::{self, Document};
use crate::reference::{DEFAULT_TAG, Reference};
use crate::registry::manifest::MANIFEST_LIMIT;

/// Directories of a layout.
const BLOBS: &str = "blobs/sha256";

impl Tools<'_> {
    pub(super) async fn give(
        &self,
        bench: &Bench,
        taken: &Taken,
        to: &Place,
    ) -> Result<Digest, OfflineError> {
        match to {
            Place::Registry(reference) => self.push(bench, taken, reference).await,
            Place::Layout(path, name) => lay_one(bench, taken, path, name.as_deref()),
            Place::OciArchive(path, name) => {
                let directory = bench.directory("layout", 0o755)?;
                let digest = lay_one(bench, taken, &directory, name.as_deref())?;
                let pack = |file| pack(&directory, file);
                whole(path, pack).map(|()| digest)
            }
            Place::DockerArchive(path, name) => save(bench, taken, path, name.as_deref()),
        }
    }

    async fn push(
        &self,
        bench: &Bench,
        taken: &Taken,
        reference: &Reference,
    ) -> Result<Digest, OfflineError> {
        let bytes = taken.manifest_bytes.clone();
        let (media_type, digest) = (taken.manifest.media_type.clone(), Digest::of(&bytes));
        let documents = vec![Document { bytes, media_type, digest }];
        let manifest = &taken.manifest;
        let blobs = manifest.layers.iter().chain([&manifest.config]).cloned().collect();
        self.push_every(bench, &Whole { documents, blobs }, reference).await
    }

    /// Blobs, then what names them, the top by its tag.
    async fn push_every(
        &self,
        bench: &Bench,
        whole: &Whole,
        reference: &Reference,
    ) -> Result<Digest, OfflineError> {
        let credentials = self.credentials.of(reference.domain());
        let mut blobs: Vec<&Digest> = whole.blobs.iter().map(|blob| &blob.digest).collect();
        blobs.sort();
        blobs.dedup();
        let tag = reference.tag().unwrap_or(DEFAULT_TAG);
        let goods = push::Goods { blobs, documents: &whole.documents, tag };
        push::push_goods(&bench.store, self.registries, &goods, reference, credentials).await?;
        Ok(whole.documents[0].digest.clone())
    }

    pub(super) async fn give_every(
        &self,
        bench: &Bench,
        whole: Whole,
        to: &Place,
    ) -> Result<Digest, OfflineError> {
        match to {
            Place::Registry(reference) => self.push_every(bench, &whole, reference).await,
            Place::Layout(path, name) => lay_every(bench, whole, path, name.as_deref()),
            Place::OciArchive(path, name) => {
                let directory = bench.directory("layout", 0o755)?;
                let digest = lay_every(bench, whole, &directory, name.as_deref())?;
                self::whole(path, |file| pack(&directory, file)).map(|()| digest)
            }
            Place::DockerArchive(..) => Err(OfflineError::OneImage(to.to_string())),
        }
    }
}

fn lay_every(
    bench: &Bench,
    whole: Whole,
    path: &Path,
    name: Option<&str>,
) -> Result<Digest, OfflineError> {
    let whole = whole.into_oci()?;
    let mut blobs: Vec<Digest> = whole.blobs.iter().map(|blob| blob.digest.clone()).collect();
    for document in &whole.documents {
        blobs.push(bench.store.put(&document.bytes)?);
    }
    let Document { bytes, media_type, digest } = &whole.documents[0];
    let (media_type, digest) = (media_type.clone(), digest.clone());
    let top = Descriptor { media_type, digest, size: bytes.len() as u64 };
    lay(bench, &blobs, &top, (path, name))
}

/// The manifest in OCI's words, on the bench.
fn oci(bench: &Bench, taken: &Taken) -> Result<(Vec<u8>, Digest), OfflineError> {
    let parsed: Value = json::parse("manifest", &taken.manifest_bytes)?;
    let bytes = match layout::to_oci(parsed) {
        Some(converted) => converted.to_string().into_bytes(),
        None => taken.manifest_bytes.clone(),
    };
    let digest = bench.store.put(&bytes)?;
    Ok((bytes, digest))
}

fn lay_one(
    bench: &Bench,
    taken: &Taken,
    path: &Path,
    name: Option<&str>,
) -> Result<Digest, OfflineError> {
    let (bytes, digest) = oci(bench, taken)?;
    let manifest = &taken.manifest;
    let layers = manifest.layers.iter().map(|layer| layer.digest.clone());
    let blobs: Vec<Digest> =
        layers.chain([manifest.config.digest.clone(), digest.clone()]).collect();
    let media_type = read_manifest(&bytes, None)?.media_type;
    let top = Descriptor { media_type, digest, size: bytes.len() as u64 };
    lay(bench, &blobs, &top, (path, name))
}

/// Puts blobs of the bench and a descriptor into a layout; answers the descriptor's digest.
fn lay(
    bench: &Bench,
    blobs: &[Digest],
    top: &Descriptor,
    (path, name): (&Path, Option<&str>),
) -> Result<Digest, OfflineError> {
    let directory = path.join(BLOBS);
    fs::create_dir_all(&directory).on("mkdir", &directory)?;
    for blob in blobs {
        link(&bench.path(blob), &directory, &blob.hex())?;
    }
    let Descriptor { media_type, digest, size } = top;
    let mut descriptor = json!({"mediaType": media_type, "digest": digest, "size": size});
    if let Some(name) = name {
        descriptor["annotations"] = json!({ REF_NAME: name });
    }
    let index = index_with(path, descriptor)?;
    durable::replace(path, "oci-layout", LAYOUT.as_bytes())?;
    durable::replace(path, "index.json", index.to_string().as_bytes())?;
    Ok(digest.clone())
}

/// A blob that is there already stays.
fn link(from: &Path, into: &Path, name: &str) -> Result<(), IoError> {
    let place = into.join(name);
    if place.exists() || fs::hard_link(from, &place).is_ok() {
        return Ok(());
    }
    let temporary = into.join(format!(".{name}.new"));
    fs::copy(from, &temporary).on("copy", from)?;
    fs::rename(&temporary, &place).on("rename", &place)
}

/// The layout's index with a descriptor in it, in the place of what had its name.
fn index_with(path: &Path, descriptor: Value) -> Result<Value, OfflineError> {
    let file = path.join("index.json");
    let mut index = match fs::metadata(&file) {
        Ok(there) if there.len() > MANIFEST_LIMIT => {
            let reason = format!("larger than {MANIFEST_LIMIT} bytes");
            return Err(ManifestError::Invalid { what: "index.json", reason }.into());
        }
        Ok(_) => json::parse::<Value>("index.json", &fs::read(&file).on("read", &file)?)?,
        Err(_) => json!({"schemaVersion": 2, "mediaType": layout::INDEX}),
    };
    let name = |entry: &Value| entry["annotations"][REF_NAME].as_str().map(str::to_owned);
    let mut entries = index["manifests"].as_array().cloned().unwrap_or_default();
    entries.retain(|entry| match name(&descriptor) {
        Some(own) => name(entry).as_ref() != Some(&own),
        None => name(entry).is_some() || entry["digest"] != descriptor["digest"],
    });
    entries.push(descriptor);
    index["manifests"] = entries.into();
    Ok(index)
}

/// As `docker save` does: one archive in both forms.
fn save(
    bench: &Bench,
    taken: &Taken,
    path: &Path,
    name: Option<&str>,
) -> Result<Digest, OfflineError> {
    let (bytes, digest) = oci(bench, taken)?;
    let malformed = |source| {
        let (what, digest) = ("config", taken.manifest.config.digest.clone());
        OfflineError::Image(crate::ImageError::Malformed { what, digest, source })
    };
    let media_type = layout::MANIFEST.to_owned();
    let image = Image {
        id: taken.manifest.config.digest.clone(),
        manifest: Manifest { digest: digest.clone(), media_type, size: bytes.len() as u64 },
        tags: Vec::new(),
        repo_digests: Vec::new(),
        config: serde_json::from_slice(&taken.config).map_err(malformed)?,
        config_raw: taken.config.clone(),
        size: 0,
        created: None,
        chain: Vec::new(),
        parent: None,
    };
    let name = name.map(|name| {
        let whole = Reference::parse_normalized(name);
        whole.map_err(|source| super::PlaceError::Reference { name: name.to_owned(), source })
    });
    let tags = name.transpose()?.into_iter().collect();
    let saved = Saved { image: Arc::new(image), tags };
    let write = |file| Ok(bench.store.images().save(&[saved], BufWriter::new(file))?);
    whole(path, write).map(|()| digest)
}

/// A layout as a tar, names in order.
fn pack(directory: &Path, file: File) -> Result<(), OfflineError> {
    let mut tar = tar::Builder::new(BufWriter::new(file));
    tar.mode(tar::HeaderMode::Deterministic);
    let mut append = || {
        for name in ["oci-layout", "index.json"] {
            tar.append_path_with_name(directory.join(name), name)?;
        }
        tar.append_dir_all("blobs", directory.join("blobs"))?;
        tar.finish()
    };
    Ok(append().on("pack", directory)?)
}

/// Writes a file under another name first, so that nobody takes a part for the whole.
fn whole(
    path: &Path,
    write: impl FnOnce(File) -> Result<(), OfflineError>,
) -> Result<(), OfflineError> {
    let temporary = path.with_extension(format!("{:016x}.new", rand::random::<u64>()));
    let file = File::create_new(&temporary).on("create", &temporary)?;
    let written = write(file).and_then(|()| Ok(fs::rename(&temporary, path).on("rename", path)?));
    if written.is_err() {
        fs::remove_file(&temporary).on("unlink", &temporary)?;
    }
    written
}
