//! Which images an archive has: by Docker's `manifest.json`, or by the layout's `index.json`.

use std::collections::HashMap;

use serde::Deserialize;

use super::load::LoadError;
use super::spool::{Spool, Spooled};
use super::{IMAGE_NAME, INDEX, LIST, REF_NAME};
use crate::digest::Digest;
use crate::pull::manifest::{self, Document, ImageManifest};
use crate::pull::{Platform, json};
use crate::reference::Reference;
use crate::registry::manifest::MANIFEST_LIMIT;

/// Most images of one archive.
const IMAGES_LIMIT: usize = 1000;
/// Indexes that may lead to a manifest.
const INDEX_DEPTH_LIMIT: usize = 2;

/// An image of the archive.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) names: Vec<Reference>,
    /// What an index calls it, whole names and tags alike.
    pub(crate) refs: Vec<String>,
    pub(crate) config: Spooled,
    /// Lowest first.
    pub(crate) layers: Vec<Spooled>,
    /// The manifest's bytes and media type, where the archive has one.
    pub(crate) manifest: Option<(Vec<u8>, String)>,
    /// What it was made of, by Docker's list.
    pub(crate) parent: Option<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
    parent: Option<String>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    digest: String,
    annotations: Option<HashMap<String, String>>,
}

/// A manifest of the layout.
struct Laid {
    names: Vec<Reference>,
    refs: Vec<String>,
    bytes: Vec<u8>,
    manifest: ImageManifest,
}

/// The archive's images for a platform, in its order: by Docker's list where there is one, unless a
/// layout's index is to go first.
pub(crate) fn images(
    spool: &Spool,
    platform: &Platform,
    list_first: bool,
) -> Result<Vec<Found>, LoadError> {
    let (list, index) = (spool.file(LIST), spool.file(INDEX));
    let list = list.filter(|_| list_first || index.is_none());
    let images: Result<Vec<Found>, LoadError> = match (list, index) {
        (Some(list), index) => {
            // A layout beside the list only tells more of the same images.
            let laid = index.and_then(|index| laid(spool, index, platform).ok());
            let laid = laid.unwrap_or_default();
            let list = spool.small(list, MANIFEST_LIMIT)?;
            let list: Option<Vec<Listed>> = json::parse("manifest.json", &list)?;
            let list = list.unwrap_or_default();
            list.into_iter().map(|item| listed(spool, item, &laid)).collect()
        }
        (None, Some(index)) => {
            laid(spool, index, platform)?.into_iter().map(|laid| found(spool, laid)).collect()
        }
        (None, None) => return Err(LoadError::NoImages),
    };
    let images = images?;
    match images.len() {
        0 => Err(LoadError::NoImages),
        1..=IMAGES_LIMIT => Ok(images),
        _ => Err(LoadError::Archive(format!("more than {IMAGES_LIMIT} images"))),
    }
}

fn listed(spool: &Spool, item: Listed, laid: &[Laid]) -> Result<Found, LoadError> {
    let file = |name: &str| spool.file(name).ok_or_else(|| LoadError::NotFound(name.to_owned()));
    let config = file(&item.config)?.clone();
    // Old archives name the parent of Docker's first form of images here: nobody's.
    let parent = item.parent.and_then(|id| Digest::parse(&id).ok());
    let mut names = Vec::new();
    for tag in item.repo_tags.unwrap_or_default() {
        let name = Reference::parse_named(&tag).ok();
        let name = name.filter(|name| name.tag().is_some() && name.digest().is_none());
        names.push(name.ok_or(LoadError::InvalidTag(tag))?);
    }
    let same = laid.iter().find(|laid| laid.manifest.config.digest == config.digest);
    let blobs = same.and_then(|laid| blobs(spool, &laid.manifest));
    if let (Some(laid), Some(layers)) = (same, blobs) {
        let manifest = Some((laid.bytes.clone(), laid.manifest.media_type.clone()));
        return Ok(Found { names, refs: Vec::new(), config, layers, manifest, parent });
    }
    let layers = item.layers.unwrap_or_default();
    let layers = layers.iter().map(|name| file(name).cloned()).collect::<Result<_, _>>()?;
    Ok(Found { names, refs: Vec::new(), config, layers, manifest: None, parent })
}

