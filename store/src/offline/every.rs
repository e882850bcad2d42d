//! Whole indexes: the images of every platform and what belongs to them, attestations among it. No
//! config and no layer is looked into, so their bytes stay as they are wherever they go.
//!
//! Documents name blobs and other documents. They come from the top on and go the other way, so that
//! nothing is named that is not there yet.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::Value;

use super::bench::Bench;
use super::registry::fetch;
use super::take::keep;
use super::{OfflineError, Place, Tools};
use crate::archive::spool::{Spool, Spooled};
use crate::archive::{IMAGE_NAME, INDEX, LoadError, REF_NAME};
use crate::digest::Digest;
use crate::layout;
use crate::pull::manifest::{Descriptor, Entry};
use crate::pull::{ManifestError, json};
use crate::push::Document;
use crate::reference::{DEFAULT_TAG, Reference};
use crate::registry::DEFAULT_CONCURRENT_DOWNLOADS;
use crate::registry::manifest::MANIFEST_LIMIT;
use crate::registry::repository::Repository;

/// Manifests and indexes below one name, each as often as it is named.
const DOCUMENTS_LIMIT: usize = 1000;

/// All below one name, on the bench.
pub(super) struct Whole {
    /// The top first, and whatever names something before what it names.
    pub(super) documents: Vec<Document>,
    pub(super) blobs: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    media_type: Option<String>,
    manifests: Option<Vec<Entry>>,
    config: Option<Entry>,
    layers: Option<Vec<Entry>>,
}

/// Where all of it comes from.
enum Well<'a> {
    Registry(&'a Arc<Repository>),
    Files(&'a Spool),
}

impl Well<'_> {
    async fn document(&self, digest: &Digest) -> Result<Vec<u8>, OfflineError> {
        match self {
            Self::Registry(repository) => Ok(repository.manifest_by_digest(digest).await?.bytes),
            Self::Files(spool) => Ok(spool.small(&blob(spool, digest)?, MANIFEST_LIMIT)?),
        }
    }

    async fn bring(&self, bench: &Bench, wanted: &Descriptor) -> Result<(), OfflineError> {
        match self {
            Self::Registry(repository) => fetch(bench, repository, wanted).await,
            Self::Files(spool) => keep(bench, spool, &blob(spool, &wanted.digest)?),
        }
    }

    /// Brings all that a document leads to.
    async fn gather(&self, bench: &Bench, top: Document) -> Result<Whole, OfflineError> {
        let (mut documents, mut blobs) = (vec![top], Vec::<Descriptor>::new());
        let mut at = 0;
        while let Some(document) = documents.get(at) {
            let named: Named = json::parse("manifest", &document.bytes)?;
            let (manifests, layers) = (named.manifests.unwrap_or_default(), named.layers);
            if !manifests.is_empty() && named.config.is_some() {
                let reason = "an index with a config".to_owned();
                return Err(ManifestError::Ambiguous(reason).into());
            }
            for entry in &manifests {
                let Descriptor { media_type, digest, size } = entry.descriptor("manifest")?;
                let bytes = self.document(&digest).await?;
                if bytes.len() as u64 != size || documents.len() == DOCUMENTS_LIMIT {
                    let reason = format!(
                        "{digest} has {} bytes instead of {size}, or is one of more than \
                         {DOCUMENTS_LIMIT}",
                        bytes.len()
                    );
                    return Err(ManifestError::Invalid { what: "index", reason }.into());
                }
                documents.push(Document { bytes, media_type, digest });
            }
            for entry in named.config.iter().chain(layers.iter().flatten()) {
                let wanted = entry.descriptor("blob")?;
                if blobs.iter().all(|known| known.digest != wanted.digest) {
                    blobs.push(wanted);
                }
            }
            at += 1;
        }
        let brought = stream::iter(blobs.iter().map(|wanted| self.bring(bench, wanted)));
        brought.buffer_unordered(DEFAULT_CONCURRENT_DOWNLOADS).try_collect::<()>().await?;
        Ok(Whole { documents, blobs })
    }
}

fn blob(spool: &Spool, digest: &Digest) -> Result<Spooled, OfflineError> {
    Ok(spool.blob(digest).ok_or_else(|| LoadError::NotFound(digest.to_string()))?)
}

impl Tools<'_> {
    /// Brings all that a place has under its name.
    pub(super) async fn take_every(
        &self,
        bench: &Bench,
        place: &Place,
    ) -> Result<Whole, OfflineError> {
        let (spool, name) = match place {
            Place::Registry(reference) => {
                let every = async |repository: &Arc<Repository>| {
                    every_of(bench, repository, reference).await
                };
                return self.of_first_that_answers(reference, every).await;
            }
            Place::Layout(path, name) => (Spool::of_layout(bench.inner(), path)?, name),
            Place::OciArchive(path, name) | Place::DockerArchive(path, name) => {
                (super::take::read(bench, path)?, name)
            }
        };
        let top = top_of(&spool, place, name.as_deref())?;
        Well::Files(&spool).gather(bench, top).await
    }
}

