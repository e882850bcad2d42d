//! `GET /distribution/{name}/json`: what a registry has under a name.

use api_spec::image::{Descriptor, Distribution, Platform};
use store::distribution::{self, Described};
use store::reference::Reference;
use store::registry::Credentials;

use super::list::bytes;
use super::{Error, Images};

impl Images {
    /// Asks the registry; nothing is pulled.
    pub(crate) async fn distribution(
        &self,
        name: &str,
        credentials: Option<Credentials>,
    ) -> Result<Distribution, Error> {
        let reference = Reference::parse_normalized(name)?;
        let described = distribution::describe(&self.registries, &reference, credentials).await;
        let Described { descriptor, platforms } =
            described.map_err(|error| Error::Distribution(Box::new(error)))?;
        Ok(Distribution {
            descriptor: Descriptor {
                media_type: descriptor.media_type,
                digest: descriptor.digest.to_string(),
                size: bytes(descriptor.size),
            },
            platforms: (platforms.into_iter())
                .map(|platform| Platform {
                    architecture: platform.architecture,
                    os: platform.os,
                    variant: platform.variant,
                })
                .collect(),
        })
    }
}
