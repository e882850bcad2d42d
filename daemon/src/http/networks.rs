//! Endpoints under /networks: one a file.

pub(crate) mod connect;
pub(crate) mod create;
pub(crate) mod disconnect;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod prune;
pub(crate) mod remove;

use api_spec::gojson;
use api_spec::network::ConfigReference;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Api;
use crate::networks::{self, Network, Networks};

/// Since this API version it is told that a network has IPv4.
const TELLS_IPV4_SINCE: u32 = 47;

/// A network as the API shows it, without its containers.
fn shown(network: &Network, api: Api) -> api_spec::network::Network {
    api_spec::network::Network {
        name: network.name.clone(),
        id: network.id.clone(),
        created: network.created.clone(),
        scope: network.scope.clone(),
        driver: network.driver.name().to_owned(),
        enable_ipv4: api.since(TELLS_IPV4_SINCE).then_some(true),
        enable_ipv6: network.ipv6,
        ipam: network.ipam.clone(),
        internal: network.internal,
        attachable: network.attachable,
        config_only: network.config_only,
        config_from: ConfigReference { network: network.config_from.clone() },
        options: network.options.clone(),
        labels: network.labels.clone(),
        ..api_spec::network::Network::default()
    }
}

/// Reads a body as Docker's clients write it.
fn read<T: DeserializeOwned>(body: Option<Value>) -> Result<T, Error> {
    gojson::from_value(body.unwrap_or_else(|| Value::Object(serde_json::Map::new())))
        .map_err(|error| Error::bad_request(format!("invalid JSON: {error}")))
}

/// Runs a step that waits for the kernel or the disk off the task threads.
async fn blocking<T: Send + 'static>(
    app: &App,
    step: impl FnOnce(&Networks) -> Result<T, networks::Error> + Send + 'static,
) -> Result<T, Error> {
    let networks = app.networks.clone();
    let done = tokio::task::spawn_blocking(move || step(&networks)).await;
    Ok(done.map_err(Error::internal)??)
}
