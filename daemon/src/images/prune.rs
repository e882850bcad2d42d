//! `POST /images/prune`: removes images that nobody names, or with `dangling=false` all that no
//! container uses.

use std::collections::HashMap;

use api_spec::filters::Filters;
use api_spec::image::{Deleted, Pruned};
use store::reference::Reference;
use store::{Digest, Image};

use super::list::created;
use super::remove::Parents;
use super::{Error, Images};
use crate::events::{Event, Kind, time};

/// The filters that the endpoint knows.
pub(crate) const FILTERS: [&str; 4] = ["dangling", "label", "label!", "until"];

impl Images {
    /// Removes what the filters, already validated against [`FILTERS`], choose.
    pub(crate) async fn prune(&self, filters: Filters) -> Result<Pruned, Error> {
        self.blocking(move |images| images.prune_now(&filters)).await
    }

    fn prune_now(&self, filters: &Filters) -> Result<Pruned, Error> {
        let dangling = filters.boolean("dangling");
        let dangling = dangling.map_err(|error| Error::Invalid(error.to_string()))?;
        let until = time::until(filters).map_err(Error::Invalid)?;
        let mut pruned = Pruned::default();
        let mut deleted = Vec::new();
        for image in self.store.images().list()? {
            let kept = (dangling != Some(false) && !image.tags.is_empty())
                || until.is_some_and(|limit| created(&image) > limit)
                || !has_labels(&image, filters);
            if kept || !self.containers.using_image(&image.id.to_string()).is_empty() {
                continue;
            }
            let sizes = self.layer_sizes(&image);
            match self.remove_unused(&image) {
                Ok(gone) => {
                    let freed = gone.iter().filter_map(|item| match item {
                        Deleted::Deleted(id) => sizes.get(id),
                        Deleted::Untagged(_) => None,
                    });
                    pruned.space_reclaimed += freed.sum::<u64>();
                    deleted.extend(gone);
                }
                // Somebody else removed it, or uses it by now: there is more to prune.
                Err(error) => tracing::debug!(image.id = %image.id, %error, "image is not pruned"),
            }
        }
        pruned.images_deleted = (!deleted.is_empty()).then_some(deleted);
        let reclaimed = pruned.space_reclaimed.to_string();
        self.events.publish(Event::new(Kind::Image, "prune", "").with("reclaimed", reclaimed));
        Ok(pruned)
    }

    /// Of an image that others were made of, its names alone.
    fn remove_unused(&self, image: &Image) -> Result<Vec<Deleted>, Error> {
        if !self.store.images().has_children(&image.id)? {
            return self.remove_family(image, Parents::Go);
        }
        let tags = image.tags.iter().map(Reference::familiar);
        let mut deleted = Vec::new();
        for name in tags.chain(image.repo_digests.iter().cloned()) {
            // The last tag of a repository takes its digests with it.
            match self.remove_now(&name, false, Parents::Go) {
                Err(Error::NoSuchImage(_)) => {}
                gone => deleted.extend(gone?),
            }
        }
        Ok(deleted)
    }

    /// Bytes of each layer, by its chain id.
    fn layer_sizes(&self, image: &Image) -> HashMap<String, u64> {
        let layers = self.store.layers();
        let size = |chain: &Digest| Some((chain.to_string(), layers.info(chain).ok()??.size));
        image.chain.iter().filter_map(size).collect()
    }
}

fn has_labels(image: &Image, filters: &Filters) -> bool {
    let labels = image.config.labels_of_config();
    let label = |name: &str| labels?.get(name).map(String::as_str);
    let excluded = filters.get("label!").any(|wanted| match wanted.split_once('=') {
        None => label(wanted).is_some(),
        Some((name, value)) => label(name) == Some(value),
    });
    filters.matches_labels("label", label) && !excluded
}
