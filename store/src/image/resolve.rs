//! From what a user typed to an image, by Docker's rules.

use std::sync::Arc;

use super::catalog::Catalog;
use super::{Image, Images, ResolveError};
use crate::digest::Digest;
use crate::reference::{DEFAULT_TAG, Reference};

const ID_PREFIX: &str = "sha256:";
const ID_LEN: usize = 64;

impl Images {
    /// Finds an image by what a user typed: a name, `name:tag`, `name@digest`, an id with or
    /// without `sha256:`, or the beginning of an id. A tag goes before the beginning of an id; a
    /// whole id is never a name.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn resolve(&self, name: &str) -> Result<Arc<Image>, ResolveError> {
        find(&*self.inner.catalog()?, name)
    }
}

fn find(catalog: &Catalog, name: &str) -> Result<Arc<Image>, ResolveError> {
    let not_found = || ResolveError::NotFound(name.to_owned());
    let hex = name.strip_prefix(ID_PREFIX).unwrap_or(name);
    if let Ok(id) = Digest::from_hex(hex) {
        return catalog.by_id.get(&id).cloned().ok_or_else(not_found);
    }
    let reference = Reference::parse_named(name);
    if let Ok(reference) = &reference
        && let Some(image) = by_name(catalog, reference)
    {
        return Ok(image);
    }
    if is_id_prefix(hex) {
        let mut matches = catalog.images.iter().filter(|image| image.id.hex().starts_with(hex));
        return match (matches.next(), matches.next()) {
            (Some(_), Some(_)) => Err(ResolveError::Ambiguous(name.to_owned())),
            (Some(image), None) => Ok(image.clone()),
            (None, _) => Err(not_found()),
        };
    }
    match reference {
        Ok(_) => Err(not_found()),
        Err(source) => Err(ResolveError::Invalid { name: name.to_owned(), source }),
    }
}

fn by_name(catalog: &Catalog, reference: &Reference) -> Option<Arc<Image>> {
    let repository = reference.name();
    let image = match reference.digest() {
        Some(digest) => catalog.by_digest.get(&(repository, digest.clone())),
        None => {
            let tag = reference.tag().unwrap_or(DEFAULT_TAG);
            catalog.by_tag.get(&(repository, tag.to_owned()))
        }
    };
    image.cloned()
}

fn is_id_prefix(text: &str) -> bool {
    (1..ID_LEN).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
