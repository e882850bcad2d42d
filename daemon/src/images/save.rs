//! `docker save`: which images and names go into the archive; the store writes it.

use std::io;
use std::sync::Arc;

use store::Image;
use store::archive::Saved;
use store::image::ResolveError;
use store::pull::Platform;
use store::reference::Reference;

use super::{Error, Images, platform};

/// An image and the tag that led to it.
type Named = (Arc<Image>, Option<Reference>);

impl Images {
    /// The images that names mean, each once, with the tags that they get in the archive: the one
    /// asked for, every tag of a repository named alone, none for ids and digests. Each has to be for one of the
    /// platforms, if there are any.
    pub(crate) async fn chosen(
        &self,
        names: Vec<String>,
        platforms: Vec<Platform>,
    ) -> Result<Vec<Saved>, Error> {
        self.blocking(move |images| {
            let mut chosen: Vec<Saved> = Vec::new();
            for name in &names {
                if name.is_empty() {
                    return Err(Error::Invalid("invalid reference format".to_owned()));
                }
                for (image, tag) in images.named(name)? {
                    if let Some(wanted) = platforms.first()
                        && !platforms.iter().any(|wanted| platform::fits(&image, wanted))
                    {
                        return Err(Error::NoExport(wanted.clone()));
                    }
                    let at = chosen.iter().position(|saved| saved.image.id == image.id);
                    let at = at.unwrap_or_else(|| {
                        chosen.push(Saved { image, tags: Vec::new() });
                        chosen.len() - 1
                    });
                    let tags = &mut chosen[at].tags;
                    tags.extend(tag.filter(|tag| !tags.contains(tag)));
                }
            }
            Ok(chosen)
        })
        .await
    }

    fn named(&self, name: &str) -> Result<Vec<Named>, Error> {
        let reference = Reference::parse_named(name).ok();
        if let Some(named) =
            reference.as_ref().filter(|r| r.tag().is_none() && r.digest().is_none())
        {
            let repository = named.name();
            let mut found = Vec::new();
            for image in self.store.images().list()? {
                let tags = image.tags.iter().filter(|tag| tag.name() == repository);
                found.extend(tags.map(|tag| (image.clone(), Some(tag.clone()))));
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let missing = |error| match error {
            ResolveError::Invalid { source, .. } => Error::from(source),
            _ => Error::NoSuchImage(name.to_owned()),
        };
        let image = self.store.images().resolve(name).map_err(missing)?;
        let tag = reference.filter(|reference| image.tags.contains(reference));
        Ok(vec![(image, tag)])
    }

    /// Writes the archive. Blocks.
    pub(crate) fn save(&self, chosen: &[Saved], into: impl io::Write) -> Result<(), Error> {
        self.store.images().save(chosen, into)?;
        for Saved { image, .. } in chosen {
            let id = image.id.to_string();
            self.tell("save", &id, &id, Some(image));
        }
        Ok(())
    }
}
