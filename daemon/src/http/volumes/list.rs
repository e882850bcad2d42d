//! `GET /volumes` (1.21): the volumes, by name.

use api_spec::volume::List;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{blocking, shown};
use crate::app::App;
use crate::http::error::Error;
use crate::http::extract::Query;
use crate::http::reply;
use crate::volumes::Selection;

pub(crate) async fn handle(State(app): State<App>, query: Query) -> Result<Response, Error> {
    let selection = query
        .filters()
        .map_err(|error| Error::bad_request(format!("error reading volume filters: {error}")))
        .and_then(|filters| Ok(Selection::of_list(filters)?))?;
    let volumes = blocking(&app, move |volumes| Ok(volumes.list(&selection))).await?;
    let volumes = volumes.iter().map(|volume| shown(&app.volumes, volume)).collect();
    Ok(reply::json(StatusCode::OK, &List { volumes, warnings: None }))
}
