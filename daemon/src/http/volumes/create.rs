//! `POST /volumes/create` (1.21): makes a volume, or finds the one of this name.

use api_spec::gojson;
use api_spec::volume::CreateRequest;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::{blocking, shown};
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Json;
use crate::http::reply;
use crate::volumes::Wanted;

pub(crate) async fn handle(
    State(app): State<App>,
    Json(body): Json<Value>,
) -> Result<Response, Error> {
    let request: CreateRequest = gojson::from_value(body.unwrap_or_default())
        .map_err(|error| Error::bad_request(format!("invalid JSON: {error}")))?;
    if request.cluster_volume_spec.is_some() {
        return Err(Error::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node \
             to swarm and try again.",
        ));
    }
    let wanted = Wanted {
        name: request.name,
        driver: request.driver,
        options: request.driver_opts.filter(|options| !options.is_empty()),
        labels: request.labels,
    };
    let volume = blocking(&app, move |volumes| volumes.create(wanted)).await?;
    Ok(reply::json(StatusCode::CREATED, &shown(&app.volumes, &volume)))
}
