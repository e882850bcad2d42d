//! Networks that are nothing but a configuration, and those that take theirs from one. The texts are dockerd's.

use std::borrow::Cow;
use std::sync::Arc;

use api_spec::network::{Ipam, NetworkCreate};

use super::record::IPAM_DRIVER;
use super::{Error, Network};

/// The request, with what the network says that it takes its configuration from.
pub(super) fn resolve<'r>(
    request: &'r NetworkCreate,
    others: &[Arc<Network>],
) -> Result<Cow<'r, NetworkCreate>, Error> {
    let forbidden = |why: &str| Err(Error::Forbidden(why.to_owned()));
    let operated = request.ingress || request.internal || request.attachable;
    if request.config_only && (operated || !request.scope.is_empty()) {
        return forbidden(
            "configuration network can only contain network specific fields. Network operator fields like [ ingress | \
             internal | attachable | scope ] are not supported.",
        );
    }
    let Some(from) = wanted(request) else { return Ok(Cow::Borrowed(request)) };
    if request.config_only {
        return forbidden("a configuration network cannot depend on another configuration network");
    }
    if says_something(request) {
        return forbidden(
            "user specified configurations are not supported if the network depends on a configuration network",
        );
    }
    if request.options.as_ref().is_some_and(|options| !options.is_empty()) {
        return forbidden(
            "network driver options are not supported if the network depends on a configuration network",
        );
    }
    let source = others.iter().find(|other| other.config_only && other.name == from);
    let source = source.ok_or_else(|| Error::NoConfiguration(from.to_owned()))?;
    Ok(Cow::Owned(NetworkCreate {
        enable_ipv6: Some(source.ipv6),
        ipam: Some(source.ipam.clone()),
        options: Some(source.options.clone()),
        labels: Some(source.labels.clone()),
        ..request.clone()
    }))
}

/// The name of the network that the configuration comes from.
pub(super) fn wanted(request: &NetworkCreate) -> Option<&str> {
    let from = request.config_from.as_ref()?;
    Some(from.network.as_str()).filter(|name| !name.is_empty())
}

/// Whether a request says what it wants to have from elsewhere.
fn says_something(request: &NetworkCreate) -> bool {
    let filled = |ipam: &Ipam| {
        !matches!(ipam.driver.as_str(), "" | IPAM_DRIVER)
            || ipam.options.as_ref().is_some_and(|options| !options.is_empty())
            || ipam.config.as_ref().is_some_and(|config| !config.is_empty())
    };
    request.enable_ipv6 == Some(true)
        || request.labels.as_ref().is_some_and(|labels| !labels.is_empty())
        || request.ipam.as_ref().is_some_and(filled)
}
