//! From a place to the bench: documents, and blobs if they are wanted, all of them verified.

use std::path::Path;

use super::bench::Bench;
use super::{OfflineError, Place, Tools};
use crate::archive::contents::{self, Found};
use crate::archive::spool::{Spool, Spooled};
use crate::archive::{INDEX, LoadError};
use crate::digest::Digest;
use crate::layout::MANIFEST;
use crate::pull::ManifestError;
use crate::pull::config::{self, CONFIG_LIMIT};
use crate::pull::manifest::{self, Document, ImageManifest};
use crate::reference::Reference;

/// How much of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Documents,
    All,
}

/// An image on the bench.
#[derive(Debug)]
pub(super) struct Taken {
    /// Of the repository, where there is one.
    pub(super) name: String,
    /// What else is there under a name.
    pub(super) tags: Vec<String>,
    /// What the name led to: the manifest, or the index above it.
    pub(super) raw: Vec<u8>,
    pub(super) manifest_bytes: Vec<u8>,
    pub(super) manifest: ImageManifest,
    pub(super) config: Vec<u8>,
    /// Of the config, lowest first; as many as layers.
    pub(super) diff_ids: Vec<String>,
}

impl Taken {
    pub(super) fn new(
        manifest_bytes: Vec<u8>,
        media_type: &str,
        config: Vec<u8>,
    ) -> Result<Self, OfflineError> {
        let manifest = read_manifest(&manifest_bytes, Some(media_type))?;
        let parsed = config::parse(&config, manifest.layers.len())?;
        Ok(Self {
            name: String::new(),
            tags: Vec::new(),
            raw: manifest_bytes.clone(),
            manifest_bytes,
            manifest,
            config,
            diff_ids: parsed.diff_ids.iter().map(Digest::to_string).collect(),
        })
    }
}

pub(super) fn read_manifest(
    bytes: &[u8],
    media_type: Option<&str>,
) -> Result<ImageManifest, OfflineError> {
    match manifest::parse(bytes, media_type)? {
        Document::Image(manifest) => Ok(manifest),
        Document::Index(_) => {
            let reason = "an index where a manifest should be".to_owned();
            Err(ManifestError::Invalid { what: "manifest", reason }.into())
        }
    }
}

impl Tools<'_> {
    pub(super) async fn take(
        &self,
        bench: &Bench,
        place: &Place,
        want: Want,
    ) -> Result<Taken, OfflineError> {
        match place {
            Place::Registry(reference) => self.take_of_registry(bench, reference, want).await,
            Place::Layout(path, name) => {
                let spool = Spool::of_layout(bench.inner(), path)?;
                self.take_of_files(bench, &spool, (place, name.as_deref()), want)
            }
            Place::OciArchive(path, name) | Place::DockerArchive(path, name) => {
                let spool = read(bench, path)?;
                if matches!(place, Place::OciArchive(..)) && spool.file(INDEX).is_none() {
                    return Err(LoadError::NotFound(INDEX.to_owned()).into());
                }
                self.take_of_files(bench, &spool, (place, name.as_deref()), want)
            }
        }
    }

    fn take_of_files(
        &self,
        bench: &Bench,
        spool: &Spool,
        (place, name): (&Place, Option<&str>),
        want: Want,
    ) -> Result<Taken, OfflineError> {
        let list_first = matches!(place, Place::DockerArchive(..));
        let mut all = contents::images(spool, &self.platform, list_first)?;
        let tags: Vec<String> = all.iter().flat_map(names).collect();
        let chosen = match name {
            None if all.len() > 1 => {
                return Err(OfflineError::Several { place: place.to_string(), there: tags });
            }
            None => 0,
            Some(name) => all.iter().position(|found| is_called(found, name)).ok_or_else(|| {
                let (place, name) = (place.to_string(), name.to_owned());
                OfflineError::NoImage { place, name, there: tags.clone() }
            })?,
        };
        let Found { config, layers, manifest, .. } = all.swap_remove(chosen);
        let config_bytes = spool.small(&config, CONFIG_LIMIT)?;
        // A list without manifests names files, whose digests become a manifest's.
        let is_listed = manifest.is_none();
        let wanted = if want == Want::All || is_listed { &layers[..] } else { &[] };
        for file in wanted.iter().chain([&config]) {
            keep(bench, spool, file)?;
        }
        let (bytes, media_type) = match manifest {
            Some(manifest) => manifest,
            None => {
                let images = bench.store.images();
                (images.manifest_of(&config, &layers)?, MANIFEST.to_owned())
            }
        };
        Ok(Taken { tags, ..Taken::new(bytes, &media_type, config_bytes)? })
    }
}

pub(super) fn read(bench: &Bench, path: &Path) -> Result<Spool, OfflineError> {
    Ok(Spool::read_only(bench.inner(), super::open(path)?)?)
}

/// Bytes of an archive are verified already, those of a directory are now.
pub(super) fn keep(bench: &Bench, spool: &Spool, file: &Spooled) -> Result<(), OfflineError> {
    if file.is_new {
        return Ok(spool.keep(file)?);
    }
    bench.take(&file.path, &file.digest, file.size)
}

fn names(found: &Found) -> Vec<String> {
    let whole = found.names.iter().map(Reference::familiar);
    if found.names.is_empty() { found.refs.clone() } else { whole.collect() }
}

/// By the name that an index gives, or by a whole one.
fn is_called(found: &Found, name: &str) -> bool {
    let whole = Reference::parse_normalized(name);
    found.refs.iter().any(|known| known == name)
        || whole.is_ok_and(|whole| found.names.contains(&whole))
}
