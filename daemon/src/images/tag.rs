//! Giving an image a further name.

use store::reference::Reference;

use super::{Error, Images};

impl Images {
    /// Gives the image `name` the tag `repository:tag`.
    pub(crate) async fn tag(&self, name: &str, repository: &str, tag: &str) -> Result<(), Error> {
        let reference = target(repository, tag)?;
        let name = name.to_owned();
        self.blocking(move |images| {
            let image = images.resolve(&name)?;
            images.store.images().tag(&image.id, &reference)?;
            images.tell("tag", &image.id.to_string(), &reference.familiar(), Some(&image));
            Ok(())
        })
        .await
    }
}

/// The reference to give, `latest` without a tag.
pub(super) fn target(repository: &str, tag: &str) -> Result<Reference, Error> {
    let named = Reference::parse_normalized(repository)?;
    let reference = if tag.is_empty() { named } else { with_tag(&named, tag)? };
    if reference.digest().is_some() {
        return Err(Error::Invalid("cannot import digest reference".to_owned()));
    }
    if reference.familiar_name() == "sha256" {
        let text = "refusing to create an ambiguous tag using digest algorithm as name";
        return Err(Error::Invalid(text.to_owned()));
    }
    Ok(reference)
}

/// The reference with another tag, in dockerd's words when the tag is malformed.
pub(crate) fn with_tag(reference: &Reference, tag: &str) -> Result<Reference, Error> {
    reference.with_tag(tag).map_err(|_| Error::Invalid("invalid tag format".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_are_refused() {
        let text = |repository: &str, tag: &str| target(repository, tag).unwrap_err().to_string();
        assert_eq!(target("x", "").unwrap().familiar(), "x:latest");
        assert_eq!(target("localhost:5/x", "y").unwrap().familiar(), "localhost:5/x:y");
        assert_eq!(text("x", "b ad"), "invalid tag format");
        assert_eq!(
            text("sha256:abc", ""),
            "refusing to create an ambiguous tag using digest algorithm as name"
        );
        assert_eq!(text("foo bar", ""), "invalid reference format");
    }
}
