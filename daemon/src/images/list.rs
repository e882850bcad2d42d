//! `GET /images/json`: which images, and what of them.

use std::collections::HashMap;
use std::sync::Arc;

use api_spec::filters::Filters;
use api_spec::image::Summary;
use jiff::Timestamp;
use store::reference::Reference;
use store::{Digest, Image, ImageError};

use super::{Error, Images, glob};

/// The filters that the endpoint knows.
pub(crate) const FILTERS: [&str; 6] =
    ["dangling", "label", "before", "since", "reference", "until"];

/// What a client wants of the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Already validated against [`FILTERS`].
    pub(crate) filters: Filters,
    /// Count the bytes that images share.
    pub(crate) shared_size: bool,
    /// Count the containers of each.
    pub(crate) containers: bool,
    /// Tell of the manifests.
    pub(crate) manifests: bool,
    /// Those too that nobody names and that others were made of.
    pub(crate) all: bool,
}

/// The filters, resolved to values.
struct Choice<'a> {
    filters: &'a Filters,
    dangling: Option<bool>,
    /// Older than all of these, newer than all of those.
    before: Vec<Timestamp>,
    since: Vec<Timestamp>,
}

impl Images {
    /// The images that a client wants, newest first.
    pub(crate) async fn list(&self, wanted: Wanted) -> Result<Vec<Summary>, Error> {
        self.blocking(move |images| images.list_now(&wanted)).await
    }

    fn list_now(&self, wanted: &Wanted) -> Result<Vec<Summary>, Error> {
        let choice = self.choice(&wanted.filters)?;
        let all = self.store.images().list()?;
        let uses = wanted.shared_size.then(|| layer_uses(&all));
        let sizes = match wanted.shared_size {
            true => self.store.layers().sizes().map_err(ImageError::from)?,
            false => HashMap::new(),
        };
        let made = wanted.containers.then(|| self.containers.by_image());
        let mut summaries = Vec::with_capacity(all.len());
        let images = self.store.images();
        for image in &all {
            let is_step = is_nameless(image) && images.has_children(&image.id)?;
            if is_step && (!wanted.all || choice.dangling.is_some()) {
                continue;
            }
            if let Some(mut summary) = summary(image, &choice) {
                if let Some(uses) = &uses {
                    summary.shared_size = shared_size(image, uses, &sizes);
                }
                if let Some(made) = &made {
                    let count = made.get(&summary.id).copied().unwrap_or(0);
                    summary.containers = i64::try_from(count).unwrap_or(i64::MAX);
                }
                if wanted.manifests {
                    summary.manifests = Some(vec![self.manifest_now(image)?]);
                }
                summaries.push(summary);
            }
        }
        Ok(summaries)
    }

    fn choice<'a>(&self, filters: &'a Filters) -> Result<Choice<'a>, Error> {
        let made = |key| -> Result<Vec<Timestamp>, Error> {
            filters.get(key).map(|name| Ok(created(&*self.resolve(name)?))).collect()
        };
        let mut before = made("before")?;
        for text in filters.get("until") {
            before.push(parse_time(text)?);
        }
        if !filters.get("reference").all(glob::is_pattern) {
            return Err(Error::Pattern);
        }
        let dangling =
            filters.boolean("dangling").map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(Choice { filters, dangling, before, since: made("since")? })
    }

    /// Bytes of all images' layers, each once.
    pub(crate) async fn layers_size(&self) -> Result<i64, Error> {
        self.blocking(|images| {
            let all = images.store.images().list()?;
            let uses = layer_uses(&all);
            let sizes = images.store.layers().sizes().map_err(ImageError::from)?;
            Ok(bytes(uses.keys().filter_map(|chain| sizes.get(chain)).sum()))
        })
        .await
    }
}

/// Bytes of an image's layers that other images have too.
fn shared_size(image: &Image, uses: &HashMap<Digest, usize>, sizes: &HashMap<Digest, u64>) -> i64 {
    let shared = image.chain.iter().filter(|chain| uses.get(*chain).is_some_and(|n| *n > 1));
    bytes(shared.filter_map(|chain| sizes.get(chain)).sum())
}

fn layer_uses(images: &[Arc<Image>]) -> HashMap<Digest, usize> {
    let mut uses = HashMap::new();
    for chain in images.iter().flat_map(|image| &image.chain) {
        *uses.entry(chain.clone()).or_default() += 1;
    }
    uses
}

/// What the list shows of an image, if it is chosen. With a `reference` filter only the names that
/// fit are shown.
fn summary(image: &Image, choice: &Choice<'_>) -> Option<Summary> {
    let made = created(image);
    if choice.before.iter().any(|limit| made >= *limit)
        || choice.since.iter().any(|limit| made <= *limit)
    {
        return None;
    }
    let labels = image.config.labels_of_config();
    let label = |name: &str| labels?.get(name).map(String::as_str);
    if !choice.filters.matches_labels("label", label) {
        return None;
    }
    let by_name = choice.filters.contains("reference");
    let fits = |reference: &Reference| {
        let bare = reference.familiar_name();
        choice.filters.matches_by("reference", |pattern| {
            glob::matches(pattern, &reference.familiar()) || glob::matches(pattern, &bare)
        })
    };
    let tags = image.tags.iter().filter(|tag| fits(tag)).map(Reference::familiar);
    let repo_tags: Vec<String> = tags.collect();
    let digests = image.repo_digests.iter().filter(|digest| {
        !by_name || Reference::parse_normalized(digest).is_ok_and(|digest| fits(&digest))
    });
    let repo_digests: Vec<String> = digests.cloned().collect();
    let nameless = repo_tags.is_empty() && repo_digests.is_empty();
    let dropped = match choice.dangling {
        Some(false) => nameless,
        Some(true) => !repo_tags.is_empty(),
        None => false,
    };
    if dropped || (nameless && by_name) {
        return None;
    }
    Some(Summary {
        containers: -1,
        created: image.created.map_or(0, Timestamp::as_second),
        id: image.id.to_string(),
        labels: labels.map(|labels| labels.clone().into_iter().collect()),
        parent_id: image.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        repo_digests: Some(repo_digests),
        repo_tags,
        shared_size: -1,
        size: bytes(image.size),
        virtual_size: None,
        manifests: None,
    })
}

pub(super) fn is_nameless(image: &Image) -> bool {
    image.tags.is_empty() && image.repo_digests.is_empty()
}

pub(super) fn created(image: &Image) -> Timestamp {
    image.created.unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn bytes(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A point in time: seconds since 1970, RFC 3339, a date, or a duration before now (`10m`).
fn parse_time(text: &str) -> Result<Timestamp, Error> {
    let wrong = |_| Error::Invalid(format!("failed to parse value as time or duration: {text:?}"));
    crate::events::time::parse(text, Timestamp::now()).map_err(wrong)
}
