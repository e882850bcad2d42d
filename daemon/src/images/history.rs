//! `GET /images/{name}/history`: the steps that made an image, newest first.

use std::sync::Arc;

use api_spec::image::HistoryStep;
use store::Image;
use store::reference::Reference;

use super::list::bytes;
use super::{Error, Images};

/// The id of a step that left no image behind.
const MISSING: &str = "<missing>";

impl Images {
    /// The steps of the image `name`.
    pub(crate) async fn history(&self, name: &str) -> Result<Vec<HistoryStep>, Error> {
        let name = name.to_owned();
        self.blocking(move |images| {
            let image = images.resolve(&name)?;
            let layers = images.store.layers();
            let sizes = image.chain.iter().map(|chain| {
                let info = layers.info(chain).ok().flatten();
                bytes(info.map_or(0, |info| info.size))
            });
            let mut family = vec![image.clone()];
            while let Some(id) = family.last().and_then(|image| image.parent.clone())
                && let Some(parent) = images.store.images().get(&id)?
            {
                family.push(parent);
            }
            Ok(steps(&family, &sizes.collect::<Vec<_>>()))
        })
        .await
    }
}

/// The steps, each with the size of the layer that it made; `family` is the image, what it was made
/// of, and so on; `sizes` are the layers', lowest first.
fn steps(family: &[Arc<Image>], sizes: &[i64]) -> Vec<HistoryStep> {
    let mut sizes = sizes.iter();
    let Some(image) = family.first() else { return Vec::new() };
    let mut steps: Vec<HistoryStep> = (image.config.history().iter().flatten())
        .map(|step| {
            let is_empty = step.empty_layer().unwrap_or_default();
            let size = if is_empty { None } else { sizes.next() };
            let created = step.created().as_ref();
            let created = created.and_then(|text| text.parse::<jiff::Timestamp>().ok());
            HistoryStep {
                id: MISSING.to_owned(),
                created: created.map_or(0, jiff::Timestamp::as_second),
                created_by: step.created_by().clone().unwrap_or_default(),
                tags: None,
                size: size.copied().unwrap_or_default(),
                comment: step.comment().clone().unwrap_or_default(),
            }
        })
        .collect();
    steps.reverse();
    for (step, image) in steps.iter_mut().zip(family) {
        step.id = image.id.to_string();
        let tags: Vec<String> = image.tags.iter().map(Reference::familiar).collect();
        step.tags = (!tags.is_empty()).then_some(tags);
    }
    steps
}