fn found(spool: &Spool, laid: Laid) -> Result<Found, LoadError> {
    let missing = |digest: &Digest| LoadError::NotFound(digest.to_string());
    let config = &laid.manifest.config.digest;
    let config = spool.blob(config).ok_or_else(|| missing(config))?;
    let mut layers = Vec::new();
    for layer in &laid.manifest.layers {
        layers.push(spool.blob(&layer.digest).ok_or_else(|| missing(&layer.digest))?);
    }
    let manifest = Some((laid.bytes, laid.manifest.media_type));
    let Laid { names, refs, .. } = laid;
    Ok(Found { names, refs, config, layers, manifest, parent: None })
}

fn blobs(spool: &Spool, manifest: &ImageManifest) -> Option<Vec<Spooled>> {
    manifest.layers.iter().map(|layer| spool.blob(&layer.digest)).collect()
}

/// The layout's manifests for a platform, each with its names.
fn laid(spool: &Spool, index: &Spooled, platform: &Platform) -> Result<Vec<Laid>, LoadError> {
    let index: Index = json::parse("index.json", &spool.small(index, MANIFEST_LIMIT)?)?;
    let mut all: Vec<Laid> = Vec::new();
    let entries = index.manifests.unwrap_or_default();
    for entry in entries.into_iter().take(IMAGES_LIMIT) {
        let Some((bytes, manifest)) = follow(spool, &entry.digest, platform)? else { continue };
        let name = entry.annotations.as_ref().and_then(name);
        let own = entry.annotations.as_ref().and_then(|all| all.get(REF_NAME)).cloned();
        match all.iter_mut().find(|laid| laid.bytes == bytes) {
            Some(laid) => {
                laid.names.extend(name);
                laid.refs.extend(own);
            }
            None => {
                let (names, refs) = (name.into_iter().collect(), own.into_iter().collect());
                all.push(Laid { names, refs, bytes, manifest });
            }
        }
    }
    Ok(all)
}

/// From a descriptor to the manifest for a platform; None if there is none for it.
fn follow(
    spool: &Spool,
    digest: &str,
    platform: &Platform,
) -> Result<Option<(Vec<u8>, ImageManifest)>, LoadError> {
    let parse = |digest: &str| {
        Digest::parse(digest).map_err(|_| LoadError::Archive(format!("bad digest {digest:?}")))
    };
    let mut digest = parse(digest)?;
    for _ in 0..=INDEX_DEPTH_LIMIT {
        let file = spool.blob(&digest).ok_or_else(|| LoadError::NotFound(digest.to_string()))?;
        let bytes = spool.small(&file, MANIFEST_LIMIT)?;
        match manifest::parse(&bytes, None)? {
            Document::Image(manifest) => return Ok(Some((bytes, manifest))),
            Document::Index(entries) => {
                let platforms = entries.iter().map(|entry| entry.platform.as_ref());
                let chosen = match (platform.choose(platforms), entries.as_slice()) {
                    (Some(at), entries) => &entries[at],
                    (None, [only]) if only.platform.is_none() => only,
                    _ => return Ok(None),
                };
                digest = chosen.descriptor("manifest")?.digest;
            }
        }
    }
    Err(LoadError::Archive("too many indexes in indexes".to_owned()))
}

/// The name that annotations give: a whole one. A tag alone names nothing.
fn name(annotations: &HashMap<String, String>) -> Option<Reference> {
    let short = annotations.get(REF_NAME).filter(|name| name.contains([':', '/']));
    let name = annotations.get(IMAGE_NAME).or(short)?;
    Reference::parse_normalized(name).ok().filter(|name| name.tag().is_some())
}
