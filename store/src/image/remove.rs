//! Removal: the rows first, then `index.json`, then the bytes that nothing else uses.

use super::{ImageError, ImageId, Images, Removed};
use crate::crash;
use crate::db::images;

impl Images {
    /// Removes an image with all its names, and frees what no other image and no snapshot uses.
    /// While a lease is alive the freeing is put off, though reported already.
    ///
    /// # Errors
    /// `NotFound`, the file system's or the database's.
    pub fn remove(&self, id: &ImageId) -> Result<Removed, ImageError> {
        let image = self.get(id)?;
        let candidates = self.inner.db.durable(|db| images::delete(db, id))?;
        let Some(candidates) = candidates else {
            return Err(ImageError::NotFound(id.to_string()));
        };
        crash::step("store.remove.forgotten");
        self.inner.names_changed()?;
        crash::step("store.remove.listed");
        let freed = self.inner.collect(candidates)?;
        let mut names = Vec::new();
        if let Some(image) = image {
            names.extend(image.tags.iter().map(crate::reference::Reference::familiar));
            names.extend(image.repo_digests.iter().cloned());
        }
        Ok(Removed {
            names,
            layers: freed.layers.into_iter().collect(),
            blobs: freed.blobs.into_iter().collect(),
        })
    }
}
