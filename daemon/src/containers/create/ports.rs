//! What is wrong with the ports that a request wants published.

use api_spec::container::CreateRequest;

use crate::containers::error::Error;
use crate::networks::wishes;
use crate::spec::{Mode, mode};

/// Refuses ports that can not be; warns of those that mean nothing.
/// `exposed`: whether the client, and not only the image, exposes some.
pub(super) fn check(
    request: &CreateRequest,
    exposed: bool,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let CreateRequest { config, host_config, .. } = request;
    wishes(config, host_config, None).map_err(|error| Error::Invalid(error.to_string()))?;
    let published = host_config.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty());
    let conflict = |what: &str| {
        let text = format!("conflicting options: {what} and the container type network mode");
        Err(Error::Invalid(text))
    };
    match mode(&host_config.network_mode) {
        Mode::Container(_) if published || host_config.publish_all_ports => {
            conflict("port publishing")
        }
        Mode::Container(_) if exposed => conflict("port exposing"),
        Mode::Host if published => {
            warnings.push("Published ports are discarded when using host network mode".to_owned());
            Ok(())
        }
        _ => Ok(()),
    }
}
