//! `DELETE /images/{name}`: taking names away, and the image with its last name, by dockerd's rules.
//!
//! A name takes only itself away while the image has others. An id takes the image away, all names
//! with it, if they are of one repository or the client forces it. A running container keeps its
//! image whatever the client says, and so does an image that was made of it; a stopped one unless
//! forced.

use api_spec::image::Deleted;
use store::Image;
use store::reference::Reference;

use super::{Error, Images};
use crate::containers::ImageUse;

const SHORT_ID: usize = 12;

/// What becomes of the images that a removed one was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parents {
    /// They go with it, if nobody names or uses them.
    Go,
    /// They stay.
    Stay,
}

impl Images {
    /// Removes what `name` means and says what went.
    pub(crate) async fn remove(
        &self,
        name: &str,
        force: bool,
        parents: Parents,
    ) -> Result<Vec<Deleted>, Error> {
        let name = name.to_owned();
        self.blocking(move |images| images.remove_now(&name, force, parents)).await
    }

    pub(super) fn remove_now(
        &self,
        name: &str,
        force: bool,
        parents: Parents,
    ) -> Result<Vec<Deleted>, Error> {
        let image = self.resolve(name)?;
        let users = self.containers.using_image(&image.id.to_string());
        if is_id_of(name, &image) {
            self.refuse_parent(&image)?;
            conflict(&image, &users, force, !is_one_repository(&image))?;
            return self.remove_family(&image, parents);
        }
        let reference = Reference::parse_normalized(name)?;
        if !force && is_one_repository(&image) {
            refuse_last_name(name, &image, &users)?;
        }
        let untagged = self.store.images().untag(&reference)?;
        let id = image.id.to_string();
        let mut deleted = Vec::new();
        // One event, though the digests of the repository may go with its last tag.
        self.tell("untag", &id, &id, Some(&image));
        deleted.extend(untagged.names.into_iter().map(Deleted::Untagged));
        if untagged.remaining > 0 {
            return Ok(deleted);
        }
        // The last name went. A container that uses the image keeps it, silently, as an image does
        // that was made of it.
        let is_kept = self.refuse_parent(&image).is_err();
        if !is_kept && conflict(&image, &users, force, false).is_ok() {
            deleted.extend(self.remove_family(&image, parents)?);
        }
        Ok(deleted)
    }

    /// An image that others were made of stays, whatever the client says.
    fn refuse_parent(&self, image: &Image) -> Result<(), Error> {
        if !self.store.images().has_children(&image.id)? {
            return Ok(());
        }
        let id = image.id.to_string();
        Err(Error::Conflict(format!(
            "conflict: unable to delete {} (cannot be forced) - image has dependent child images",
            short(&id)
        )))
    }

    /// Removes an image, and then those it was made of, as long as nobody names or uses them.
    pub(super) fn remove_family(
        &self,
        image: &Image,
        parents: Parents,
    ) -> Result<Vec<Deleted>, Error> {
        let mut deleted = self.remove_image(image)?;
        let mut next = image.parent.clone().filter(|_| parents == Parents::Go);
        while let Some(id) = next {
            let Some(parent) = self.store.images().get(&id)? else { break };
            let is_named = !parent.tags.is_empty() || !parent.repo_digests.is_empty();
            let is_used = !self.containers.using_image(&id.to_string()).is_empty();
            if is_named || is_used || self.refuse_parent(&parent).is_err() {
                break;
            }
            deleted.extend(self.remove_image(&parent)?);
            next = parent.parent.clone();
        }
        Ok(deleted)
    }

    fn remove_image(&self, image: &Image) -> Result<Vec<Deleted>, Error> {
        let removed = self.store.images().remove(&image.id)?;
        let id = image.id.to_string();
        let mut deleted = Vec::new();
        for name in removed.names {
            self.tell("untag", &id, &id, Some(image));
            deleted.push(Deleted::Untagged(name));
        }
        self.tell("delete", &id, &id, Some(image));
        deleted.push(Deleted::Deleted(id));
        let mut layers = removed.layers;
        layers.sort_by_key(|layer| {
            std::cmp::Reverse(image.chain.iter().position(|chain| chain == layer))
        });
        deleted.extend(layers.iter().map(|layer| Deleted::Deleted(layer.to_string())));
        Ok(deleted)
    }
}

/// True when the text is the image's id or its beginning. A tag goes before that.
fn is_id_of(name: &str, image: &Image) -> bool {
    let is_tag = |reference: &Reference| image.tags.contains(reference);
    if Reference::parse_normalized(name).is_ok_and(|reference| is_tag(&reference)) {
        return false;
    }
    let id = image.id.to_string();
    let hex = id.strip_prefix("sha256:").unwrap_or(&id);
    id.starts_with(name) || hex.starts_with(name)
}

/// At most one tag, and everything in the same repository.
fn is_one_repository(image: &Image) -> bool {
    let digests = image.repo_digests.iter().filter_map(|digest| digest.split_once('@'));
    let mut names = image.tags.iter().map(Reference::familiar_name);
    let first = names.next();
    image.tags.len() <= 1
        && digests
            .map(|(name, _)| name)
            .all(|name| first.as_deref().is_none_or(|first| first == name))
}

fn refuse_last_name(name: &str, image: &Image, users: &[ImageUse]) -> Result<(), Error> {
    let Some(user) = users.first() else {
        return Ok(());
    };
    Err(Error::Conflict(format!(
        "conflict: unable to remove repository reference {name:?} (must force) - container {} is \
         using its referenced image {}",
        short(&user.id),
        short(&image.id.to_string()),
    )))
}

fn conflict(image: &Image, users: &[ImageUse], force: bool, several: bool) -> Result<(), Error> {
    let id = image.id.to_string();
    let fail = |how: &str, why: String| {
        let id = short(&id);
        Err(Error::Conflict(format!("conflict: unable to delete {id} ({how}) - {why}")))
    };
    if let Some(user) = users.iter().find(|user| user.running) {
        let why = format!("image is being used by running container {}", short(&user.id));
        return fail("cannot be forced", why);
    }
    if force {
        return Ok(());
    }
    if several {
        return fail("must be forced", "image is referenced in multiple repositories".to_owned());
    }
    match users.first() {
        Some(user) => {
            let why = format!("image is being used by stopped container {}", short(&user.id));
            fail("must be forced", why)
        }
        None => Ok(()),
    }
}

fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..SHORT_ID).unwrap_or(hex)
}