async fn every_of(
    bench: &Bench,
    repository: &Arc<Repository>,
    reference: &Reference,
) -> Result<Whole, OfflineError> {
    let top = match reference.digest() {
        Some(digest) => repository.manifest_by_digest(digest).await?,
        None => repository.manifest_by_tag(reference.tag().unwrap_or(DEFAULT_TAG)).await?,
    };
    let media_type = media_type(&top.bytes, top.media_type.as_deref())?;
    let top = Document { bytes: top.bytes, media_type, digest: top.digest };
    Well::Registry(repository).gather(bench, top).await
}

/// What a document says it is, or who led to it, or its form.
fn media_type(bytes: &[u8], announced: Option<&str>) -> Result<String, OfflineError> {
    let named: Named = json::parse("manifest", bytes)?;
    let is_index = named.manifests.is_some();
    let formed = if is_index { layout::INDEX } else { layout::MANIFEST };
    let announced = announced
        .filter(|announced| announced.contains(".image.") || announced.contains(".manifest."));
    Ok(named.media_type.or(announced.map(str::to_owned)).unwrap_or_else(|| formed.to_owned()))
}

/// The document that a layout's index gives a name.
fn top_of(spool: &Spool, place: &Place, name: Option<&str>) -> Result<Document, OfflineError> {
    let index = spool.file(INDEX).ok_or_else(|| LoadError::NotFound(INDEX.to_owned()))?;
    let index: Value = json::parse(INDEX, &spool.small(index, MANIFEST_LIMIT)?)?;
    let entries = index["manifests"].as_array().map_or(&[][..], Vec::as_slice);
    let there = || {
        let names = entries.iter().filter_map(|entry| entry["annotations"][REF_NAME].as_str());
        names.map(str::to_owned).collect()
    };
    let found = match name {
        None if entries.len() > 1 => {
            return Err(OfflineError::Several { place: place.to_string(), there: there() });
        }
        None => entries.first(),
        Some(name) => entries.iter().find(|entry| is_called(entry, name)),
    };
    let missing = || {
        let name = name.unwrap_or_default().to_owned();
        OfflineError::NoImage { place: place.to_string(), name, there: there() }
    };
    let digest = found.ok_or_else(missing)?["digest"].as_str().unwrap_or_default();
    let digest =
        Digest::parse(digest).map_err(|source| ManifestError::Digest { what: INDEX, source })?;
    let bytes = spool.small(&blob(spool, &digest)?, MANIFEST_LIMIT)?;
    let announced = found.and_then(|entry| entry["mediaType"].as_str());
    Ok(Document { media_type: media_type(&bytes, announced)?, bytes, digest })
}

fn is_called(entry: &Value, name: &str) -> bool {
    let annotation = |key: &str| entry["annotations"][key].as_str();
    let whole = |name: &str| Reference::parse_normalized(name).ok();
    annotation(REF_NAME) == Some(name)
        || annotation(IMAGE_NAME)
            .is_some_and(|own| whole(own).is_some() && whole(own) == whole(name))
}

impl Whole {
    /// The same in OCI's words, which layouts are written in: what names a changed document changes, too.
    pub(super) fn into_oci(mut self) -> Result<Self, OfflineError> {
        let mut changed: HashMap<Digest, Descriptor> = HashMap::new();
        for document in self.documents.iter_mut().rev() {
            let before: Value = json::parse("manifest", &document.bytes)?;
            let mut after = layout::to_oci(before.clone()).unwrap_or_else(|| before.clone());
            let entries = after.get_mut("manifests").and_then(Value::as_array_mut);
            for entry in entries.into_iter().flatten() {
                let digest = entry["digest"].as_str().and_then(|text| Digest::parse(text).ok());
                if let Some(now) = digest.and_then(|digest| changed.get(&digest)) {
                    entry["mediaType"] = now.media_type.clone().into();
                    entry["digest"] = now.digest.to_string().into();
                    entry["size"] = now.size.into();
                }
            }
            if after != before {
                let bytes = after.to_string().into_bytes();
                let (was, digest) = (document.digest.clone(), Digest::of(&bytes));
                let media_type = media_type(&bytes, None)?;
                let size = bytes.len() as u64;
                *document =
                    Document { bytes, media_type: media_type.clone(), digest: digest.clone() };
                changed.insert(was, Descriptor { media_type, digest, size });
            }
        }
        Ok(self)
    }
}
