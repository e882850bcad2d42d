//! GET /containers/json, since 1.0.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::containers::Selection;
use crate::http::error::Error;
use crate::http::extract::Query;
use crate::http::reply;

pub(crate) async fn handle(State(app): State<App>, query: Query) -> Result<Response, Error> {
    let selection = Selection {
        all: query.flag("all"),
        limit: usize::try_from(query.number::<i64>("limit")?.unwrap_or(0)).unwrap_or(0),
        size: query.flag("size"),
        filters: query.filters()?,
    };
    let list = app.containers.list(&selection)?;
    Ok(reply::json(StatusCode::OK, &list))
}
