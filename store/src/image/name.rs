//! Giving and taking names.

use super::catalog::digested;
use super::{ImageError, ImageId, Images, Untagged};
use crate::db::images;
use crate::reference::Reference;

impl Images {
    /// Gives an image a tag; the tag moves from the image that had it.
    ///
    /// # Errors
    /// `NotFound`, `NoTag` when the reference has a digest or no tag, the file system's or the
    /// database's.
    pub fn tag(&self, id: &ImageId, reference: &Reference) -> Result<(), ImageError> {
        let (Some(tag), None) = (reference.tag(), reference.digest()) else {
            return Err(ImageError::NoTag(reference.clone()));
        };
        let found = self.inner.db.durable(|db| {
            let found = images::exists(db, id)?;
            if found {
                images::put_tag(db, id, &reference.name(), tag)?;
            }
            Ok(found)
        })?;
        if !found {
            return Err(ImageError::NotFound(id.to_string()));
        }
        self.inner.names_changed()
    }

    /// Notes what a registry knows an image by; `reference` has the digest.
    ///
    /// # Errors
    /// `NotFound`, `NoTag` without a digest, the file system's or the database's.
    pub fn note_digest(&self, id: &ImageId, reference: &Reference) -> Result<(), ImageError> {
        let Some(digest) = reference.digest() else {
            return Err(ImageError::NoTag(reference.clone()));
        };
        let found = self.inner.db.durable(|db| {
            let found = images::exists(db, id)?;
            if found {
                images::put_digest(db, id, &reference.name(), digest)?;
            }
            Ok(found)
        })?;
        if !found {
            return Err(ImageError::NotFound(id.to_string()));
        }
        self.inner.names_changed()
    }

    /// Takes a tag or a digest away; the image stays, even without any name.
    ///
    /// # Errors
    /// `NotFound`, `NoTag`, the file system's or the database's.
    pub fn untag(&self, reference: &Reference) -> Result<Untagged, ImageError> {
        let repository = reference.name();
        let taken = self.inner.db.durable(|db| {
            let taken = match (reference.digest(), reference.tag()) {
                (Some(digest), _) => {
                    images::delete_digest(db, &repository, digest)?.map(|id| (id, Vec::new()))
                }
                (None, Some(tag)) => images::delete_tag(db, &repository, tag)?,
                (None, None) => None,
            };
            let Some((id, digests)) = taken else { return Ok(None) };
            let remaining = images::name_count(db, &id)?;
            Ok(Some((id, digests, remaining)))
        })?;
        let Some((image, digests, remaining)) = taken else {
            return Err(ImageError::NotFound(reference.familiar()));
        };
        self.inner.names_changed()?;
        let mut names = vec![match reference.digest() {
            Some(digest) => reference.with_digest(digest).familiar(),
            None => reference.familiar(),
        }];
        for digest in digests {
            names.push(digested(&repository, &digest)?.familiar());
        }
        Ok(Untagged { image, names, remaining })
    }
}
